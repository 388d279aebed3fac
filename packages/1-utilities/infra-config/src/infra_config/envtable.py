"""What a settings class reads from the environment, as a table for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from infra_config._explain import ABSENT, default_of
from infra_config._plain import text_of
from infra_config.binder import Field, Plan, plan_in, plan_of
from infra_config.paths import Parts, render

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["EnvVar", "env_table"]


@attrs.frozen
class EnvVar:
    """
    One variable.

    Args:
        name: the variable that is read first.
        path: the dot path of the setting it gives.
        type: the declared type, as text.
        default: what would be read without it, as the variable would say it; "" for nothing, for
            None and of a secret.
        unit: what a number counts, "" where nothing is said.
        secret: whether its value is never shown; of a secret, `NAME_FILE` may name a file.
        required: whether a load without it fails, if no other source gives the setting.
        help: its meaning in one line.
        others: the variables that are read when it is unset, in order.
    """

    name: str
    path: str
    type: str
    default: str
    unit: str
    secret: bool
    required: bool
    help: str
    others: tuple[str, ...] = ()


def env_table(cls: type[object], prefix: str = "") -> list[EnvVar]:
    """
    Return the variables of a settings class, in the order of its fields.

    Args:
        cls: an attrs class, a dataclass or a TypedDict.
        prefix: the one that EnvSource is given. Without it a setting's own variables (`env=`) are
            its names.

    Raises BadSetting for a class that cannot be read.
    """
    plan = plan_of(cls)
    return [
        _variable(plan, prefix, path, field)
        for path, field in plan.walk()
        if plan_in(field.kind) is None
    ]


def _variable(plan: Plan, prefix: str, path: Parts, field: Field) -> EnvVar:
    default = ABSENT if field.hidden else default_of(plan, (), path)
    own = prefix + "__".join(str(part) for part in path).upper()
    names = (own, *field.aliases) if prefix or not field.aliases else field.aliases
    return EnvVar(
        name=names[0],
        path=render(path),
        type=field.kind.name,
        default="" if default is ABSENT else text_of(default),
        unit=field.unit,
        secret=field.hidden,
        required=all(above.required for above in _down_to(plan, path)),
        help=field.help,
        others=names[1:],
    )


def _down_to(plan: Plan, path: Parts) -> Iterator[Field]:
    """Yield the setting at a path and the tables above it."""
    for end in range(1, len(path) + 1):
        field = plan.field_at(path[:end])
        if field is not None:
            yield field
