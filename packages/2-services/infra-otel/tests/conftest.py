"""What several test files share: collectors, an ASGI client, and programs of their own."""

from __future__ import annotations

import gzip
import logging
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@pytest.fixture
def program() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a program in an interpreter of its own, where OpenTelemetry is not configured yet."""

    def run(text: str, *, code: int = 0, **environ: str) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        found = subprocess.run(
            [sys.executable, "-W", "error", "-c", textwrap.dedent(text)],
            env=clean | environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert code == found.returncode, found.stdout + found.stderr
        return found

    return run


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def root_log() -> Iterator[list[logging.LogRecord]]:
    """What reaches the root logger; caplog also reads loggers that keep to themselves."""
    found: list[logging.LogRecord] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record)

    handler = Handler()
    logging.getLogger().addHandler(handler)
    yield found
    logging.getLogger().removeHandler(handler)


class Collector:
    """What arrived, decoded, by signal; and the headers it came with."""

    def __init__(self) -> None:
        self.requests: dict[str, list[Any]] = {"traces": [], "metrics": [], "logs": []}
        self.headers: list[dict[str, str]] = []
        self.status = 200
        self.url = ""

    def decode(self, signal: str, body: bytes) -> bytes:
        from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
        from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces

        kinds: dict[str, Any] = {
            "traces": traces.ExportTraceServiceRequest,
            "metrics": metrics.ExportMetricsServiceRequest,
            "logs": logs.ExportLogsServiceRequest,
        }
        self.requests[signal].append(kinds[signal].FromString(body))
        return b""  # an empty response message

    def spans(self) -> list[Any]:
        return [
            span
            for request in self.requests["traces"]
            for of in request.resource_spans
            for scope in of.scope_spans
            for span in scope.spans
        ]

    def metrics(self) -> list[Any]:
        return [
            metric
            for request in self.requests["metrics"]
            for of in request.resource_metrics
            for scope in of.scope_metrics
            for metric in scope.metrics
        ]

    def logs(self) -> list[Any]:
        return [
            record
            for request in self.requests["logs"]
            for of in request.resource_logs
            for scope in of.scope_logs
            for record in scope.log_records
        ]

    def resource(self) -> dict[str, str]:
        (request, *_) = self.requests["traces"]
        attributes = request.resource_spans[0].resource.attributes
        return {pair.key: pair.value.string_value for pair in attributes}


@pytest.fixture
def collector() -> Iterator[Collector]:
    """An OTLP collector over HTTP."""
    pytest.importorskip("opentelemetry.proto")
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    found = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            found.headers.append({key.lower(): value for key, value in self.headers.items()})
            if found.status == 200:
                found.decode(self.path.rpartition("/")[2], body)
            self.send_response(found.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def grpc_collector() -> Iterator[Collector]:
    """An OTLP collector over gRPC."""
    pytest.importorskip("opentelemetry.proto")
    pytest.importorskip("opentelemetry.exporter.otlp.proto.grpc")
    from importlib import import_module

    grpc: Any = import_module("grpc")  # which has no types
    found = Collector()
    services = {"trace": "traces", "metrics": "metrics", "logs": "logs"}

    class Handler(grpc.GenericRpcHandler):  # type: ignore[misc]  # the same
        def service(self, call: Any) -> Any:
            signal = services[call.method.split(".")[3]]

            def answer(body: bytes, _: Any) -> bytes:
                found.headers.append(dict(call.invocation_metadata))
                return found.decode(signal, body)

            return grpc.unary_unary_rpc_method_handler(answer)

    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((Handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    found.url = f"http://127.0.0.1:{port}"
    yield found
    server.stop(None).wait()
