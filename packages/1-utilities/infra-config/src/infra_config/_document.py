"""The table that a text in one of our formats holds, or what is wrong with it, at which place."""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING, Any

from infra_config import _locate, coerce, paths
from infra_config.config import Layer, Origin
from infra_config.errors import BadSource
from infra_errors import Violation

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra_config._stamp import Stamp
    from infra_config.paths import Parts

__all__ = ["MAX_BYTES", "Document", "check_format"]

MAX_BYTES = 1024 * 1024


def check_format(name: str, format: str) -> None:
    """Raise BadSource for a format that is not supported."""
    if format not in _PARSERS:
        message = (
            f"{name}: the format {format or 'of a file without extension'} is not supported, "
            f"supported are {', '.join(_PARSERS)}"
        )
        raise BadSource(message)


class Document:
    """
    A text in one format, of which one table is ours.

    Args:
        name: what it is called in messages.
        format: one that `check_format` passes.
        section: the path of the table; () is the whole.
        files: the file it is from.
    """

    def __init__(
        self, name: str, format: str, section: Parts = (), files: tuple[Stamp, ...] = ()
    ) -> None:
        self._name = name
        self._format = format
        self._section = section
        self._files = files

    def absent(self) -> Layer:
        """Return the layer of a document that is not there."""
        return self._layer("", {})

    def layer(self, raw: bytes) -> Layer:
        """Return the table of a text, or a layer with what is wrong with it."""
        if len(raw) > MAX_BYTES:
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
        place = self._name if line is None else str(Origin(self._name, "", line, column))
        return self._layer("", {}, Violation("", why, "syntax", place))

    def _layer(self, text: str, table: dict[str, Any], *violations: Violation) -> Layer:
        def origin(path: Parts) -> Origin:
            whole = (*self._section, *path)
            place = _locate.locate(text, self._format, whole) if text else None
            return Origin(self._name, paths.render(whole), *(place or (None, None)))

        return Layer(
            source=self._name,
            data=table,
            text=False,
            origin=origin,
            violations=violations,
            files=self._files,
        )


class _Problem(tuple[str, int, int]):
    """What is wrong with a file, and its line and column."""

    __slots__ = ()


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


def _yaml(text: str) -> Any:
    from infra_errors import import_extra

    import_extra("yaml", package="infra-config", extra="yaml")
    from infra_config import _yaml as reader

    try:
        return reader.parse(text, coerce.MAX_DEPTH)
    except reader.NotYaml as exc:
        return _Problem((exc.why, exc.line, exc.column))


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


_PARSERS: dict[str, Callable[[str], Any]] = {"toml": _toml, "json": _json, "yaml": _yaml}
