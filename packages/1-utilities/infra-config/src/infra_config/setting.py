"""How a setting is declared: a field with its names, its meaning and its unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import attrs

from infra_config.errors import BadSetting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Seconds", "Size", "Unit", "setting"]


@attrs.frozen
class Unit:
    """What a number counts: `s` seconds, `B` bytes."""

    symbol: str


Seconds = Annotated[float, Unit("s")]
"""A float of seconds that also reads `30s`, `5m`, `1h30m`, `250ms`, `2d`, `1w` and `PT5M`."""

Size = Annotated[int, Unit("B")]
"""An int of bytes that also reads `10MiB`, `10MB` and `512k`."""


def setting(
    default: object = attrs.NOTHING,
    *,
    factory: Callable[[], object] | None = None,
    env: str | Sequence[str] = (),
    help: str = "",
    unit: str = "",
    secret: bool | None = None,
) -> Any:
    """
    Declare a setting: a field of an attrs class.

    Args:
        default: its value when no source gives one; without it and `factory` it is required.
        factory: makes the default, where it is a list or a table.
        env: further variables that supply it, as they stand (no prefix), in order.
        help: its meaning in one line.
        unit: `s` reads a float as Seconds, `B` an int as Size; any other is for the reader.
        secret: never to be shown, and readable from the file named by `X_FILE`. Needless for a
            Secret or a SecretUrl.

    The same works in any attrs or dataclass field as metadata: `metadata={"env": ..., "unit":
    "s"}`; `metadata={"bind": False}` leaves a field to the code.

    Raises BadSetting for a default and a factory at once.
    """
    if factory is not None and default is not attrs.NOTHING:
        message = "a setting has a default or a factory, not both"
        raise BadSetting(message)
    return attrs.field(
        default=default if factory is None else attrs.Factory(factory),
        repr=_masked if secret else True,
        metadata={
            "env": (env,) if isinstance(env, str) else tuple(env),
            "help": help,
            "unit": unit,
            "secret": secret,
        },
    )


def _masked(_: object) -> str:
    return "'***'"
