"""A memory tier in front of a shared store: reads from memory, everything else from the store.

A key is in memory only while the store is known to tell of changes (or, with invalidation="ttl",
for at most that long). A fetch that a change of its key overlapped is not kept.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import attrs

from infra_cache._kept import Kept
from infra_cache.local import LocalCache
from infra_cache.protocol import Found
from infra_errors import CacheError, ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from infra_cache._tracking import Tracking
    from infra_cache.backends.redis import RedisStore
    from infra_cache.keys import Glob
    from infra_cache.protocol import RateState, Store, StoreContext
    from infra_cache.settings import CacheSettings, LocalOptions
    from infra_cache.values import GuardResult

__all__ = ["TieredStore"]

log = logging.getLogger("infra_cache")


@attrs.define(eq=False)
class _Fetch:
    """Fetches of one key under way; `valid` until the key changes."""

    running: int = 0
    valid: bool = True


class TieredStore:
    """The store `l2` with a memory tier; atomic steps always go to `l2` and leave memory empty."""

    def __init__(
        self, l2: Store, settings: CacheSettings, options: LocalOptions, context: StoreContext
    ) -> None:
        if not l2.capabilities.shared:
            message = "l1 goes in front of a shared cache; this one is in memory already"
            raise ConfigError(message, code="cache.config")
        if options.invalidation in {"tracking", "pubsub"}:
            l2.capabilities.require("tracking")
        self._l2 = l2
        self._settings = settings
        self._options = options
        self._counters = context.counters
        # An entry is (data, the ms at which it ends for the store too).
        self._l1: LocalCache[str, tuple[Any, int | None]] = LocalCache(
            options.max_items,
            max_bytes=options.max_bytes,
            weigh=lambda key, entry: len(key) + len(entry[0]),
        )
        self._fetches: dict[str, _Fetch] = {}
        self._tracking: Tracking | None = None
        self._tell: Callable[[Sequence[str]], Awaitable[None]] | None = None
        self.name = l2.name
        self.capabilities = l2.capabilities

    # ---- memory --------------------------------------------------------------------------------

    def changed(self, key: str) -> None:
        """Forget a key; fetches of it that are under way are not kept."""
        if self._l1.delete(key):
            self._counters.invalidations += 1
        if (fetch := self._fetches.pop(key, None)) is not None:
            fetch.valid = False

    async def _wrote(self, *keys: str) -> None:
        """Forget keys that were written, and tell the others, where they must be told."""
        for key in keys:
            self.changed(key)
        if self._tell is not None:
            await self._tell(keys)

    def lost(self) -> None:
        """Forget everything."""
        self._l1.clear()
        for fetch in self._fetches.values():
            fetch.valid = False
        self._fetches.clear()

    @property
    def _is_sure(self) -> bool:
        return self._tracking is None or self._tracking.alive

    def _local(self, key: str) -> Found | None:
        if not self._is_sure:
            return None
        entry = self._l1.get(key)
        if entry is None:
            return None
        data, ends = entry
        return Found(data, None if ends is None else max(1, ends - _now()))

    def _begin(self, keys: Sequence[str]) -> list[_Fetch]:
        found = []
        for key in keys:
            fetch = self._fetches.setdefault(key, _Fetch())
            fetch.running += 1
            found.append(fetch)
        return found

    def _end(self, keys: Sequence[str], fetches: list[_Fetch]) -> None:
        for key, fetch in zip(keys, fetches, strict=True):
            fetch.running -= 1
            if not fetch.running and self._fetches.get(key) is fetch:
                del self._fetches[key]

    def _keep(self, key: str, fetch: _Fetch, data: Any, left: int | None) -> None:
        if data is None or not fetch.valid or not self._is_sure:
            return
        now = _now()
        ends = None if left is None else now + left
        local = now + int(self._options.ttl * 1000)
        until = local if ends is None else min(local, ends)
        if until > now:
            self._l1.set(key, (data, ends), ttl=(until - now) / 1000)

    # ---- reads ---------------------------------------------------------------------------------

    async def get(self, key: str) -> Any:
        """Return the data or None."""
        found = self._local(key)
        if found is not None:
            self._counters.l1_hits += 1
            return found.data
        return (await self._fetch(key, (), (), 0)).data

    async def mget(self, keys: Sequence[str]) -> list[Any]:
        """Return the data or None; asks the store for those that are not here, and keeps none.

        MGET tells no time to live, so what it brings is not kept.
        """
        here = {key: self._local(key) for key in keys}
        missing = [key for key, found in here.items() if found is None]
        self._counters.l1_hits += len(here) - len(missing)
        asked = dict(zip(missing, await self._l2.mget(missing), strict=True)) if missing else {}
        return [asked[key] if (it := here[key]) is None else it.data for key in keys]

    async def fetch(
        self,
        key: str,
        tags: Sequence[str] = (),
        *,
        fresh: Sequence[str] = (),
        keep: int | None = 0,
        size: int | None = None,
    ) -> Found:
        """Return data, time left and stamps: all from memory, or all from the store."""
        if size is not None:
            return await self._l2.fetch(key, tags, fresh=fresh, keep=keep, size=size)
        found = self._local(key)
        stamps = [self._local(tag) for tag in tags]
        if found is not None and None not in stamps:
            self._counters.l1_hits += 1
            return found._replace(stamps=tuple(it.data.decode() for it in stamps if it is not None))
        return await self._fetch(key, tags, fresh, keep)

    async def _fetch(
        self, key: str, tags: Sequence[str], fresh: Sequence[str], keep: int | None
    ) -> Found:
        keys = [key, *tags]
        fetches = self._begin(keys)
        try:
            found = await self._l2.fetch(key, tags, fresh=fresh, keep=keep)
            if self._options.share_objects and found.data is not None:
                found = found._replace(data=Kept(found.data))
            self._keep(key, fetches[0], found.data, found.left)
            for tag, fetch, stamp in zip(tags, fetches[1:], found.stamps, strict=True):
                # How long the stamp lives is not known; the entry's own end bounds its use.
                self._keep(tag, fetch, None if stamp is None else stamp.encode(), found.left)
            return found
        finally:
            self._end(keys, fetches)

    # ---- writes --------------------------------------------------------------------------------

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
        """Store."""
        try:
            return await self._l2.set(key, data, ttl, nx=nx, pin=pin, tags=tags)
        finally:
            await self._wrote(key)  # what overlapped the write is not kept, nor what was here

    async def mset(self, items: Mapping[str, Any], ttl: int | None, tags: Sequence[str]) -> None:
        """Store many."""
        try:
            await self._l2.mset(items, ttl, tags)
        finally:
            await self._wrote(*items)

    async def delete(self, keys: Sequence[str]) -> int:
        """Remove."""
        try:
            return await self._l2.delete(keys)
        finally:
            await self._wrote(*keys)

    async def expire(self, key: str, ttl: int, tags: Sequence[str] = ()) -> bool:
        """Set the time left."""
        try:
            return await self._l2.expire(key, ttl, tags)
        finally:
            await self._wrote(key)

    async def incr(self, key: str, by: int, ttl: int | None) -> int:
        """Add to a counter."""
        try:
            return await self._l2.incr(key, by, ttl)
        finally:
            await self._wrote(key)

    async def take(self, key: str) -> Found:
        """Return and remove."""
        try:
            return await self._l2.take(key)
        finally:
            await self._wrote(key)

    async def cas(self, key: str, old: Any, new: Any, ttl: int | None) -> bool:
        """Replace exactly `old`."""
        try:
            return await self._l2.cas(key, old, new, ttl)
        finally:
            await self._wrote(key)

    async def cad(self, key: str, old: Any) -> bool:
        """Remove exactly `old`."""
        try:
            return await self._l2.cad(key, old)
        finally:
            await self._wrote(key)

    async def guard_set(self, key: str, digest: bytes, attempts: int, ttl: int) -> None:
        """Keep a digest."""
        try:
            await self._l2.guard_set(key, digest, attempts, ttl)
        finally:
            await self._wrote(key)

    async def zadd(self, key: str, member: str, ttl: int, limit: int) -> None:
        """Add an expiring member."""
        try:
            await self._l2.zadd(key, member, ttl, limit)
        finally:
            await self._wrote(key)

    # ---- what is never in memory ---------------------------------------------------------------

    async def guard_check(self, key: str, digest: bytes) -> GuardResult:
        """Count, compare, remove on a match."""
        return await self._l2.guard_check(key, digest)

    async def guard_remaining(self, key: str) -> int | None:
        """Return the tries left."""
        return await self._l2.guard_remaining(key)

    async def zrem(self, key: str, member: str) -> bool:
        """Remove a member."""
        return await self._l2.zrem(key, member)

    async def zrange(self, key: str, limit: int) -> list[str]:
        """Return live members by expiry."""
        return await self._l2.zrange(key, limit)

    async def gcra(self, key: str, cost: int, rates: Sequence[tuple[int, int]]) -> RateState:
        """Spend from every rate or none."""
        return await self._l2.gcra(key, cost, rates)

    async def window(self, key: str, cost: int, rates: Sequence[tuple[int, int]]) -> RateState:
        """Log hits if every rate allows."""
        return await self._l2.window(key, cost, rates)

    async def lock_acquire(self, key: str, owner: str, ttl: int) -> int | None:
        """Take the lock."""
        return await self._l2.lock_acquire(key, owner, ttl)

    async def lock_renew(self, key: str, owner: str, ttl: int) -> bool:
        """Prolong the lock."""
        return await self._l2.lock_renew(key, owner, ttl)

    async def lock_release(self, key: str, owner: str) -> bool:
        """Give the lock back."""
        return await self._l2.lock_release(key, owner)

    def scan(self, prefix: str, glob: Glob, batch: int) -> AsyncIterator[list[str]]:
        """Give the keys that match."""
        return self._l2.scan(prefix, glob, batch)

    # ---- life ----------------------------------------------------------------------------------

    async def open(self) -> None:
        """Open the store, and listen for changes."""
        await self._l2.open()
        if self._options.invalidation == "ttl" or not self._l2.capabilities.tracking:
            log.info("the memory tier is invalidated by its ttl alone")
            return
        from infra_cache.backends.redis import RedisStore

        if not isinstance(self._l2, RedisStore):
            return
        asked = self._options.invalidation
        for mode in ("tracking", "pubsub") if asked == "auto" else (asked,):
            if await self._listen(self._l2, mode):
                log.info("the memory tier is invalidated by %s", mode)
                return
        if asked != "auto":
            message = f"the server does not allow invalidation={asked!r}; use invalidation='ttl'"
            raise ConfigError(message, code="cache.config")
        log.warning("the server allows no tracking: the memory tier has its ttl alone")

    async def _listen(self, l2: RedisStore, mode: str) -> bool:
        """Listen for changes; return whether the server allows that."""
        from infra_cache._tracking import Tracking, TrackingRefused, message_of

        namespace = self._settings.namespace
        prefix = f"{namespace}:" if namespace else ""
        channel, sender = f"infra-cache:{namespace}:changed", uuid4().hex
        tracking = Tracking(
            l2.topology,
            prefix,
            self._settings.connect_timeout,
            self,
            channel=channel if mode == "pubsub" else None,
            sender=sender,
        )
        try:
            await tracking.start()
        except TrackingRefused:
            return False
        self._tracking = tracking
        if mode == "pubsub":

            async def tell(keys: Sequence[str]) -> None:
                try:
                    await l2.publish(channel, message_of(sender, keys))
                except CacheError as error:
                    # The write stands; the others have the old value for their ttl at most.
                    log.warning("other memory tiers were not told of a change: %s", error.code)

            self._tell = tell
        return True

    async def ping(self) -> None:
        """Raise unless the store answers."""
        await self._l2.ping()

    async def warnings(self) -> tuple[str, ...]:
        """Say what about the store is dangerous, and whether memory is bypassed."""
        found = await self._l2.warnings()
        if not self._is_sure:
            found += ("the tracking connection is down: the memory tier is bypassed",)
        return found

    async def aclose(self) -> None:
        """Stop listening, and close the store."""
        if self._tracking is not None:
            await self._tracking.aclose()
        self.lost()
        await self._l2.aclose()


def _now() -> int:
    return time.monotonic_ns() // 1_000_000
