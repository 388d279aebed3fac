"""One HTTP/1.1 connection: who waits for it, who owns it, and whether it can be used again.

Everything that changes who owns the connection is synchronous. A caller that is cancelled, once
or twice, at whatever await, leaves through `fail`, which closes the socket and returns the slot
before the exception travels on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httptools

from infra_http._reading import Reading, words
from infra_http._response import UpstreamResponse
from infra_http._wire import FOREVER
from infra_http.errors import (
    ProtocolFailed,
    ReadFailed,
    ReadTimedOut,
    WriteFailed,
    WriteTimedOut,
)

if TYPE_CHECKING:
    import asyncio

    from infra_errors import InfraError
    from infra_http.pool import UpstreamPool

__all__ = ["Connection"]

_LINGER = 5.0  # seconds that the last bytes of a duplex have to leave


class Connection(Reading):
    """A connection of a pool; at most one request at a time is on it."""

    __slots__ = ("held", "idle_since", "pool", "requests", "sent")

    def __init__(self, pool: UpstreamPool, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop, pool.limits)
        self.pool = pool
        self.held = False  # a call owns it, and with it a slot
        self.requests = 0
        self.idle_since = loop.time()
        self.sent = True  # the request has been handed to the transport in whole

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
        self._expires = FOREVER
        self._head_only = head_only
        self._may_upgrade = may_upgrade
        self._keep = keep
        self._reset()
        response = self._response = UpstreamResponse(self)
        return response

    async def drained(self, response: UpstreamResponse, seconds: float | None) -> None:
        """Wait until the transport takes more, the response says no, or the connection breaks."""
        while self._paused_writing and response._error is None and not self.refuses(response):
            waiter = self._write_waiter = self.loop.create_future()
            self._arm(seconds, WriteTimedOut)
            try:
                await waiter
            finally:
                self._expires = FOREVER
                self._write_waiter = None

    def refuses(self, response: UpstreamResponse) -> bool:
        """Whether the answer is there, and an error, or ended: the rest of the body is in vain."""
        return response._complete or response.status >= 400

    async def head(self, response: UpstreamResponse) -> None:
        """Wait for the head of the response: within the read timeout, however slowly it drips."""
        # Not `_started`: when the caller wakes, the connection may serve another one already.
        while not response.http_version and response._error is None:
            waiter = response._waiter = self.loop.create_future()
            self._arm(self.read_timeout, ReadTimedOut)
            try:
                await waiter
            finally:
                if self._response is response:
                    self._expires = FOREVER
                response._waiter = None
        if response._error is not None:
            raise response._error

    async def more(self, response: UpstreamResponse) -> None:
        """Wait for a change of the response's body."""
        waiter = response._waiter = self.loop.create_future()
        self._arm(self.read_timeout, ReadTimedOut)
        try:
            await waiter
        except BaseException:
            message = "the reader of the response went away"
            self.fail(response, ReadFailed(message))
            raise
        finally:
            if self._response is response:
                self._expires = FOREVER
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

    def shut(self, error: InfraError) -> None:
        """End whatever is going on."""
        if (response := self._response) is not None:
            self.fail(response, error)
        else:
            self.close()

    def _give_back(self, *, clean: bool) -> None:
        if self.held:
            self.held = False
            self.idle_since = self.loop.time()
            self.pool.give(self, clean=clean)

    def _timed_out(self, error: InfraError) -> None:
        if (response := self._response) is not None:
            self.fail(response, error)

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
                self.fail(response, ProtocolFailed(words(error)))
                return
            self._stray = True
        if response._complete:
            self._completed(response, data)
        else:
            self._progressed(response, data)

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

    # ---- the state machine -----------------------------------------------------------------------

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

    def _unusable(self) -> None:
        self.abort()
        if not self.held:
            self.pool.drop(self)

    # ---- a duplex --------------------------------------------------------------------------------

    async def change(self, response: UpstreamResponse) -> None:
        """Wait for bytes on the duplex. Unlike a response it survives that its reader is cut off:
        a WebSocket's reader is cancelled, and then its closing frame is written.
        """
        waiter = response._waiter = self.loop.create_future()
        try:
            await waiter
        finally:
            response._waiter = None

    async def send(self, response: UpstreamResponse, data: bytes) -> None:
        """Write on the duplex, and wait while the other side takes nothing."""
        while True:
            if self._response is not response or self.closed:
                message = "the connection is closed"
                raise response._error or WriteFailed(message)
            if data:
                self.write(data)
                data = b""
            if not self._paused_writing:
                return
            waiter = self._write_waiter = self.loop.create_future()
            try:
                await waiter
            finally:
                self._write_waiter = None

    def release_tunnel(self, response: UpstreamResponse) -> None:
        """Close a duplex whose other side has ended already."""
        if self._response is response:
            self._response = None
            self.close()
            if self._transport is not None:  # what is not taken by then is lost
                self.loop.call_later(_LINGER, self._transport.abort)
            self._give_back(clean=False)
