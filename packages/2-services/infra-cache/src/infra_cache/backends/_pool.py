"""Connections to one Redis server: so many at most, and none that could answer another's question.

A call that ends in the middle, cancelled or timed out or broken, closes its connection: the reply
that is still under way then has no reader, and cannot be taken for the next one's.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import TYPE_CHECKING, Any

from redis.exceptions import AuthenticationError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeout

from infra_cache.errors import CacheTimeout, CacheUnavailable, OutcomeUnknown, StoreError
from infra_errors import CacheError, CircuitBreaker, CircuitOpenError

try:
    from hiredis import pack_command
except ImportError:  # the pure parser and packer give the same results
    pack_command = None  # type: ignore[assignment]  # asked for before each use

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from redis.asyncio.connection import AbstractConnection

    Command = Sequence[Any]

__all__ = ["Pool"]


class Pool:
    """At most `size` connections to one server, behind a circuit breaker. Times in seconds."""

    def __init__(
        self,
        make: Callable[[], AbstractConnection],
        *,
        size: int,
        connect_timeout: float,
        timeout: float,
    ) -> None:
        self._make = make
        self._size = size
        self._connect_timeout = connect_timeout
        self._timeout = timeout
        self._idle: list[AbstractConnection] = []
        self._open = 0
        self._waiting: deque[asyncio.Future[AbstractConnection | None]] = deque()
        self._breaker = CircuitBreaker("redis", consecutive=5, open_for=2.0, counts=_is_outage)
        self._closed = False

    async def run(self, commands: Sequence[Command], *, again: bool) -> list[Any]:
        """Send commands and return their replies, error replies as ResponseError objects.

        `again`: the commands may be repeated, so that a broken connection is CacheUnavailable;
        else OutcomeUnknown once they were sent.
        """
        try:
            permit = self._breaker.allow()
        except CircuitOpenError as error:
            message = "the Redis server failed five times in a row; it is left alone a while"
            raise CacheUnavailable(
                message, code="cache.breaker_open", retry_after=error.retry_after
            ) from error
        with permit:
            connection = await self._take()
            sent = False
            try:
                async with asyncio.timeout(self._timeout):
                    packed = _packed(connection, commands)
                    sent = True
                    await connection.send_packed_command(packed, check_health=False)
                    replies = [await _reply(connection) for _ in commands]
            except BaseException as error:
                await self._drop(connection)
                if not isinstance(error, TimeoutError | OSError | RedisError):
                    raise
                raise self._translated(error, lost=sent and not again) from error
            self._give(connection)
            return replies

    def _translated(self, error: Exception, *, lost: bool) -> CacheError:
        if isinstance(error, RedisConnectionError | OSError) and not isinstance(
            error, TimeoutError
        ):
            self._drop_idle()  # a server that closed one has closed them all
        if lost:
            message = "the connection to Redis broke after the call was sent; it may have happened"
            return OutcomeUnknown(message)
        if isinstance(error, TimeoutError | RedisTimeout):
            message = f"Redis did not answer within {self._timeout:g} s"
            return CacheTimeout(message)
        message = "the connection to Redis broke"
        return CacheUnavailable(message)

    def connection(self) -> AbstractConnection:
        """Make a connection beside the pool, not yet connected; whoever asks closes it."""
        return self._make()

    # ---- the connections -----------------------------------------------------------------------

    async def _take(self) -> AbstractConnection:
        if self._closed:
            message = "the cache was closed; connect again"
            raise CacheUnavailable(message, retryable=False)
        while self._idle:
            connection = self._idle.pop()
            if _is_alive(connection):
                return connection
            self._open -= 1
            await connection.disconnect(nowait=True)
        if self._open < self._size:
            self._open += 1
            return await self._connected()
        waiter: asyncio.Future[AbstractConnection | None]
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout(self._timeout):
                given = await waiter
        except BaseException as error:
            if waiter.done() and not waiter.cancelled():
                self._pass_on(waiter.result())
            elif waiter in self._waiting:
                self._waiting.remove(waiter)
            if isinstance(error, TimeoutError):
                message = (
                    f"no connection to Redis became free in {self._timeout:g} s: all "
                    f"{self._size} are in use; raise pool_size or ask less at once"
                )
                raise CacheUnavailable(message, code="cache.pool_exhausted") from None
            raise
        return given if given is not None else await self._connected()

    async def _connected(self) -> AbstractConnection:
        """Open a connection in a place that is already counted."""
        connection = None
        try:
            connection = self._make()
            async with asyncio.timeout(self._connect_timeout):
                await connection.connect()  # type: ignore[no-untyped-call]  # redis has no types here
        except BaseException as error:
            if connection is not None:
                await connection.disconnect(nowait=True)
            self._pass_on(None)
            if isinstance(error, AuthenticationError):
                message = "Redis refuses this user or password"
                raise CacheUnavailable(message, retryable=False) from error
            if isinstance(error, TimeoutError | RedisTimeout):
                message = f"Redis cannot be reached within {self._connect_timeout:g} s"
                raise CacheUnavailable(message) from error
            if isinstance(error, ResponseError):
                message = "Redis refuses the connection"
                raise StoreError(message) from error
            if isinstance(error, OSError | RedisError):
                message = "Redis cannot be reached"
                raise CacheUnavailable(message) from error
            raise
        return connection

    def _give(self, connection: AbstractConnection) -> None:
        self._pass_on(connection)

    async def _drop(self, connection: AbstractConnection) -> None:
        try:
            await connection.disconnect(nowait=True)
        finally:
            self._pass_on(None)

    def _pass_on(self, connection: AbstractConnection | None) -> None:
        """Give a connection, or the place of one, to who waits longest."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        if connection is None:
            self._open -= 1
        elif self._closed:
            self._open -= 1
            _close(connection)
        else:
            self._idle.append(connection)

    def _drop_idle(self) -> None:
        idle, self._idle = self._idle, []
        self._open -= len(idle)
        for connection in idle:
            _close(connection)

    async def aclose(self) -> None:
        """Close all connections; those in use when their call ends."""
        self._closed = True
        idle, self._idle = self._idle, []
        self._open -= len(idle)
        for connection in idle:
            await connection.disconnect()


def _packed(connection: AbstractConnection, commands: Sequence[Command]) -> Any:
    if pack_command is not None:  # in C, a third of the time
        return b"".join([pack_command(tuple(command)) for command in commands])
    return connection.pack_commands(commands)


async def _reply(connection: AbstractConnection) -> Any:
    try:
        return await connection.read_response(disable_decoding=True, timeout=math.inf)
    except ResponseError as error:
        return error  # an answer: the connection is in step


def _is_alive(connection: AbstractConnection) -> bool:
    reader = connection._reader  # no public name for it that costs no system call
    return reader is not None and not reader.at_eof() and reader.exception() is None


def _close(connection: AbstractConnection) -> None:
    """Close at once, from where nothing can be awaited; there is no public way."""
    parser: Any = connection._parser
    parser.on_disconnect()
    connection._close()  # type: ignore[no-untyped-call]  # redis has no types here


def _is_outage(error: BaseException) -> bool | None:
    if isinstance(error, CacheUnavailable):
        return error.code == "cache.connection" or None
    return True if isinstance(error, CacheTimeout | OutcomeUnknown) else None
