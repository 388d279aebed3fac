"""UUID version 4 (random) and version 7 (ordered by time), RFC 9562."""

from __future__ import annotations

import os
import threading
from binascii import hexlify
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID

from infra_id import _native, _pool
from infra_id._core import MAX_MS, check_batch
from infra_id._generator import Generator, thread_counter
from infra_id.errors import BadIdOption, InvalidId, TimestampOverflow

__all__ = [
    "Uuid7Generator",
    "check_parts",
    "fill_of",
    "milliseconds_of",
    "uuid4",
    "uuid4_batch",
    "uuid4_str",
    "uuid7",
    "uuid7_at",
    "uuid7_batch",
    "uuid7_from_parts",
    "uuid7_str",
]

_BITS = 74
_FIXED = 0x7 << 76 | 0b10 << 62  # version 7, variant 10
_LOW = (1 << 62) - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def uuid4() -> UUID:
    """Return a new random UUID: 122 random bits."""
    value = int.from_bytes(_pool.take(16))
    return UUID(int=value & ~(0xF << 76 | 0b11 << 62) | 0x4 << 76 | 0b10 << 62)


def uuid4_str() -> str:
    """Return a new random UUID as 36 characters of text."""
    if not _native.found:
        _native.find()
    if _native.uuid4 is not None:
        return str(_native.uuid4())
    ready = _mine.ready
    if not ready:
        ready += _random_texts(_pool.SIZE // 16)
    return ready.pop()


def uuid4_batch(n: int) -> list[str]:
    """Return *n* (1 to 1,000,000, else BadIdOption) new random UUID texts."""
    check_batch(n)
    return _random_texts(n)


def uuid7() -> UUID:
    """Return a new UUIDv7: later than every one this thread made before."""
    return UUID(int=_layout(*_mine.counter.step()))


def uuid7_str() -> str:
    """Return a new UUIDv7 as 36 characters of text."""
    if not _native.found:
        _native.find()
    if _native.uuid7 is not None:
        return str(_native.uuid7())
    mine = _mine
    return mine.text(*mine.counter.step())


def uuid7_batch(n: int) -> list[str]:
    """Return *n* (1 to 1,000,000, else BadIdOption) new UUIDv7 texts, increasing."""
    if not _native.found:
        _native.find()
    if (make := _native.uuid7) is not None:
        check_batch(n)
        return [str(make()) for _ in range(n)]
    return [_mine.text(*pair) for pair in _mine.counter.batch(n)]


def uuid7_at(t: datetime, *, fill: Literal["min", "max"] = "min") -> UUID:
    """
    Return the first ("min") or last ("max") UUIDv7 of a moment's millisecond.

    So `id BETWEEN uuid7_at(a) AND uuid7_at(b, fill="max")` is exactly a range of time. Raises
    BadIdOption for a naive datetime or another `fill`, TimestampOverflow before 1970.
    """
    return UUID(int=_layout(milliseconds_of(t), fill_of(fill, _BITS)))


def uuid7_from_parts(ms: int, random10: bytes) -> str:
    """Return the UUIDv7 text of Unix milliseconds and the low 74 bits of 10 bytes."""
    check_parts(ms, random10)
    return _Texts()(ms, int.from_bytes(random10) & (1 << _BITS) - 1)


class _Texts:
    """Writes ids; of two that follow each other most of the text is the same."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last = (-1, "")

    def __call__(self, ms: int, counter: int) -> str:
        high = ms << 26 | counter >> 48
        known, start = self._last
        if high != known:
            start = (
                f"{ms >> 16:08x}-{ms & 0xFFFF:04x}-{0x7000 | counter >> 62:04x}-"
                f"{0x8000 | counter >> 48 & 0x3FFF:04x}-"
            )
            self._last = high, start
        return f"{start}{counter & 0xFFFF_FFFF_FFFF:012x}"


class Uuid7Generator(Generator):
    """
    One strictly increasing sequence of UUIDv7, for all threads that share the object.

    Arguments: `clock` gives Unix seconds, `entropy` random bytes, `sleep` waits seconds.
    `on_rollback` says what happens when the clock is behind the last id by at most `max_drift_ms`
    milliseconds: "hold" stays in the last millisecond, "wait" sleeps until it is past, "error"
    raises. Beyond `max_drift_ms` it is ClockRollbackError in every mode, and nothing changes.
    `on_overflow` says what happens when a millisecond's counter is used up: "borrow" takes the
    next millisecond ahead of time (at most `max_drift_ms`), "wait" sleeps, "error" raises
    SequenceExhausted. Raises BadIdOption for an option that cannot work.
    """

    bits = _BITS
    texts = _Texts

    def next(self) -> UUID:
        """Return the next UUID of the sequence."""
        return UUID(int=_layout(*self._counter.next()))


def milliseconds_of(t: datetime) -> int:
    """Return the Unix milliseconds of an aware datetime."""
    if not isinstance(t, datetime) or t.utcoffset() is None:
        msg = f"a moment is a datetime with a time zone, not {t!r:.64}"
        raise BadIdOption(msg)
    ms = (t - _EPOCH) // timedelta(milliseconds=1)
    if not 0 <= ms <= MAX_MS:
        msg = f"{t.isoformat()} lies outside the 48 bits of milliseconds since 1970"
        raise TimestampOverflow(msg)
    return ms


def fill_of(fill: str, bits: int) -> int:
    """Return the lowest or the highest number of *bits* bits."""
    if fill not in {"min", "max"}:
        msg = f"fill is min or max, not {fill!r:.64}"
        raise BadIdOption(msg)
    return 0 if fill == "min" else (1 << bits) - 1


def check_parts(ms: int, random10: bytes) -> None:
    """Refuse what is no pair of milliseconds and ten bytes."""
    if not 0 <= ms <= MAX_MS:
        msg = f"{ms} lies outside the 48 bits of milliseconds since 1970"
        raise TimestampOverflow(msg)
    if len(random10) != 10:
        msg = f"the random part has 10 bytes, not {len(random10)}"
        raise InvalidId(msg)


def _layout(ms: int, counter: int) -> int:
    return ms << 80 | _FIXED | counter >> 62 << 64 | counter & _LOW


_VERSION_4 = bytes(byte & 0x0F | 0x40 for byte in range(256))
_VARIANT = bytes(byte & 0x3F | 0x80 for byte in range(256))
# Where the 32 hexadecimal digits stand among the 36 characters.
_PLACES = [place for place in range(36) if place not in {8, 13, 18, 23}]


def _random_texts(n: int) -> list[str]:
    """Make *n* texts at once: each of the 32 digits is written for all of them by one slice."""
    raw = bytearray(os.urandom(16 * n))
    raw[6::16] = raw[6::16].translate(_VERSION_4)
    raw[8::16] = raw[8::16].translate(_VARIANT)
    digits = hexlify(raw)
    out = bytearray(b"-") * (36 * n)
    for digit, place in enumerate(_PLACES):
        out[place::36] = digits[digit::32]
    text = out.decode("ascii")
    return [text[start : start + 36] for start in range(0, 36 * n, 36)]


class _Mine(threading.local):
    """What a thread has for itself: its sequence, and random texts made ahead."""

    def __init__(self) -> None:
        self.ready: list[str] = []
        self.text = _Texts()
        self.counter = thread_counter(_BITS)


_mine = _Mine()


def _start_over() -> None:
    """In the child of a fork: what the parent drew ahead is the parent's."""
    global _mine  # noqa: PLW0603
    _mine = _Mine()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_over)
