"""
A YAML text as tables, lists and values, under the core schema of YAML 1.2.2 (§10.3).

PyYAML takes the text apart; what its parts mean is said here, because PyYAML's own loaders speak
YAML 1.1, in which `no` is a boolean and 012 an octal number. The tree is made without recursion, so
that depth, aliases and names given twice are known before anything is built on them.
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

import attrs
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from infra_config.paths import Parts

__all__ = ["NotYaml", "parse", "places"]

_MAX_ALIASES = 100
# what aliases repeat counts each time: few aliases of aliases make a file of a gigabyte
_MAX_REPEATED = 10_000
_TAG = "tag:yaml.org,2002:"
# a scanner's problem quotes what it found: one character may stand, a name may be a value
_QUOTED = re.compile(r"(['\"])(?!<)[^'\"\s]{4,}\1")


class NotYaml(Exception):
    """A text is not what we read of YAML: why, and the line and column."""

    def __init__(self, why: str, line: int, column: int) -> None:
        super().__init__(why)
        self.why = why
        self.line = line
        self.column = column


def parse(text: str, max_depth: int) -> Any:
    """
    Return what a text says; an empty table where it holds no document.

    Raises NotYaml.
    """
    return _Reading(text, max_depth).value()


def places(text: str, max_depth: int) -> Iterator[tuple[Parts, int]]:
    """Yield the path and the offset of each value of a text that is known to parse."""
    reading = _Reading(text, max_depth)
    reading.places = []
    reading.value()
    yield from reading.places


class _Core(yaml.SafeLoader):
    """Takes a text apart, and knows a plain scalar's type by the core schema."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - as in its base


for _tag, _pattern, _first in (
    ("null", r"(?:null|Null|NULL|~|)", ["n", "N", "~", ""]),
    ("bool", r"(?:true|True|TRUE|false|False|FALSE)", list("tTfF")),
    ("int", r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)", list("-+0123456789")),
    (
        "float",
        (
            r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
            r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))"
        ),
        list("-+.0123456789"),
    ),
    ("merge", r"<<", ["<"]),
):
    _Core.add_implicit_resolver(_TAG + _tag, re.compile(rf"{_pattern}\Z"), _first)


@attrs.define(eq=False)
class _Frame:
    """A table or list that is still open."""

    value: dict[str, Any] | list[Any]
    anchor: str | None
    path: Parts
    start: int
    before: int
    height: int = 1
    key: str | None = None


@attrs.frozen
class _Anchored:
    """What an alias stands for."""

    value: Any
    size: int
    height: int
    places: tuple[tuple[Parts, int], ...]


class _Reading:
    """One text on its way to a tree."""

    def __init__(self, text: str, max_depth: int) -> None:
        self.places: list[tuple[Parts, int]] | None = None
        self._text = text
        self._max_depth = max_depth
        self._frames: list[_Frame] = []
        self._anchors: dict[str, _Anchored | None] = {}
        self._root: Any = None
        self._documents = 0
        self._aliases = 0
        self._repeated = 0
        self._values = 0

    def value(self) -> Any:
        """Return the tree; raises NotYaml."""
        try:
            loader = _Core(self._text)
        except yaml.reader.ReaderError as exc:
            raise self._wrong_at(exc.position, f"not YAML: {exc.reason}") from None
        try:
            while loader.check_event():
                event = loader.get_event()  # type: ignore[no-untyped-call]  # as below
                self._take(event, loader)
        except yaml.MarkedYAMLError as exc:
            mark = exc.problem_mark or exc.context_mark
            why = f"not YAML: {_QUOTED.sub('***', exc.problem or exc.context or '')}"
            raise self._wrong_at(mark.index if mark else 0, why) from None
        except (ValueError, OverflowError):
            why = "not YAML: a number or an escape out of range"
            raise self._wrong_at(loader.index, why) from None
        return self._root if self._documents else {}

    def _take(self, event: yaml.Event, loader: _Core) -> None:
        at = event.start_mark.index if event.start_mark else 0
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise self._wrong_at(at, "more than one document")
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event, at)
        elif isinstance(event, yaml.ScalarEvent):
            self._scalar(event, at, loader)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._open(event, at)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._close()

    def _alias(self, event: yaml.AliasEvent, at: int) -> None:
        name = event.anchor or ""
        anchored = self._anchors.get(name)
        if anchored is None:
            inside = name in self._anchors
            why = "an alias to what it stands in" if inside else "an alias without its anchor"
            raise self._wrong_at(at, why)
        self._aliases += 1
        self._repeated += anchored.size
        self._values += anchored.size
        if self._aliases > _MAX_ALIASES:
            raise self._wrong_at(at, f"more than {_MAX_ALIASES} aliases")
        if self._repeated > _MAX_REPEATED:
            raise self._wrong_at(at, f"aliases repeat more than {_MAX_REPEATED:,} values")
        if len(self._frames) + anchored.height > self._max_depth:
            raise self._too_deep(at)
        self._refuse_as_name(at)
        if self.places is not None:
            path = self._path()
            self.places.append((path, at))
            self.places += [((*path, *below), offset) for below, offset in anchored.places]
        self._put(copy.deepcopy(anchored.value), anchored.height)

    def _scalar(self, event: yaml.ScalarEvent, at: int, loader: _Core) -> None:
        tag = event.tag
        if tag == "!":
            tag = _TAG + "str"
        if tag is None:
            # mypy: PyYAML has types for its names, and none for the methods of a resolver
            tag = loader.resolve(yaml.ScalarNode, event.value, event.implicit)  # type: ignore[no-untyped-call]
        if self._awaits_name():
            self._name(event.value, tag, at)
            return
        read = _SCALARS.get(tag)
        if read is None and tag == _TAG + "merge":
            read = str
        if read is None:
            raise self._bad_tag(at)
        if event.tag not in {None, "!", _TAG + "str"} and not _matches(event.value, tag):
            raise self._wrong_at(at, "a value that is not what its tag says")
        self._values += 1
        if self.places is not None:
            self.places.append((self._path(), at))
        value = read(event.value)
        if event.anchor:
            self._anchors[event.anchor] = _Anchored(value, 1, 0, ())
        self._put(value, 0)

    def _name(self, value: str, tag: str, at: int) -> None:
        if tag == _TAG + "merge":
            raise self._wrong_at(at, "a merge key: write the names out")
        if tag != _TAG + "str":
            raise self._wrong_at(at, "a name that is no text: put it in quotes")
        frame = self._frames[-1]
        if value in frame.value:
            raise self._wrong_at(at, "a name stands twice in one table")
        frame.key = value

    def _open(self, event: yaml.CollectionStartEvent, at: int) -> None:
        is_table = isinstance(event, yaml.MappingStartEvent)
        if event.tag not in {None, "!", _TAG + ("map" if is_table else "seq")}:
            raise self._bad_tag(at)
        if len(self._frames) == self._max_depth:
            raise self._too_deep(at)
        self._refuse_as_name(at)
        path: Parts = ()
        start = 0
        if self.places is not None:
            path = self._path()
            start = len(self.places) + 1
            self.places.append((path, at))
        if event.anchor:
            self._anchors[event.anchor] = None
        self._frames.append(
            _Frame({} if is_table else [], event.anchor, path, start, before=self._values)
        )
        self._values += 1

    def _close(self) -> None:
        frame = self._frames.pop()
        if frame.anchor:
            below = () if self.places is None else self.places[frame.start :]
            depth = len(frame.path)
            self._anchors[frame.anchor] = _Anchored(
                frame.value,
                self._values - frame.before,
                frame.height,
                tuple((path[depth:], offset) for path, offset in below),
            )
        self._put(frame.value, frame.height)

    def _put(self, value: Any, height: int) -> None:
        """Lay a finished value into what is open."""
        if not self._frames:
            self._root = value
            return
        frame = self._frames[-1]
        frame.height = max(frame.height, height + 1)
        if isinstance(frame.value, list):
            frame.value.append(value)
        else:
            assert frame.key is not None
            frame.value[frame.key] = value
            frame.key = None

    def _path(self) -> Parts:
        """Return the path of the value that comes next."""
        if not self._frames:
            return ()
        frame = self._frames[-1]
        if isinstance(frame.value, list):
            return (*frame.path, len(frame.value))
        assert frame.key is not None
        return (*frame.path, frame.key)

    def _awaits_name(self) -> bool:
        frame = self._frames[-1] if self._frames else None
        return frame is not None and isinstance(frame.value, dict) and frame.key is None

    def _refuse_as_name(self, at: int) -> None:
        if self._awaits_name():
            raise self._wrong_at(at, "a name that is no text: put it in quotes")

    def _bad_tag(self, at: int) -> NotYaml:
        return self._wrong_at(at, "a tag that is not !!str, !!int, !!float, !!bool or !!null")

    def _too_deep(self, at: int) -> NotYaml:
        return self._wrong_at(at, f"nested deeper than {self._max_depth} levels")

    def _wrong_at(self, offset: int, why: str) -> NotYaml:
        line = self._text.count("\n", 0, offset) + 1
        return NotYaml(why, line, offset - self._text.rfind("\n", 0, offset))


def _matches(text: str, tag: str) -> bool:
    """Whether a text is of the type that its tag names; an integer is a float."""
    patterns = [
        pattern
        for listed in _Core.yaml_implicit_resolvers.values()
        for known, pattern in listed
        if known == tag
    ]
    return any(pattern.match(text) for pattern in patterns)


def _int(text: str) -> int:
    bases = {"0x": 16, "0o": 8}
    base = bases.get(text[:2], 10)
    return int(text[2:], base) if base != 10 else int(text)


def _float(text: str) -> float:
    # .inf and .nan lose the dot that float() does not know
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


_SCALARS: dict[str, Callable[[str], Any]] = {
    _TAG + "null": lambda _: None,
    _TAG + "bool": lambda text: text.lower() == "true",
    _TAG + "int": _int,
    _TAG + "float": _float,
    _TAG + "str": str,
}
