"""A line of requests that leave at a rate: the generic cell rate algorithm (ITU-T I.371)."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING

from infra_errors import Deadline
from infra_http.errors import RateLimitHit

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra_http.policy import RateRule

__all__ = ["Line"]


class Line:
    """Gives each request its turn, first in, first out. Thread-safe."""

    __slots__ = ("_ahead", "_clock", "_gap", "_lock", "_max_wait", "_next")

    def __init__(self, rule: RateRule, clock: Callable[[], float]) -> None:
        self._gap = rule.per / rule.rate
        burst = max(1, math.ceil(rule.rate)) if rule.burst is None else rule.burst
        self._ahead = (burst - 1) * self._gap
        self._max_wait = rule.max_wait
        self._clock = clock
        self._lock = threading.Lock()
        self._next = -math.inf

    def enter(self) -> tuple[float, float]:
        """Take a turn; return the seconds until it, and the turn.

        Raises:
            RateLimitHit: the turn is later than `max_wait` or the deadline allow; none was taken.
        """
        deadline = Deadline.current()
        most = self._max_wait
        if deadline is not None:
            most = min(most, deadline.remaining())
        with self._lock:
            now = self._clock()
            turn = max(self._next, now - self._ahead)
            wait = max(0.0, turn - now)
            if wait <= most:
                self._next = turn + self._gap
                return wait, turn
        message = f"the rate limit of this client asks to wait {wait:.2f} s, over {most:.2f} s"
        raise RateLimitHit(message, retry_after=wait)

    def leave(self, turn: float) -> None:
        """Give back a turn that was not used, if nobody stands behind it."""
        with self._lock:
            if self._next == turn + self._gap:
                self._next = turn
