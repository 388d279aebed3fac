"""Tags: an entry keeps the stamp that each of its tags had before its load began.

A stamp that changed or vanished makes the entry a miss. So an invalidation removes the stamps, one
step for any number of entries; a load that raced it stores an old stamp and is never seen; and a
stamp that a full cache drops costs a miss, never a stale answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra_cache import _frames
from infra_cache._core import INTERNAL, Core, stamp
from infra_cache.errors import wrong_input
from infra_cache.keys import check_key
from infra_errors import SerializationError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from infra_cache._frames import Frame
    from infra_cache.protocol import Found

__all__ = [
    "Entry",
    "head",
    "judge",
    "new_stamps",
    "note_undecodable",
    "read",
    "tag_key",
    "tag_keys",
    "unique",
]

MAX_TAGS = 64


class Entry:
    """A valid entry: its value, its frame, and whether its ttl is over."""

    __slots__ = ("frame", "is_stale", "left", "value")

    def __init__(self, value: Any, frame: Frame, left: int | None) -> None:
        self.value = value
        self.frame = frame
        self.left = None if left is None else left - frame.stale
        self.is_stale = self.left is not None and self.left <= 0


def tag_key(prefix: str, tag: str) -> str:
    """Say where a tag's stamp is kept."""
    return f"{prefix}{INTERNAL}tag:{tag}"


def tag_keys(prefix: str, tags: Collection[str]) -> list[str]:
    """Check tags and say where their stamps are kept."""
    tags = unique(tags)
    if len(tags) > MAX_TAGS:
        message = f"an entry has at most {MAX_TAGS} tags, not {len(tags)}"
        raise wrong_input("invalid_key", message)
    return [tag_key(prefix, check_key(tag)) for tag in tags]


def unique(tags: Collection[str]) -> tuple[str, ...]:
    """Give each tag once, in order; a text in place of a collection is ValidationError."""
    if isinstance(tags, str):
        message = "tags are a collection of texts; put the one tag into a tuple"
        raise wrong_input("invalid_key", message)
    return tuple(dict.fromkeys(tags)) if tags else ()


def new_stamps(tags: Collection[str]) -> list[str]:
    """Make a stamp for each tag, used where there is none yet."""
    return [stamp() for _ in tags]


async def judge(
    core: Core, prefix: str, found: Found, known: Mapping[str, str | None]
) -> Entry | None:
    """Make an entry of what a store found; None for a miss, an invalid or unreadable one.

    `known` are stamps just read; those of other tags are asked for.
    """
    if found.data is None:
        return None
    try:
        frame, data = _frames.unpack(found.data, shared=core.shared)
        if frame.tags:
            stamps = dict(known)
            missing = [tag for tag in frame.tags if tag not in stamps]
            if missing:
                raw = await core.store.mget([tag_key(prefix, tag) for tag in missing])
                stamps.update(
                    (tag, None if it is None else it.decode())
                    for tag, it in zip(missing, raw, strict=True)
                )
            if any(stamps[tag] != stamp for tag, stamp in frame.tags.items()):
                return None
        value = None if frame.error is not None else core.codec.decode(data)
        return Entry(value, frame, found.left)
    except SerializationError:
        note_undecodable(core)
        return None


async def read(core: Core, prefix: str, key: str) -> Entry | None:
    """Read an entry with its time left and its tags' stamps; what is stale counts as absent."""
    found = await core.store.fetch(key)
    entry = await judge(core, prefix, found, {})
    return None if entry is None or entry.is_stale else entry


async def head(core: Core, prefix: str, key: str) -> tuple[Frame, int | None] | None:
    """Read the frame and time left of a live entry without the whole of its value."""
    found = await core.store.fetch(key, size=_frames.HEAD)
    if found.data is None:
        return None
    try:
        frame = _frames.header_of(found.data, shared=core.shared)
        if frame is None:
            found = await core.store.fetch(key)
            frame, _ = _frames.unpack(found.data or b"", shared=core.shared)
    except SerializationError:
        note_undecodable(core)
        return None
    left = None if found.left is None else found.left - frame.stale
    if frame.error is not None or (left is not None and left <= 0):
        return None
    if frame.tags:
        stamps = await core.store.mget([tag_key(prefix, tag) for tag in frame.tags])
        if [stamp.encode() for stamp in frame.tags.values()] != stamps:
            return None
    return frame, left


def note_undecodable(core: Core) -> None:
    """Count an entry that cannot be read, and say so once a minute."""
    core.counters.undecodable += 1
    core.seldom(60.0, "an entry of the cache cannot be decoded and counts as a miss")
