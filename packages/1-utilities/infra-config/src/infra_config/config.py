"""Where values come from: a layer is what one source gave, an origin the place of one value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from infra_config._stamp import Stamp
    from infra_config.paths import Parts
    from infra_errors import Violation

__all__ = ["Explanation", "Layer", "Origin"]


@attrs.frozen
class Origin:
    """
    The place of one value.

    Args:
        source: a file's path, `env`, `override`, `default`, or the name of a source.
        location: the variable, or the dot path within the source.
        line, column: of the value in a file, both from 1; None where there is none.
    """

    source: str
    location: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        if self.line is None:
            return f"{self.source} {self.location}".rstrip()
        return f"{self.source}:{self.line}:{self.column}"


@attrs.frozen(kw_only=True)
class Layer:
    """
    What one source gave: a table of values, and who can say where each of them stands.

    Args:
        source: the name of the source.
        data: a table of tables, lists and values. It is not shown by repr.
        text: whether texts in it are to be read as numbers, durations and so on (an environment
            variable), or are texts (a file).
        origin: the place of the value at a path; of a path that is not there, the place where it
            would be given.
        violations: what is wrong with the source itself; what is missing below the path of such
            a violation is not reported as missing again.
        files: the files it was read from, or looked for, as they were.
    """

    source: str
    data: Mapping[str, object] = attrs.field(repr=False)
    text: bool
    origin: Callable[[Parts], Origin] = attrs.field(repr=False)
    violations: tuple[Violation, ...] = ()
    files: tuple[Stamp, ...] = ()


@attrs.frozen
class Explanation:
    """
    Why a setting has its value. Secrets are masked in it, and long texts cut.

    Args:
        path: the dot path asked for.
        value: the value.
        type: the declared type, as text; None inside of a value that is free in its form.
        default: whether no source gave it.
        layers: each place that gave a value with that value, the winner first, the default last.
    """

    path: str
    value: object
    type: str | None
    default: bool
    layers: tuple[tuple[Origin, object], ...]

    def __str__(self) -> str:
        kind = f" ({self.type})" if self.type else ""
        lines = [f"{self.path} = {self.value!r}{kind}"]
        for index, (origin, value) in enumerate(self.layers):
            lines.append(f"  {'over' if index else 'from'} {origin}: {value!r}")
        return "\n".join(lines)
