"""The cache itself: every feature, over any store."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from infra_cache import guards, loading, locks
from infra_cache._core import INTERNAL, Core, to_ms
from infra_cache._frames import Frame, is_framed
from infra_cache.codecs import json_only
from infra_cache.errors import CounterOverflow, unencodable, wrong_input
from infra_cache.keys import Glob, check_key
from infra_cache.protocol import Found
from infra_cache.tags import head, judge, new_stamps, note_undecodable, read, tag_keys, unique
from infra_cache.values import (
    DEFAULT,
    MISSING,
    CacheStats,
    Capabilities,
    GuardResult,
    Health,
    Missing,
    Ttl,
)
from infra_errors import SerializationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Generator, Mapping
    from contextlib import AbstractAsyncContextManager
    from datetime import timedelta

    from infra_cache.locks import Lock

__all__ = ["StoreCache"]

T = TypeVar("T")
UNLINK_BATCH = 500


class StoreCache:
    """A cache over a store; `connect` makes it. What each method does is said at `Cache`."""

    def __init__(self, core: Core, namespace: str) -> None:
        self._core = core
        self._store = core.store
        # A store in this process answers at once: a coroutine for it would cost more than it does.
        self._peek: Callable[[str], Any] | None = getattr(core.store, "peek", None)
        self.namespace = namespace
        self._prefix = f"{namespace}:" if namespace else ""

    @property
    def name(self) -> str:
        """The backend's name."""
        return self._store.name

    @property
    def default_ttl(self) -> float | None:
        """Seconds an entry lives unless told otherwise."""
        return self._core.settings.default_ttl

    @property
    def capabilities(self) -> Capabilities:
        """What the backend can do."""
        return self._store.capabilities

    @property
    def stats(self) -> CacheStats:
        """What happened so far."""
        count = getattr(self._store, "count", None)  # a store that counts by itself tells now
        if count is not None:
            count()
        return self._core.counters.snapshot()

    def namespaced(self, name: str, *, version: int = 1) -> Self:
        """Give a view below this namespace."""
        check_key(name)
        if isinstance(version, bool) or not isinstance(version, int) or version < 1:
            message = "version must be a whole number of at least 1"
            raise wrong_input("invalid", message)
        view = type(self).__new__(type(self))
        StoreCache.__init__(view, self._core, f"{self._prefix}{name}@{version}")
        return view

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} namespace={self.namespace!r}>"

    # ---- reading -----------------------------------------------------------------------------

    async def get(self, key: str, default: Any = None) -> Any:
        """Return the value, or `default` for a miss."""
        core = self._core
        if self._peek is not None:
            try:
                data = self._peek(self._prefix + key)
            except TypeError:
                data = None  # the key is no text, as the check tells
            if data is None:
                check_key(key)  # what is there has a valid key: only a miss is worth the check
        else:
            check_key(key)
            if not core.opened or core.closed:
                await core.ready()
            data = await self._store.get(self._prefix + key)
        if data is None:
            core.counters.misses += 1
            return default
        if is_framed(data, shared=core.shared):
            return await self._framed(self._prefix + key, data, default)
        try:
            value = core.codec.decode(data)
        except SerializationError:
            note_undecodable(core)
            core.counters.misses += 1
            return default
        core.counters.hits += 1
        return value

    async def _framed(self, key: str, data: Any, default: Any) -> Any:
        """Read an entry that has a frame: its time left or its tags decide."""
        core = self._core
        entry = await judge(core, self._prefix, Found(data, None), {})
        if entry is not None and entry.frame.stale:
            entry = await read(core, self._prefix, key)
        if entry is None or entry.frame.error is not None:
            core.counters.misses += 1
            return default
        core.counters.hits += 1
        return entry.value

    async def get_many(self, keys: Collection[str]) -> dict[str, Any]:
        """Return the hits only, in the order of `keys`."""
        await self._core.ready()
        names = list(dict.fromkeys([check_key(key) for key in keys]))
        if not names:
            return {}
        found: dict[str, Any] = {}
        datas = await self._store.mget([self._prefix + name for name in names])
        for name, data in zip(names, datas, strict=True):
            value = MISSING
            if data is None:
                self._core.counters.misses += 1
            elif is_framed(data, shared=self._core.shared):
                value = await self._framed(self._prefix + name, data, MISSING)
            else:
                value = self._decoded(data)
            if value is not MISSING:
                found[name] = value
        return found

    def _decoded(self, data: Any) -> Any:
        counters = self._core.counters
        try:
            value = self._core.codec.decode(data)
        except SerializationError:
            note_undecodable(self._core)
            counters.misses += 1
            return MISSING
        counters.hits += 1
        return value

    async def exists(self, key: str) -> bool:
        """Say whether `get` would be a hit."""
        return await self._head(key) is not None

    async def ttl(self, key: str) -> float | Missing | None:
        """Return the seconds left, None for never, MISSING for no entry."""
        found = await self._head(key)
        if found is None:
            return MISSING
        left = found[1]
        return None if left is None else left / 1000

    async def _head(self, key: str) -> tuple[Frame, int | None] | None:
        key = self._prefix + check_key(key)
        await self._core.ready()
        return await head(self._core, self._prefix, key)

    # ---- writing -----------------------------------------------------------------------------

    async def set(
        self,
        key: str,
        value: object,
        *,
        ttl: Ttl = DEFAULT,
        tags: Collection[str] = (),
        pin: bool = False,
    ) -> None:
        """Store a value."""
        core = self._core
        key = self._prefix + check_key(key)
        live = core.ttl(ttl)
        data = core.encode(value)
        if not core.opened or core.closed:
            await core.ready()
        if tags:
            names = tag_keys(self._prefix, tags)
            data = core.pack(data, await self._frame(tags, names, live))
            await self._store.set(key, data, live, pin=pin, tags=names)
        else:
            await self._store.set(key, data, live, pin=pin)

    async def _frame(self, tags: Collection[str], names: list[str], live: int | None) -> Frame:
        found = await self._store.fetch(
            self._prefix + INTERNAL, names, fresh=new_stamps(names), keep=live
        )
        stamps = zip(unique(tags), found.stamps, strict=True)
        return Frame(tags={tag: stamp or "" for tag, stamp in stamps})

    async def set_many(
        self, items: Mapping[str, object], *, ttl: Ttl = DEFAULT, tags: Collection[str] = ()
    ) -> None:
        """Store many values; not atomic."""
        core = self._core
        live = core.ttl(ttl)
        datas = {self._prefix + check_key(key): core.encode(items[key]) for key in items}
        names = tag_keys(self._prefix, tags)
        await core.ready()
        if names:
            frame = await self._frame(tags, names, live)
            datas = {key: core.pack(data, frame) for key, data in datas.items()}
        if datas:
            await self._store.mset(datas, live, names)

    async def set_nx(self, key: str, value: object, *, ttl: Ttl) -> bool:
        """Store a value unless there is one."""
        key = self._prefix + check_key(key)
        live, data = self._core.ttl(ttl), self._core.encode(value)
        await self._core.ready()
        return await self._store.set(key, data, live, nx=True)

    async def set_with_expiry(self, key: str, value: object, seconds: float) -> None:
        """Store a value for so many seconds."""
        to_ms(seconds, what="seconds")
        await self.set(key, value, ttl=seconds)

    async def delete(self, key: str) -> bool:
        """Remove an entry; say whether there was one."""
        return await self.delete_many([key]) > 0

    async def delete_many(self, keys: Collection[str]) -> int:
        """Remove entries; say how many there were."""
        names = list(dict.fromkeys([self._prefix + check_key(key) for key in keys]))
        await self._core.ready()
        return await self._store.delete(names) if names else 0

    async def expire(self, key: str, ttl: float | timedelta) -> bool:
        """Give an entry a new time to live."""
        live = to_ms(ttl)
        found = await self._head(key)
        if found is None:
            return False
        frame = found[0]
        names = tag_keys(self._prefix, frame.tags)
        return await self._store.expire(self._prefix + key, live + frame.stale, names)

    async def increment(self, key: str, by: int = 1, *, ttl: Ttl = DEFAULT) -> int:
        """Add to a counter and return it."""
        key = self._prefix + check_key(key)
        if isinstance(by, bool) or not isinstance(by, int):
            message = f"a counter is incremented by an int, not {type(by).__name__}"
            raise wrong_input("invalid", message)
        if not -(2**63) <= by < 2**63:
            raise CounterOverflow
        live = self._core.ttl(ttl)
        await self._core.ready()
        return await self._store.incr(key, by, live)

    async def take(self, key: str, default: Any = None) -> Any:
        """Return the value and remove it, in one step."""
        core = self._core
        key = self._prefix + check_key(key)
        await core.ready()
        entry = await judge(core, self._prefix, await self._store.take(key), {})
        if entry is None or entry.is_stale or entry.frame.error is not None:
            core.counters.misses += 1
            return default
        core.counters.hits += 1
        return entry.value

    async def compare_and_set(self, key: str, expected: object, value: object, *, ttl: Ttl) -> bool:
        """Replace the value if it is the expected one.

        What is compared are values, not bytes, so that the order of names or a codec's nonce does
        not matter; what is replaced are exactly the bytes that were compared.
        """
        core = self._core
        name = self._prefix + check_key(key)
        live, new = core.ttl(ttl), core.encode(value)
        wanted = core.codec.decode(core.encode(expected))
        await core.ready()
        while True:
            found = await self._store.fetch(name)
            entry = await judge(core, self._prefix, found, {})
            if entry is None or entry.is_stale or not _same(entry.value, wanted):
                return False
            if await self._store.cas(name, found.data, new, live):
                return True

    # ---- many --------------------------------------------------------------------------------

    async def keys(self, glob: str = "*", *, batch: int = 1000) -> AsyncIterator[str]:
        """Give the keys that match, each once."""
        seen: set[str] = set()
        async for found in self._scan(Glob.parse(glob), batch):
            for key in found:
                if key not in seen:
                    seen.add(key)
                    yield key[len(self._prefix) :]

    async def _scan(self, glob: Glob, batch: int) -> AsyncIterator[list[str]]:
        if isinstance(batch, bool) or not isinstance(batch, int) or not 1 <= batch <= 100_000:
            message = "batch must be a whole number from 1 to 100000"
            raise wrong_input("invalid", message)
        await self._core.ready()
        skip = len(self._prefix)
        async for found in self._store.scan(self._prefix, glob, batch):
            # A view below this one keeps its own names behind its own prefix.
            yield [key for key in found if INTERNAL not in key or INTERNAL not in key[skip:]]

    async def delete_pattern(self, glob: str, *, all: bool = False) -> int:
        """Remove what matches in this namespace."""
        pattern = Glob.parse(glob)
        if pattern.matches_all and not all:
            message = "this pattern matches every key; pass all=True if it should"
            raise wrong_input("invalid_pattern", message)
        count = 0
        async for found in self._scan(pattern, 1000):
            count += await self._unlink(found)
        return count

    async def _unlink(self, keys: list[str]) -> int:
        batches = [keys[at : at + UNLINK_BATCH] for at in range(0, len(keys), UNLINK_BATCH)]
        if len(batches) == 1:
            return await self._store.delete(keys)
        return sum(await asyncio.gather(*map(self._store.delete, batches)))

    async def clear(self) -> int:
        """Remove everything of this namespace."""
        if not self._prefix and self.capabilities.shared:
            message = "this would empty a server that others may use; give the cache a namespace"
            raise wrong_input("invalid_pattern", message)
        await self._core.ready()
        count = 0
        async for found in self._store.scan(self._prefix, Glob.parse("*"), 1000):
            count += await self._unlink(found)
        return count

    async def invalidate_tags(self, *tags: str) -> None:
        """Make every entry with one of these tags a miss."""
        names = tag_keys(self._prefix, tags)
        await self._core.ready()
        if names:
            await self._store.delete(names)
            self._core.counters.invalidations += len(names)

    # ---- loading and locks -------------------------------------------------------------------

    async def get_or_load(
        self,
        key: str,
        loader: Callable[[], Awaitable[T]],
        *,
        ttl: Ttl = DEFAULT,
        stale: float = 0.0,
        negative_ttl: float | None = None,
        tags: Collection[str] = (),
        jitter: float = 0.0,
        across: bool = False,
        load_timeout: float | None = 30.0,
        cache_if: Callable[[T], bool] | None = None,
        on_error: Literal["load", "raise"] = "load",
    ) -> T:
        """Return the entry, or load it once for all who ask."""
        check_key(key)
        options = loading.LoadOptions(
            ttl=ttl,
            stale=stale,
            negative_ttl=negative_ttl,
            tags=unique(tags),
            jitter=jitter,
            across=across,
            load_timeout=load_timeout,
            cache_if=cache_if,
            on_error=on_error,
        )
        value: T = await loading.get_or_load(self._core, self._prefix, key, loader, options)
        return value

    def lock(
        self, name: str, *, ttl: float = 30.0, wait: float | None = 10.0
    ) -> AbstractAsyncContextManager[Lock]:
        """Hold a lock for the block."""
        return locks.hold(self._core, self._prefix, check_key(name), ttl=ttl, wait=wait)

    # ---- codes and indexes -------------------------------------------------------------------

    async def guard_set(self, key: str, digest: bytes, *, attempts: int, ttl: float) -> None:
        """Keep the keyed digest of a one-time code."""
        await guards.guard_set(self._core, self._prefix + check_key(key), digest, attempts, ttl)

    async def guard_check(self, key: str, digest: bytes) -> GuardResult:
        """Count a try, compare, and on a match forget the code."""
        return await guards.guard_check(self._core, self._prefix + check_key(key), digest)

    async def guard_remaining(self, key: str) -> int | None:
        """Return the tries left, None when there is no code."""
        key = self._prefix + check_key(key)
        await self._core.ready()
        return await self._store.guard_remaining(key)

    async def index_add(self, key: str, member: str, *, ttl: float) -> None:
        """Put a member into a set, for so many seconds."""
        await guards.index_add(self._core, self._prefix + check_key(key), member, ttl)

    async def index_remove(self, key: str, member: str) -> bool:
        """Take a member out."""
        key, member = self._prefix + check_key(key), guards.check_member(member)
        await self._core.ready()
        return await self._store.zrem(key, member)

    async def index_members(self, key: str, *, limit: int = 1000) -> list[str]:
        """Return the members that have not expired."""
        key = self._prefix + check_key(key)
        limit = guards.check_limit(limit)
        await self._core.ready()
        return await self._store.zrange(key, limit)

    # ---- JSON's own types --------------------------------------------------------------------

    async def get_json(self, key: str, default: Any = None) -> Any:
        """Return a value of JSON's own types; anything else is a miss."""
        value = await self.get(key, MISSING)
        return value if value is not MISSING and json_only(value) else default

    async def set_json(self, key: str, value: object, *, ttl: Ttl = DEFAULT) -> None:
        """Store a value of JSON's own types."""
        if not json_only(value):
            message = "set_json takes JSON's own types; `set` takes dates, UUIDs and more"
            raise unencodable(message)
        await self.set(key, value, ttl=ttl)

    # ---- life --------------------------------------------------------------------------------

    async def ping(self) -> None:
        """Ask the backend for an answer; raises what stands in the way."""
        await self._core.ready()
        await self._store.ping()

    async def health(self, timeout: float = 2.0) -> Health:  # noqa: ASYNC109  # house name
        """Ping within `timeout` seconds; never raises."""
        started = time.monotonic()
        try:
            async with _within(timeout):
                await self.ping()
                latency = time.monotonic() - started
                warnings = await self._store.warnings()
        except Exception as error:  # noqa: BLE001  # the answer says what it was
            return Health(ok=False, error=getattr(error, "code", type(error).__name__))
        return Health(ok=True, latency=latency, warnings=warnings)

    async def aclose(self) -> None:
        """Cancel running loads and close; a second time does nothing."""
        await self._core.aclose()

    def __await__(self) -> Generator[Any, None, Self]:
        """Open and give the cache: `cache = await connect(url)`."""
        return self.__aenter__().__await__()

    async def __aenter__(self) -> Self:
        try:
            await self._core.ready()
        except BaseException:
            await self._core.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._core.aclose()


def _within(seconds: float) -> asyncio.Timeout:
    return asyncio.timeout(seconds if 0 < seconds < math.inf else 0)


def _same(one: Any, other: Any) -> bool:
    """Compare as JSON does: true is no number, at any depth."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)
