"""The middleware: spans, routes, errors, disconnects, metrics; and nothing held back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.trace import SpanKind, StatusCode

from infra_errors import NotFoundError
from infra_otel import OtelMiddleware, current_trace_id, span
from infra_otel._urls import masked_query
from infra_otel.semconv import ACTIVE_REQUESTS, REQUEST_DURATION
from infra_otel.testing import Telemetry

START = {"type": "http.response.start", "status": 200, "headers": [(b"x-kept", b"yes")]}
BODY = {"type": "http.response.body", "body": b"ok"}


class Route:
    def __init__(self, **names: str) -> None:
        self.__dict__ |= names


def scope_of(**changes: Any) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "path": "/users/7",
        "query_string": b"",
        "http_version": "1.1",
        "headers": [(b"host", b"shop.example:8080"), (b"user-agent", b"test/1")],
        "server": ("127.0.0.1", 80),
    } | changes


def answering(*messages: dict[str, Any], route: Any = None) -> Any:
    async def app(scope: Any, _: Any, send: Any) -> None:
        if route is not None:
            scope["route"] = route
        for message in messages:
            await send(message)

    return app


async def call(
    app: Any, *received: dict[str, Any], options: dict[str, Any] | None = None, **changes: Any
) -> list[dict[str, Any]]:
    """Send one request, and return what the application sent."""
    sent: list[dict[str, Any]] = []
    waiting = list(received)

    async def receive() -> Any:
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    await OtelMiddleware(app, **(options or {}))(scope_of(**changes), receive, send)
    return sent


def attributes(telemetry: Telemetry) -> dict[str, Any]:
    (found,) = telemetry.spans
    return dict(found.attributes or {})


async def test_a_request_is_a_server_span_by_the_conventions(telemetry: Telemetry) -> None:
    app = answering(START, BODY, route="/users/{id}")
    assert [START, BODY] == await call(
        app, query_string=b"page=2&token=hunter2&code=123&to=%2B4915112345678"
    )
    found = telemetry.span("GET /users/{id}")
    assert (SpanKind.SERVER, StatusCode.UNSET) == (found.kind, found.status.status_code)
    assert {
        "http.request.method": "GET",
        "url.scheme": "http",
        "url.path": "/users/7",
        "url.query": "page=2&token=***&code=***&to=***",
        "http.route": "/users/{id}",
        "http.response.status_code": 200,
        "network.protocol.version": "1.1",
        "server.address": "shop.example",
        "server.port": 8080,
        "user_agent.original": "test/1",
    } == dict(found.attributes or {})


@pytest.mark.parametrize(
    ("route", "name"),
    [
        ("/a/{b}", "GET /a/{b}"),
        (Route(path_format="/a/{b}", path="/a/{b:int}"), "GET /a/{b}"),
        (Route(path="/a/{b:int}"), "GET /a/{b:int}"),
        (Route(), "GET"),
        (None, "GET"),
    ],
    ids=["text", "format", "path", "without", "none"],
)
async def test_a_span_is_named_by_its_route_never_by_its_path(
    telemetry: Telemetry, route: Any, name: str
) -> None:
    await call(answering(START, BODY, route=route))
    assert [name] == [found.name for found in telemetry.spans]


async def test_an_unknown_path_makes_no_name_and_no_label(telemetry: Telemetry) -> None:
    for number in range(3):
        await call(answering({**START, "status": 404}, BODY), path=f"/wp-admin/{number}")
    assert {"GET"} == {found.name for found in telemetry.spans}
    point = telemetry.metric(REQUEST_DURATION)
    assert point is not None
    assert (3, None) == (point.count, point.attributes.get("http.route"))
    assert "wp-admin" not in repr(telemetry.metrics())


async def test_an_unknown_method_is_told_as_other(telemetry: Telemetry) -> None:
    await call(answering(START, BODY, route="/a"), method="BREW")
    found = telemetry.span("HTTP /a").attributes or {}
    assert ("_OTHER", "BREW") == (
        found["http.request.method"],
        found["http.request.method_original"],
    )
    assert telemetry.metric(REQUEST_DURATION, http_request_method="_OTHER")
    assert "BREW" not in repr(telemetry.metrics())


@pytest.mark.parametrize(
    ("status", "error"),
    [(200, None), (304, None), (404, None), (499, None), (500, "500"), (503, "503")],
)
async def test_only_5xx_are_errors(telemetry: Telemetry, status: int, error: str | None) -> None:
    await call(answering({**START, "status": status}, BODY))
    (found,) = telemetry.spans
    assert (error is not None) == (found.status.status_code is StatusCode.ERROR)
    assert error == (found.attributes or {}).get("error.type")
    point = telemetry.metric(REQUEST_DURATION)
    assert point is not None
    assert (status, error) == (
        point.attributes["http.response.status_code"],
        point.attributes.get("error.type"),
    )


async def test_an_exception_is_an_error_and_raised_on(telemetry: Telemetry) -> None:
    error = NotFoundError("password=hunter2")

    async def app(*_: Any) -> None:
        raise error

    with pytest.raises(NotFoundError) as caught:
        await call(app)
    assert caught.value is error
    assert "general.not_found" == attributes(telemetry)["error.type"]
    assert telemetry.metric(REQUEST_DURATION, error_type="general.not_found")
    telemetry.assert_no_values("hunter2")


async def test_a_client_that_leaves_is_told_and_is_no_error(telemetry: Telemetry) -> None:
    async def app(_: Any, receive: Any, send: Any) -> None:
        await send(START)
        assert "http.disconnect" == (await receive())["type"]

    await call(app, {"type": "http.disconnect"})
    (found,) = telemetry.spans
    assert ("client_disconnected", StatusCode.UNSET) == (
        (found.attributes or {})["error.type"],
        found.status.status_code,
    )
    assert telemetry.metric(REQUEST_DURATION, error_type="client_disconnected")


async def test_what_breaks_after_a_client_left_is_no_error(telemetry: Telemetry) -> None:
    async def app(_: Any, receive: Any, send: Any) -> None:
        await send(START)
        await receive()
        raise OSError

    with pytest.raises(OSError):
        await call(app, {"type": "http.disconnect"})
    (found,) = telemetry.spans
    assert ("client_disconnected", StatusCode.UNSET, 0) == (
        (found.attributes or {})["error.type"],
        found.status.status_code,
        len(found.events),
    )


async def test_a_client_that_leaves_after_the_answer_is_not_told(telemetry: Telemetry) -> None:
    async def app(_: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(BODY)
        await receive()

    await call(app, {"type": "http.disconnect"})
    assert "error.type" not in attributes(telemetry)


async def test_a_disconnect_reaches_an_application_that_streams(telemetry: Telemetry) -> None:
    """A middleware that reads the body itself would leave the application working for nobody."""
    gone = asyncio.Event()
    sent: list[Any] = []

    async def receive() -> Any:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)
        if len(sent) == 3:
            gone.set()

    async def app(_: Any, receive: Any, send: Any) -> None:
        async def stream() -> None:
            await send(START)
            while True:
                await send({**BODY, "more_body": True})
                await asyncio.sleep(0)

        work = asyncio.create_task(stream())
        await receive()
        work.cancel()

    await asyncio.wait_for(OtelMiddleware(app)(scope_of(), receive, send), 10)
    assert 3 <= len(sent) < 10
    assert "client_disconnected" == attributes(telemetry)["error.type"]


async def test_nothing_is_held_back(telemetry: Telemetry) -> None:
    seen: list[str] = []

    async def app(_: Any, __: Any, send: Any) -> None:
        for message in (START, {**BODY, "more_body": True}, BODY):
            await send(message)
            seen.append("app")

    async def send(_: Any) -> None:
        seen.append("server")

    await OtelMiddleware(app)(scope_of(), app, send)  # type: ignore[arg-type]  # unused
    assert ["server", "app"] * 3 == seen


async def test_a_span_ends_with_the_last_chunk(telemetry: Telemetry) -> None:
    ended: list[int] = []

    async def app(_: Any, __: Any, send: Any) -> None:
        await send(START)
        await send({**BODY, "more_body": True})
        ended.append(len(telemetry.spans))
        await send(BODY)
        ended.append(len(telemetry.spans))
        with span("background"):
            assert current_trace_id() is not None

    await call(app)
    assert [0, 1] == ended
    assert {"GET": {"background": {}}} == telemetry.tree()


async def test_with_trailers_a_span_ends_with_the_last_of_them(telemetry: Telemetry) -> None:
    ended: list[int] = []
    trailers = {"type": "http.response.trailers", "headers": []}

    async def app(_: Any, __: Any, send: Any) -> None:
        for message in ({**START, "trailers": True}, BODY, {**trailers, "more_trailers": True}):
            await send(message)
        ended.append(len(telemetry.spans))
        await send(trailers)
        ended.append(len(telemetry.spans))

    await call(app)
    assert [0, 1] == ended


async def test_a_cancelled_request_is_no_error(telemetry: Telemetry) -> None:
    started = asyncio.Event()

    async def app(*_: Any) -> None:
        started.set()
        await asyncio.sleep(60)

    task = asyncio.create_task(call(app))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (found,) = telemetry.spans
    assert ("CancelledError", StatusCode.UNSET) == (
        (found.attributes or {})["error.type"],
        found.status.status_code,
    )


async def test_active_requests_are_counted_while_they_run(telemetry: Telemetry) -> None:
    def active() -> float:
        point = telemetry.metric(ACTIVE_REQUESTS, http_request_method="GET", url_scheme="http")
        return 0 if point is None else point.value

    counts: list[float] = []

    async def app(*_: Any) -> None:
        counts.append(active())
        raise ValueError

    with pytest.raises(ValueError):
        await call(app)
    assert ([1], 0) == (counts, active())


async def test_the_duration_has_the_buckets_of_the_conventions(telemetry: Telemetry) -> None:
    await call(answering(START, BODY, route="/a"))
    point = telemetry.metric(REQUEST_DURATION)
    assert point is not None
    assert ("s", 1, 0.005, 10.0, 14) == (
        point.unit,
        point.count,
        point.bounds[0],
        point.bounds[-1],
        len(point.bounds),
    )
    assert {
        "http.request.method": "GET",
        "url.scheme": "http",
        "http.route": "/a",
        "http.response.status_code": 200,
        "network.protocol.version": "1.1",
    } == point.attributes


async def test_headers_are_kept_where_asked_for_and_masked(telemetry: Telemetry) -> None:
    headers = [(b"host", b"h"), (b"x-a", b"1"), (b"x-a", b"2"), (b"authorization", b"Basic abc")]
    options = {"request_headers": ["X-A", "Authorization"], "response_headers": ["X-Kept"]}
    await call(answering(START, BODY), options=options, headers=headers)
    found = attributes(telemetry)
    assert ("1", "2") == tuple(found["http.request.header.x-a"])
    assert "***" == found["http.request.header.authorization"]
    assert ("yes",) == tuple(found["http.response.header.x-kept"])


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/metrics"])
async def test_what_probes_ask_is_left_alone(telemetry: Telemetry, path: str) -> None:
    assert [START, BODY] == await call(answering(START, BODY), path=path)
    assert ([], []) == (telemetry.spans, telemetry.metrics())


async def test_a_websocket_is_one_span_without_metrics(telemetry: Telemetry) -> None:
    messages = [{"type": "websocket.accept"}, {"type": "websocket.send", "text": "x"}]
    scope = scope_of(type="websocket", scheme="ws")
    del scope["method"]

    async def receive() -> Any:
        return {"type": "websocket.disconnect"}

    async def send(_: Any) -> None: ...

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = "/chat"
        for message in messages:
            await send(message)
        await receive()

    await OtelMiddleware(app)(scope, receive, send)
    found = dict(telemetry.span("GET /chat").attributes or {})
    assert (101, "ws", None) == (
        found["http.response.status_code"],
        found["url.scheme"],
        found.get("error.type"),
    )
    assert [] == telemetry.metrics()


async def test_a_refused_websocket_ends_with_its_response(telemetry: Telemetry) -> None:
    start = {"type": "websocket.http.response.start", "status": 500, "headers": []}
    body = {"type": "websocket.http.response.body", "body": b""}
    await call(answering(start, body), type="websocket", scheme="wss")
    assert "500" == attributes(telemetry)["error.type"]


async def test_the_lifespan_passes_through(telemetry: Telemetry) -> None:
    seen: list[str] = []

    async def app(scope: Any, *_: Any) -> None:
        seen.append(scope["type"])

    await OtelMiddleware(app)({"type": "lifespan"}, app, app)  # type: ignore[arg-type]  # unused
    assert (["lifespan"], []) == (seen, telemetry.spans)


@pytest.mark.parametrize(
    ("host", "address", "port"),
    [
        (b"shop", "shop", None),
        (b"shop:80", "shop", 80),
        (b"[::1]:81", "::1", 81),
        (b"[::1]", "::1", None),
        (b"::1", "::1", None),
    ],
    ids=["name", "port", "v6 port", "v6", "bare"],
)
async def test_the_host_is_split(
    telemetry: Telemetry, host: bytes, address: str, port: int | None
) -> None:
    await call(answering(START, BODY), headers=[(b"host", host)])
    found = attributes(telemetry)
    assert (address, port) == (found["server.address"], found.get("server.port"))


@pytest.mark.parametrize(("kind", "scheme"), [("http", "http"), ("websocket", "ws")])
async def test_a_scheme_that_is_left_out_is_the_plain_one(
    telemetry: Telemetry, kind: str, scheme: str
) -> None:
    await call(answering(START, BODY), type=kind, scheme=None)
    assert scheme == attributes(telemetry)["url.scheme"]


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        (b"", ""),
        (b"a=1&b", "a=1&b"),
        (b"code=123&page=2", "code=***&page=2"),
        (b"api%5Fkey=x", "api%5Fkey=***"),
        (b"to=%2B4915112345678&a=%20", "to=***&a=%20"),
        (b"\xff=1", "\xff=1"),
    ],
    ids=["empty", "plain", "word", "encoded key", "encoded value", "latin-1"],
)
def test_a_query_is_masked_by_key_and_by_value(query: bytes, shown: str) -> None:
    assert shown == masked_query(query)


async def test_without_a_host_the_servers_own_address_is_told(telemetry: Telemetry) -> None:
    await call(answering(START, BODY), headers=[])
    found = attributes(telemetry)
    assert ("127.0.0.1", 80) == (found["server.address"], found["server.port"])


async def test_without_a_listener_messages_pass_untouched() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.extend((receive, send))
        await send(START)

    async def receive() -> Any: ...

    async def send(_: Any) -> None: ...

    await OtelMiddleware(app)(scope_of(), receive, send)
    assert [receive, send] == seen


async def test_a_span_of_the_handler_is_a_child_of_the_callers(telemetry: Telemetry) -> None:
    async def app(_: Any, __: Any, send: Any) -> None:
        with span("query", kind="client"):
            await send(START)
            await send(BODY)

    trace = "0af7651916cd43dd8448eb211c80319c"
    parent = f"00-{trace}-b7ad6b7169203331-01".encode()
    await call(app, headers=[(b"traceparent", parent)])
    assert {"GET": {"query": {}}} == telemetry.tree()
    assert {trace} == {f"{found.context.trace_id:032x}" for found in telemetry.spans}
    remote = telemetry.span("GET").parent
    assert remote is not None
    assert remote.is_remote
