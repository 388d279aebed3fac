"""`redis://` and its kin: a store on one Redis server, on Sentinel's primary, or on a cluster."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from infra_cache._telemetry import Telemetry
from infra_cache.errors import (
    CacheFull,
    CacheTimeout,
    CacheUnavailable,
    CounterOverflow,
    StoreError,
    WrongType,
)
from infra_cache.keys import glob_escape
from infra_cache.protocol import Found, RateState
from infra_cache.values import Capabilities, GuardOutcome, GuardResult
from infra_errors import CacheError, ConfigError, import_extra

import_extra("redis", package="infra-cache", extra="redis")

from redis.exceptions import NoScriptError, OutOfMemoryError, ResponseError  # noqa: E402  # after the check that it is there

from infra_cache.backends import _lua as lua  # noqa: E402
from infra_cache.backends._address import Place, plain_options  # noqa: E402
from infra_cache.backends._pool import Pool  # noqa: E402
from infra_cache.backends._topology import Cluster, Sentinel, Single, Topology  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from infra_cache.backends._pool import Command
    from infra_cache.keys import Glob
    from infra_cache.protocol import StoreContext
    from infra_cache.settings import CacheSettings

__all__ = ["RedisStore", "make_store"]

BATCH = 500  # commands sent at once to one server
FENCE_MS = 86_400_000


def make_store(settings: CacheSettings, *, context: StoreContext, client: Any = None) -> RedisStore:
    """Make the store of a redis URL, or over a redis-py client's server."""
    if client is not None:
        return RedisStore(_of_client(client, settings), Telemetry("redis"), settings, context)
    place = Place.parse(settings)

    def pool(make: Any) -> Pool:
        return _pool(make, settings)

    topology: Topology
    if place.kind == "cluster":
        topology = Cluster(place.addresses, lambda address: pool(place.connection(address)))
    elif place.kind == "sentinel":
        topology = Sentinel(
            place.addresses,
            place.service,
            lambda address: pool(place.connection(address)),
            lambda address: pool(place.sentinel(address)),
        )
    else:
        topology = Single(pool(place.connection(place.addresses[0] if place.addresses else None)))
    host, port = place.addresses[0] if place.addresses else (place.path, None)
    telemetry = Telemetry("redis", host, port)
    return RedisStore(topology, telemetry, settings, context)


def _pool(make: Any, settings: CacheSettings) -> Pool:
    return Pool(
        make,
        size=settings.pool_size,
        connect_timeout=settings.connect_timeout,
        timeout=settings.timeout,
    )


def _of_client(client: Any, settings: CacheSettings) -> Single:
    """Lend a client's address, credentials and TLS; the connections are our own."""
    pool = getattr(client, "connection_pool", None)
    kind = getattr(pool, "connection_class", None)
    if pool is None or kind is None or not kind.__module__.startswith("redis.asyncio"):
        message = "RedisCache takes a URL, settings or a redis.asyncio.Redis client"
        raise ConfigError(message, code="cache.config")
    skipped = ("retry", "maint", "himport", "legacy", "event_dispatcher", "lib_", "driver_info")
    lent = {
        name: value
        for name, value in pool.connection_kwargs.items()
        if not name.startswith(skipped)
    }
    options = {**lent, **plain_options(settings.connect_timeout)}
    return Single(_pool(lambda: kind(**options), settings))


class RedisStore:
    """Commands and scripts on Redis 6.2 or newer."""

    name = "redis"

    def __init__(
        self,
        topology: Topology,
        telemetry: Telemetry,
        settings: CacheSettings,
        context: StoreContext,
    ) -> None:
        self.topology = topology
        self._is_cluster = isinstance(topology, Cluster)
        self.capabilities = Capabilities(
            durable=True, shared=True, tracking=True, cluster=self._is_cluster
        )
        self._telemetry = telemetry
        self._rng = context.rng
        self._retry = context.retry.with_(rng=context.rng, on=_may_repeat)
        self._again = (
            None
            if (self._retry.attempts or 2) < 2
            else self._retry.with_(
                attempts=None if self._retry.attempts is None else self._retry.attempts - 1,
            )
        )

    # ---- running ---------------------------------------------------------------------------------

    async def _run(
        self, operation: str, calls: Sequence[tuple[str, Command]], *, again: bool = True
    ) -> list[Any]:
        """Run commands; those that may be repeated are, when a connection breaks."""
        with self._telemetry.call(operation):
            try:
                return await self.topology.run(calls, again=again)
            except CacheUnavailable as error:
                # What was not sent may be sent again, whatever it is: `again` was heeded below.
                if self._again is None or not _may_repeat(error):
                    raise
                await asyncio.sleep(self._retry.base * self._rng())
                return await self._again.arun(self.topology.run, calls, again=again)

    async def _one(self, key: str, *command: Any, again: bool = True) -> Any:
        (reply,) = await self._run(command[0], [(key, command)], again=again)
        return _checked(reply)

    async def _script(
        self, name: str, script: lua.Script, key: str, *args: Any, again: bool = False
    ) -> Any:
        """Run a script by its digest; one that the server does not know is sent whole."""
        (reply,) = await self._run(
            name, [(key, ("EVALSHA", script.sha, 1, key, *args))], again=again
        )
        if isinstance(reply, NoScriptError):
            (reply,) = await self._run(
                name, [(key, ("EVAL", script.source, 1, key, *args))], again=again
            )
        return _checked(reply)

    async def _all(self, operation: str, calls: list[tuple[str, Command]]) -> list[Any]:
        """Run any number of commands that may be repeated, so many at once."""
        replies: list[Any] = []
        for at in range(0, len(calls), BATCH):
            replies += await self._run(operation, calls[at : at + BATCH])
        return replies

    async def open(self) -> None:
        """Ask for an answer, as often as any call that may be repeated."""
        await self._retry.arun(self.ping)

    # ---- entries ---------------------------------------------------------------------------------

    async def get(self, key: str) -> Any:
        """Return the data or None."""
        return await self._one(key, "GET", key)

    async def mget(self, keys: Sequence[str]) -> list[Any]:
        """Return the data or None; in a cluster each server is asked once."""
        if not self._is_cluster:
            found: list[Any] = []
            for at in range(0, len(keys), BATCH):
                batch = keys[at : at + BATCH]
                found += await self._one(batch[0], "MGET", *batch)
            return found
        replies = await self._all("MGET", [(key, ("GET", key)) for key in keys])
        return [None if _is_wrong_type(reply) else _checked(reply) for reply in replies]

    async def fetch(
        self,
        key: str,
        tags: Sequence[str] = (),
        *,
        fresh: Sequence[str] = (),
        keep: int | None = 0,
        size: int | None = None,
    ) -> Found:
        """Return data, time left and stamps: one round trip."""
        read: Command = ("GET", key) if size is None else ("GETRANGE", key, 0, size - 1)
        calls: list[tuple[str, Command]] = [(key, read), (key, ("PTTL", key))]
        for tag, new in zip(tags, fresh, strict=False):
            calls.append((tag, ("SET", tag, new, "NX", *(() if keep is None else ("PX", keep)))))
        calls += [(tag, ("GET", tag)) for tag in tags]
        data, left, *rest = await self._run("FETCH" if tags else read[0], calls)
        left = _checked(left)
        stamps = tuple(
            None if (stamp := _checked(it)) is None else stamp.decode()
            for it in (rest[-len(tags) :] if tags else ())
        )
        if left == -2:
            return Found(None, None, stamps)
        data = b"" if size is not None and _is_wrong_type(data) else _checked(data)
        return Found(data, None if left < 0 else left, stamps)

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
        """Store; Redis keeps everything until it expires, so `pin` says nothing new."""
        command = (
            "SET",
            key,
            data,
            *(() if ttl is None else ("PX", ttl)),
            *(("NX",) if nx else ()),
        )
        if not tags:
            return await self._one(key, *command, again=not nx) is not None
        replies = await self._run("SET", [(key, command), *_keep(tags, ttl)])
        await self._kept(replies[1:], tags, ttl)
        return _checked(replies[0]) is not None

    async def _kept(self, replies: Sequence[Any], tags: Sequence[str], ttl: int | None) -> None:
        """Send the script to servers that did not know it."""
        unknown = [
            tag
            for tag, reply in zip(tags, replies, strict=True)
            if isinstance(reply, ResponseError)
        ]
        for tag in unknown:
            await self._script("SET", lua.KEEP, tag, "" if ttl is None else ttl, again=True)

    async def mset(self, items: Mapping[str, Any], ttl: int | None, tags: Sequence[str]) -> None:
        """Store many, pipelined."""
        tail = () if ttl is None else ("PX", ttl)
        calls: list[tuple[str, Command]] = [
            (key, ("SET", key, data, *tail)) for key, data in items.items()
        ]
        for reply in await self._all("MSET", calls):
            _checked(reply)
        if tags:
            await self._kept(await self._run("SET", _keep(tags, ttl)), tags, ttl)

    async def delete(self, keys: Sequence[str]) -> int:
        """Remove with UNLINK, which frees memory behind the server's back."""
        if not self._is_cluster:
            count = 0
            for at in range(0, len(keys), BATCH):
                batch = keys[at : at + BATCH]
                count += await self._one(batch[0], "UNLINK", *batch)
            return count
        replies = await self._all("UNLINK", [(key, ("UNLINK", key)) for key in keys])
        return sum(_checked(reply) for reply in replies)

    async def expire(self, key: str, ttl: int, tags: Sequence[str] = ()) -> bool:
        """Set the time left."""
        replies = await self._run("PEXPIRE", [(key, ("PEXPIRE", key, ttl)), *_keep(tags, ttl)])
        await self._kept(replies[1:], tags, ttl)
        return bool(_checked(replies[0]))

    async def incr(self, key: str, by: int, ttl: int | None) -> int:
        """Add to a counter."""
        return int(await self._script("INCRBY", lua.INCR, key, by, "" if ttl is None else ttl))

    async def take(self, key: str) -> Found:
        """Return and remove."""
        data, left = await self._script("GETDEL", lua.TAKE, key)
        return Found(data, None if left < 0 else left)

    async def cas(self, key: str, old: Any, new: Any, ttl: int | None) -> bool:
        """Replace exactly `old`."""
        args = (old, new, "" if ttl is None else ttl)
        return bool(await self._script("CAS", lua.CAS, key, *args))

    async def cad(self, key: str, old: Any) -> bool:
        """Remove exactly `old`."""
        return bool(await self._script("CAD", lua.CAD, key, old))

    # ---- codes and indexes -----------------------------------------------------------------------

    async def guard_set(self, key: str, digest: bytes, attempts: int, ttl: int) -> None:
        """Keep a digest."""
        await self._script("GUARD.SET", lua.GUARD_SET, key, digest, attempts, ttl, again=True)

    async def guard_check(self, key: str, digest: bytes) -> GuardResult:
        """Count, compare, remove on a match."""
        outcome, left = await self._script("GUARD.CHECK", lua.GUARD_CHECK, key, digest)
        return GuardResult(GuardOutcome(outcome.decode()), left)

    async def guard_remaining(self, key: str) -> int | None:
        """Return the tries left."""
        left = await self._one(key, "HGET", key, "left")
        return None if left is None else max(0, int(left))

    async def zadd(self, key: str, member: str, ttl: int, limit: int) -> None:
        """Add an expiring member."""
        if not await self._script("ZADD", lua.INDEX_ADD, key, member, ttl, limit, again=True):
            message = f"the index has {limit} members, which is all it may have"
            raise CacheFull(message)

    async def zrem(self, key: str, member: str) -> bool:
        """Remove a member."""
        return bool(await self._script("ZREM", lua.INDEX_REMOVE, key, member))

    async def zrange(self, key: str, limit: int) -> list[str]:
        """Return live members by expiry."""
        found = await self._script("ZRANGE", lua.INDEX_MEMBERS, key, limit, again=True)
        return [member.decode() for member in found]

    # ---- limits and locks ------------------------------------------------------------------------

    async def gcra(self, key: str, cost: int, rates: Sequence[tuple[int, int]]) -> RateState:
        """Spend from every rate or none."""
        return await self._limit("GCRA", lua.GCRA, key, cost, rates)

    async def window(self, key: str, cost: int, rates: Sequence[tuple[int, int]]) -> RateState:
        """Log hits if every rate allows."""
        return await self._limit("WINDOW", lua.WINDOW, key, cost, rates)

    async def _limit(
        self, name: str, script: lua.Script, key: str, cost: int, rates: Sequence[tuple[int, int]]
    ) -> RateState:
        args = [number for rate in rates for number in rate]
        allowed, left, retry, reset = await self._script(
            name, script, key, cost, *args, again=cost == 0
        )
        return RateState(bool(allowed), left, retry, reset)

    async def lock_acquire(self, key: str, owner: str, ttl: int) -> int | None:
        """Take the lock."""
        token = await self._script("LOCK.ACQUIRE", lua.LOCK_ACQUIRE, key, owner, ttl, FENCE_MS)
        return None if token is None else int(token)

    async def lock_renew(self, key: str, owner: str, ttl: int) -> bool:
        """Prolong the lock."""
        args = (owner, ttl, FENCE_MS)
        return bool(await self._script("LOCK.RENEW", lua.LOCK_RENEW, key, *args, again=True))

    async def lock_release(self, key: str, owner: str) -> bool:
        """Give the lock back."""
        return bool(await self._script("LOCK.RELEASE", lua.LOCK_RELEASE, key, owner))

    # ---- the rest --------------------------------------------------------------------------------

    async def scan(self, prefix: str, glob: Glob, batch: int) -> AsyncIterator[list[str]]:
        """Give the keys that match, of every primary; never KEYS."""
        pattern = glob_escape(prefix) + glob.server
        fullmatch, skip = glob.regex.fullmatch, len(prefix)
        for pool in await self.topology.primaries():
            cursor: Any = 0
            while True:
                command = ("SCAN", cursor, "MATCH", pattern, "COUNT", batch)
                with self._telemetry.call("SCAN"):
                    (reply,) = await self._retry.arun(pool.run, [command], again=True)
                cursor, raw = _checked(reply)
                found = [key.decode(errors="replace") for key in raw]
                if not glob.is_exact:
                    found = [key for key in found if fullmatch(key, skip)]
                if found:
                    yield found
                if int(cursor) == 0:
                    break

    async def publish(self, channel: str, message: bytes) -> None:
        """Tell everybody who listens to a channel."""
        await self._one(channel, "PUBLISH", channel, message)

    async def ping(self) -> None:
        """Ask every primary."""
        with self._telemetry.call("PING"):
            for pool in await self.topology.primaries():
                (reply,) = await pool.run([("PING",)], again=True)
                _checked(reply)

    async def warnings(self) -> tuple[str, ...]:
        """Say where a server may throw away counters, codes and locks."""
        found = []
        for pool in await self.topology.primaries():
            (reply,) = await pool.run([("INFO", "memory")], again=True)
            if isinstance(reply, ResponseError):
                continue  # this user may not ask
            if b"maxmemory_policy:allkeys" in reply:
                found.append(
                    "maxmemory-policy allkeys-*: Redis may evict counters, codes and locks; "
                    "use volatile-lru or noeviction, or a server of their own"
                )
        return tuple(dict.fromkeys(found))

    async def aclose(self) -> None:
        """Close all connections."""
        await self.topology.aclose()


def _keep(tags: Sequence[str], ttl: int | None) -> list[tuple[str, Command]]:
    left = "" if ttl is None else ttl
    return [(tag, ("EVALSHA", lua.KEEP.sha, 1, tag, left)) for tag in tags]


def _may_repeat(error: Exception) -> bool:
    return (
        isinstance(error, CacheUnavailable)
        and error.code == "cache.connection"
        and bool(error.retryable)
    )


def _is_wrong_type(reply: Any) -> bool:
    return isinstance(reply, ResponseError) and "WRONGTYPE" in str(reply)


def _checked(reply: Any) -> Any:
    """Return a reply, or raise what an error reply means."""
    if not isinstance(reply, ResponseError):
        return reply
    raise _meaning(reply) from reply


def _meaning(reply: ResponseError) -> CacheError:
    text = str(reply)
    if "WRONGTYPE" in text or "not an integer" in text:
        return WrongType()
    if "would overflow" in text:
        return CounterOverflow()
    if isinstance(reply, OutOfMemoryError) or "OOM" in text:
        message = "Redis is out of memory and refuses to store"
        return CacheFull(message)
    if "BUSY" in text:
        message = "Redis is busy with a script"
        return CacheTimeout(message)
    message = "Redis refused the call; the cause says why"
    return StoreError(message)
