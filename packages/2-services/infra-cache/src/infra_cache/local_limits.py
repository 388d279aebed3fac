"""LocalRateLimiter: rate limits within one process, without waiting and without a cache."""

from __future__ import annotations

import threading
import time
from heapq import heapify, heappop, heappush, heapreplace
from typing import TYPE_CHECKING, Literal

from infra_cache._rates import gcra_step, window_step
from infra_cache.errors import wrong_input
from infra_cache.limits import Decision, check_cost, check_rates, decide
from infra_cache.protocol import RateState

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra_cache.limits import Algorithm, Rate

__all__ = ["LocalRateLimiter"]


class LocalRateLimiter:
    """Limits a key's hits in this process; sync, thread-safe.

    "gcra": `burst` at once, then one per `per / limit`. "sliding_window": an exact log, never more
    than `limit` in any window. Several rates let a hit through together or not at all; a refused
    hit costs nothing.

    At most `max_keys` keys are kept that have anything spent. When they are all in use, "evict"
    forgets the one nearest to having everything back, and counts it in `evicted_active`; "deny"
    refuses keys that are not known yet. `clock` gives seconds that never go back.

    Raises ValidationError `cache.invalid_rate`, `cache.invalid`.
    """

    def __init__(
        self,
        *rates: Rate,
        algorithm: Algorithm = "gcra",
        max_keys: int = 100_000,
        overflow: Literal["evict", "deny"] = "evict",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bounds = check_rates(rates, algorithm)
        if isinstance(max_keys, bool) or not isinstance(max_keys, int) or max_keys < 1:
            message = "max_keys must be a whole number of at least 1"
            raise wrong_input("invalid", message)
        if overflow not in {"evict", "deny"}:
            message = "overflow must be evict or deny"
            raise wrong_input("invalid", message)
        self.rates = rates
        self.algorithm = algorithm
        self.evicted_active = 0
        self._step = gcra_step if algorithm == "gcra" else window_step
        self._single: tuple[int, int] | None = None
        if algorithm == "gcra" and len(rates) == 1:
            step, burst = self._bounds[0]
            self._single = step, step * burst
        self._limit = rates[0].limit
        self._max_keys = max_keys
        self._overflow = overflow
        self._clock = clock
        self._lock = threading.Lock()
        self._times: dict[str, list[int]] = {}  # each key's state, in µs
        self._idle: list[tuple[int, str]] = []  # when, or sooner, a key has everything back

    def __len__(self) -> int:
        """Say how many keys are kept."""
        return len(self._times)

    def hit(self, key: str, *, cost: int = 1) -> Decision:
        """Spend `cost` if every rate allows.

        Raises ValidationError `cache.invalid_cost` for a cost that could never pass.
        """
        if cost == 1 and self._single is not None:
            # A single bucket that is known and allows it: nearly every hit there is.
            step, span = self._single
            with self._lock:
                now = int(self._clock() * 1e6)
                state = self._times.get(key)
                if state is not None:
                    tat = state[0]
                    full = (tat if tat > now else now) + step  # noqa: FURB136  # max() is a call
                    spent = full - now
                    if spent <= span:
                        state[0] = full
                        left = (span - spent) // step
                        return _made(
                            Decision, (True, self._limit, left, 0.0, spent / 1e6, "", self.rates)
                        )
        return self._take(key, check_cost(cost, self._bounds))

    def peek(self, key: str) -> Decision:
        """Say what a hit of one would be answered, and spend nothing."""
        return self._take(key, 0)

    def refund(self, key: str, *, cost: int) -> Decision:
        """Give back cost already taken, never above the burst."""
        return self._take(key, -check_cost(cost, self._bounds))

    def reset(self, key: str) -> None:
        """Forget what a key has spent."""
        with self._lock:
            self._times.pop(key, None)

    def _take(self, key: str, cost: int) -> Decision:
        with self._lock:
            now = int(self._clock() * 1e6)
            times = self._times.get(key)
            state, after = self._step(now, times or (), cost, self._bounds)
            if times is None and cost > 0 and state.allowed and not self._make_room(now):
                wait = max(1, self._idle[0][0] - now)
                state = RateState(allowed=False, remaining=0, retry_us=wait, reset_us=wait)
            elif times is not None and cost and state.allowed:
                times[:] = after
                if cost < 0:
                    self._note_idle(key, now + state.reset_us)  # sooner than was noted
            elif cost > 0 and state.allowed:
                self._times[key] = after
                self._note_idle(key, now + state.reset_us)
        return decide(state, "", self.rates)

    def _note_idle(self, key: str, when: int) -> None:
        heappush(self._idle, (when, key))
        if len(self._idle) > 2 * len(self._times) + 64:  # resets and refunds leave old notes
            self._idle = [(self._idle_at(times), key) for key, times in self._times.items()]
            heapify(self._idle)

    def _make_room(self, now: int) -> bool:
        """Forget who has everything back, then, if that is not enough, do as `overflow` says."""
        while self._idle and (self._idle[0][0] <= now or len(self._times) >= self._max_keys):
            due, key = self._idle[0]
            times = self._times.get(key)
            idle_at = 0 if times is None else self._idle_at(times)
            if times is not None and idle_at > due:
                heapreplace(self._idle, (idle_at, key))  # it was hit again since: look later
                continue
            if times is not None and due > now:
                if self._overflow == "deny":
                    return False
                self.evicted_active += 1
            heappop(self._idle)
            self._times.pop(key, None)
        return True

    def _idle_at(self, times: list[int]) -> int:
        """Say when a key will have everything back."""
        if self.algorithm == "gcra":
            return max(times)
        return times[-1] + max(per for per, _ in self._bounds) if times else 0


_made = tuple.__new__  # what Decision(...) comes to, without the checks of its arguments
