"""Two counters over a sliding window, in ten buckets: what a budget and a breaker count with."""

from __future__ import annotations

__all__ = ["Window"]

BUCKETS = 10


class Window:
    """Counts `good` and `bad` things of the last `seconds`; a tenth of them leaves at a time.

    Not locked: its owner decides what needs a lock. Call `turn` before reading or counting.
    """

    __slots__ = ("_bad", "_good", "_index", "_start", "_width", "bad", "good", "turns_at")

    def __init__(self, seconds: float, now: float) -> None:
        self._start = now
        self._width = seconds / BUCKETS
        self._index = 0
        self._good = [0] * BUCKETS
        self._bad = [0] * BUCKETS
        self.good = 0
        self.bad = 0
        self.turns_at = now + self._width

    def turn(self, now: float) -> None:
        """Drop what has left the window; there is nothing to do while `now < turns_at`."""
        if now < self.turns_at:
            return
        index = max(int((now - self._start) / self._width), self._index + 1)
        for step in range(min(index - self._index, BUCKETS)):
            slot = (self._index + 1 + step) % BUCKETS
            self._good[slot] = self._bad[slot] = 0
        # Summed anew, so that a count lost between threads is forgotten with its bucket.
        self.good = sum(self._good)
        self.bad = sum(self._bad)
        self._index = index
        self.turns_at = self._start + (index + 1) * self._width

    def count_good(self) -> None:
        self._good[self._index % BUCKETS] += 1
        self.good += 1

    def count_bad(self) -> None:
        self._bad[self._index % BUCKETS] += 1
        self.bad += 1
