"""Hearing from Redis which keys have changed: CLIENT TRACKING in broadcasting mode, or a channel.

The server itself tells of every change; on the channel, those who write through a memory tier do.
A connection of its own to each primary. What is kept in memory may be used only while every one of
them has answered within the last two seconds.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any, Protocol

from redis.exceptions import RedisError, ResponseError

from infra_errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio.connection import AbstractConnection

    from infra_cache.backends._pool import Pool
    from infra_cache.backends._topology import Topology

__all__ = ["Tracking", "TrackingRefused", "message_of"]

log = logging.getLogger("infra_cache")

PING_EVERY = 1.0  # seconds without a word, after which we ask; as long again for the answer
AGAIN_AFTER = 0.5  # seconds before a lost connection is made anew


class TrackingRefused(Exception):  # private: becomes a mode or a ConfigError
    """The server does not allow CLIENT TRACKING, or the channel."""


def message_of(sender: str, keys: Sequence[str]) -> bytes:
    """Return what is published on the channel: who says so, and which keys have changed."""
    return json.dumps([sender, *keys]).encode()


class Listener(Protocol):
    """Who is told."""

    def changed(self, key: str) -> None:
        """Forget a key."""

    def lost(self) -> None:
        """Forget everything: something may have changed unheard."""


class Tracking:
    """Connections that listen for changes; `alive` says whether all of them do.

    The server tells of those below `prefix`; with a `channel`, tiers tell, and `sender` is which
    of them need not be heard.
    """

    def __init__(
        self,
        topology: Topology,
        prefix: str,
        timeout: float,
        listener: Listener,
        *,
        channel: str | None = None,
        sender: str = "",
    ) -> None:
        self._topology = topology
        self._prefix = prefix
        self._channel = channel
        self._sender = sender
        self._timeout = timeout
        self._listener = listener
        self._task: asyncio.Task[None] | None = None
        self.alive = False

    async def start(self) -> None:
        """Listen; returns when it does. Raises TrackingRefused, CacheError."""
        first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._stay(first))
        try:
            await first
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Stop listening."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _stay(self, first: asyncio.Future[None]) -> None:
        """Listen to all primaries, and begin anew whenever one is lost."""
        while True:
            try:
                pools = await self._topology.primaries()
                await self._listen_to(pools, first)
            except (CacheError, RedisError, OSError, TimeoutError, TrackingRefused) as error:
                if not first.done():
                    first.set_exception(error)
                    return
                log.warning("the cache's tracking connection is lost: %s", type(error).__name__)
            finally:
                self.alive = False
                self._listener.lost()
            await asyncio.sleep(AGAIN_AFTER)

    async def _listen_to(self, pools: Sequence[Pool], first: asyncio.Future[None]) -> None:
        connections = [pool.connection() for pool in pools]
        try:
            for connection in connections:
                async with asyncio.timeout(self._timeout):
                    await self._begin(connection)
            self._listener.lost()  # what was fetched before we listened is not sure
            self.alive = True
            if not first.done():
                first.set_result(None)
            readers = [asyncio.create_task(self._read(connection)) for connection in connections]
            readers.append(asyncio.create_task(self._watch(pools)))
            try:
                await asyncio.wait(readers, return_when=asyncio.FIRST_COMPLETED)
            finally:
                self.alive = False
                for reader in readers:
                    reader.cancel()
                await asyncio.wait(readers)
            for reader in readers:
                if not reader.cancelled():
                    reader.result()
        finally:
            for connection in connections:
                await connection.disconnect(nowait=True)

    async def _begin(self, connection: AbstractConnection) -> None:
        await connection.connect()  # type: ignore[no-untyped-call]  # redis has no types here
        parser: Any = connection._parser  # the parsers for RESP3 have it, their base class has not
        parser.set_invalidation_push_handler(self._pushed)
        parser.set_pubsub_push_handler(self._heard)
        prefix = ("PREFIX", self._prefix) if self._prefix else ()
        if self._channel is None:
            await connection.send_command("CLIENT", "TRACKING", "ON", "BCAST", *prefix)
        else:
            await connection.send_command("SUBSCRIBE", self._channel)
        try:
            await connection.read_response(disable_decoding=True, push_request=True)
        except ResponseError as error:
            raise TrackingRefused from error

    async def _read(self, connection: AbstractConnection) -> None:
        asked = False
        while True:
            reply = await connection.read_response(
                disable_decoding=True, timeout=PING_EVERY, push_request=True
            )
            if reply is not None:
                asked = False
            elif asked:
                raise TimeoutError
            else:
                asked = True
                await connection.send_command("PING")

    async def _watch(self, pools: Sequence[Pool]) -> None:
        """Return when the primaries are others than those we listen to."""
        while set(await self._topology.primaries()) == set(pools):  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(PING_EVERY)

    async def _pushed(self, push: Any) -> Any:
        keys = push[1]
        if keys is None:
            self._listener.lost()  # FLUSHALL
        else:
            for key in keys:
                self._listener.changed(key.decode(errors="replace"))
        return push

    async def _heard(self, push: Any) -> Any:
        if bytes(push[0]) == b"message":
            sender, *keys = json.loads(push[2])
            if sender != self._sender:
                for key in keys:
                    self._listener.changed(key)
        return push
