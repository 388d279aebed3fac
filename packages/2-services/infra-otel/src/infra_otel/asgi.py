"""ASGI middleware: a SERVER span and the HTTP metrics for each request, by the stable conventions.

It is raw ASGI: nothing is buffered, messages pass as they are, and a client's disconnect reaches
the application.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from opentelemetry import context as _context
from opentelemetry import metrics, trace
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

from infra_otel import _state
from infra_otel._urls import masked_query, split_host
from infra_otel.propagation import extract
from infra_otel.semconv import (
    ACTIVE_REQUESTS,
    DURATION_BUCKETS,
    ERROR_TYPE,
    HTTP_METHODS,
    REQUEST_DURATION,
    SCHEMA_URL,
)
from infra_otel.spans import tell

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, MutableMapping

    from opentelemetry.trace import Span

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

__all__ = ["OtelMiddleware"]

_PROPAGATED = frozenset({b"traceparent", b"baggage"})
_FAILED = Status(StatusCode.ERROR)


class OtelMiddleware:
    """Wraps an ASGI app; put it outermost, so that the other middleware is in the span.

    A span is called `GET /users/{id}` if the app has put its route, as a text or an object with
    `path_format` or `path`, into `scope["route"]` by the start of the response, else `GET`. 5xx and
    exceptions are errors, 4xx are not; a client that leaves is told as `error.type`
    `client_disconnected`.

    Args:
        app: the application.
        excluded: paths without telemetry.
        request_headers: headers to keep as attributes; those with a secret's name are masked.
        response_headers: the same for the response's.
    """

    def __init__(
        self,
        app: App,
        *,
        excluded: Iterable[str] = ("/health/live", "/health/ready", "/metrics"),
        request_headers: Iterable[str] = (),
        response_headers: Iterable[str] = (),
    ) -> None:
        self.app = app
        self._excluded = frozenset(excluded)
        self._request_headers = _names(request_headers, "http.request.header.")
        self.response_headers = _names(response_headers, "http.response.header.")
        self._tracer = trace.get_tracer("infra_otel", schema_url=SCHEMA_URL)
        _state.check_metering()
        meter = metrics.get_meter("infra_otel", schema_url=SCHEMA_URL)
        self.duration = meter.create_histogram(
            REQUEST_DURATION,
            "s",
            "Duration of HTTP server requests.",
            explicit_bucket_boundaries_advisory=DURATION_BUCKETS,
        )
        self.active = meter.create_up_down_counter(
            ACTIVE_REQUESTS, "{request}", "Number of active HTTP server requests."
        )

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Handle one connection."""
        kind = scope["type"]
        if (kind != "http" and kind != "websocket") or scope["path"] in self._excluded:  # noqa: PLR1714  # faster
            return await self.app(scope, receive, send)
        remote = None
        for name, _ in scope["headers"]:
            if name in _PROPAGATED:
                remote = extract(scope["headers"])
                break
        is_tracing = _state.tracing()
        is_metering = kind == "http" and _state.metering()
        if not is_tracing and not is_metering:
            if remote is None:
                return await self.app(scope, receive, send)
            return await self._within(remote, scope, receive, send)
        exchange = _Exchange(self, scope, receive, send, is_metering)
        if is_tracing:
            remote = exchange.start(self._tracer, remote, self._request_headers)
        token = None if remote is None else _context.attach(remote)
        try:
            await self.app(scope, exchange.receive, exchange.send)
        except BaseException as exc:
            exchange.fail(exc)
            raise
        finally:
            exchange.end()
            if token is not None:
                _state.detach(token)

    async def _within(
        self, remote: _context.Context, scope: Any, receive: Receive, send: Send
    ) -> None:
        token = _context.attach(remote)
        try:
            await self.app(scope, receive, send)
        finally:
            _state.detach(token)


class _Exchange:
    """One request and its response, or one WebSocket."""

    __slots__ = (
        *("_active", "_ended", "_error", "_gone", "_is_metering", "_method", "_middleware"),
        *("_receive", "_route", "_scope", "_send", "_since", "_span", "_status", "_trailers"),
    )

    def __init__(
        self,
        middleware: OtelMiddleware,
        scope: MutableMapping[str, Any],
        receive: Receive,
        send: Send,
        is_metering: bool,  # private
    ) -> None:
        self._middleware = middleware
        self._scope = scope
        self._receive = receive
        self._send = send
        self._is_metering = is_metering
        self._method = scope.get("method", "GET")
        self._since = time.perf_counter()
        self._span: Span | None = None
        self._status: int | None = None
        self._route: str | None = None
        self._error: str | None = None
        self._gone = self._ended = self._trailers = False
        if is_metering:
            method = self._method if self._method in HTTP_METHODS else "_OTHER"
            self._active = {"http.request.method": method, "url.scheme": _scheme_of(scope)}
            middleware.active.add(1, self._active)

    def start(
        self, tracer: trace.Tracer, remote: Any, headers: dict[bytes, str]
    ) -> _context.Context:
        """Start the span, and return the context in which the application runs."""
        method = self._method
        known = method in HTTP_METHODS
        span = self._span = tracer.start_span(
            method if known else "HTTP",
            remote,
            SpanKind.SERVER,
            _described(self._scope, method, known=known),
        )
        if headers and span.is_recording():
            _keep(span, self._scope["headers"], headers)
        return set_span_in_context(span, remote)

    async def receive(self) -> Message:
        message = await self._receive()
        # of a WebSocket, a disconnect is how it ends
        if message["type"] == "http.disconnect":
            self._gone = True
        return message

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            self._begin(message, message["status"])
            self._trailers = message.get("trailers", False)
        elif kind == "websocket.accept":
            self._begin(message, 101)
        elif kind == "websocket.http.response.start":
            self._begin(message, message["status"])
        await self._send(message)
        if self._ends(message):
            self.end()

    def _ends(self, message: Message) -> bool:
        kind = message["type"]
        if kind == "http.response.trailers":
            return not message.get("more_trailers", False)
        if kind in {"http.response.body", "websocket.http.response.body"}:
            return not self._trailers and not message.get("more_body", False)
        return bool(kind == "http.response.pathsend")

    def _begin(self, message: Message, status: int) -> None:
        self._status = status
        self._route = _route_of(self._scope)
        span = self._span
        if span is None or not span.is_recording():
            return
        span.set_attribute("http.response.status_code", status)
        if self._route is not None:
            method = self._method if self._method in HTTP_METHODS else "HTTP"
            span.update_name(f"{method} {self._route}")
            span.set_attribute("http.route", self._route)
        if self._middleware.response_headers:
            _keep(span, message.get("headers", ()), self._middleware.response_headers)

    def fail(self, exc: BaseException) -> None:
        """Tell that the application raised."""
        if self._gone:
            return  # what breaks then breaks for nobody
        if isinstance(exc, Exception):
            from infra_otel._failures import error_type

            self._error = error_type(exc)
        if self._span is not None:
            tell(self._span, exc)

    def end(self) -> None:
        """End the span and record the duration, once."""
        if self._ended:
            return
        self._ended = True
        took = time.perf_counter() - self._since
        if self._gone:
            self._error = "client_disconnected"
        elif self._error is None and self._status is not None and self._status >= 500:
            self._error = str(self._status)
            if self._span is not None:
                self._span.set_status(_FAILED)
        span = self._span
        if span is not None:
            if self._error is not None:
                span.set_attribute(ERROR_TYPE, self._error)
            span.end()
        if self._is_metering:
            self._measure(took)

    def _measure(self, took: float) -> None:
        middleware = self._middleware
        middleware.active.add(-1, self._active)
        attributes: dict[str, Any] = dict(self._active)
        if self._route is not None:
            attributes["http.route"] = self._route
        if self._status is not None:
            attributes["http.response.status_code"] = self._status
        if self._error is not None:
            attributes[ERROR_TYPE] = self._error
        if version := self._scope.get("http_version"):
            attributes["network.protocol.version"] = version
        # the span is no longer current where the last chunk was sent by another task
        context = None if self._span is None else set_span_in_context(self._span)
        middleware.duration.record(took, attributes, context)


def _described(scope: MutableMapping[str, Any], method: str, *, known: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "http.request.method": method if known else "_OTHER",
        "url.scheme": _scheme_of(scope),
        "url.path": scope["path"],
    }
    if not known:
        found["http.request.method_original"] = method
    if query := scope.get("query_string"):
        found["url.query"] = masked_query(query)
    if version := scope.get("http_version"):
        found["network.protocol.version"] = version
    address, port = None, None
    for name, value in scope["headers"]:
        if name == b"host":
            address, port = split_host(value.decode("latin-1"))
        elif name == b"user-agent":
            found["user_agent.original"] = value.decode("latin-1")
    if address is None and scope.get("server"):
        address, port = scope["server"]
    if address is not None:
        found["server.address"] = address
    if port is not None:
        found["server.port"] = port
    return found


def _scheme_of(scope: MutableMapping[str, Any]) -> str:
    # a server may leave it out
    found: str | None = scope.get("scheme")
    return found or ("ws" if scope["type"] == "websocket" else "http")


def _route_of(scope: MutableMapping[str, Any]) -> str | None:
    route = scope.get("route")
    if route is None or isinstance(route, str):
        return route
    for name in ("path_format", "path"):
        found = getattr(route, name, None)
        if isinstance(found, str):
            return found
    return None


def _names(headers: Iterable[str], prefix: str) -> dict[bytes, str]:
    return {name.lower().encode("latin-1"): f"{prefix}{name.lower()}" for name in headers}


def _keep(span: Span, headers: Iterable[tuple[bytes, bytes]], wanted: dict[bytes, str]) -> None:
    found: dict[str, list[str]] = {}
    for name, value in headers:
        attribute = wanted.get(name.lower())
        if attribute is not None:
            found.setdefault(attribute, []).append(value.decode("latin-1"))
    span.set_attributes(found)
