"""UUID version 7: 48 bits of Unix milliseconds, then 74 bits of one counter (RFC 9562, 5.7)."""

from __future__ import annotations

import os
import threading
import time
import uuid
from typing import TYPE_CHECKING

from infra_id._core import TimeCounter

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra_id.policy import OnOverflow, OnRollback

__all__ = ["Uuid7Generator", "uuid7", "uuid7_batch", "uuid7_str"]

_LOW = (1 << 62) - 1
_FIXED = 0x7 << 76 | 0b10 << 62  # version 7, variant 10


def uuid7() -> uuid.UUID:
    """Return a new UUIDv7: later than every one this thread made before."""
    return _of_this_thread().next()


def uuid7_str() -> str:
    """Return a new UUIDv7 as 36 characters of text."""
    return _of_this_thread().next_str()


def uuid7_batch(n: int) -> list[str]:
    """Return *n* (1 to 1,000,000, else BadIdOption) new UUIDv7 texts, increasing."""
    return _of_this_thread().batch(n)


class Uuid7Generator:
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

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        entropy: Callable[[int], bytes] = os.urandom,
        sleep: Callable[[float], object] = time.sleep,
        on_rollback: OnRollback = "hold",
        on_overflow: OnOverflow = "borrow",
        max_drift_ms: int = 10_000,
    ) -> None:
        self._counter = TimeCounter(
            74,
            clock=clock,
            entropy=entropy,
            sleep=sleep,
            on_rollback=on_rollback,
            on_overflow=on_overflow,
            max_drift_ms=max_drift_ms,
        )

    def next(self) -> uuid.UUID:
        """Return the next UUID of the sequence."""
        return uuid.UUID(int=_layout(*self._counter.next()))

    def next_str(self) -> str:
        """Return the next UUID of the sequence as text."""
        return _text(*self._counter.next())

    def batch(self, n: int) -> list[str]:
        """Return the next *n* texts, contiguous in the sequence (1 to 1,000,000)."""
        return [_text(*pair) for pair in self._counter.batch(n)]


def _layout(ms: int, counter: int) -> int:
    return ms << 80 | _FIXED | counter >> 62 << 64 | counter & _LOW


def _text(ms: int, counter: int) -> str:
    digits = f"{_layout(ms, counter):032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


_local = threading.local()


def _of_this_thread() -> Uuid7Generator:
    try:
        generator: Uuid7Generator = _local.generator
    except AttributeError:
        generator = _local.generator = Uuid7Generator()
    return generator
