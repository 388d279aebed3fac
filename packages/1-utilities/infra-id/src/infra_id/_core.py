"""The one state machine (milliseconds, counter) behind every time-ordered id (RFC 9562, 6.2)."""

from __future__ import annotations

import math
import os
import threading
import weakref
from typing import TYPE_CHECKING

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

__all__ = ["MAX_BATCH", "TimeCounter", "check_batch"]

MAX_MS = (1 << 48) - 1
MAX_BATCH = 1_000_000


def check_batch(n: int) -> None:
    """Refuse a batch size that is no int of 1 to a million (BadIdOption)."""
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= MAX_BATCH:
        msg = f"a batch has 1 to {MAX_BATCH:,} ids, not {n!r}"
        raise BadIdOption(msg)


class TimeCounter:
    """
    Strictly increasing pairs of (Unix milliseconds, counter of *bits* bits), for all threads.

    In a new millisecond the counter is random with its top bit 0; within one it grows by 1 plus a
    random 32-bit number, so order holds and a neighbour cannot be guessed. Nothing is emitted
    twice or out of order, whatever the clock does.
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
        self._lock = threading.Lock()
        _alive.add(self)

    def next(self) -> tuple[int, int]:
        """Return the next pair."""
        with self._lock:
            return self._next()

    def batch(self, n: int) -> list[tuple[int, int]]:
        """Return the next *n* pairs, which no other thread's fall between."""
        check_batch(n)
        with self._lock:
            return [self._next() for _ in range(n)]

    def _next(self) -> tuple[int, int]:
        now = self._now()
        if now < self._last_ms:
            now = self._rolled_back(now)
        if now > self._last_ms:
            self._enter(now)
        else:
            self._grow(now)
        return self._last_ms, self._counter

    def _now(self) -> int:
        seconds = self._clock()
        if math.isnan(seconds) or seconds < 0:
            msg = f"the clock says {seconds}: no time since 1970"
            raise ClockRollbackError(msg)
        if seconds * 1000 > MAX_MS:
            msg = f"the clock says {seconds:.0f} s, beyond the 48 bits of milliseconds of an id"
            raise TimestampOverflow(msg)
        return int(seconds * 1000)

    def _rolled_back(self, now: int) -> int:
        """Apply the policy for a clock behind the last id; return the time to go on with."""
        drift = self._last_ms - now
        if drift > self._max_drift_ms or self._on_rollback == "error":
            msg = (
                f"the clock is {drift} ms behind the last id (allowed: {self._max_drift_ms} ms, "
                f"on_rollback={self._on_rollback!r}): wait, or repair the clock"
            )
            raise ClockRollbackError(msg, drift_ms=drift, retry_after=drift / 1000)
        if self._on_rollback == "wait":
            return self._wait_past(self._last_ms)
        return now

    def _wait_past(self, ms: int) -> int:
        while (now := self._now()) <= ms:
            self._sleep((ms + 1 - now) / 1000)
        return now

    def _enter(self, ms: int) -> None:
        self._counter = int.from_bytes(self._entropy(self._seed_bytes)) % (self._limit >> 1)
        self._last_ms = ms

    def _grow(self, now: int) -> None:
        grown = self._counter + 1 + int.from_bytes(self._entropy(4))
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
        if self._last_ms >= 0:
            leap = int.from_bytes(self._entropy(8)) | 1 << 63
            self._counter += leap
            if self._counter >= self._limit:
                self._enter(self._last_ms + 1)


_alive: weakref.WeakSet[TimeCounter] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for counter in list(_alive):
        counter.after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
