"""LocalCache: a bounded cache in this process, for threads and for what is no I/O."""

from __future__ import annotations

import threading
import time
from itertools import count
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from infra_cache._core import to_ms
from infra_cache._policy import Adaptive, Lru, Node
from infra_cache._wheel import Wheel
from infra_cache.errors import wrong_input
from infra_cache.values import DEFAULT, CacheStats, Ttl

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from datetime import timedelta

    from infra_cache._policy import Policy

__all__ = ["LocalCache"]

K = TypeVar("K", bound="Hashable")
V = TypeVar("V")
D = TypeVar("D")

BATCH = 512  # reads noted before the policy hears of them
LATE = 1 / 8  # share of its life by which an expired entry may be swept late; it is never returned


class _Entry(Node):
    """A value and the time it expires at, where it is filed for that, and its bytes."""

    __slots__ = ("data", "due", "weight")

    def __init__(self, key: Hashable, value: Any, expires: float | None, weight: int) -> None:
        super().__init__(key)
        # One thing, so that whoever reads or replaces it without the lock mixes no two writes.
        self.data = value, expires
        self.due: float | None = None
        self.weight = weight

    @property
    def expires(self) -> float | None:
        return self.data[1]

    def is_over(self, now: float) -> bool:
        expires = self.data[1]
        return expires is not None and expires <= now


class LocalCache(Generic[K, V]):
    """At most `max_items` entries and `max_bytes` bytes, each for `ttl` seconds; sync, thread-safe.

    `weigh(key, value)` says how many bytes an entry counts; without it, keys and values are text
    or bytes and count by their length. `policy`: "adaptive" keeps what is asked for often and
    learns how much recency matters, "lru" drops the least recent. Values are kept as they are:
    change none that you got. `clock` gives seconds that never go back.

    Reads take no lock, writes do. Expired entries are never returned.

    Raises ValidationError `cache.invalid`, `cache.invalid_ttl`.
    """

    def __init__(
        self,
        max_items: int = 10_000,
        *,
        max_bytes: int | None = None,
        weigh: Callable[[K, V], int] | None = None,
        ttl: float | timedelta | None = None,
        policy: Literal["adaptive", "lru"] = "adaptive",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        _check_bound("max_items", max_items)
        if max_bytes is not None:
            _check_bound("max_bytes", max_bytes)
        if policy not in {"adaptive", "lru"}:
            message = "policy must be adaptive or lru"
            raise wrong_input("invalid", message)
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._weigh = weigh
        self._ttl = None if ttl is None else to_ms(ttl) / 1000
        self._policy_name = policy
        self._clock = clock
        self._lock = threading.RLock()  # a collected value's __del__ may come back to us
        self._hits = self._misses = self._evictions = self._expired = self._rejected = 0
        self._reads: list[_Entry | None] = []
        self._replaced = count().__next__  # counts without the lock; looking at it counts, too
        self._looked = 0
        self._start()

    def _start(self) -> None:
        self._entries: dict[K, _Entry] = {}
        self._policy: Policy = Lru() if self._policy_name == "lru" else Adaptive(self._max_items)
        self._wheel = Wheel()
        self._bytes = 0

    # ---- reading -------------------------------------------------------------------------------

    @overload
    def get(self, key: K) -> V | None: ...
    @overload
    def get(self, key: K, default: D) -> V | D: ...
    def get(self, key: K, default: Any = None) -> Any:
        """Return the value, or `default` for a miss."""
        entry = self._entries.get(key)
        if entry is not None:
            value, expires = entry.data
            if expires is not None and expires <= self._clock():
                entry, value = None, default
        else:
            value = default
        reads = self._reads
        reads.append(entry)
        if len(reads) >= BATCH:
            self._hear()
        return value

    def __contains__(self, key: object) -> bool:
        entry = self._entries.get(key)  # type: ignore[arg-type]  # any object may be asked for
        return entry is not None and not entry.is_over(self._clock())

    def __len__(self) -> int:
        with self._lock:
            self._sweep(self._clock())
            return len(self._entries)

    @property
    def stats(self) -> CacheStats:
        """What happened so far."""
        with self._lock:
            self._note()
            # Each value replaced without the lock was noted as a hit and a miss, and counted.
            replaced = self._replaced() - self._looked
            self._looked += 1
            return CacheStats(
                hits=self._hits - replaced,
                misses=self._misses - replaced,
                evictions=self._evictions,
                expired=self._expired,
                rejected=self._rejected,
            )

    def _hear(self) -> None:
        """Tell the policy of the reads so far, unless a writer is at it."""
        if self._lock.acquire(blocking=False):
            try:
                self._note()
            finally:
                self._lock.release()

    def _note(self) -> None:
        reads = self._reads[:]
        del self._reads[: len(reads)]  # what other threads appended meanwhile stays
        found = [entry for entry in reads if entry is not None]
        self._hits += len(found)
        self._misses += len(reads) - len(found)
        self._policy.touch(found)

    # ---- writing -------------------------------------------------------------------------------

    def set(self, key: K, value: V, *, ttl: Ttl = DEFAULT) -> bool:
        """Keep a value; False, and nothing kept, when it alone is over `max_bytes`."""
        lives = self._ttl if ttl is DEFAULT else None if ttl is None else to_ms(ttl) / 1000
        now = self._clock()
        wheel = self._wheel
        if self._max_bytes is None and wheel.next > now:
            # Nothing grows and nothing is to be swept: replacing a value needs no lock. Filed for
            # an earlier time it is looked at then; only a life cut short must be filed anew.
            entry = self._entries.get(key)
            if entry is not None and (
                lives is None or (entry.due is not None and entry.due - now <= lives * (1 + LATE))
            ):
                entry.data = value, None if lives is None else now + lives
                reads = self._reads
                reads += (entry, None)  # for the policy a request; for the stats, see there
                self._replaced()
                if len(reads) >= BATCH:
                    self._hear()
                return True
        return self._set(key, value, lives)

    def _set(self, key: K, value: V, lives: float | None) -> bool:
        weight = 0 if self._max_bytes is None else self._weight(key, value)
        with self._lock:
            now = self._clock()
            self._sweep(now)
            if self._reads:
                self._note()  # what was asked for before this comes before it
            entry = self._entries.get(key)
            if self._max_bytes is not None and weight > self._max_bytes:
                self._rejected += 1
                if entry is not None:
                    self._drop(entry)
                return False
            expires = None if lives is None else now + lives
            if entry is not None and entry.weight == weight:
                entry.data = value, expires
                self._policy.touch((entry,))
            else:
                if entry is not None:
                    self._drop(entry)  # as the newest it is not what makes room for itself
                entry = _Entry(key, value, expires, weight)
                self._entries[key] = entry
                self._bytes += weight
                self._policy.add(entry)
            if expires is not None:
                self._wheel.file(entry, now)
            if not self._make_room():
                self._policy.settle()
            return True

    def _make_room(self) -> bool:
        """Let entries go until the bounds hold; say whether any had to."""
        entries, policy = self._entries, self._policy
        most = self._bytes if self._max_bytes is None else self._max_bytes
        if len(entries) <= self._max_items and self._bytes <= most:
            return False
        while len(entries) > self._max_items or self._bytes > most:
            entry = policy.evict()
            del entries[entry.key]
            self._wheel.forget(entry)
            self._bytes -= entry.weight
            self._evictions += 1
        return True

    def delete(self, key: K) -> bool:
        """Remove an entry; say whether there was one."""
        return self.pop(key, _NOTHING) is not _NOTHING

    @overload
    def pop(self, key: K) -> V | None: ...
    @overload
    def pop(self, key: K, default: D) -> V | D: ...
    def pop(self, key: K, default: Any = None) -> Any:
        """Remove an entry and return its value, or `default`."""
        with self._lock:
            self._sweep(now := self._clock())
            entry = self._entries.get(key)
            if entry is None:
                return default
            self._drop(entry)
            if entry.is_over(now):
                self._expired += 1
                return default
            return entry.data[0]

    def clear(self) -> None:
        """Remove everything; the counts go on."""
        with self._lock:
            self._note()
            self._start()

    def _drop(self, entry: _Entry) -> None:
        del self._entries[entry.key]  # type: ignore[arg-type]  # it was filed under a K
        self._policy.remove(entry)
        self._wheel.forget(entry)
        self._bytes -= entry.weight

    def _sweep(self, now: float) -> None:
        for entry in self._wheel.due(now):
            if entry.is_over(now):
                self._drop(entry)
                self._expired += 1
            else:
                self._wheel.file(entry, now)

    def _weight(self, key: K, value: V) -> int:
        if self._weigh is not None:
            weight = self._weigh(key, value)
            if isinstance(weight, bool) or not isinstance(weight, int) or weight < 0:
                message = "weigh must return a whole number of bytes, at least 0"
                raise wrong_input("invalid", message)
            return weight
        if isinstance(key, str | bytes) and isinstance(value, str | bytes):
            return len(key) + len(value)
        message = "max_bytes counts text and bytes by itself; give weigh= for other types"
        raise wrong_input("invalid", message)


_NOTHING: Any = object()


def _check_bound(name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        message = f"{name} must be a whole number of at least 1"
        raise wrong_input("invalid", message)
