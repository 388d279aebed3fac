"""What is never evicted: a table whose entries only expire, swept as others are written."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Pinned", "Record"]


@attrs.define(slots=True, eq=False)
class Record:
    """Data and the ms at which it expires (None: never), with its weight in bytes."""

    data: Any
    expires: int | None
    weight: int = 0


class Pinned:
    """Keys to records; `expired()` is told of each that left by itself."""

    __slots__ = ("_heap", "_records", "expired")

    def __init__(self, expired: Callable[[], None]) -> None:
        self._records: dict[str, Record] = {}
        self._heap: list[tuple[int, str]] = []
        self.expired = expired

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._records))

    def get(self, key: str, now: int) -> Record | None:
        """Return a live record."""
        record = self._records.get(key)
        if record is not None and record.expires is not None and record.expires <= now:
            self.delete(key)
            self.expired()
            return None
        return record

    def set(self, key: str, record: Record, now: int) -> None:
        """Keep a record."""
        self._records[key] = record
        if record.expires is not None:
            heappush(self._heap, (record.expires, key))
        self.sweep(now)

    def delete(self, key: str) -> Record | None:
        """Remove and return a record."""
        return self._records.pop(key, None)

    def sweep(self, now: int) -> None:
        """Drop what has expired: each record once, so a write costs O(log n) amortised."""
        while self._heap and self._heap[0][0] <= now:
            _, key = heappop(self._heap)
            record = self._records.get(key)
            if record is not None and record.expires is not None and record.expires <= now:
                self.delete(key)
                self.expired()
        if len(self._heap) > 2 * len(self._records) + 64:  # overwritten keys leave old times
            self._heap = [(r.expires, k) for k, r in self._records.items() if r.expires is not None]
            heapify(self._heap)
