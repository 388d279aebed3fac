"""ULID: 48 bits of Unix milliseconds and 80 more, as 26 characters of Crockford base32."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Literal

from infra_errors import ConfigError
from infra_id import _base32
from infra_id._generator import Generator, thread_counter
from infra_id.uuids import check_parts, fill_of, milliseconds_of

if TYPE_CHECKING:
    from datetime import datetime

    from ulid import ULID


__all__ = ["UlidGenerator", "ulid", "ulid_at", "ulid_batch", "ulid_from_parts", "ulid_str"]

_BITS = 80


def ulid() -> ULID:
    """Return a new ULID: later than every one this thread made before."""
    return as_ulid(_layout(*_mine.counter.step()))


def ulid_str() -> str:
    """Return a new ULID as 26 characters of text."""
    mine = _mine
    return mine.text(*mine.counter.step())


def ulid_batch(n: int) -> list[str]:
    """Return *n* (1 to 1,000,000, else BadIdOption) new ULID texts, increasing."""
    return [_mine.text(*pair) for pair in _mine.counter.batch(n)]


def ulid_at(t: datetime, *, fill: Literal["min", "max"] = "min") -> ULID:
    """Return the first ("min") or last ("max") ULID of a moment's millisecond, as `uuid7_at`."""
    return as_ulid(_layout(milliseconds_of(t), fill_of(fill, _BITS)))


def ulid_from_parts(ms: int, random10: bytes) -> str:
    """Return the ULID text of Unix milliseconds and 10 bytes."""
    check_parts(ms, random10)
    return _base32.encode_upper(_layout(ms, int.from_bytes(random10)))


class _Texts:
    """Writes ids; of two that follow each other most of the text is the same."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last = (-1, "")

    def __call__(self, ms: int, counter: int) -> str:
        high = ms << 40 | counter >> 40
        known, start = self._last
        if high != known:
            start = _base32.encode_upper(high << 40)[:18]
            self._last = high, start
        return start + _base32.encode_last(counter & 0xFF_FFFF_FFFF)


class UlidGenerator(Generator):
    """
    One strictly increasing sequence of ULIDs, for all threads that share the object.

    Arguments and errors as `Uuid7Generator`. Within a millisecond the 80 bits grow by a random
    step: still ordered, as the specification asks, and not to be guessed.
    """

    bits = _BITS
    texts = _Texts

    def next(self) -> ULID:
        """Return the next ULID of the sequence."""
        return as_ulid(_layout(*self._counter.next()))


def as_ulid(value: int) -> ULID:
    """Return python-ulid's value object; ConfigError where another package took its module."""
    global _ulid_class  # noqa: PLW0603 -- imported at the first use: it takes 70 ms
    if _ulid_class is None:
        _ulid_class = _import_ulid()
    return _ulid_class(value.to_bytes(16))


_ulid_class: type[ULID] | None = None


def _import_ulid() -> type[ULID]:
    try:
        from ulid import ULID
    except ImportError as exc:
        msg = (
            "the module `ulid` is not python-ulid's: another package (ulid-py or ulid-rs-py) has "
            "taken its place; pip uninstall that, then pip install --force-reinstall python-ulid"
        )
        raise ConfigError(msg, code="id.wrong_ulid") from exc
    return ULID


def _layout(ms: int, counter: int) -> int:
    return ms << 80 | counter


class _Mine(threading.local):
    """What a thread has for itself: its sequence."""

    def __init__(self) -> None:
        self.text = _Texts()
        self.counter = thread_counter(_BITS)


_mine = _Mine()


def _start_over() -> None:
    global _mine  # noqa: PLW0603 -- a child of a fork starts over
    _mine = _Mine()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_over)
