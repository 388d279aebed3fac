"""Settings without a class: layers of tables, asked by path."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import attrs

from infra_config import coerce, paths
from infra_config._explain import ABSENT, explain, found_in, masked
from infra_config._job import Job, Leaf, Node
from infra_config.binder import Plan, places, plan_of
from infra_config.errors import BadPath
from infra_config.load import load_plan, merge
from infra_config.rules import Range, Rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra_config.config import Explanation, Layer
    from infra_config.paths import Parts
    from infra_config.sources import Shape, Source

__all__ = ["Config", "ConfigBuilder", "Required"]

T = TypeVar("T")


@attrs.frozen
class Required:
    """A value that some source gives, and that is not null: a rule for the builder."""

    def check(self, value: object, /) -> str | None:
        """Return what is wrong with the value, or None."""
        return "required, and null" if value is None else None


class ConfigBuilder:
    """Collects sources and rules; `build` reads them. It may build more than once."""

    def __init__(self) -> None:
        self._sources: list[tuple[int, Source]] = []
        self._rules: list[tuple[Parts, tuple[Rule, ...]]] = []

    def add(self, source: Source, *, priority: int = 0) -> Self:
        """Add a source: the higher priority wins, of equal ones the later added."""
        self._sources.append((priority, source))
        return self

    def rule(self, path: str, *rules: Rule) -> Self:
        """
        Ask rules about the value at a path, if there is one; Required also if there is none.

        A variable's text is a number to a Range. Raises BadPath for what is no path.
        """
        self._rules.append((paths.parse(path), rules))
        return self

    def build(self) -> Config:
        """
        Read all sources, once each, and ask all rules.

        Raises ConfigLoadError with every mistake, MissingFile and UnreadableFile for a file.
        """
        ordered = sorted(self._sources, key=lambda entry: entry[0])
        layers = [layer for _, source in ordered for layer in source.read(None)]
        job = Job(layers, (), strict=True)
        table: dict[str, Node] = {}
        for layer in layers:
            merge(table, layer.data, layer, (), job)
        for path, rules in self._rules:
            _ask(path, rules, _node_at(table, path), job)
        job.raise_violations("Config")
        return Config(tuple(attrs.evolve(layer, data=_frozen(layer.data)) for layer in layers))


@attrs.frozen(repr=False, eq=False)
class Config:
    """
    Layers of tables as one, asked by dot paths: `server.port`. It and its values never change.

    A variable is text here, and its name in lower case; `bind` reads it as the class says.
    """

    _layers: tuple[Layer, ...]
    _table: Mapping[str, Any] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        nodes: dict[str, Node] = {}
        job = Job([], (), strict=True)
        for layer in self._layers:
            merge(nodes, layer.data, layer, (), job)
        object.__setattr__(self, "_table", _frozen(_values(nodes)))

    @classmethod
    def builder(cls) -> ConfigBuilder:
        """Return a builder without sources."""
        return ConfigBuilder()

    def get(self, path: str, default: Any = None) -> Any:
        """Return the value at a path, a table as a read-only mapping, a list as a tuple."""
        found = found_in(self._table, paths.parse(path))
        return default if found is ABSENT else found

    def require(self, path: str) -> Any:
        """Return the value at a path; raises BadPath, with the sources tried, if there is none."""
        found = found_in(self._table, paths.parse(path))
        if found is ABSENT:
            tried = ", ".join(layer.source for layer in self._layers) or "no source"
            message = f"{path} is not given by {tried}"
            raise BadPath(message)
        return found

    def has(self, path: str) -> bool:
        """Whether there is a value at a path; null is one."""
        return found_in(self._table, paths.parse(path)) is not ABSENT

    def section(self, path: str) -> Config:
        """Return the table at a path as a Config; raises BadPath if there is none."""
        if not isinstance(self.require(path), Mapping):
            message = f"{path} is a value, and no table"
            raise BadPath(message)
        base = paths.parse(path)
        return Config(tuple(_below(layer, base) for layer in self._layers))

    def bind(self, cls: type[T], *, strict: bool = True) -> T:
        """
        Return an object of a settings class.

        Raises what `load` raises, but reads nothing again: a class's own variables (`env=`) and the
        files that `X_FILE` names are for `load`.
        """
        plan = plan_of(cls)
        value: T = load_plan(plan, plan, [_Read(self._layers)], strict=strict).value
        return value

    def explain(self, path: str) -> Explanation:
        """Return where the value at a path is from; raises BadPath if there is none."""
        return explain(_ANY, self._layers, self._table, path)

    def to_dict(self, *, redacted: bool = True) -> dict[str, Any]:
        """Return all as a table of one's own, with what is named like a secret masked."""
        if redacted:
            return {key: masked(_ANY, (key,), value) for key, value in self._table.items()}
        return {key: _thawed(value) for key, value in self._table.items()}

    def __repr__(self) -> str:
        return f"Config({', '.join(layer.source for layer in self._layers)})"


_ANY = Plan(Config, {})


@attrs.frozen
class _Read:
    """Layers that are already read, as a source."""

    layers: tuple[Layer, ...]
    name = "config"

    def read(self, shape: Shape | None, /) -> Sequence[Layer]:
        return self.layers


def _ask(path: Parts, rules: Sequence[Rule], node: Node | None, job: Job) -> None:
    """Add the violations of the rules about one path."""
    if node is None:
        if any(isinstance(rule, Required) for rule in rules):
            job.missing(path, tuple(places(path, job)))
        return
    for rule in rules:
        value = _values(node)
        try:
            if isinstance(rule, Range) and isinstance(node, Leaf) and node.layer.text:
                value = _number(value)
            wrong = rule.check(value)
        except coerce.Refused:
            job.expected("a number", path, node)
        except Exception as exc:  # noqa: BLE001 - a rule of one's own may raise anything: said as a violation
            job.raised(path, exc, "rule", node)
        else:
            if wrong is not None:
                job.refuse(path, wrong, "rule", origin=job.origin(path, node))


def _number(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = value.strip()
    try:
        return coerce.FROM_TEXT[int](text)
    except coerce.Refused:
        return coerce.FROM_TEXT[float](text)


def _node_at(table: Node, path: Parts) -> Node | None:
    node: Node | None = table
    for index, part in enumerate(path):
        if isinstance(node, Leaf):
            found = found_in(node.value, path[index:])
            return None if found is ABSENT else Leaf(found, node.layer)
        node = node.get(str(part)) if node is not None else None
    return node


def _below(layer: Layer, base: Parts) -> Layer:
    data = found_in(layer.data, base)
    return attrs.evolve(
        layer,
        data=data if isinstance(data, Mapping) else {},
        origin=lambda path: layer.origin((*base, *path)),
    )


def _values(node: Node) -> Any:
    if isinstance(node, Leaf):
        return node.value
    return {key: _values(below) for key, below in node.items()}


def _frozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return MappingProxyType({key: _frozen(item) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return tuple(_frozen(item) for item in value)
    return frozenset(value) if isinstance(value, set) else value


def _thawed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _thawed(item) for key, item in value.items()}
    return [_thawed(item) for item in value] if isinstance(value, tuple) else value
