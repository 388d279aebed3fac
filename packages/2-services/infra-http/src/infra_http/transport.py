"""httpx2 transports that put a policy before another transport."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx2

from infra_errors import Deadline, InfraError
from infra_http import _exchange as exchange
from infra_http._exchange import CALL, OPTIONS, CallOptions, Propagation
from infra_http._pipeline import Pipeline
from infra_http._trace import attempting
from infra_http.errors import ReadTimedOut, ResponseTooLarge, TotalTimedOut
from infra_http.policy import Policy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from infra_http._exchange import State
    from infra_http.policy import Attempt

__all__ = ["PolicyTransport"]

DRAINED = 65536  # bytes of an unwanted body that are read to keep its connection
DRAIN_TIME = 1.0  # seconds for that
PIECE = 65536  # bytes of a body that a decoder is given at once


class PolicyTransport(httpx2.AsyncBaseTransport):
    """An `httpx2.AsyncBaseTransport` that sends each request through a policy.

    `AsyncClient` has one before each of its transports. By itself it serves any httpx2 client; a
    policy's fallback must return a response then.

    Args:
        inner: sends the requests.
        policy: what holds for them.
        max_response_bytes: of a body that is read whole, as sent and once decompressed.
        propagate_to: who is told the request id, the time left and the trace.
    """

    def __init__(
        self,
        inner: httpx2.AsyncBaseTransport,
        policy: Policy | None = None,
        *,
        max_response_bytes: int | None = None,
        propagation: Propagation | None = None,
        pipeline: Pipeline | None = None,
    ) -> None:
        self._inner = inner
        self._pipeline = pipeline or Pipeline(policy or Policy())
        self._most = max_response_bytes
        self._propagation = propagation or Propagation("all")

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request under the policy.

        Raises:
            HttpError: one of the leaves in `infra_http.errors`.
        """
        state: State | None = request.extensions.get(CALL)
        options = _options(request) if state is None else state.options
        pipeline = self._pipeline if options.policy is None else options.policy._pipeline()
        policy = pipeline.policy
        mode = exchange.mode_of(request, policy, options)
        at_hand = exchange.has_body_at_hand(request)
        if at_hand is None and mode != "never":
            await request.aread()
        sent_once = at_hand is False and mode == "always"
        if sent_once:
            mode = "unsent"
        ambient = Deadline.current() if state is None else state.ambient
        whole = state is not None and state.whole
        tells = self._propagation.reaches(request.url)

        async def send(attempt: Attempt) -> httpx2.Response:
            with attempting(
                request.method, request.url, resend_count=attempt.number - 1, route=options.route
            ) as span:
                if tells:
                    self._propagation.stamp(request, ambient)
                started = time.perf_counter()
                try:
                    response = await self._inner.handle_async_request(request)
                    span.answered(response.status_code, response.http_version.rpartition("/")[2])
                    if whole:
                        await self._take_whole(response)
                        response.elapsed = timedelta(seconds=time.perf_counter() - started)
                except httpx2.TransportError as error:
                    found = exchange.translate(error)
                    if found is error:
                        raise
                    raise found from error
            response._request = request
            return response

        call = pipeline.call(
            send,
            exchange.origin_of(request.url),
            mode=mode,
            judge=(lambda response: exchange.judge(policy, response))
            if mode == "always"
            else _judge_failure,
            discard=_let_go,
        )
        try:
            response: httpx2.Response = await (
                call.run() if state is None else call.repeated(timed=state.timed)
            )
        except InfraError as error:
            if sent_once and call.would_repeat(error):
                error.add_note(exchange.NOT_REPLAYABLE)
            raise
        if not whole and policy.stream_idle_timeout is not None:
            assert isinstance(response.stream, httpx2.AsyncByteStream), "of an async transport"
            response.stream = _Timed(response.stream, policy.stream_idle_timeout, ambient)
        return response

    async def _take_whole(self, response: httpx2.Response) -> None:
        """Read the body into memory, and let the connection go."""
        chunks, size = [], 0
        stream = response.stream
        assert isinstance(stream, httpx2.AsyncByteStream), "of an async transport"
        try:
            async for chunk in stream:
                size += len(chunk)
                if self._most is not None and size > self._most:
                    raise too_large(self._most)
                chunks.append(chunk)
        finally:
            await stream.aclose()
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        response.stream = Whole(body)
        if not any(name.lower() == b"content-encoding" for name, _ in response.headers.raw):
            has_read(response, body)
        elif self._most is not None:
            demand_small_when_decoded(response, self._most)

    async def aclose(self) -> None:
        """Close the transport behind it."""
        await self._inner.aclose()


class Whole(httpx2.AsyncByteStream, httpx2.SyncByteStream):
    """A body in memory, in pieces, so that a decoder cannot make too much of it at once."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def __iter__(self) -> Any:
        for start in range(0, len(self._body), PIECE):
            yield self._body[start : start + PIECE]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


class _Timed(httpx2.AsyncByteStream):
    """A body whose chunks must not be too far apart, nor come after the deadline around it."""

    def __init__(
        self, stream: httpx2.AsyncByteStream, idle: float, ambient: Deadline | None
    ) -> None:
        self._stream = stream
        self._idle = idle
        self._ambient = ambient

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = aiter(self._stream)
        while True:
            limit = self._idle
            if self._ambient is not None:
                limit = min(limit, self._ambient.remaining())
            try:
                async with asyncio.timeout(limit):
                    chunk = await anext(chunks)
            except StopAsyncIteration:
                return
            except TimeoutError as error:
                if isinstance(error, InfraError):
                    raise
                await self.aclose()
                if self._ambient is not None and self._ambient.expired:
                    message = "the deadline passed while the body was being read"
                    raise TotalTimedOut(message) from error
                message = f"no byte of the body came for {self._idle} s"
                raise ReadTimedOut(message) from error
            except httpx2.TransportError as error:
                found = exchange.translate(error)
                if found is error:
                    raise
                raise found from error
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


def has_read(response: httpx2.Response, body: bytes) -> None:
    """Make a response one that has been read: httpx2's own way takes as long as a small request."""
    response._content = body
    response._num_bytes_downloaded = len(body)
    response.is_stream_consumed = response.is_closed = True


def too_large(most: int) -> ResponseTooLarge:
    """Return the error of a body that is over the limit."""
    return ResponseTooLarge(f"the response has more than max_response_bytes={most} bytes")


def demand_small_when_decoded(response: httpx2.Response, most: int) -> None:
    """Raise unless the decoded body is within the limit; stops at the piece that is over it."""
    body = response.stream
    probe = httpx2.Response(response.status_code, headers=response.headers, stream=body)
    size = 0
    for chunk in probe.iter_bytes():
        size += len(chunk)
        if size > most:
            raise too_large(most)


def _options(request: httpx2.Request) -> CallOptions:
    found = request.extensions.get(OPTIONS)
    return found if isinstance(found, CallOptions) else CallOptions()


def _judge_failure(response: httpx2.Response) -> tuple[bool, None]:
    return response.status_code >= 500 and response.status_code != 501, None


async def _let_go(response: httpx2.Response) -> None:
    """Close a response that nobody takes; a small rest of it is read to keep its connection."""
    left = DRAINED
    try:
        async with asyncio.timeout(DRAIN_TIME):
            async for chunk in response.aiter_raw():
                left -= len(chunk)
                if left < 0:
                    break
    except (TimeoutError, httpx2.HTTPError, httpx2.StreamError):
        pass  # it is thrown away in any case
    finally:
        await response.aclose()
