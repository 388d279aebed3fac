"""What the generators of time-ordered ids share: their options, their counter, their texts."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, ClassVar, Protocol

from infra_id import _pool
from infra_id._core import TimeCounter

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra_id.policy import OnOverflow, OnRollback

__all__ = ["Generator", "Texts", "thread_counter"]


class Texts(Protocol):
    """Writes an id from its time and counter; it may remember the last."""

    def __call__(self, ms: int, counter: int, /) -> str: ...


class Generator:
    """One strictly increasing sequence, for all threads that share the object."""

    bits: ClassVar[int]
    texts: ClassVar[Callable[[], Texts]]

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
            self.bits,
            clock=clock,
            entropy=entropy,
            sleep=sleep,
            on_rollback=on_rollback,
            on_overflow=on_overflow,
            max_drift_ms=max_drift_ms,
        )
        self._text = type(self).texts()

    def next_str(self) -> str:
        """Return the next id of the sequence as text."""
        return self._text(*self._counter.next())

    def batch(self, n: int) -> list[str]:
        """Return the next *n* texts, contiguous in the sequence (1 to 1,000,000)."""
        return [self._text(*pair) for pair in self._counter.batch(n)]


def thread_counter(bits: int) -> TimeCounter:
    """Return the counter of a thread's own: the system's clock, random bytes drawn ahead."""
    return TimeCounter(
        bits,
        clock=time.time,
        entropy=_pool.take,
        sleep=time.sleep,
        on_rollback="hold",
        on_overflow="borrow",
        max_drift_ms=10_000,
    )
