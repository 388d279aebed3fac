"""The sync twin of transport.py: the same policy before an `httpx2.BaseTransport`."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx2

from infra_errors import Deadline, InfraError
from infra_http import _exchange as exchange
from infra_http._exchange import CALL, CallOptions, Propagation
from infra_http._pipeline import Pipeline
from infra_http._sync_call import SyncCall
from infra_http._trace import attempting
from infra_http.errors import HttpConfigError, TotalTimedOut
from infra_http.policy import Policy
from infra_http.transport import (
    DRAINED,
    Whole,
    demand_small_when_decoded,
    has_read,
    too_large,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra_http._exchange import State
    from infra_http.policy import Attempt

__all__ = ["SyncPolicyTransport", "demand_sync"]


def demand_sync(policy: Policy) -> None:
    """Raise HttpConfigError `http.hedge_needs_async` for a policy that only async code can keep."""
    if policy.hedge is not None:
        message = "a hedge needs an AsyncClient: a sync call cannot make a second attempt beside it"
        raise HttpConfigError(message, code="http.hedge_needs_async")


class SyncPolicyTransport(httpx2.BaseTransport):
    """An `httpx2.BaseTransport` that sends each request through a policy. Thread-safe.

    Args:
        inner: sends the requests.
        policy: what holds for them; no hedge.
        max_response_bytes: of a body that is read whole, as sent and once decompressed.

    Raises:
        HttpConfigError: `http.hedge_needs_async`.
    """

    def __init__(
        self,
        inner: httpx2.BaseTransport,
        policy: Policy | None = None,
        *,
        max_response_bytes: int | None = None,
        propagation: Propagation | None = None,
        pipeline: Pipeline | None = None,
    ) -> None:
        self._inner = inner
        self._pipeline = pipeline or Pipeline(policy or Policy(), sync=True)
        demand_sync(self._pipeline.policy)
        self._most = max_response_bytes
        self._propagation = propagation or Propagation("all")

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request under the policy.

        Raises:
            HttpError: one of the leaves in `infra_http.errors`.
        """
        state: State | None = request.extensions.get(CALL)
        options = CallOptions() if state is None else state.options
        pipeline = self._pipeline if options.policy is None else options.policy._pipeline(sync=True)
        policy = pipeline.policy
        mode = exchange.mode_of(request, policy, options)
        at_hand = exchange.has_body_at_hand(request)
        if at_hand is None and mode != "never":
            request.read()
        sent_once = at_hand is False and mode == "always"
        if sent_once:
            mode = "unsent"
        ambient = Deadline.current() if state is None else state.ambient
        whole = state is not None and state.whole
        tells = self._propagation.reaches(request.url)
        stated = dict(request.extensions.get("timeout", {}))

        def send(attempt: Attempt) -> httpx2.Response:
            deadline = attempt.deadline  # of the loop, or of a scope around
            _bound(request, stated, policy, deadline)
            with attempting(
                request.method, request.url, resend_count=attempt.number - 1, route=options.route
            ) as span:
                if tells:
                    self._propagation.stamp(request, ambient)
                started = time.perf_counter()
                try:
                    response = self._inner.handle_request(request)
                    span.answered(response.status_code, response.http_version.rpartition("/")[2])
                    if whole:
                        self._take_whole(response, deadline)
                        response.elapsed = timedelta(seconds=time.perf_counter() - started)
                except httpx2.TransportError as error:
                    found = exchange.translate(error)
                    if found is error:
                        raise
                    raise found from error
            response._request = request
            return response

        call = SyncCall(
            pipeline,
            exchange.origin_of(request.url),
            send,
            mode,
            lambda response: (
                exchange.judge(policy, response)
                if mode == "always"
                else (response.status_code >= 500 and response.status_code != 501, None)
            ),
            _let_go,
        )
        try:
            response: httpx2.Response = call.repeated(timed=state is None or state.timed)
        except InfraError as error:
            if sent_once and call.would_repeat(error):
                error.add_note(exchange.NOT_REPLAYABLE)
            raise
        if not whole:
            assert isinstance(response.stream, httpx2.SyncByteStream), "of a sync transport"
            response.stream = _Translated(response.stream, ambient)
        return response

    def _take_whole(self, response: httpx2.Response, deadline: Deadline | None) -> None:
        chunks, size = [], 0
        assert isinstance(response.stream, httpx2.SyncByteStream), "of a sync transport"
        try:
            for chunk in response.stream:
                size += len(chunk)
                if self._most is not None and size > self._most:
                    raise too_large(self._most)
                if deadline is not None and deadline.expired:
                    raise TotalTimedOut("the deadline passed while the body was being read")
                chunks.append(chunk)
        finally:
            response.stream.close()
        body = b"".join(chunks)
        response.stream = Whole(body)
        if "Content-Encoding" not in response.headers:
            has_read(response, body)
        elif self._most is not None:
            demand_small_when_decoded(response, self._most)

    def close(self) -> None:
        """Close the transport behind it."""
        self._inner.close()


class _Translated(httpx2.SyncByteStream):
    """A body that raises our errors, also once the deadline around it has passed."""

    def __init__(self, stream: httpx2.SyncByteStream, ambient: Deadline | None) -> None:
        self._stream = stream
        self._ambient = ambient

    def __iter__(self) -> Iterator[bytes]:
        try:
            for chunk in self._stream:
                if self._ambient is not None and self._ambient.expired:
                    raise TotalTimedOut("the deadline passed while the body was being read")
                yield chunk
        except httpx2.TransportError as error:
            found = exchange.translate(error)
            if found is error:
                raise
            raise found from error

    def close(self) -> None:
        self._stream.close()


def _bound(
    request: httpx2.Request,
    stated: dict[str, float | None],
    policy: Policy,
    deadline: Deadline | None,
) -> None:
    """Bound each step of the socket by the attempt's time and by what is left of all."""
    bounds = [limit for limit in (policy.attempt_timeout,) if limit is not None]
    if deadline is not None:
        bounds.append(max(deadline.remaining(), 0.001))
    if bounds:
        request.extensions["timeout"] = {
            name: min([*bounds, *(limit for limit in (stated.get(name),) if limit is not None)])
            for name in ("connect", "read", "write", "pool")
        }


def _let_go(response: httpx2.Response) -> None:
    """Close a response that nobody takes; a small rest of it is read to keep its connection."""
    left = DRAINED
    try:
        for chunk in response.iter_raw():
            left -= len(chunk)
            if left < 0:
                break
    except (httpx2.HTTPError, httpx2.StreamError):
        pass  # it is thrown away in any case
    finally:
        response.close()
