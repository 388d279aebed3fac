"""OTLP over HTTP and gRPC, decoded by a collector; Jaeger is the same."""

from __future__ import annotations

import io
import logging
import sys
import time
from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk")

from opentelemetry import _logs

from infra_errors import Secret
from infra_otel import OtelConfigError, OtelSettings, SignalOptions
from infra_otel._exporters._otlp import unread_environ
from infra_otel._providers import Pipeline

pytestmark = pytest.mark.threads

TEXT = "password=hunter2 +4915112345678"


def emit(settings: OtelSettings) -> tuple[bool, Pipeline]:
    """Emit one item of each signal, and end."""
    pipeline = Pipeline.of(settings)
    deadline = time.monotonic() + 30
    if pipeline.tracer_provider is not None:
        tracer = pipeline.tracer_provider.get_tracer("shop", "1.2")
        with tracer.start_as_current_span("load", attributes={"note": TEXT, "n": 1}):
            if pipeline.logger_provider is not None:
                logger = pipeline.logger_provider.get_logger("shop")
                logger.emit(_logs.LogRecord(body=TEXT, attributes={"api_key": "hunter2"}))
    pipeline.stop()
    if pipeline.meter_provider is not None:
        pipeline.meter_provider.get_meter("shop").create_counter("hits").add(2, {"to": TEXT})
        pipeline.meter_provider.shutdown(timeout_millis=30_000)
    return pipeline.join(deadline), pipeline


def check(collector: Any) -> None:
    (found,) = collector.spans()
    attributes = {pair.key: pair.value for pair in found.attributes}
    assert ("load", "password=*** ********5678", 1) == (
        found.name,
        attributes["note"].string_value,
        attributes["n"].int_value,
    )
    (metric,) = collector.metrics()
    (point,) = metric.sum.data_points
    assert ("hits", True, 2) == (metric.name, metric.sum.is_monotonic, point.as_int)
    (log,) = collector.logs()
    assert (found.trace_id, "password=*** ********5678") == (log.trace_id, log.body.string_value)
    assert "hunter2" not in str(collector.requests)
    assert "shop" == collector.resource()["service.name"]


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_all_signals_arrive_over_http(collector: Any, compression: Any) -> None:
    settings = OtelSettings(
        service_name="shop",
        endpoint=collector.url,
        headers={"X-Key": Secret("abc")},
        compression=compression,
    )
    sent, pipeline = emit(settings)
    assert sent
    check(collector)
    assert {"traces": 0, "metrics": 0, "logs": 0} == pipeline.dropped
    assert {"abc"} == {headers["x-key"] for headers in collector.headers}
    encodings = {headers.get("content-encoding", "none") for headers in collector.headers}
    assert {compression} == encodings


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_all_signals_arrive_over_grpc(grpc_collector: Any, compression: Any) -> None:
    settings = OtelSettings(
        service_name="shop",
        endpoint=grpc_collector.url,
        protocol="grpc",
        headers={"X-Key": "abc"},
        compression=compression,
    )
    sent, _ = emit(settings)
    assert sent
    check(grpc_collector)
    assert {"abc"} == {headers["x-key"] for headers in grpc_collector.headers}


def test_jaeger_takes_spans_alone(collector: Any) -> None:
    sent, pipeline = emit(OtelSettings(exporter="jaeger", endpoint=collector.url))
    assert sent
    assert (None, None) == (pipeline.meter_provider, pipeline.logger_provider)
    assert ["load"] == [found.name for found in collector.spans()]


def test_a_signal_may_go_elsewhere(collector: Any) -> None:
    own = {"traces": SignalOptions(endpoint=f"{collector.url}/own/traces")}
    settings = OtelSettings(traces="otlp", metrics="none", logs="none", signals=own)  # type: ignore[arg-type]  # a literal
    sent, _ = emit(settings)
    assert (True, ["load"]) == (sent, [found.name for found in collector.spans()])


def test_a_refusing_collector_is_told_once_and_counted(
    collector: Any, root_log: list[logging.LogRecord]
) -> None:
    collector.status = 400
    sent, pipeline = emit(OtelSettings(endpoint=collector.url))
    assert not sent
    assert {"traces": 1, "metrics": 1, "logs": 1} == pipeline.dropped
    told = [it.getMessage() for it in root_log if it.name == "infra_otel"]
    assert 3 == len(told)
    assert any("400" in text for text in told)
    assert [] == [it for it in root_log if it.name.startswith("opentelemetry")]


def test_a_busy_collector_is_asked_again_within_the_time_of_an_export(collector: Any) -> None:
    collector.status = 503
    since = time.monotonic()
    sent, _ = emit(
        OtelSettings(
            traces="otlp", endpoint=collector.url, metrics="none", logs="none", export_timeout=0.5
        )
    )
    assert (False, True) == (sent, time.monotonic() - since < 10)


def test_an_argument_keeps_the_variables_headers_out(
    collector: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-env=1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CLIENT_KEY", "kept")
    with unread_environ():
        import os

        assert {"OTEL_EXPORTER_OTLP_CLIENT_KEY"} == {it for it in os.environ if "OTLP" in it}
    emit(OtelSettings(endpoint=collector.url, headers={"x-own": "1"}))
    assert all("x-own" in it and "x-env" not in it for it in collector.headers)


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_certificate_that_is_not_there_is_refused(protocol: Any) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.grpc")
    with pytest.raises(OtelConfigError, match="certificate"):
        Pipeline.of(
            OtelSettings(endpoint="https://localhost:1", protocol=protocol, certificate="/no.pem")
        )


def test_a_signals_lines_stay_whole_and_sorted(capsys: pytest.CaptureFixture[str]) -> None:
    import json

    settings = OtelSettings(service_name="shop", exporter="stdout", traces=("stdout", "stderr"))
    sent, _ = emit(settings)
    assert sent
    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in out.splitlines()]
    assert {"span", "metric", "log"} == {line["type"] for line in lines}
    assert all(list(line) == sorted(line) for line in lines)
    assert "hunter2" not in out
    (printed,) = err.splitlines()
    assert printed in out.splitlines()
    (found,) = [line for line in lines if line["type"] == "span"]
    assert ("load", "shop", "internal", None, {"n": 1, "note": "password=*** ********5678"}) == (
        found["name"],
        found["service"],
        found["kind"],
        found["parent_id"],
        found["attributes"],
    )
    (found,) = [line for line in lines if line["type"] == "metric"]
    assert ("hits", "sum", 2) == (found["name"], found["kind"], found["value"])


def test_a_batch_of_lines_is_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            written.append(text)
            return len(text)

    monkeypatch.setattr(sys, "stderr", Stream())
    pipeline = Pipeline.of(OtelSettings(traces="stderr"))
    assert pipeline.tracer_provider is not None
    for _ in range(5):
        pipeline.tracer_provider.get_tracer("t").start_span("x").end()
    pipeline.stop()
    assert pipeline.join(time.monotonic() + 30)
    (text,) = written
    assert (5, True) == (text.count("\n"), text.endswith("}\n"))


def test_a_default_batch_shrinks_with_its_queue(capsys: pytest.CaptureFixture[str]) -> None:
    pipeline = Pipeline.of(OtelSettings(traces="stderr", queue_size=2, batch_delay=3600))
    assert pipeline.tracer_provider is not None
    for _ in range(2):
        pipeline.tracer_provider.get_tracer("t").start_span("x").end()
    deadline = time.monotonic() + 30
    while not capsys.readouterr().err:  # a full batch is sent without being asked for
        assert time.monotonic() < deadline
        time.sleep(0.01)
    pipeline.stop()
    assert pipeline.join(deadline)


def test_a_value_without_json_is_written_some_way(capsys: pytest.CaptureFixture[str]) -> None:
    pipeline = Pipeline.of(OtelSettings(traces="stderr", redaction=None))
    assert pipeline.tracer_provider is not None
    opened = pipeline.tracer_provider.get_tracer("t").start_span("x")
    opened.set_attribute("raw", b"\xff")
    opened.set_attribute("list", ["a", "b"])
    opened.add_event("e", {"k": 1})
    opened.end()
    assert pipeline.flush(time.monotonic() + 30)
    line = capsys.readouterr().err
    assert '"raw": "b\'\\\\xff\'"' in line
    assert '"list": ["a", "b"]' in line
    pipeline.stop()
    pipeline.join(time.monotonic() + 30)
    assert not logging.getLogger("infra_otel").handlers
