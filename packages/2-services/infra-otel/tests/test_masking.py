"""No exporter sees a secret: spans, metrics and logs, in each part of them."""

from __future__ import annotations

import logging
from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk")

from opentelemetry import _logs, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import View
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, StatusCode

from infra_otel import OtelSettings, Redaction, meter, span
from infra_otel._exporters._memory import SpanSink
from infra_otel._masking import Masking
from infra_otel._providers import Pipeline
from infra_otel.testing import Telemetry

SECRETS = ("hunter2", "4915112345678", "eyJhbGciOiJIUzI1NiJ9.eyJ")
TEXT = "password=hunter2 +4915112345678 eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


def test_every_part_of_a_span_is_masked(telemetry: Telemetry) -> None:
    with span("one") as one:
        link = Link(one.get_span_context(), {"note": TEXT})
    with span(f"job {TEXT}", links=[link], note=TEXT, password="hunter2", several=[TEXT]) as it:
        it.add_event("happened", {"note": TEXT})
        it.set_status(StatusCode.ERROR, TEXT)
    telemetry.assert_no_values(*SECRETS)
    found = telemetry.spans[-1]
    assert "***" == (found.attributes or {})["password"]
    assert (1, 1) == (len(found.events), len(found.links))


def test_a_grep_finds_what_is_not_masked() -> None:
    pipeline = Pipeline.of(OtelSettings(exporter="memory", redaction=None))
    assert pipeline.tracer_provider is not None
    assert pipeline.meter_provider is not None
    assert pipeline.logger_provider is not None
    assert pipeline.memory is not None
    pipeline.memory.assert_no_values("needle")
    for place in ("name", "attribute", "event", "status", "metric", "log", "extra"):
        text = {place: "a needle"}
        opened = pipeline.tracer_provider.get_tracer("t").start_span(text.get("name", "x"))
        opened.set_attribute("a", text.get("attribute", ""))
        opened.add_event("e", {"a": text.get("event", "")})
        opened.set_status(StatusCode.ERROR, text.get("status", ""))
        opened.end()
        counter = pipeline.meter_provider.get_meter("m").create_counter("c")
        counter.add(1, {"a": text.get("metric", "")})
        logger = pipeline.logger_provider.get_logger("l")
        record = _logs.LogRecord(body=text.get("log", ""), attributes={"a": text.get("extra", "")})
        logger.emit(record)
        with pytest.raises(AssertionError, match="must not be recorded") as caught:
            pipeline.memory.assert_no_values("needle")
        assert place == "name" or "needle" not in str(caught.value) or place == "log"
        pipeline.memory.clear()
    pipeline.memory.assert_no_values("needle")


def test_metric_points_that_become_the_same_are_one(telemetry: Telemetry) -> None:
    hits, took = meter("m").counter("hits"), meter("m").histogram("took", buckets=[1.0])
    level = meter("m").gauge("level")
    for number in ("+4915112345678", "+4915299995678"):
        hits.add(2, {"to.phone": number})
        took.record(0.5, {"to.phone": number})
        level.set(3, {"token": number})
    telemetry.assert_no_values("49151", "49152")
    point = telemetry.metric("hits", to_phone="********5678")
    assert point is not None
    assert 4 == point.value
    point = telemetry.metric("took")
    assert point is not None
    assert (2, 1.0, (2, 0)) == (point.count, point.sum, point.counts)
    point = telemetry.metric("level")
    assert point is not None
    assert 3 == point.value


def test_logs_of_the_standard_library_are_masked(telemetry: Telemetry) -> None:
    logger = logging.getLogger("shop")
    try:
        raise ValueError(TEXT)
    except ValueError:
        logger.exception("failed for %s", TEXT, extra={"note": TEXT, "api_key": "hunter2"})
    telemetry.assert_no_values(*SECRETS)
    (record,) = telemetry.logs
    found = dict(record.log_record.attributes or {})
    assert ("***", "ValueError", "ERROR") == (
        found["api_key"],
        found["error.type"],
        record.log_record.severity_text,
    )


def test_a_copy_tells_what_was_dropped_from_the_original() -> None:
    kept: list[Any] = []
    provider = TracerProvider(
        span_limits=SpanLimits(max_span_attributes=1, max_events=1), shutdown_on_exit=False
    )
    provider.add_span_processor(SpanSink(kept.append))
    opened = provider.get_tracer("t").start_span("x", attributes={"a": 1, "b": 2, "c": 3})
    for name in "xyz":
        opened.add_event(name)
    opened.end()
    (masked,) = Masking(Redaction()).traces(kept)
    assert (2, 2, 0) == (masked.dropped_attributes, masked.dropped_events, masked.dropped_links)


class RecordOnly(Sampler):
    def should_sample(self, *_: Any, **__: Any) -> SamplingResult:
        return SamplingResult(Decision.RECORD_ONLY)

    def get_description(self) -> str:
        return "record only"


def test_a_span_that_is_recorded_and_not_sampled_goes_nowhere() -> None:
    kept: list[Any] = []
    provider = TracerProvider(RecordOnly(), shutdown_on_exit=False)
    provider.add_span_processor(SpanSink(kept.append))
    opened = provider.get_tracer("t").start_span("x")
    assert opened.is_recording()
    opened.end()
    assert [] == kept


def test_without_redaction_nothing_is_copied() -> None:
    batch: list[Any] = [object()]
    assert Masking(None).traces(batch) is batch
    assert Masking(None).logs(batch) is batch
    data: Any = object()
    assert Masking(None).metrics(data) is data


def test_exemplars_are_masked_too() -> None:
    reader = InMemoryMetricReader()
    # what a view leaves out of a point stands in its exemplars
    view = View(instrument_name="h", attribute_keys={"kept"})
    provider = MeterProvider([reader], shutdown_on_exit=False, views=[view])
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("t")
    with tracer.start_as_current_span("x"):
        provider.get_meter("m").create_histogram("h").record(1, {"token": "hunter2"})
    data = reader.get_metrics_data()
    assert data is not None
    masked = Masking(Redaction()).metrics(data)
    assert "hunter2" in repr(data)
    assert "hunter2" not in repr(masked)
    assert not trace.get_current_span().get_span_context().is_valid
