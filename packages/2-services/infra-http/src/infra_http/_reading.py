"""The reading half of a connection: llhttp's events become a response.

llhttp is strict about most of RFC 9112; what it is laxer about is refused here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httptools

from infra_http._wire import Wire
from infra_http.errors import ReadTimedOut

if TYPE_CHECKING:
    import asyncio

    from infra_http._response import UpstreamResponse
    from infra_http._slots import PoolLimits

__all__ = ["Reading", "words"]

_INTERIM = 8  # responses 1xx before the real one


class _Refused(Exception):  # never leaves this file
    """What llhttp takes and we do not; it stops the parser from inside of a callback."""


class Reading(Wire):
    """What llhttp calls, and what it has found so far."""

    __slots__ = (
        "_chunked",
        "_head_only",
        "_interim",
        "_keep",
        "_may_upgrade",
        "_parser",
        "_paused_reading",
        "_response",
        "_silent",
        "_started",
        "_stray",
        "_tail",
        "_tunnel",
        "limits",
        "read_timeout",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, limits: PoolLimits) -> None:
        super().__init__(loop)
        self.limits = limits
        self.read_timeout: float | None = None
        self._parser: Any = httptools.HttpResponseParser(self)
        self._response: UpstreamResponse | None = None
        self._tunnel = False
        self._paused_reading = False
        self._head_only = self._may_upgrade = self._keep = False
        self._reset()

    def _reset(self) -> None:
        """Expect the first byte of a response."""
        self._started = self._stray = self._chunked = False
        self._interim = self._silent = 0  # _silent: bytes that have given nothing to read yet
        self._tail = b""

    def resume(self, response: UpstreamResponse) -> None:
        """Read on, after the caller has taken what was buffered."""
        if self._paused_reading and self._response is response:
            self._paused_reading = False
            if self._transport is not None and not self._transport.is_closing():
                self._transport.resume_reading()

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

    def _into(self, response: UpstreamResponse, data: bytes) -> None:
        response._chunks.append(data)
        response._size += len(data)
        if self._tunnel:
            self._wake(response)
        if response._size > self.limits.read_high_water and not self._paused_reading:
            self._paused_reading = True
            if self._transport is not None:
                self._transport.pause_reading()

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

    def _wake(self, response: UpstreamResponse) -> None:
        waiter = response._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _tunnelled(self, response: UpstreamResponse, rest: bytes) -> None:
        """From here on bytes are bytes; the slot is held until the duplex is closed."""
        self._tunnel = True
        response._complete = False
        response._chunks.clear()
        if rest:
            self._into(response, rest)
        self._started = True
        self._wake(response)


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


def words(error: httptools.HttpParserError) -> str:
    inner = error.__context__
    if isinstance(inner, _Refused):
        return str(inner)
    return f"the upstream does not speak HTTP/1.1: {error.args[0]}"
