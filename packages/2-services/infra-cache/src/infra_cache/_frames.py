"""Entries that carry more than their value: tags' stamps, a stale period, a remembered miss.

A plain entry is the codec's bytes and nothing else. A framed one is `\\x02`, a version, the length
of a JSON header in four bytes, the header, then the codec's bytes.
"""

from __future__ import annotations

import json
from typing import Any

import attrs

from infra_cache._kept import Kept
from infra_cache.errors import undecodable

__all__ = ["HEAD", "Frame", "header_of", "is_framed", "pack", "unpack"]

_MARK = b"\x02\x01"
_FIXED = len(_MARK) + 4
HEAD = 2048  # bytes that nearly every header fits in
MAX_HEADER = 65536


@attrs.frozen
class Frame:
    """What stands beside a value.

    `stale` is the ms that the entry is kept past its ttl, `tags` the stamp each tag had, `error`
    the wire form of a NotFoundError, `negative` marks a remembered None.
    """

    stale: int = 0
    tags: dict[str, str] = attrs.field(factory=dict)
    error: dict[str, Any] | None = None
    negative: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether the value can stand without it."""
        return not (self.stale or self.tags or self.error or self.negative)


@attrs.frozen(eq=False)
class _Shared:
    """A frame around an object that is kept itself."""

    frame: Frame
    value: Any


_PLAIN = Frame()


def pack(data: Any, frame: Frame, *, shared: bool) -> Any:
    """Put a frame around encoded data, unless it says nothing."""
    if frame.is_empty:
        return data
    if shared:
        return _Shared(frame, data)
    table: dict[str, Any] = {}
    if frame.stale:
        table["s"] = frame.stale
    if frame.tags:
        table["t"] = frame.tags
    if frame.error is not None:
        table["e"] = frame.error
    if frame.negative:
        table["n"] = 1
    header = json.dumps(table, separators=(",", ":")).encode()
    return b"".join((_MARK, len(header).to_bytes(4), header, data))


def unpack(data: Any, *, shared: bool) -> tuple[Frame, Any]:
    """Give the frame and the codec's data; SerializationError for a broken frame."""
    if shared:
        return (data.frame, data.value) if type(data) is _Shared else (_PLAIN, data)
    if data[:1] != b"\x02":
        return _PLAIN, data
    size = int.from_bytes(data[2:_FIXED])
    end = _FIXED + size
    if data[:2] != _MARK or size > MAX_HEADER or len(data) < end:
        message = "the entry's frame is broken"
        raise undecodable(message)
    try:
        table = json.loads(data[_FIXED:end])
        frame = Frame(
            stale=int(table.get("s", 0)),
            tags=dict(table.get("t", {})),
            error=table.get("e"),
            negative=bool(table.get("n")),
        )
    except (ValueError, TypeError, AttributeError) as error:
        message = "the entry's frame is broken"
        raise undecodable(message) from error
    return frame, data.after(end) if type(data) is Kept else data[end:]


def is_framed(data: Any, *, shared: bool) -> bool:
    """Say whether an entry carries more than its value."""
    return type(data) is _Shared if shared else data[:1] == b"\x02"


def header_of(head: Any, *, shared: bool) -> Frame | None:
    """Give the frame of an entry's first `HEAD` bytes; None when more of it is needed."""
    if not shared and head[:1] == b"\x02" and len(head) < _FIXED + int.from_bytes(head[2:_FIXED]):
        return None
    return unpack(head, shared=shared)[0]
