"""When entries are to be swept: times rounded up, so that many share one and few are looked at."""

from __future__ import annotations

from heapq import heappop, heappush
from math import ceil, frexp, inf, ldexp
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Wheel"]

_FINE = 4  # a time is rounded up by less than 2**-_FINE of what was left


class Wheel:
    """Entries by the time they expire at.

    An entry is given out at most a sixteenth of its life after its end. The number of distinct
    times is bounded whatever the number of entries, so that filing and sweeping one is O(1).
    `next` is when there is something to give out.
    """

    __slots__ = ("_at", "_times", "next")

    def __init__(self) -> None:
        self._at: dict[float, set[Any]] = {}
        self._times: list[float] = []
        self.next = inf

    def file(self, entry: Any, now: float) -> None:
        """Put an entry where it will be swept, and away from where it was."""
        due = None
        if entry.expires is not None:
            step = ldexp(1.0, frexp(max(entry.expires - now, 1e-3))[1] - _FINE - 1)
            due = ceil(entry.expires / step) * step
        if due == entry.due:
            return
        self.forget(entry)
        entry.due = due
        if due is not None:
            there = self._at.get(due)
            if there is None:
                self._at[due] = {entry}
                heappush(self._times, due)
                self.next = self._times[0]
            else:
                there.add(entry)

    def forget(self, entry: Any) -> None:
        """Take an entry out."""
        if entry.due is not None:
            self._at[entry.due].discard(entry)
            entry.due = None

    def due(self, now: float) -> Iterator[Any]:
        """Give the entries whose time is over, each taken out."""
        while self.next <= now:
            entries = self._at.pop(heappop(self._times))
            self.next = self._times[0] if self._times else inf
            for entry in entries:
                entry.due = None
            yield from entries
