"""Read settings: every source once, one object, or one error with every mistake."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

from infra_config import paths
from infra_config._explain import explain, redacted
from infra_config._job import Job, Leaf, Node
from infra_config.binder import Plan, plan_of
from infra_config.coerce import table_of_text
from infra_config.env import EnvSource
from infra_config.errors import BadPath
from infra_config.sources import FileSource, MemorySource, Shape, Source
from infra_errors import Violation

if TYPE_CHECKING:
    import os

    from infra_config._kinds import Kind
    from infra_config.config import Explanation, Layer
    from infra_config.paths import Parts

__all__ = ["Loaded", "load", "load_plan", "load_with_env", "merge"]

T = TypeVar("T")


def load(
    cls: type[T],
    *sources: Source,
    strict: bool = True,
    overrides: Mapping[str, object] | Iterable[str] = (),
) -> Loaded[T]:
    """
    Read a settings class from sources, of which a later one wins.

    Tables merge name by name; a list and a value replace what is below them.

    Args:
        cls: an attrs class, a dataclass or a TypedDict.
        sources: files, the environment, tables; none is read before this call.
        strict: a name that the class does not know, and a table over a value, is a mistake; else
            a warning in the log `infra_config`.
        overrides: what wins over all sources: dot paths with their values, or texts like
            `server.port=80`.

    Returns:
        The object, and where each of its values came from.

    Raises:
        ConfigLoadError: with every mistake at once.
        MissingFile, UnreadableFile: for a file of the sources.
        BadSetting: for a class that cannot be read.
    """
    plan = plan_of(cls)
    return load_plan(plan, plan, sources, strict=strict, overrides=overrides)


def load_plan(
    plan: Plan,
    shape: Shape,
    sources: Iterable[Source],
    *,
    strict: bool = True,
    overrides: Mapping[str, object] | Iterable[str] = (),
) -> Loaded[Any]:
    """Do what `load` does for a plan, of which the sources see the shape."""
    read = [layer for source in sources for layer in source.read(shape)]
    if overrides:
        read.append(_override_layer(overrides))
    layers = [_with_tables(layer, plan) for layer in read]
    job = Job(layers, plan.names(), strict=strict)
    table: dict[str, Node] = {}
    for layer in layers:
        merge(table, layer.data, layer, (), job)
    value = plan.bind(table, (), job)
    job.raise_violations(plan.name)
    return Loaded(value, plan, tuple(layers))


def load_with_env(
    path: str | os.PathLike[str] | None,
    prefix: str,
    into: type[T],
    *,
    strict: bool = True,
    environ: Mapping[str, str] | None = None,
) -> T:
    """
    Read a settings class from a file, if there is one to read, and from the environment over it.

    Args:
        path: a file that has to be there; None for the environment alone.
        prefix: what our variables begin with.
        into: an attrs class, a dataclass or a TypedDict.
        strict: as in `load`.
        environ: the variables; those of the process when None.

    Returns:
        The object. `load` also tells where its values came from.

    Raises what `load` raises, and BadSource for a file in another format.
    """
    files = [] if path is None else [FileSource(path)]
    return load(into, *files, EnvSource(prefix, environ=environ), strict=strict).value


@attrs.frozen(repr=False, eq=False)
class Loaded(Generic[T]):
    """
    A settings object, and where its values came from.

    Args:
        value: the object. It knows nothing of its sources.
    """

    value: T
    _plan: Plan
    _layers: tuple[Layer, ...]

    def explain(self, path: str) -> Explanation:
        """
        Return why a setting has its value: each source that gave one, the winner first.

        Raises BadPath for a path that leads to no setting.
        """
        return explain(self._plan, self._layers, self.value, path)

    def redacted(self) -> dict[str, Any]:
        """Return all settings as a table of plain values, with secrets masked: for a log."""
        return redacted(self._plan, self.value)

    def __repr__(self) -> str:
        return f"Loaded({self._plan.name})"


def _with_tables(layer: Layer, plan: Plan) -> Layer:
    """Return the layer with its texts read as tables where the class has a table."""
    return attrs.evolve(layer, data=_tables(layer.data, plan)) if layer.text else layer


def _tables(data: Mapping[str, Any], above: Kind | None) -> dict[str, Any]:
    tables: dict[str, Any] = {}
    for key, value in data.items():
        kind = above.child(key) if above else None
        if isinstance(value, str) and kind and kind.table:
            table = table_of_text(value)
            tables[key] = value if table is None else table
        else:
            tables[key] = _tables(value, kind) if isinstance(value, Mapping) else value
    return tables


def merge(
    into: dict[str, Node],
    data: Mapping[str, Any],
    layer: Layer,
    path: Parts,
    job: Job,
) -> None:
    """Lay a table over what is there."""
    for key, value in data.items():
        here = (*path, key)
        below = into.get(key)
        if isinstance(value, Mapping):
            if not isinstance(below, dict):
                _doubt_change(below, "a value", "a table", layer, here, job)
                below = into[key] = {}
            merge(below, value, layer, here, job)
        else:
            if isinstance(below, dict) and value is not None:
                _doubt_change(below, "a table", "a value", layer, here, job)
            into[key] = Leaf(value, layer)


def _doubt_change(
    below: Node | None, was: str, now: str, layer: Layer, path: Parts, job: Job
) -> None:
    """Say that a table hides a value or the reverse; null is hidden, and hides, silently."""
    if below is None or (isinstance(below, Leaf) and below.value is None):
        return
    place = job.origin(path, below) or "several places"
    message = f"{now} over {was}, which is at {place}"
    job.doubt(path, message, "conflict", origin=layer.origin(path))


def _override_layer(overrides: Mapping[str, object] | Iterable[str]) -> Layer:
    """Return the layer of dot paths and their values."""
    pairs: Iterable[tuple[str, object]]
    if isinstance(overrides, Mapping):
        pairs = overrides.items()
    else:
        texts = [text.partition("=") for text in overrides]
        # without the sign it is no name: a value may have been meant
        pairs = [(name.strip() if sign else "", value) for name, sign, value in texts]
    violations: list[Violation] = []
    table: dict[str, Any] = {}
    for index, (name, value) in enumerate(pairs):
        if not _place(table, name, value):
            message = f"override {index + 1} is not like server.port=80"
            violations.append(Violation("", message, "override", "overrides"))
    (layer,) = MemorySource(table, name="override").read(None)
    return attrs.evolve(layer, text=True, violations=tuple(violations))


def _place(table: dict[str, Any], name: str, value: object) -> bool:
    """Put a value at a dot path; False if there is no such place."""
    try:
        *above, last = paths.parse(name)
    except BadPath:
        return False
    for part in above:
        table = table.setdefault(str(part), {})
        if not isinstance(table, dict):
            return False
    if isinstance(last, int):
        return False
    table[last] = value
    return True
