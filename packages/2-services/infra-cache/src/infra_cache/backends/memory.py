"""`memory://`: a store in this process. Every method runs to its end without a wait: atomic."""

from __future__ import annotations

import time
from hmac import compare_digest
from typing import TYPE_CHECKING, Any, Literal

import attrs

from infra_cache._pinned import Pinned, Record
from infra_cache._rates import gcra_step, window_step
from infra_cache.errors import CacheFull, CacheUnavailable, CounterOverflow, WrongType
from infra_cache.local import LocalCache
from infra_cache.protocol import Found, RateState
from infra_cache.values import Capabilities, GuardOutcome, GuardResult
from infra_errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence

    from infra_cache.keys import Glob
    from infra_cache.protocol import StoreContext
    from infra_cache.settings import CacheSettings
    from infra_cache.values import CacheStats

__all__ = ["MemoryStore", "make_store"]

INT64 = 2**63
FENCE_MS = 86_400_000  # how long a free lock remembers its last token


@attrs.define(eq=False)
class _Guard:
    digest: bytes
    attempts: int


@attrs.define(eq=False)
class _Index:
    members: dict[str, int]


@attrs.define(eq=False)
class _Lock:
    owner: str
    token: int
    until: int


@attrs.define(eq=False)
class _Limit:
    times: list[int]


_KINDS = (_Guard, _Index, _Lock, _Limit)


def make_store(
    settings: CacheSettings,
    *,
    context: StoreContext,
    policy: Literal["adaptive", "lru"] = "adaptive",
    share_objects: bool = False,
) -> MemoryStore:
    """Make the store of `memory://`."""
    if policy not in {"adaptive", "lru"}:
        message = "policy must be adaptive or lru"
        raise ConfigError(message, code="cache.config")
    return MemoryStore(settings, context, policy=policy, share_objects=share_objects)


class _Evictable:
    """The entries that a full cache may drop: records in a LocalCache."""

    __slots__ = ("_cache", "found")

    def __init__(
        self,
        settings: CacheSettings,
        policy: Literal["adaptive", "lru"],
        clock: Callable[[], float],
    ) -> None:
        self._cache: LocalCache[str, Record] = LocalCache(
            settings.max_items,
            max_bytes=settings.max_bytes,
            weigh=lambda _, record: record.weight,
            policy=policy,
            clock=clock,
        )
        self.found: Callable[[str], Record | None] = self._cache.get

    def __len__(self) -> int:
        return len(self._cache)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._cache._entries))  # it offers no keys of its own

    @property
    def stats(self) -> CacheStats:
        """What left by itself."""
        return self._cache.stats

    def set(self, key: str, record: Record, now: int) -> bool:
        """Keep a record; False when it alone is over the bound in bytes."""
        left = None if record.expires is None else max(record.expires - now, 1) / 1000
        return self._cache.set(key, record, ttl=left)

    def delete(self, key: str) -> None:
        """Remove a record."""
        self._cache.delete(key)


class MemoryStore:
    """Entries in a LocalCache, and beside it what must not be evicted."""

    name = "memory"
    capabilities = Capabilities()

    def __init__(
        self,
        settings: CacheSettings,
        context: StoreContext,
        *,
        policy: Literal["adaptive", "lru"] = "adaptive",
        share_objects: bool = False,
    ) -> None:
        self._counters = context.counters
        self._clock = context.clock
        self._shared = share_objects
        self._max_pinned = settings.max_pinned
        self._seconds = 0.0
        # Nobody else sees these times: the clock that never goes back will do, and costs less.
        own = self._clock is time.time
        self._now: Callable[[], float] = time.monotonic if own else self._forward
        self._closed = False
        self._local = _Evictable(settings, policy, self._now)
        self._found = self._local.found
        self._pinned = Pinned(self._note_expired)
        self._expired = 0

    def _note_expired(self) -> None:
        self._expired += 1

    def count(self) -> None:
        """Bring the counters up to date with what left by itself."""
        stats = self._local.stats
        self._counters.evictions = stats.evictions
        self._counters.expired = stats.expired + self._expired

    # ---- the table ---------------------------------------------------------------------------

    def _forward(self) -> float:
        # A clock that goes back must not bring back what has expired: time then stands still.
        now = self._clock()
        self._seconds = max(self._seconds, now)
        return self._seconds

    def _now_us(self) -> int:
        return int(self._now() * 1e6)

    def _record(self, key: str) -> Record | None:
        if self._closed:
            message = "the cache was closed; connect again"
            raise CacheUnavailable(message, retryable=False)
        found = self._found(key)
        return found if found is not None else self._pinned.get(key, self._now_us() // 1000)

    def _data(self, key: str) -> Record | None:
        """Find a record that holds a value."""
        record = self._record(key)
        if record is not None and type(record.data) in _KINDS:
            raise WrongType
        return record

    def _kept(self, key: str, kind: type) -> Any:
        """Find what a pinned record of this kind holds."""
        record = self._record(key)
        if record is not None and type(record.data) is not kind:
            raise WrongType
        return None if record is None else record.data

    def _put(self, key: str, data: Any, ttl: int | None, *, pin: bool) -> None:
        now = self._now_us() // 1000
        weight = len(key) + len(data) if type(data) is bytes else len(key)
        record = Record(data, None if ttl is None else now + ttl, weight)
        if pin or self._pinned.get(key, now) is not None:
            self._local.delete(key)
            if self._pinned.get(key, now) is None:
                self._require_room(now)
            self._pinned.set(key, record, now)
            return
        if not self._local.set(key, record, now):
            self._counters.rejected += 1

    def _require_room(self, now: int) -> None:
        self._pinned.sweep(now)
        if len(self._pinned) >= self._max_pinned:
            message = (
                f"{self._max_pinned} counters, locks, codes and pinned entries are kept, which is "
                "all that max_pinned allows; raise it, or give them shorter lives"
            )
            raise CacheFull(message)

    def _left(self, record: Record) -> int | None:
        return None if record.expires is None else record.expires - self._now_us() // 1000

    # ---- entries -----------------------------------------------------------------------------

    async def open(self) -> None:
        """Nothing to do."""

    def peek(self, key: str) -> Any:
        """Return the data or None, at once."""
        record = self._found(key)
        if record is None:
            record = self._data(key)
        return None if record is None else record.data

    async def get(self, key: str) -> Any:
        """Return the data or None."""
        return self.peek(key)

    async def mget(self, keys: Sequence[str]) -> list[Any]:
        """Return the data or None, a key each; another kind is None, as in Redis' MGET."""
        found = [self._record(key) for key in keys]
        return [None if it is None or type(it.data) in _KINDS else it.data for it in found]

    async def fetch(
        self,
        key: str,
        tags: Sequence[str] = (),
        *,
        fresh: Sequence[str] = (),
        keep: int | None = 0,
        size: int | None = None,
    ) -> Found:
        """Return data, time left and stamps."""
        record = self._record(key)
        stamps = tuple(self._stamp(tag) for tag in tags)
        if fresh:
            for tag, stamp, new in zip(tags, stamps, fresh, strict=True):
                if stamp is None:
                    self._put(tag, new.encode(), keep, pin=False)
            stamps = tuple(self._stamp(tag) for tag in tags)
        if record is None:
            return Found(None, None, stamps)
        if size is None and type(record.data) in _KINDS:
            raise WrongType
        data = record.data
        if size is not None:
            data = b"" if type(data) in _KINDS else data
            data = data[:size] if type(data) is bytes else data
        return Found(data, self._left(record), stamps)

    def _stamp(self, tag: str) -> str | None:
        record = self._record(tag)
        return None if record is None else record.data.decode()

    def _keep_tags(self, tags: Sequence[str], ttl: int | None) -> None:
        for tag in tags:
            record = self._record(tag)
            if record is None or record.expires is None:
                continue
            until = None if ttl is None else self._now_us() // 1000 + ttl
            if until is None or record.expires < until:
                self._live_until(tag, record, until)

    async def set(
        self,
        key: str,
        data: Any,
        ttl: int | None,
        *,
        nx: bool = False,
        pin: bool = False,
        tags: Sequence[str] = (),
    ) -> bool:
        """Store an entry; `nx` also pins it."""
        existing = self._record(key)
        if nx and existing is not None:
            return False
        if existing is not None and (type(existing.data) in _KINDS or not pin):
            self._pinned.delete(key)  # a plain entry takes the place of a pinned one
        self._put(key, data, ttl, pin=pin or nx)
        self._keep_tags(tags, ttl)
        return True

    async def mset(self, items: Mapping[str, Any], ttl: int | None, tags: Sequence[str]) -> None:
        """Store many."""
        for key, data in items.items():
            await self.set(key, data, ttl, tags=tags)

    async def delete(self, keys: Sequence[str]) -> int:
        """Remove; return how many were there."""
        count = 0
        for key in keys:
            if self._record(key) is not None:
                self._local.delete(key)
                self._pinned.delete(key)
                count += 1
        return count

    async def expire(self, key: str, ttl: int, tags: Sequence[str] = ()) -> bool:
        """Set the time left."""
        record = self._record(key)
        if record is None:
            return False
        self._live_until(key, record, self._now_us() // 1000 + ttl)
        self._keep_tags(tags, ttl)
        return True

    def _live_until(self, key: str, record: Record, expires: int | None) -> None:
        now = self._now_us() // 1000
        new = Record(record.data, expires, record.weight)
        if self._pinned.get(key, now) is not None:
            self._pinned.set(key, new, now)
        else:
            self._local.set(key, new, now)

    async def incr(self, key: str, by: int, ttl: int | None) -> int:
        """Add to a counter."""
        record = self._data(key)
        value = (0 if record is None else _integer(record.data)) + by
        if not -INT64 <= value < INT64:
            raise CounterOverflow
        data: Any = value if self._shared else str(value).encode()
        if record is None:
            self._put(key, data, ttl, pin=True)
        else:
            self._put(key, data, self._left(record), pin=True)
        return value

    async def take(self, key: str) -> Found:
        """Return and remove."""
        record = self._data(key)
        if record is None:
            return Found(None, None)
        await self.delete([key])
        return Found(record.data, self._left(record))

    async def cas(self, key: str, old: Any, new: Any, ttl: int | None) -> bool:
        """Replace exactly `old`."""
        record = self._data(key)
        if record is None or not self._is(record.data, old):
            return False
        self._put(key, new, ttl, pin=True)
        return True

    async def cad(self, key: str, old: Any) -> bool:
        """Remove exactly `old`."""
        record = self._data(key)
        return record is not None and self._is(record.data, old) and bool(await self.delete([key]))

    def _is(self, data: Any, old: Any) -> bool:
        return data is old if self._shared else bool(data == old)

    # ---- codes and indexes -------------------------------------------------------------------

    async def guard_set(self, key: str, digest: bytes, attempts: int, ttl: int) -> None:
        """Keep a digest."""
        await self.delete([key])
        self._put(key, _Guard(digest, attempts), ttl, pin=True)

    async def guard_check(self, key: str, digest: bytes) -> GuardResult:
        """Count, compare, remove on a match."""
        guard = self._kept(key, _Guard)
        if guard is None:
            return GuardResult(GuardOutcome.ABSENT)
        if guard.attempts <= 0:
            return GuardResult(GuardOutcome.EXHAUSTED)
        guard.attempts -= 1
        if compare_digest(guard.digest, digest):
            await self.delete([key])
            return GuardResult(GuardOutcome.MATCH, guard.attempts)
        return GuardResult(GuardOutcome.MISMATCH, guard.attempts)

    async def guard_remaining(self, key: str) -> int | None:
        """Return the tries left."""
        guard = self._kept(key, _Guard)
        return None if guard is None else max(0, guard.attempts)

    async def zadd(self, key: str, member: str, ttl: int, limit: int) -> None:
        """Add an expiring member."""
        index = self._index(key)
        members = {} if index is None else index.members
        if member not in members and len(members) >= limit:
            message = f"the index has {limit} members, which is all it may have"
            raise CacheFull(message)
        members[member] = self._now_us() // 1000 + ttl
        self._put(key, _Index(members), max(members.values()) - self._now_us() // 1000, pin=True)

    def _index(self, key: str) -> _Index | None:
        index: _Index | None = self._kept(key, _Index)
        if index is not None:
            now = self._now_us() // 1000
            index.members = {name: end for name, end in index.members.items() if end > now}
        return index

    async def zrem(self, key: str, member: str) -> bool:
        """Remove a member."""
        index = self._index(key)
        if index is None or index.members.pop(member, None) is None:
            return False
        if not index.members:
            await self.delete([key])
        return True

    async def zrange(self, key: str, limit: int) -> list[str]:
        """Return live members by expiry."""
        index = self._index(key)
        ends = [] if index is None else [(end, name) for name, end in index.members.items()]
        return [name for _, name in sorted(ends)[:limit]]

    # ---- limits and locks --------------------------------------------------------------------

    async def gcra(self, key: str, cost: int, rates: Sequence[tuple[int, int]]) -> RateState:
        """Spend from every rate or none."""
        return self._limit(key, cost, rates, gcra_step)

    async def window(self, key: str, cost: int, rates: Sequence[tuple[int, int]]) -> RateState:
        """Log hits if every rate allows."""
        return self._limit(key, cost, rates, window_step)

    def _limit(
        self,
        key: str,
        cost: int,
        rates: Sequence[tuple[int, int]],
        step: Callable[..., tuple[RateState, list[int]]],
    ) -> RateState:
        limit = self._kept(key, _Limit)
        state, times = step(self._now_us(), [] if limit is None else limit.times, cost, rates)
        if cost and state.allowed:
            self._put(key, _Limit(times), max(1, -(-state.reset_us // 1000)), pin=True)
        return state

    async def lock_acquire(self, key: str, owner: str, ttl: int) -> int | None:
        """Take the lock."""
        lock, now = self._kept(key, _Lock), self._now_us()
        if lock is not None and lock.owner and lock.until > now:
            return None
        wall = int(self._clock() * 1e6)  # grows from one process to the next, too
        token = max(wall, 0 if lock is None else lock.token + 1)
        self._put(key, _Lock(owner, token, now + ttl * 1000), ttl + FENCE_MS, pin=True)
        return token

    async def lock_renew(self, key: str, owner: str, ttl: int) -> bool:
        """Prolong the lock."""
        lock, now = self._kept(key, _Lock), self._now_us()
        if lock is None or lock.owner != owner or lock.until <= now:
            return False
        self._put(key, _Lock(owner, lock.token, now + ttl * 1000), ttl + FENCE_MS, pin=True)
        return True

    async def lock_release(self, key: str, owner: str) -> bool:
        """Give the lock back."""
        lock, now = self._kept(key, _Lock), self._now_us()
        if lock is None or lock.owner != owner or lock.until <= now:
            return False
        lock.owner = ""
        return True

    # ---- the rest ----------------------------------------------------------------------------

    async def scan(self, prefix: str, glob: Glob, batch: int) -> AsyncIterator[list[str]]:
        """Give the keys that match."""
        found = []
        for key in [*self._local, *self._pinned]:
            if not key.startswith(prefix) or not glob.regex.fullmatch(key, len(prefix)):
                continue
            if self._record(key) is not None:
                found.append(key)
            if len(found) == batch:
                yield found
                found = []
        if found:
            yield found

    async def ping(self) -> None:
        """Raise after `aclose`."""
        self._record("")

    async def warnings(self) -> tuple[str, ...]:
        """Nothing is dangerous here."""
        return ()

    async def aclose(self) -> None:
        """Forget everything."""
        self._closed = True
        for table in (self._local, self._pinned):
            for key in table:
                table.delete(key)


def _integer(data: Any) -> int:
    if type(data) is int and -INT64 <= data < INT64:
        return data
    if type(data) is bytes and len(data) <= 20 and data.removeprefix(b"-").isdigit():
        value = int(data)
        if str(value).encode() == data and -INT64 <= value < INT64:
            return value
    raise WrongType
