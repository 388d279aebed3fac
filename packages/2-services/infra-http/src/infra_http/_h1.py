"""One HTTP/1.1 connection: llhttp reads, a state machine decides whether it can be used again.

Everything that changes who owns the connection is synchronous. A caller that is cancelled, once
or twice, at whatever await, leaves through `fail`, which closes the socket and returns the slot
before the exception travels on.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

import httptools

from infra_http._response import UpstreamResponse
from infra_http.errors import (
    ProtocolFailed,
    ReadFailed,
    ReadTimedOut,
    TotalTimedOut,
    WriteFailed,
    WriteTimedOut,
)

if TYPE_CHECKING:
    from infra_errors import InfraError
    from infra_http.pool import UpstreamPool

__all__ = ["Connection"]

_INTERIM = 8  # responses 1xx before the real one
_LINGER = 5.0  # seconds that the last bytes of a duplex have to leave
_FOREVER = math.inf


class _Refused(Exception):  # never leaves this file
    """What llhttp takes and we do not; it stops the parser from inside of a callback."""


class Connection(asyncio.Protocol):
    """A connection of a pool; at most one request at a time is on it."""

    __slots__ = (
        "_chunked",
        "_deadline_at",
        "_expires",
        "_head_only",
        "_interim",
        "_keep",
        "_late",
        "_may_upgrade",
        "_parser",
        "_paused_reading",
        "_paused_writing",
        "_response",
        "_silent",
        "_started",
        "_stray",
        "_tail",
        "_timer",
        "_timer_at",
        "_transport",
        "_tunnel",
        "_write_waiter",
        "closed",
        "held",
        "idle_since",
        "limits",
        "loop",
        "pool",
        "read_timeout",
        "requests",
        "sent",
    )

    def __init__(self, pool: UpstreamPool, loop: asyncio.AbstractEventLoop) -> None:
        self.pool = pool
        self.loop = loop
        self.limits = pool.limits
        self.closed = False
        self.held = False  # a call owns it, and with it a slot
        self.requests = 0
        self.idle_since = loop.time()
        self.sent = True  # the request has been handed to the transport in whole
        self.read_timeout: float | None = None
        self._transport: asyncio.Transport | None = None
        self._parser: Any = httptools.HttpResponseParser(self)
        self._response: UpstreamResponse | None = None
        self._tunnel = False
        self._paused_reading = False
        self._paused_writing = False
        self._write_waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = self._expires = self._deadline_at = _FOREVER
        self._late: type[InfraError] = ReadTimedOut

    # ---- what the pool does ----------------------------------------------------------------------

    def usable(self) -> bool:
        """Whether a request can be sent on it."""
        if self.closed or self._transport is None or self._transport.is_closing():
            return False
        expiry = self.limits.keepalive_expiry
        return expiry is None or self.loop.time() - self.idle_since <= expiry

    def begin(
        self,
        *,
        head_only: bool,
        may_upgrade: bool,
        keep: bool,
        read_timeout: float | None,
        deadline_at: float,
    ) -> UpstreamResponse:
        """Expect a response, and return what it will be written into."""
        self.requests += 1
        self.sent = False
        self.read_timeout = read_timeout
        self._deadline_at = deadline_at
        self._head_only = head_only
        self._may_upgrade = may_upgrade
        self._keep = keep
        self._started = self._stray = self._chunked = False
        self._interim = self._silent = 0
        self._tail = b""
        response = self._response = UpstreamResponse(self)
        return response

    def write(self, data: bytes | memoryview) -> None:
        """Hand bytes to the transport; `drained` waits where it is full."""
        transport = self._transport
        if transport is not None:
            transport.write(data)

    async def drained(self, response: UpstreamResponse, seconds: float | None) -> None:
        """Wait until the transport takes more, the response says no, or the connection breaks."""
        while self._paused_writing and response._error is None and not self.refuses(response):
            waiter = self._write_waiter = self.loop.create_future()
            self._arm(seconds, WriteTimedOut)
            try:
                await waiter
            finally:
                self._expires = _FOREVER
                self._write_waiter = None

    def refuses(self, response: UpstreamResponse) -> bool:
        """Whether the answer is there, and an error, or ended: the rest of the body is in vain."""
        return response._complete or response.status >= 400

    async def head(self, response: UpstreamResponse) -> None:
        """Wait for the head of the response: within the read timeout, however slowly it drips."""
        # Not `_started`: when the caller wakes, the connection may serve another one already.
        while not response.http_version and response._error is None:
            await self._until_woken(response, self.read_timeout)
        if response._error is not None:
            raise response._error

    async def more(self, response: UpstreamResponse, seconds: float | None = -1.0) -> None:
        """Wait for a change of the response's body."""
        try:
            await self._until_woken(response, self.read_timeout if seconds == -1.0 else seconds)
        except BaseException:
            message = "the reader of the response went away"
            self.fail(response, ReadFailed(message))
            raise

    async def _until_woken(self, response: UpstreamResponse, seconds: float | None) -> None:
        waiter = response._waiter = self.loop.create_future()
        self._arm(seconds, ReadTimedOut)
        try:
            await waiter
        finally:
            self._expires = _FOREVER
            response._waiter = None

    def written(self, *, whole: bool) -> None:
        """Note that the request has been written, or that the rest of it will not be."""
        self.sent = True
        self._keep = self._keep and whole
        if (response := self._response) is not None and response._complete:
            self._finish()

    def fail(self, response: UpstreamResponse, error: InfraError) -> None:
        """End an exchange that cannot go on: close the socket, return the slot, wake the caller."""
        if self._response is not response:
            return  # it has ended before
        if not response._complete:
            response._error = error
        self._response = None
        self.abort()
        self._wake(response)
        self._wake_writer()
        self._give_back(clean=False)

    def untouched(self, response: UpstreamResponse) -> bool:
        """Whether not a byte came back: an idle connection that was closed as we wrote on it."""
        return not self._started and not self._silent and not self._interim and self.closed

    async def send(self, response: UpstreamResponse, data: bytes, seconds: float | None) -> None:
        """Write on the duplex that the connection has become."""
        if self._response is not response or self.closed:
            message = "the connection is closed"
            raise response._error or WriteFailed(message)
        self.write(data)
        while self._paused_writing and not self.closed:
            waiter = self._write_waiter = self.loop.create_future()
            self._arm(seconds, WriteTimedOut)
            try:
                await waiter
            except BaseException:
                self.fail(response, WriteFailed("the writer went away"))
                raise
            finally:
                self._expires = _FOREVER
                self._write_waiter = None
        if response._error is not None:
            raise response._error

    def release_tunnel(self, response: UpstreamResponse) -> None:
        """Close a duplex whose other side has ended already."""
        if self._response is response:
            self._response = None
            self.close()
            if self._transport is not None:  # what is not taken by then is lost
                self.loop.call_later(_LINGER, self._transport.abort)
            self._give_back(clean=False)

    def resume(self, response: UpstreamResponse) -> None:
        """Read on, after the caller has taken what was buffered."""
        if self._paused_reading and self._response is response:
            self._paused_reading = False
            if self._transport is not None and not self._transport.is_closing():
                self._transport.resume_reading()

    def shut(self, error: InfraError) -> None:
        """End whatever is going on."""
        if (response := self._response) is not None:
            self.fail(response, error)
        else:
            self.close()

    def close(self) -> None:
        """Close an idle connection; over TLS this says goodbye first."""
        self._end()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once, also with bytes unsent."""
        self._end()
        if self._transport is not None:
            self._transport.abort()

    def fact(self, name: str) -> Any:
        """Return what the transport knows."""
        return None if self._transport is None else self._transport.get_extra_info(name)

    def _end(self) -> None:
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = _FOREVER

    def _give_back(self, *, clean: bool) -> None:
        if self.held:
            self.held = False
            self.idle_since = self.loop.time()
            self.pool.give(self, clean=clean)

    # ---- one timer for all waits -----------------------------------------------------------------

    def _arm(self, seconds: float | None, late: type[InfraError]) -> None:
        """Let the wait that begins now end at its timeout or at the deadline.

        A timer stays from wait to wait and from request to request, and looks at `_expires` when
        it rings: a wait costs one comparison, not a timer of its own.
        """
        at = _FOREVER if seconds is None else self.loop.time() + seconds
        if self._deadline_at < at:
            at, late = self._deadline_at, TotalTimedOut
        self._expires = at
        self._late = late
        if at < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = at
            self._timer = self.loop.call_at(at, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._timer_at = _FOREVER
        at = self._expires
        if at == _FOREVER:
            return
        # A loop's clock has steps: what is due within one of them is due.
        if at - self.loop.time() > 0.002:
            self._timer_at = at
            self._timer = self.loop.call_at(at, self._ring)
            return
        self._expires = _FOREVER
        if (response := self._response) is not None:
            self.fail(response, self._late(_LATE[self._late]))

    # ---- asyncio.Protocol ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport  # type: ignore[assignment]  # a stream's, or uvloop's look-alike
        self.pool.opened(self)

    def data_received(self, data: bytes) -> None:
        """Parse what came in, and settle who owns the connection then."""
        response = self._response
        if response is None:
            # Nobody has asked: what is said now could be taken for an answer later.
            self._unusable()
            return
        if self._tunnel:
            self._into(response, data)
            return
        if not self._started:
            self._silent += len(data)
        else:
            self._tail = b""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._tunnelled(response, data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            if not response._complete or response.status == 101:
                response._complete = False
                self.fail(response, ProtocolFailed(_words(error)))
                return
            self._stray = True
        if response._complete:
            self._completed(response, data)
        else:
            self._progressed(response, data)

    def _completed(self, response: UpstreamResponse, data: bytes) -> None:
        self._stray = self._stray or self._left_over(data)
        if self.sent:
            self._finish()
        else:
            self._wake_writer()
        self._wake(response)

    def _progressed(self, response: UpstreamResponse, data: bytes) -> None:
        if self._started:
            # What gives no body is counted: trailers, and extensions of chunks.
            self._silent = 0 if self._tail else self._silent + len(data)
            if response.status >= 400:
                self._wake_writer()
        if self._silent > self.limits.max_header_bytes:
            message = "the header or trailer section of the response is too large"
            self.fail(response, ProtocolFailed(message))
        elif self._started:
            self._wake(response)

    def eof_received(self) -> bool:
        """The other side says no more: an end where the body has no other, else a break."""
        response = self._response
        if response is None:
            self._unusable()
            return False
        if self._tunnel or (self._started and self._ends_with_connection(response)):
            response._complete = True
            self._stray = True
            if not self._tunnel:
                self._finish()
            self._wake(response)
            # Half a duplex may stay open; asyncio cannot do that over TLS.
            return self._tunnel and self.fact("sslcontext") is None
        if response._complete:
            return False
        if self._started:
            message = "the upstream closed the connection before the end of the body"
        elif self._silent:
            message = "the upstream closed the connection within the head of the response"
        else:
            message = "the upstream closed the connection without sending a response"
        self.fail(response, ProtocolFailed(message))
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._end()
        self._parser = None
        response, sent = self._response, self.sent
        if response is not None and not response._complete:
            if not sent:
                message = "the connection broke while the request was being sent"
                error: InfraError = WriteFailed(message)
            else:
                message = "the connection broke before the response was complete"
                error = ReadFailed(message)
            error.__cause__ = exc
            self.fail(response, error)
        self._wake_writer()
        self.pool.lost(self)

    def pause_writing(self) -> None:
        """The transport is full."""
        self._paused_writing = True

    def resume_writing(self) -> None:
        """The transport takes more."""
        self._paused_writing = False
        self._wake_writer()

    # ---- httptools -------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A second message where one was asked for is a stray one."""
        if self._started:
            self._stray = True

    def on_status(self, reason: bytes) -> None:
        """Keep the phrase."""
        if not self._started and (response := self._response) is not None:
            response.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a line of the head, or of the trailers; of a stray message nothing."""
        response = self._response
        assert response is not None
        lines = response.trailers if self._started else response.headers
        if self._stray:
            return
        lines.append((name, value.rstrip(b" \t")))
        if len(lines) > self.limits.max_headers:
            message = "the response has too many header lines"
            raise _Refused(message)

    def on_headers_complete(self) -> None:
        """Look at the framing, as far as llhttp is laxer than we are."""
        response, parser = self._response, self._parser
        assert response is not None
        if self._stray:
            return
        status = parser.get_status_code()
        if status < 200 and self._is_interim(response, status):
            return
        response.status = status
        response.http_version = version = parser.get_http_version()
        keep = parser.should_keep_alive()
        if not keep or version != "1.1":
            _check_framing(response, version)
        if self._head_only:
            keep = _agreed(response, version)
            response._complete = True
        if not keep:
            self._keep = False
        if self._silent > self.limits.max_header_bytes:
            self._check_size(response)
        self._silent = 0
        self._started = True

    def on_body(self, data: bytes) -> None:
        """Keep a piece, and stop reading where nobody takes them."""
        response = self._response
        assert response is not None
        if response._complete:  # of a response to HEAD, which has none
            self._stray = True
            return
        self._tail = data
        self._into(response, data)

    def on_chunk_header(self) -> None:
        """Note that the body comes in chunks."""
        self._chunked = True
        if (response := self._response) is not None and response._complete:
            self._stray = True

    def on_message_complete(self) -> None:
        """The end; of an interim response only the beginning."""
        response = self._response
        if self._started and response is not None and not self._stray:
            response._complete = True
        elif response is not None and not self._stray:
            response.headers.clear()
            response.reason = b""

    # ---- the state machine -----------------------------------------------------------------------

    def _is_interim(self, response: UpstreamResponse, status: int) -> bool:
        if status == 101:
            if not self._may_upgrade:
                message = "the upstream switched protocols without being asked"
                raise _Refused(message)
            return False
        self._interim += 1
        if status < 100 or self._interim > _INTERIM:
            message = "the upstream sent too many interim responses, or none that exists"
            raise _Refused(message)
        if response._waiter is not None:
            self._arm(self.read_timeout, ReadTimedOut)  # it is alive
        return True

    def _tunnelled(self, response: UpstreamResponse, rest: bytes) -> None:
        """From here on bytes are bytes; the slot is held until the duplex is closed."""
        self._tunnel = True
        response._complete = False
        response._chunks.clear()
        if rest:
            self._into(response, rest)
        self._started = True
        self._wake(response)

    def _into(self, response: UpstreamResponse, data: bytes) -> None:
        response._chunks.append(data)
        response._size += len(data)
        if self._tunnel:
            self._wake(response)
        if response._size > self.limits.read_high_water and not self._paused_reading:
            self._paused_reading = True
            if self._transport is not None:
                self._transport.pause_reading()

    def _finish(self) -> None:
        """The response is complete and the request written: keep the connection, or close it."""
        response, transport = self._response, self._transport
        assert response is not None
        self._response = None
        most = self.limits.max_requests_per_connection
        clean = (
            self._keep
            and self.sent
            and not self._stray
            and not self.closed
            and transport is not None
            and transport.get_write_buffer_size() == 0
            and (most is None or self.requests < most)
        )
        if self._paused_reading:
            self._paused_reading = False
            if clean and transport is not None:
                transport.resume_reading()
        if not clean:
            self.abort()
        elif self._head_only:
            self._parser = httptools.HttpResponseParser(self)  # the old one waits for a body
        self._give_back(clean=clean)

    def _left_over(self, data: bytes) -> bool:
        """Whether bytes came after the end that llhttp skips: empty lines, parts of chunks."""
        if self._head_only and not data.endswith(b"\r\n\r\n"):
            return True
        if self._tail and not self._chunked:
            return not data.endswith(self._tail)
        return not data.endswith(b"\n") or data.endswith(b"\n\r\n\r\n")

    def _ends_with_connection(self, response: UpstreamResponse) -> bool:
        if response._complete or self._chunked:
            return False
        names = {name.lower() for name, _ in response.headers}
        return not names & {b"content-length", b"transfer-encoding"}

    def _check_size(self, response: UpstreamResponse) -> None:
        size = sum(len(name) + len(value) + 4 for name, value in response.headers)
        if size > self.limits.max_header_bytes:
            message = "the header section of the response is too large"
            raise _Refused(message)

    def _unusable(self) -> None:
        self.abort()
        if not self.held:
            self.pool.drop(self)

    def _wake(self, response: UpstreamResponse) -> None:
        waiter = response._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _wake_writer(self) -> None:
        waiter = self._write_waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


_LATE: dict[type[InfraError], str] = {
    ReadTimedOut: "the upstream sent nothing within the read timeout",
    WriteTimedOut: "the upstream took nothing within the write timeout",
    TotalTimedOut: "the deadline passed before the end of the exchange",
}


def _check_framing(response: UpstreamResponse, version: str) -> None:
    """RFC 9112 6.3: a transfer coding that does not end the body leaves its end to guess."""
    if version not in {"1.1", "1.0"}:
        message = f"the upstream answers in HTTP/{version}"
        raise _Refused(message)
    codings = b",".join(v for n, v in response.headers if n.lower() == b"transfer-encoding")
    if not codings:
        return
    last = codings.lower().split(b",")[-1].strip()
    if last != b"chunked" or version != "1.1":
        message = "the response has a transfer coding that does not end its body"
        raise _Refused(message)


def _agreed(response: UpstreamResponse, version: str) -> bool:
    """Whether the connection stays, where llhttp would wait for a body that HEAD has not."""
    said = b",".join(v for n, v in response.headers if n.lower() == b"connection").lower()
    tokens = {token.strip() for token in said.split(b",")}
    return b"close" not in tokens and (version == "1.1" or b"keep-alive" in tokens)


def _words(error: httptools.HttpParserError) -> str:
    inner = error.__context__
    if isinstance(inner, _Refused):
        return str(inner)
    return f"the upstream does not speak HTTP/1.1: {error.args[0]}"
