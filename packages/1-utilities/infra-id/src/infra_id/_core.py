"""The one state machine (milliseconds, counter) behind every time-ordered id (RFC 9562, 6.2)."""

from __future__ import annotations

import os
import struct
import threading
import weakref
from itertools import accumulate
from typing import TYPE_CHECKING, NoReturn

from infra_id.errors import (
    BadIdOption,
    ClockRollbackError,
    SequenceExhausted,
    TimestampOverflow,
)
from infra_id.policy import check_policy

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra_id.policy import OnOverflow, OnRollback

__all__ = [
    "MAX_BATCH",
    "MAX_MS",
    "TimeCounter",
    "check_batch",
    "read_clock",
    "refuse_time",
    "rolled_back",
]

MAX_MS = (1 << 48) - 1
MAX_BATCH = 1_000_000
END = (MAX_MS + 1) / 1000  # seconds: the first moment that does not fit
_STEPS = 256


def check_batch(n: int) -> None:
    """Refuse a batch size that is no int of 1 to a million (BadIdOption)."""
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= MAX_BATCH:
        msg = f"a batch has 1 to {MAX_BATCH:,} ids, not {n!r}"
        raise BadIdOption(msg)


def read_clock(clock: Callable[[], float]) -> int:
    """Return whole Unix milliseconds; ClockRollbackError or TimestampOverflow for no such time."""
    seconds = clock()
    return int(seconds * 1000) if 0 <= seconds < END else refuse_time(seconds)


def refuse_time(seconds: float) -> NoReturn:
    """Raise what `read_clock` does for a time that no id can hold."""
    if seconds >= END:
        msg = f"the clock says {seconds:.0f} s, beyond the 48 bits of milliseconds of an id"
        raise TimestampOverflow(msg)
    msg = f"the clock says {seconds}: no time since 1970"
    raise ClockRollbackError(msg)


def rolled_back(drift_ms: int, max_drift_ms: int, on_rollback: str) -> ClockRollbackError:
    """Return the error for a clock that is further behind the last id than the policy allows."""
    msg = (
        f"the clock is {drift_ms} ms behind the last id (allowed: {max_drift_ms} ms, "
        f"on_rollback={on_rollback!r}): wait, or repair the clock"
    )
    return ClockRollbackError(msg, drift_ms=drift_ms, retry_after=drift_ms / 1000)


class TimeCounter:
    """
    Strictly increasing pairs of (Unix milliseconds, counter of *bits* bits).

    In a new millisecond the counter is random with its top bit 0; within one it grows by 1 plus a
    random 32-bit number, so order holds and a neighbour cannot be guessed. Nothing is emitted
    twice or out of order, whatever the clock does. `step` is for one thread, `next` for all.
    """

    def __init__(
        self,
        bits: int,
        *,
        clock: Callable[[], float],
        entropy: Callable[[int], bytes],
        sleep: Callable[[float], object],
        on_rollback: OnRollback,
        on_overflow: OnOverflow,
        max_drift_ms: int,
    ) -> None:
        check_policy(on_rollback, on_overflow, max_drift_ms)
        self._limit = 1 << bits
        self._seed_bytes = (bits + 7) // 8
        self._clock = clock
        self._entropy = entropy
        self._sleep = sleep
        self._on_rollback = on_rollback
        self._on_overflow = on_overflow
        self._max_drift_ms = max_drift_ms
        self._last_ms = -1
        self._counter = 0
        self._steps: list[int] = []
        self._lock = threading.Lock()
        _alive.add(self)

    def next(self) -> tuple[int, int]:
        """Return the next pair."""
        with self._lock:
            return self.step()

    def batch(self, n: int) -> list[tuple[int, int]]:
        """Return the next *n* pairs, which no other thread's fall between."""
        check_batch(n)
        with self._lock:
            ms, first = self.step()
            # One look at the clock for all: they are of one millisecond as long as it lasts.
            drawn = struct.iter_unpack("<I", self._entropy(4 * (n - 1)))
            counters = list(accumulate((1 + step for (step,) in drawn), initial=first))
            if counters[-1] < self._limit:
                self._counter = counters[-1]
                return [(ms, counter) for counter in counters]
            return [(ms, first), *(self.step() for _ in range(n - 1))]

    def step(self) -> tuple[int, int]:
        """Return the next pair, to the one thread that uses the object."""
        seconds = self._clock()
        now = int(seconds * 1000) if 0 <= seconds < END else refuse_time(seconds)
        if now == self._last_ms and self._steps:
            grown = self._counter + self._steps.pop()
            if grown < self._limit:
                self._counter = grown
                return now, grown
        return self._advance(now)

    def _advance(self, now: int) -> tuple[int, int]:
        """Do what is not the common case of a further id in the same millisecond."""
        if now < self._last_ms:
            now = self._behind(now)
        if now > self._last_ms:
            self._enter(now)
        else:
            self._grow(now)
        return self._last_ms, self._counter

    def _behind(self, now: int) -> int:
        """Apply the policy for a clock behind the last id; return the time to go on with."""
        drift = self._last_ms - now
        if drift > self._max_drift_ms or self._on_rollback == "error":
            raise rolled_back(drift, self._max_drift_ms, self._on_rollback)
        return self._wait_past(self._last_ms) if self._on_rollback == "wait" else now

    def _wait_past(self, ms: int) -> int:
        while (now := read_clock(self._clock)) <= ms:
            self._sleep((ms + 1 - now) / 1000)
        return now

    def _enter(self, ms: int) -> None:
        if ms > MAX_MS:
            msg = "the last millisecond that 48 bits can hold is used up"
            raise TimestampOverflow(msg)
        self._counter = int.from_bytes(self._entropy(self._seed_bytes)) % (self._limit >> 1)
        self._last_ms = ms

    def _grow(self, now: int) -> None:
        if not self._steps:
            # Each step is 1 plus 32 random bits; drawing them one by one would cost a system call.
            drawn = struct.iter_unpack("<I", self._entropy(4 * _STEPS))
            self._steps = [1 + step for (step,) in drawn]
        grown = self._counter + self._steps.pop()
        if grown < self._limit:
            self._counter = grown
        elif self._on_overflow == "error":
            msg = f"the millisecond {self._last_ms} has no id left"
            raise SequenceExhausted(msg, retry_after=0.001)
        elif self._on_overflow == "borrow" and self._last_ms + 1 - now <= self._max_drift_ms:
            self._enter(self._last_ms + 1)
        else:
            self._enter(self._wait_past(self._last_ms))

    def after_fork_in_child(self) -> None:
        """Part from the parent's sequence: a leap it cannot reach, and a lock nobody holds."""
        self._lock = threading.Lock()
        self._steps = []
        if self._last_ms >= 0:
            self._counter += int.from_bytes(os.urandom(8)) | 1 << 63
            if self._counter >= self._limit:
                self._enter(self._last_ms + 1)


_alive: weakref.WeakSet[TimeCounter] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for counter in list(_alive):
        counter.after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
