"""Line and column of a value in a text that is known to parse; read when asked."""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING

from infra_config.coerce import MAX_DEPTH
from infra_config.paths import Parts

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["locate"]

_Found = tuple[Parts, int]

_SPACE = re.compile(r"[ \t\r\n]*")
_SKIP = re.compile(r"(?:[ \t\r\n]+|\#[^\n]*)*")
_JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_JSON_PLAIN = re.compile(r"[^,\]}\s]+")
_TOML_KEY = re.compile(r"""[ \t]*(?:([A-Za-z0-9_-]+)|("(?:[^"\\\n]|\\.)*")|'([^'\n]*)')[ \t]*""")
_TOML_VALUE = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
    r"|[^,\]}\n\#]+",
    re.DOTALL,
)


def locate(text: str, format: str, path: Parts) -> tuple[int, int] | None:
    """
    Return line and column, both from 1, of the value at a path.

    Of a table that a file spells only through its parts, the first part's. None if the path is
    not there.
    """
    text = text.removeprefix("\ufeff")
    found = _found(text, format)
    first: int | None = None
    for known, offset in found:
        if known == path:
            first = offset
            break
        if first is None and known[: len(path)] == path:
            first = offset
    if first is None:
        return None
    return text.count("\n", 0, first) + 1, first - text.rfind("\n", 0, first)


def _found(text: str, format: str) -> Iterator[_Found]:
    """Yield path and offset of each value."""
    if format == "yaml":
        # it has parsed before, so the extra is there
        from infra_config import _yaml

        return _yaml.places(text, MAX_DEPTH)
    return _TomlScanner(text).document() if format == "toml" else _JsonScanner(text).value(())


class _JsonScanner:
    """Walks a JSON text and yields each value's path and offset."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    def value(self, path: Parts) -> Iterator[_Found]:
        self._skip(_SPACE)
        yield path, self.position
        mark = self.text[self.position]
        if mark not in "[{":
            self._skip(_JSON_STRING if mark == '"' else _JSON_PLAIN)
            return
        index = 0
        self.position += 1
        self._skip(_SPACE)
        while self.text[self.position] not in "]}":
            key: str | int = index
            if mark == "{":
                key = str(json.loads(self._skip(_JSON_STRING)))
                self._skip(_SPACE)
                self.position += 1  # the colon
            yield from self.value((*path, key))
            index += 1
            self._comma(_SPACE)
        self.position += 1

    def _comma(self, space: re.Pattern[str]) -> None:
        self._skip(space)
        if self.text[self.position] == ",":
            self.position += 1
            self._skip(space)

    def _skip(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.position)
        assert found is not None, "the text has parsed before"
        self.position = found.end()
        return found[0]


class _TomlScanner(_JsonScanner):
    """The same for TOML, whose tables have headers, and keys dots."""

    def document(self) -> Iterator[_Found]:
        base: Parts = ()
        counts: dict[Parts, int] = {}
        self._skip(_SKIP)
        while self.position < len(self.text):
            if self.text[self.position] == "[":
                start = self.position
                base = self._header(counts)
                yield base, start
            else:
                yield from self._pair(base)
            self._skip(_SKIP)

    def value(self, path: Parts) -> Iterator[_Found]:
        yield path, self.position
        mark = self.text[self.position]
        if mark not in "[{":
            self._skip(_TOML_VALUE)
            return
        index = 0
        self.position += 1
        self._skip(_SKIP)
        while self.text[self.position] not in "]}":
            if mark == "{":
                yield from self._pair(path)
            else:
                yield from self.value((*path, index))
            index += 1
            self._comma(_SKIP)
        self.position += 1

    def _pair(self, base: Parts) -> Iterator[_Found]:
        path = (*base, *self._key())
        self.position += 1  # the equals sign
        self._skip(_SPACE)
        yield from self.value(path)

    def _header(self, counts: dict[Parts, int]) -> Parts:
        """Return the path of `[a.b]` or `[[a.b]]`: names of arrays of tables lead to their last."""
        array = self.text.startswith("[[", self.position)
        self.position += 2 if array else 1
        path: Parts = ()
        keys = self._key()
        for part in keys[:-1]:
            path = _last((*path, part), counts)
        path = (*path, keys[-1])
        self.position += 2 if array else 1
        if not array:
            return path
        counts[path] = counts.get(path, -1) + 1
        return _last(path, counts)

    def _key(self) -> list[str]:
        parts: list[str] = []
        while True:
            found = _TOML_KEY.match(self.text, self.position)
            assert found is not None, "the text has parsed before"
            self.position = found.end()
            bare, quoted, literal = found.groups()
            if quoted is not None:
                bare = tomllib.loads(f"key = {quoted}")["key"]
            parts.append(bare if bare is not None else literal)
            if self.text[self.position] != ".":
                return parts
            self.position += 1


def _last(path: Parts, counts: dict[Parts, int]) -> Parts:
    return (*path, counts[path]) if path in counts else path
