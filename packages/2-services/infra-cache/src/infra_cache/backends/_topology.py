"""Which Redis server has a key: the only one, the one that Sentinel names, or one of a cluster."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Protocol

from redis.crc import key_slot
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    ReadOnlyError,
    TryAgainError,
)

from infra_cache.errors import CacheUnavailable
from infra_errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from infra_cache.backends._pool import Command, Pool

__all__ = ["Address", "Cluster", "Sentinel", "Single", "Topology"]

Address = tuple[str, int]
MAX_REDIRECTS = 8
REDIRECT_PAUSE = 0.05  # seconds; a slot that moves, or a replica that takes over, needs a moment


class Topology(Protocol):
    """Runs commands where they belong."""

    async def run(self, calls: Sequence[tuple[str, Command]], *, again: bool) -> list[Any]:
        """Run (key, command) pairs, in one round trip a server; replies in the same order."""

    async def primaries(self) -> list[Pool]:
        """Return a pool for each server that holds keys."""

    async def aclose(self) -> None:
        """Close all connections."""


class Single:
    """One server."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def run(self, calls: Sequence[tuple[str, Command]], *, again: bool) -> list[Any]:
        """Run all of it there."""
        return await self._pool.run([command for _, command in calls], again=again)

    async def primaries(self) -> list[Pool]:
        """Return the one."""
        return [self._pool]

    async def aclose(self) -> None:
        """Close it."""
        await self._pool.aclose()


class Sentinel:
    """The server that a majority of sentinels call the primary of a service."""

    def __init__(
        self,
        sentinels: Sequence[Address],
        service: str,
        make: Callable[[Address], Pool],
        ask: Callable[[Address], Pool],
    ) -> None:
        self._sentinels = [ask(address) for address in sentinels]
        self._service = service
        self._make = make
        self._address: Address | None = None
        self._pool: Pool | None = None
        self._lock = asyncio.Lock()

    async def run(self, calls: Sequence[tuple[str, Command]], *, again: bool) -> list[Any]:
        """Run it at the primary; on a broken connection the sentinels are asked anew."""
        pool = await self._current()
        try:
            replies = await pool.run([command for _, command in calls], again=again)
        except CacheError:
            self._forget(pool)
            raise
        if any(isinstance(reply, ReadOnlyError) for reply in replies):
            self._forget(pool)
            message = "this Redis server is no longer the primary"
            raise CacheUnavailable(message)
        return replies

    def _forget(self, pool: Pool) -> None:
        if self._pool is pool:
            self._address = None

    async def _current(self) -> Pool:
        if self._pool is not None and self._address is not None:
            return self._pool
        async with self._lock:
            if self._pool is not None and self._address is not None:
                return self._pool
            address = await self._ask()
            old, self._pool = self._pool, self._make(address)
            self._address = address
            if old is not None:
                await old.aclose()
            return self._pool

    async def _ask(self) -> Address:
        question = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service)
        cause: CacheError | None = None
        for sentinel in self._sentinels:
            try:
                (reply,) = await sentinel.run([question], again=True)
            except CacheError as error:
                cause = error
                continue
            if isinstance(reply, list) and len(reply) == 2:
                return reply[0].decode(), int(reply[1])
        message = f"no sentinel knows a primary of the service {self._service}"
        raise CacheUnavailable(message) from cause

    async def primaries(self) -> list[Pool]:
        """Return the primary."""
        return [await self._current()]

    async def aclose(self) -> None:
        """Close the connections to all of them."""
        for pool in [*self._sentinels, *([self._pool] if self._pool else [])]:
            await pool.aclose()


class Cluster:
    """Many servers, each with a part of the 16,384 slots."""

    def __init__(self, seeds: Sequence[Address], make: Callable[[Address], Pool]) -> None:
        self._seeds = list(seeds)
        self._make = make
        self._pools: dict[Address, Pool] = {}
        self._slots: dict[int, Address] = {}
        self._lock = asyncio.Lock()
        self._read_at = 0.0

    async def run(self, calls: Sequence[tuple[str, Command]], *, again: bool) -> list[Any]:
        """Group by server, ask them side by side, follow where a slot has moved."""
        if not self._slots:
            await self._learn()
        replies: list[Any] = [None] * len(calls)
        groups: dict[Address, list[int]] = {}
        for at, (key, _) in enumerate(calls):
            groups.setdefault(self._home(key), []).append(at)

        async def ask(address: Address, places: list[int]) -> None:
            found = await self._ask(address, [calls[at][1] for at in places], again=again)
            for at, reply in zip(places, found, strict=True):
                replies[at] = await self._followed(calls[at][1], reply, again=again)

        if len(groups) == 1:
            await ask(*groups.popitem())
        else:
            # Every group runs to its end: one that fails must not cancel what others have sent.
            ends = await asyncio.gather(
                *(ask(*group) for group in groups.items()), return_exceptions=True
            )
            for end in ends:
                if isinstance(end, BaseException):
                    raise end
        return replies

    async def _ask(self, address: Address, commands: list[Command], *, again: bool) -> list[Any]:
        try:
            return await self._pool(address).run(commands, again=again)
        except CacheUnavailable as error:
            if error.code == "cache.connection":
                self._slots = {}  # its replica may have taken over: learn the map anew
            raise

    async def _followed(self, command: Command, reply: Any, *, again: bool) -> Any:
        """Repeat a command where the server says that its slot is now."""
        for _ in range(MAX_REDIRECTS):
            if isinstance(reply, AskError):
                pool = self._pool((reply.host, reply.port))
                _, reply = await pool.run([("ASKING",), command], again=again)
            elif isinstance(reply, MovedError):
                self._slots[reply.slot_id] = address = (reply.host, reply.port)
                (reply,) = await self._pool(address).run([command], again=again)
            elif isinstance(reply, TryAgainError | ClusterDownError):
                await asyncio.sleep(REDIRECT_PAUSE)
                await self._learn()
                key = command[3] if command[0] in {"EVALSHA", "EVAL"} else command[1]
                (reply,) = await self._pool(self._home(key)).run([command], again=again)
            else:
                return reply
        message = "the cluster does not settle where a key is"
        raise CacheUnavailable(message)

    def _home(self, key: str) -> Address:
        slot = key_slot(key.encode())
        try:
            return self._slots[slot]
        except KeyError:
            message = "no server of the cluster has the slot of this key"
            raise CacheUnavailable(message) from None

    def _pool(self, address: Address) -> Pool:
        if address not in self._pools:
            self._pools[address] = self._make(address)
        return self._pools[address]

    async def _learn(self) -> None:
        """Ask any server for the map of slots."""
        asked_at = time.monotonic()
        async with self._lock:
            if self._slots and self._read_at >= asked_at:
                return
            cause: CacheError | None = None
            for address in dict.fromkeys([*self._pools, *self._seeds]):
                try:
                    (reply,) = await self._pool(address).run([("CLUSTER", "SLOTS")], again=True)
                except CacheError as error:
                    cause = error
                    continue
                if isinstance(reply, list) and reply:
                    self._slots = _slot_map(reply, address)
                    self._read_at = time.monotonic()
                    return
            message = "no server of the cluster tells which has which slots"
            raise CacheUnavailable(message) from cause

    async def primaries(self) -> list[Pool]:
        """Return every primary's pool."""
        await self._learn()
        return [self._pool(address) for address in dict.fromkeys(self._slots.values())]

    async def aclose(self) -> None:
        """Close the connections to all of them."""
        for pool in self._pools.values():
            await pool.aclose()


def _slot_map(reply: list[Any], asked: Address) -> dict[int, Address]:
    found: dict[int, Address] = {}
    for first, last, primary, *_ in reply:
        host = primary[0].decode() if primary[0] else asked[0]
        for slot in range(first, last + 1):
            found[slot] = (host, primary[1])
    return found
