"""The states of a circuit breaker, each with what belongs to it.

Each change makes a new object: what an old permit still counts is counted on what nobody reads
any more.
"""

from __future__ import annotations

from collections import deque

from infra_errors._window import Window

__all__ = ["Closed", "HalfOpen", "Open"]


class Closed:
    __slots__ = ("row", "window")

    def __init__(self, window: float, now: float) -> None:
        self.window = Window(window, now)
        self.row = 0  # failures since the last success


class Open:
    __slots__ = ("open_for", "until")

    def __init__(self, now: float, open_for: float) -> None:
        self.open_for = open_for
        self.until = now + open_for


class HalfOpen:
    __slots__ = ("_next", "_ok", "_pending", "dropped", "open_for", "places")

    def __init__(self, places: int, open_for: float) -> None:
        self.open_for = open_for
        self.places = places
        self.dropped: deque[int] = deque()
        self._pending: dict[int, float] = {}
        self._next = 0
        self._ok = 0

    def take_place(self, now: float) -> int:
        self.places -= 1
        self._next += 1
        self._pending[self._next] = now
        return self._next

    def answer(self, number: int, *, counts: bool) -> int:
        """Settle a probe that did not fail; return how many succeeded."""
        del self._pending[number]
        if counts:
            self._ok += 1
        else:
            self.places += 1
        return self._ok

    def take_back_dropped(self) -> None:
        while self.dropped:
            self.answer(self.dropped.popleft(), counts=False)

    def is_overdue(self, limit: float) -> bool:
        """Whether a probe was admitted at `limit` or before and is still unanswered."""
        return any(admitted <= limit for admitted in self._pending.values())
