"""The raw client: one origin, its connections, and no more than that.

    pool = UpstreamPool("http://127.0.0.1:8000")
    async with await pool.request("GET", b"/", []) as response:
        body = await response.read()

For a gateway, which has headers as bytes and wants to pass bodies on. `FastTransport` puts
httpx2's API on top of it.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import httpx2

from infra_http._opening import GOODBYE, open_connection
from infra_http._request import IDEMPOTENT, encode
from infra_http._response import Duplex, UpstreamResponse
from infra_http._sending import SLICE, send
from infra_http._slots import PoolLimits, PoolStats, Slots
from infra_http.errors import (
    ConnectFailed,
    ConnectTimedOut,
    HttpConfigError,
    HttpInputError,
    ProtocolFailed,
    ReadFailed,
    TotalTimedOut,
    WriteFailed,
)

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterable, Coroutine, Sequence
    from types import TracebackType

    from infra_errors import Deadline
    from infra_http._h1 import Connection
    from infra_http.guard import SSRFGuard

__all__ = ["Duplex", "PoolLimits", "PoolStats", "UpstreamPool", "UpstreamResponse"]

_DEFAULT = PoolLimits()
_BROKE = (ProtocolFailed, ReadFailed, WriteFailed)


class Timeouts(NamedTuple):
    """Seconds of the steps of one request; None is no bound."""

    connect: float | None
    read: float | None
    write: float | None
    acquire: float | None


class UpstreamPool:
    """Connections to one origin.

    Args:
        origin: `http://host:port` or `https://host`, without a path.
        limits: how many connections, how large a head, how much is buffered.
        connect_timeout: seconds for look-up, connection and TLS handshake together.
        read_timeout: seconds to the head of a response, and then to each piece of its body.
        write_timeout: seconds in which the other side takes nothing.
        ssl_context: what TLS trusts; without it certificates are verified as httpx2 does.
        guard: checks the origin now, and each address before it is connected to.
        server_hostname: the name that TLS sends and verifies, if it is not the origin's host.

    Raises:
        HttpConfigError: the origin is none.
        AddressBlocked: the guard refuses the origin.
    """

    def __init__(
        self,
        origin: str,
        *,
        limits: PoolLimits = _DEFAULT,
        connect_timeout: float | None = 5.0,
        read_timeout: float | None = 60.0,
        write_timeout: float | None = 30.0,
        ssl_context: ssl.SSLContext | None = None,
        guard: SSRFGuard | None = None,
        server_hostname: str | None = None,
    ) -> None:
        url = _origin(origin)
        if guard is not None:
            guard.check_url(url)
        secure = url.scheme == "https"
        self._setup(
            host=url.raw_host.decode("ascii"),
            port=url.port or (443 if secure else 80),
            ssl_context=ssl_context if secure else None,
            secure=secure,
            slots=Slots(limits),
            guard=guard,
            server_hostname=server_hostname,
        )
        self._timeouts = Timeouts(
            connect_timeout, read_timeout, write_timeout, limits.acquire_timeout
        )

    @classmethod
    def sharing(
        cls,
        slots: Slots,
        *,
        host: str,
        port: int,
        secure: bool,
        ssl_context: ssl.SSLContext | None,
        guard: SSRFGuard | None,
        server_hostname: str | None,
        uds: str | None,
        local_address: str | None,
    ) -> Self:
        """Make one of several pools under one limit; each of its requests brings its timeouts."""
        pool = cls.__new__(cls)
        pool._setup(
            host=host,
            port=port,
            ssl_context=ssl_context,
            secure=secure,
            slots=slots,
            guard=guard,
            server_hostname=server_hostname,
        )
        pool.uds, pool.local_address = uds, local_address
        pool._timeouts = Timeouts(None, None, None, None)
        return pool

    def _setup(
        self,
        *,
        host: str,
        port: int,
        secure: bool,
        ssl_context: ssl.SSLContext | None,
        slots: Slots,
        guard: SSRFGuard | None,
        server_hostname: str | None,
    ) -> None:
        self.address = (host, port)
        self.secure = secure
        self.ssl = ssl_context
        self._slots = slots
        self.guard = guard
        self.server_hostname = server_hostname
        self.uds: str | None = None
        self.local_address: str | None = None
        bracketed = f"[{host}]" if ":" in host else host
        usual = port == (443 if secure else 80)
        self._host = (bracketed if usual else f"{bracketed}:{port}").encode("ascii")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._all: set[Connection] = set()
        self._emptied: asyncio.Future[None] | None = None
        self._opened = 0
        self._closed = False
        self.limits = slots.limits
        self.held = 0
        self.parked: list[Connection] = []

    # ---- public ----------------------------------------------------------------------------------

    def request(
        self,
        method: str,
        target: bytes,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes | AsyncIterable[bytes] | None = None,
        *,
        content_length: int | None = None,
        deadline: Deadline | None = None,
        allow_upgrade: bool = False,
    ) -> Coroutine[Any, Any, UpstreamResponse]:
        """Send a request and return its response, as soon as its head is there.

        Args:
            method: sent as it is, "GET".
            target: path and query, escaped: `b"/a?b=c"`.
            headers: names and values; Host and the framing of the body are added where missing.
            body: bytes, or pieces that are sent as they come. An error of the upstream that
                arrives earlier ends the sending.
            content_length: of a body in pieces, which is then not sent in chunks.
            deadline: for all of it, up to the last byte of the response's body.
            allow_upgrade: a 101 is welcome, and `response.upgrade()` gives the connection.

        Raises:
            HttpInputError: the request may not be sent as it is; nothing was.
            PoolTimedOut, ConnectTimedOut, ConnectFailed, TlsFailed, AddressBlocked: nothing was.
            WriteFailed, WriteTimedOut, ReadFailed, ReadTimedOut, ProtocolFailed, TotalTimedOut.
        """
        return self.exchange(
            method,
            target,
            headers,
            body,
            content_length=content_length,
            deadline=deadline,
            allow_upgrade=allow_upgrade,
            timeouts=self._timeouts,
        )

    def stats(self) -> PoolStats:
        """Return how many connections serve a call, are idle, are waited for, were opened."""
        waiting = sum(owner is self for owner in self._slots.waiters.values())
        return PoolStats(
            in_use=self.held, idle=len(self.parked), waiting=waiting, opened=self._opened
        )

    @property
    def busy(self) -> bool:
        """Whether it has a connection, or a caller."""
        return bool(self._all) or self.held > 0 or self in self._slots.waiters.values()

    async def ping(self) -> None:
        """Return if a connection can be had.

        Raises:
            ConnectFailed, TlsFailed, ConnectTimedOut, PoolTimedOut, AddressBlocked.
        """
        conn = await self._acquire(self._timeouts, math.inf, fresh=False)
        conn.held = False
        self.give(conn, clean=conn.usable())

    async def aclose(self) -> None:
        """Close all connections; calls under way end with ReadFailed. Closing twice is fine."""
        self._closed = True
        if self._loop is not None and self._loop.is_closed():
            self._forget()  # what was open has ended with its loop
            return
        self._slots.stop()
        for waiter, owner in list(self._slots.waiters.items()):
            if owner is self and not waiter.done():
                waiter.set_exception(ConnectFailed("the pool was closed"))
        for conn in list(self._all):
            conn.shut(ReadFailed("the pool was closed"))
        if self._all and self._loop is asyncio.get_running_loop():
            if self._emptied is None:
                self._emptied = self._loop.create_future()
            await asyncio.wait([self._emptied], timeout=GOODBYE)
            for conn in list(self._all):
                conn.abort()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    # ---- one exchange ----------------------------------------------------------------------------

    async def exchange(
        self,
        method: str,
        target: bytes,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes | AsyncIterable[bytes] | None,
        *,
        timeouts: Timeouts,
        content_length: int | None = None,
        deadline: Deadline | None = None,
        allow_upgrade: bool | None = None,
    ) -> UpstreamResponse:
        """As `request`, with the timeouts of this one call; None: the header Upgrade allows it."""
        head = encode(method, target, headers, body, content_length, self._host)
        deadline_at = math.inf
        if deadline is not None:
            deadline_at = asyncio.get_running_loop().time() + deadline.remaining()
        replayable = body is None or isinstance(body, bytes)
        small: bytes | None = None  # all of the request, where one write takes it
        if not body:
            small = head.data + b"0\r\n\r\n" if head.chunked else head.data
        elif isinstance(body, bytes) and len(body) <= SLICE and not head.chunked:
            small = head.data + body
        fresh = False
        while True:
            conn = None if fresh else self._at_hand()
            if conn is None:
                conn = await self._acquire(timeouts, deadline_at, fresh=fresh)
            reused = conn.requests > 0
            response = conn.begin(
                head_only=method == "HEAD",
                may_upgrade=head.upgrade if allow_upgrade is None else allow_upgrade,
                keep=not head.close,
                read_timeout=timeouts.read,
                deadline_at=deadline_at,
            )
            try:
                if small is not None:
                    conn.write(small)
                    conn.sent = True
                else:
                    await send(conn, response, head, body, timeouts.write)
                await conn.head(response)
            except BaseException as error:
                conn.fail(response, ReadFailed("the caller went away"))
                # An idle connection that ended as we wrote on it: once more, on a new one.
                broke = isinstance(error, _BROKE) and error is response._error
                if broke and reused and conn.untouched(response) and not self._closed:
                    fresh = replayable and method in IDEMPOTENT
                if fresh and reused:
                    continue
                raise
            return response

    # ---- connections -----------------------------------------------------------------------------

    def _at_hand(self) -> Connection | None:
        """Return an idle connection, where nobody has to wait for one."""
        slots = self._slots
        if not self.parked or slots.waiters or self._closed:
            return None
        if asyncio.get_running_loop() is not self._loop:
            return None
        conn = slots.take_idle(self)
        if conn is not None:
            conn.held = True
        return conn

    async def _acquire(self, timeouts: Timeouts, deadline_at: float, *, fresh: bool) -> Connection:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._enter(loop)
        if self._closed:
            message = "the pool is closed"
            raise HttpInputError(message)
        slots = self._slots
        # Who comes now does not overtake who waits.
        if slots.waiters:
            conn = await self._queue(timeouts.acquire, deadline_at)
        else:
            try:
                conn = slots.take(self, fresh=fresh)
            except LookupError:
                conn = await self._queue(timeouts.acquire, deadline_at)
        if conn is not None and (fresh or not conn.usable()):
            conn.close()
            conn = None
        if conn is None:
            try:
                conn = await self._connect(timeouts.connect, deadline_at)
            except BaseException:
                slots.give(self, None, clean=False)
                raise
        conn.held = True
        if self._closed:  # meanwhile
            conn.abort()
            conn.held = False
            slots.give(self, conn, clean=False)
            return self._refuse()
        return conn

    def _refuse(self) -> Connection:
        message = "the pool was closed"
        raise ConnectFailed(message)

    async def _queue(self, seconds: float | None, deadline_at: float) -> Connection | None:
        left = deadline_at - asyncio.get_running_loop().time()
        if left < (math.inf if seconds is None else seconds):
            return await self._slots.wait(self, left, TotalTimedOut)
        return await self._slots.wait(self, seconds)

    async def _connect(self, seconds: float | None, deadline_at: float) -> Connection:
        loop = asyncio.get_running_loop()
        at = math.inf if seconds is None else loop.time() + seconds
        late = TotalTimedOut if deadline_at < at else ConnectTimedOut
        at = min(at, deadline_at)
        try:
            async with asyncio.timeout_at(None if at == math.inf else at) as cut:
                return await open_connection(self, loop)
        except TimeoutError as error:
            if not cut.expired():
                message = f"{self.address[0]} port {self.address[1]} cannot be connected to"
                raise ConnectFailed(message) from error
            message = f"no connection to {self.address[0]} port {self.address[1]} in time"
            raise late(message) from None

    def _enter(self, loop: asyncio.AbstractEventLoop) -> None:
        """Belong to this loop; connections of one that is gone are forgotten."""
        if self._loop is not None and not self._loop.is_closed():
            message = "one pool serves one event loop: make another pool for this one"
            raise HttpConfigError(message)
        if self._loop is not None:
            self._forget()
        self._loop = loop

    def _forget(self) -> None:
        self._slots.forget(self)
        self._all.clear()

    # ---- what a connection reports ---------------------------------------------------------------

    def opened(self, conn: Connection) -> None:
        """Count a connection that was made."""
        self._opened += 1
        self._all.add(conn)

    def give(self, conn: Connection, *, clean: bool) -> None:
        """Take back a connection and its slot."""
        self._slots.give(self, conn, clean=clean and not self._closed)

    def drop(self, conn: Connection) -> None:
        """Forget an idle connection that cannot be used."""
        self._slots.drop(conn)

    def lost(self, conn: Connection) -> None:
        """Forget a connection whose socket is gone."""
        if not conn.held:
            self._slots.drop(conn)
        self._all.discard(conn)
        if not self._all and self._emptied is not None and not self._emptied.done():
            self._emptied.set_result(None)


def _origin(origin: str) -> httpx2.URL:
    try:
        url = httpx2.URL(origin)
    except (httpx2.InvalidURL, TypeError) as error:
        message = "the origin of a pool is a URL such as http://host:port"
        raise HttpConfigError(message) from error
    if url.scheme not in {"http", "https"} or not url.host or url.raw_path != b"/":
        message = "the origin of a pool is http:// or https://, a host, and no path"
        raise HttpConfigError(message)
    if url.userinfo:
        message = "the origin of a pool has no user and password: send a header"
        raise HttpConfigError(message)
    return url
