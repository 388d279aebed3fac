"""A budget of retries: when a service is down, retries stay a fraction of its load.

Each retry spends one; each success earns `ratio`; `min_per_second` are free, so that a quiet
client can retry at all. Share a budget by passing the same object to several policies.
"""

from __future__ import annotations

import threading
import time

from infra_errors._options import demand, number, seconds
from infra_errors._window import Window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RetryBudget"]


class RetryBudget:
    """Allows `min_per_second · window + ratio · successes` retries in a sliding window.

    Args:
        ratio: retries earned by one success, from 0 on.
        min_per_second: retries a second that need no success, from 0 on.
        window: seconds a retry and a success are remembered; they leave in tenths of it.
        clock: seconds that never go back.

    Thread-safe.

    Raises:
        ValidationError: `errors.bad_policy`, an option is out of its range.
    """

    __slots__ = ("_clock", "_free", "_lock", "_ratio", "_window")

    def __init__(
        self,
        *,
        ratio: float = 0.2,
        min_per_second: float = 10.0,
        window: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        window = seconds("window", window)
        demand(0 < window < float("inf"), f"window must be finite and above 0, not {window!r}")
        self._ratio = number("ratio", ratio)
        self._free = number("min_per_second", min_per_second) * window
        self._clock = clock
        self._lock = threading.Lock()
        self._window = Window(window, clock())

    def allow(self) -> bool:
        """Spend one retry; False when there is none left, and then nothing is spent."""
        with self._lock:
            window = self._window
            window.turn(self._clock())
            allowed = window.bad + 1 <= self._free + self._ratio * window.good
            if allowed:
                window.count_bad()
            return allowed

    @property
    def available(self) -> float:
        """How many retries would be allowed now; a fraction is on its way to be one."""
        with self._lock:
            window = self._window
            window.turn(self._clock())
            return max(0.0, self._free + self._ratio * window.good - window.bad)

    def success(self) -> None:
        """Count a call that succeeded: it earns `ratio` of a retry."""
        with self._lock:
            self._window.turn(self._clock())
            self._window.count_good()
