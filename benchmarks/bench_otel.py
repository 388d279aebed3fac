"""infra-otel beside its peers: `python benchmarks/bench_otel.py`.

What is measured without an SDK runs first, because a process cannot take its providers back.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from _bench import Fact, Row, Timer, at_most, at_most_times, awaited, called, imported, report

if TYPE_CHECKING:
    from collections.abc import Iterator

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ROUTE = {"http.request.method": "GET", "http.route": "/users/{id}", "url.scheme": "http"}
FIVE: dict[str, str | int] = {**ROUTE, "http.response.status_code": 200, "server.address": "shop"}
SCOPE: dict[str, Any] = {
    "type": "http",
    "asgi": {"version": "3.0"},
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "path": "/users/7",
    "raw_path": b"/users/7",
    "root_path": "",
    "query_string": b"page=2",
    "headers": [(b"host", b"shop:80"), (b"user-agent", b"bench/1"), (b"accept", b"*/*")],
    "client": ("127.0.0.1", 5000),
    "server": ("127.0.0.1", 80),
    "route": "/users/{id}",
}
START = {"type": "http.response.start", "status": 200, "headers": []}
BODY = {"type": "http.response.body", "body": b"ok"}


async def app(_: Any, __: Any, send: Any) -> None:
    await send(START)
    await send(BODY)


async def receive() -> Any:
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(_: Any) -> None: ...


def over(wrapped: Any) -> Timer:
    """Time what a middleware adds to a request: its time less that of the bare application."""
    both = awaited(lambda: wrapped(dict(SCOPE), receive, send))
    bare = awaited(lambda: app(dict(SCOPE), receive, send))

    def timer(times: int) -> float:
        return max(both(times) - bare(times), 1e-9)

    return timer


def spans(*, is_on: bool) -> Iterator[Row]:
    from opentelemetry import trace

    from infra_otel import _state, span

    plain = trace.get_tracer("bench")

    def ours() -> None:
        with span("load", size=3):
            pass

    def theirs() -> None:
        with plain.start_as_current_span("load", attributes={"size": 3}):
            pass

    def ours_five() -> None:
        with span("load", attributes=FIVE):
            pass

    def theirs_five() -> None:
        with plain.start_as_current_span("load", attributes=FIVE):
            pass

    name = "API start_as_current_span"
    if is_on:
        goal = at_most_times(1.05)
        yield Row("span, SDK on, 5 attributes", called(ours_five), goal, called(theirs_five), name)
        return
    yield Row("span, no SDK", called(ours), at_most_times(0.15), called(theirs), name)
    fast, _state.tracing = _state.tracing, _state._tracing_by_api
    goal = at_most_times(0.25)
    yield Row("span, no SDK, public question", called(ours), goal, called(theirs), name)
    _state.tracing = fast


def middleware(*, is_on: bool) -> Iterator[Row]:
    from infra_otel import OtelMiddleware

    ours = OtelMiddleware(app)
    if not is_on:
        # one that is timed with the server's loop: the bare application is subtracted
        yield Row("middleware adds, no SDK", over(ours), at_most(5e-6))
        return
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

    theirs = over(OpenTelemetryMiddleware(app))
    goal = at_most_times(0.5)
    yield Row("middleware adds, SDK on", over(ours), goal, theirs, "instrumentation-asgi")


def metrics() -> Iterator[Row]:
    from opentelemetry import metrics as api

    from infra_otel import meter

    bound = meter("bench").counter("ours").bind(**FIVE)
    plain = api.get_meter("bench").create_counter("theirs")

    def theirs() -> None:
        plain.add(
            1,
            {
                "http.request.method": "GET",
                "http.route": "/users/{id}",
                "url.scheme": "http",
                "http.response.status_code": 200,
                "server.address": "shop",
            },
        )

    name = "API counter, a dict"
    goal = at_most_times(1.0)
    yield Row("bound counter, SDK on, 5 attributes", called(bound.add), goal, called(theirs), name)


def propagation() -> Iterator[Row]:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    from infra_otel import StrictTraceContext

    carrier = {"traceparent": TRACEPARENT}
    ours, theirs = StrictTraceContext(), TraceContextTextMapPropagator()
    yield Row(
        "extract one header",
        called(lambda: ours.extract(carrier)),
        at_most_times(1.0),
        called(lambda: theirs.extract(carrier)),
        "API's propagator",
    )


def logs() -> Iterator[Row]:
    from pythonjsonlogger.json import JsonFormatter as Theirs

    from infra_otel import JsonFormatter

    ours = JsonFormatter()
    fields = "%(created)s %(levelname)s %(name)s %(message)s"
    theirs = Theirs(fields)
    record = logging.makeLogRecord(
        {"name": "shop", "levelno": 20, "levelname": "INFO", "msg": "order %s sent", "args": (7,)}
    )
    record.__dict__ |= {"order": 7, "customer": "c-123", "took": 0.25}
    yield Row(
        "format a record, 3 extras, with redaction",
        called(lambda: ours.format(record)),
        at_most_times(1.0),
        called(lambda: theirs.format(record)),
        "python-json-logger",
    )


def importing() -> Iterator[Row | Fact]:
    goal = at_most(15e-3, over_peer=True)
    bare = imported("opentelemetry.trace")
    yield Row("import infra_otel", imported("infra_otel"), goal, bare, "opentelemetry.trace")
    yield Row("import its spans", imported("infra_otel.spans"), goal, bare, "opentelemetry.trace")
    modules = imported("infra_otel.spans, infra_otel.metrics, infra_otel.asgi")
    theirs = imported("opentelemetry.trace, opentelemetry.metrics, opentelemetry.propagate")
    name = "API: trace, metrics, propagate"
    goal = at_most(25e-3, over_peer=True)
    yield Row("import spans, metrics, middleware", modules, goal, theirs, name)


def alone() -> Iterator[Fact]:
    """Whether what a full configuration takes at the start of a program is bearable."""
    script = (
        "import time; since = time.perf_counter(); from infra_otel import configure; "
        "handle = configure(exporter='otlp', endpoint='http://localhost:1'); "
        "took = time.perf_counter() - since; "
        "import json, os; print(json.dumps(took), flush=True); os._exit(0)"
    )
    took = min(
        json.loads(
            subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout
        )
        for _ in range(3)
    )
    yield Fact("configure, OTLP over HTTP, with imports", f"{took * 1000:.0f} ms", "told", True)


def main() -> None:
    report("infra-otel, without an SDK", [*spans(is_on=False), *middleware(is_on=False)])
    report("infra-otel, either way", [*propagation(), *logs(), *importing(), *alone()])
    from opentelemetry import metrics as api
    from opentelemetry import trace
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider

    trace.set_tracer_provider(TracerProvider())
    api.set_meter_provider(MeterProvider([InMemoryMetricReader()]))
    report(
        "infra-otel, SDK on",
        [*spans(is_on=True), *metrics(), *middleware(is_on=True)],
    )


if __name__ == "__main__":
    main()
