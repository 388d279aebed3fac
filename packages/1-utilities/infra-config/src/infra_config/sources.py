"""Where settings come from: the role of a source, files, and tables given in code."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from infra_config import _locate, coerce, paths
from infra_config.config import Layer, Origin
from infra_config.errors import BadSource, MissingFile, UnreadableFile
from infra_errors import Violation

if TYPE_CHECKING:
    from infra_config.paths import Parts

__all__ = ["FileSource", "MemorySource", "Shape", "Source", "read_text"]

_MAX_BYTES = 1024 * 1024


class Shape(Protocol):
    """What a source may ask about the class to bind."""

    def knows(self, path: Parts, /) -> bool:
        """Whether a setting, or a table of settings, has this path."""

    def is_secret(self, path: Parts, /) -> bool:
        """Whether the setting at a path is a secret."""

    def names(self) -> Sequence[str]:
        """Return the dot path of each setting and each table of settings."""

    def aliases(self) -> Iterable[tuple[Parts, tuple[str, ...]]]:
        """Return each path that further variables supply, with these."""

    def spelled(self, path: tuple[str, ...], /) -> tuple[str, ...]:
        """Return a path in lower case as the class spells it."""


class Source(Protocol):
    """One place that settings come from; read once a load, in the order given."""

    @property
    def name(self) -> str:
        """What it is called in messages."""

    def read(self, shape: Shape | None, /) -> Sequence[Layer]:
        """
        Return what it holds, one layer as a rule.

        Args:
            shape: the class to bind; None where there is none.
        """


class FileSource:
    """
    A TOML or JSON file: UTF-8, at most 1 MiB, at most 64 levels deep.

    Args:
        path: the file, relative to the working folder of the moment it is read.
        format: what it is written in; the extension says it when None.
        optional: a file that is not there has no settings. One that cannot be read is an error
            all the same.
        section: the dot path of the one table in it that is ours: `tool.app`.

    Raises BadSource for a format or extension that is not supported, BadPath for a section that
    is no path.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        format: Literal["json", "toml"] | None = None,
        optional: bool = False,
        section: str | None = None,
    ) -> None:
        self.name = os.fspath(path)
        self._format = format or Path(self.name).suffix.removeprefix(".").lower()
        self._optional = optional
        self._section = () if section is None else paths.parse(section)
        if self._format not in _PARSERS:
            message = (
                f"{self.name}: the format {self._format or 'of a file without extension'} is not "
                f"supported, supported are {', '.join(_PARSERS)}"
            )
            raise BadSource(message)

    def read(self, shape: Shape | None, /) -> Sequence[Layer]:
        """
        Return the file's table.

        Raises MissingFile if it is not there and not optional, UnreadableFile if it cannot be read.
        """
        try:
            raw = _bytes_of(Path(self.name))
        except (FileNotFoundError, NotADirectoryError) as exc:
            if self._optional:
                return [self._layer("", {})]
            message = f"{self.name} is not there: make it, or say optional=True"
            raise MissingFile(message, path=str(Path(self.name).absolute())) from exc
        except OSError as exc:
            message = f"{self.name} cannot be read: {exc.strerror}"
            raise UnreadableFile(message, path=str(Path(self.name).absolute())) from exc
        return [self._parsed(raw)]

    def __repr__(self) -> str:
        return f"FileSource({self.name!r})"

    def _parsed(self, raw: bytes) -> Layer:
        if len(raw) > _MAX_BYTES:
            return self._broken("longer than 1 MiB")
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError as exc:
            return self._broken(f"not UTF-8 at byte {exc.start}")
        parsed = _PARSERS[self._format](text)
        if isinstance(parsed, _Problem):
            return self._broken(*parsed)
        if _deeper(parsed, coerce.MAX_DEPTH):
            return self._broken(f"nested deeper than {coerce.MAX_DEPTH} levels")
        table = parsed
        for part in self._section:
            table = table.get(part, {}) if isinstance(table, dict) else table
        if not isinstance(table, dict):
            where = paths.render(self._section) or "the file"
            return self._broken(f"{where} is not a table")
        return self._layer(text, table)

    def _broken(self, why: str, line: int | None = None, column: int | None = None) -> Layer:
        place = self.name if line is None else str(Origin(self.name, "", line, column))
        return self._layer("", {}, Violation("", why, "syntax", place))

    def _layer(self, text: str, table: dict[str, Any], *violations: Violation) -> Layer:
        def origin(path: Parts) -> Origin:
            whole = (*self._section, *path)
            place = _locate.locate(text, self._format, whole) if text else None
            return Origin(self.name, paths.render(whole), *(place or (None, None)))

        return Layer(source=self.name, data=table, text=False, origin=origin, violations=violations)


class MemorySource:
    """
    A table given in code: names and native values, copied at once.

    Args:
        data: tables of tables, lists and values; a value may already be of the setting's type.
        name: what it is called in messages.

    Raises BadSource for a name that is not text.
    """

    def __init__(self, data: Mapping[str, object], *, name: str = "memory") -> None:
        self.name = name
        self._data = _copied(data, name)

    def read(self, shape: Shape | None, /) -> Sequence[Layer]:
        """Return the table."""
        return [
            Layer(
                source=self.name,
                data=_copied(self._data, self.name),
                text=False,
                origin=lambda path: Origin(self.name, paths.render(path)),
            )
        ]

    def __repr__(self) -> str:
        return f"MemorySource(name={self.name!r})"


class _Problem(tuple[str, int, int]):
    """What is wrong with a file, and its line and column."""

    __slots__ = ()


def read_text(path: Path, limit: int) -> str | None:
    """Return a file's UTF-8 text; None if it is longer than `limit` bytes or not UTF-8."""
    raw = _bytes_of(path, limit)
    try:
        return raw.decode() if len(raw) <= limit else None
    except UnicodeDecodeError:
        return None


def _bytes_of(path: Path, limit: int = _MAX_BYTES) -> bytes:
    with path.open("rb") as stream:
        return stream.read(limit + 1)


def _toml(text: str) -> Any:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        why, _, place = str(exc).rpartition(" (at ")
        numbers = [int(number) for number in re.findall(r"[0-9]+", place)]
        line, column = numbers if len(numbers) == 2 else _end(text)
        return _Problem((f"not TOML: {why}", line, column))
    except (ValueError, RecursionError):
        return _Problem(("not TOML: a number too long, or nested too deeply", 1, 1))


def _json(text: str) -> Any:
    try:
        return coerce.parse_json(text)
    except json.JSONDecodeError as exc:
        return _Problem((f"not JSON: {exc.msg}", exc.lineno, exc.colno))
    except RecursionError:
        return _Problem((f"nested deeper than {coerce.MAX_DEPTH} levels", 1, 1))
    except ValueError as exc:
        return _Problem((f"not strict JSON: {exc}", 1, 1))


def _end(text: str) -> tuple[int, int]:
    return text.count("\n") + 1, len(text) - text.rfind("\n")


def _deeper(value: object, limit: int) -> bool:
    """Whether tables and lists are nested more than `limit` deep; without recursion."""
    level = [value]
    for _ in range(limit + 1):
        level = [
            inner
            for item in level
            if isinstance(item, dict | list)
            for inner in (item.values() if isinstance(item, dict) else item)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def _copied(data: Mapping[str, object], name: str) -> dict[str, Any]:
    for key in data:
        if not isinstance(key, str):
            message = f"{name}: a name is of type {type(key).__name__}, and has to be a str"
            raise BadSource(message)
    return {key: _copied_value(value, name) for key, value in data.items()}


def _copied_value(value: object, name: str) -> object:
    if isinstance(value, Mapping):
        return _copied(value, name)
    if type(value) in {list, tuple, set, frozenset}:
        assert isinstance(value, list | tuple | set | frozenset)
        return type(value)(_copied_value(item, name) for item in value)
    return value


_PARSERS: dict[str, Callable[[str], Any]] = {"toml": _toml, "json": _json}
