"""The settings of all installed packages that list theirs, read at once."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import attrs

from infra_config._kinds import OptionalKind
from infra_config.binder import Field, Plan, plan_of
from infra_config.env import EnvSource
from infra_config.envtable import EnvVar, env_table
from infra_config.errors import BadSetting, ConfigLoadError
from infra_config.load import load_plan
from infra_errors import ConfigError, ValidationError, Violation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from importlib.metadata import EntryPoint

    from infra_config.paths import Parts
    from infra_config.sources import Source

__all__ = ["InfrastructureConfig", "InfrastructureSettings", "listed_parts", "part_tables"]

_GROUP = "infra_config.settings"


@attrs.frozen(init=False, repr=False)
class InfrastructureSettings:
    """
    The settings of each installed package that lists a class under `infra_config.settings`.

    A part is an attribute, named like its entry point: `settings.database`. It is None if nothing
    of it is given and it cannot do without.
    """

    _parts: Mapping[str, Any]

    def __init__(self, **parts: Any) -> None:
        self.__attrs_init__(MappingProxyType(parts))

    @classmethod
    def load(cls, *sources: Source) -> InfrastructureSettings:
        """
        Read all parts; the environment is the source if none is given.

        In a file, a part is a table of its name. A class with a `from_env(environ)` of its own is
        made by that, from the variables of the last EnvSource.

        Raises:
            ConfigLoadError: with the mistakes of all parts.
            BadSetting: for a listed class that cannot be imported or read, and for two classes
                that mean different things by one variable.
        """
        sources = sources or (EnvSource(),)
        classes = listed_parts()
        _refuse_clashes(classes)
        own = {name: part for name, part in classes.items() if hasattr(part, "from_env")}
        plan = _plan({name: part for name, part in classes.items() if name not in own})
        violations: list[Violation] = []
        parts: dict[str, Any] = {}
        try:
            parts.update(load_plan(plan, _Shape(plan), sources).value._parts)
        except ConfigLoadError as exc:
            violations += exc.violations
        for name, part in own.items():
            try:
                parts[name] = part.from_env(_environ(sources))
            except (ConfigError, ValidationError) as exc:
                violations += _violations_of(name, exc)
        if violations:
            raise _error(violations)
        return cls(**{name: parts.get(name) for name in classes})

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self._parts:
            return self._parts[name]
        # a copy in the making has no parts yet
        known = "" if name.startswith("_") else ", ".join(self._parts) or "none"
        message = f"no part {name} is installed, installed are: {known}" if known else name
        raise AttributeError(message)

    def __repr__(self) -> str:
        return f"InfrastructureSettings({', '.join(self._parts)})"


InfrastructureConfig = InfrastructureSettings


def listed_parts() -> dict[str, type[Any]]:
    """
    Return the listed settings classes by the names of their parts, in the order of the names.

    Raises BadSetting for one that cannot be imported, with its cause, and for a name listed twice.
    """
    # 12 ms that a program with a class of its own need not wait for
    from importlib.metadata import entry_points

    parts: dict[str, type[Any]] = {}
    for entry in sorted(set(entry_points(group=_GROUP)), key=lambda entry: entry.name):
        if entry.name in parts:
            message = f"two packages list the settings {entry.name}: uninstall one"
            raise BadSetting(message)
        parts[entry.name] = _class_of(entry)
    return parts


def part_tables() -> dict[str, list[EnvVar]]:
    """
    Return the variables of each listed part; of one with its own `from_env`, there are none.

    Raises BadSetting as `listed_parts` does, and for two parts that disagree about a variable.
    """
    classes = listed_parts()
    _refuse_clashes(classes)
    return {name: _table_of(part) for name, part in classes.items()}


class _Shape(Plan):
    """The plan as sources see it: the variable `DATABASE` is somebody else's, and no part."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan.cls, plan.fields)

    def knows(self, path: Parts) -> bool:
        return len(path) > 1 and super().knows(path)


def _plan(classes: Mapping[str, type[Any]]) -> Plan:
    return Plan(InfrastructureSettings, {name: _field(name, classes[name]) for name in classes})


def _field(name: str, cls: type[Any]) -> Field:
    plan = plan_of(cls)
    needs = any(row.required for row in env_table(cls))
    return Field(
        key=name,
        attribute=name,
        kind=OptionalKind(plan) if needs else plan,
        required=not needs,
        default=(lambda: None) if needs else None,
        aliases=(),
        secret=False,
        hidden=False,
        unit="",
        help="",
    )


def _class_of(entry: EntryPoint) -> type[Any]:
    try:
        cls = entry.load()
    except Exception as exc:  # a package at its import may raise anything
        missing = f" {exc.name}" if isinstance(exc, ModuleNotFoundError) and exc.name else ""
        message = (
            f"the settings {entry.name} are listed as {entry.value}, which cannot be imported "
            f"({type(exc).__name__}{missing}): mend or uninstall the package"
        )
        raise BadSetting(message) from exc
    if not isinstance(cls, type):
        message = f"the settings {entry.name} are listed as {entry.value}, which is no class"
        raise BadSetting(message)
    return cls


def _refuse_clashes(classes: Mapping[str, type[Any]]) -> None:
    """Raise BadSetting where two classes mean different things by one variable."""
    seen: dict[str, tuple[str, EnvVar]] = {}
    for name, part in classes.items():
        for row, variable in _names_of(part):
            other, known = seen.setdefault(variable, (name, row))
            if (row.type, row.default, row.unit) != (known.type, known.default, known.unit):
                message = f"{other} and {name} disagree about the variable {variable}"
                raise BadSetting(message)


def _names_of(part: type[Any]) -> Iterator[tuple[EnvVar, str]]:
    """Yield the variables of a class that are no names made of its own fields'."""
    if hasattr(part, "from_env"):
        return
    aliases = {name for _, names in plan_of(part).aliases() for name in names}
    for row in env_table(part):
        for variable in (row.name, *row.others):
            if variable in aliases:
                yield row, variable


def _table_of(part: type[Any]) -> list[EnvVar]:
    return [] if hasattr(part, "from_env") else env_table(part)


def _environ(sources: Sequence[Source]) -> Mapping[str, str]:
    last = [source for source in sources if isinstance(source, EnvSource)][-1:]
    return last[0].environ if last else {}


def _violations_of(part: str, exc: ConfigError | ValidationError) -> list[Violation]:
    if not exc.violations:
        return [Violation(part, exc.message, "class", "env")]
    return [
        Violation(
            f"{part}.{found.path}" if found.path else part,
            found.message,
            found.code,
            found.source,
            found.hint,
        )
        for found in exc.violations
    ]


def _error(violations: list[Violation]) -> ConfigLoadError:
    found = sorted(violations, key=lambda violation: violation.path)
    subject = "1 setting is" if len(found) == 1 else f"{len(found)} settings are"
    return ConfigLoadError(f"{subject} wrong", violations=found)
