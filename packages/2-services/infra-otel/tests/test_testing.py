"""The fixtures themselves: isolation, reading back, and light loading."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk")

from opentelemetry import _logs, metrics, trace

from infra_otel import OtelConfigError, current_trace_id, meter, span
from infra_otel.testing import Telemetry, capture

tracer_made_before = trace.get_tracer("a library")
counter_made_before = metrics.get_meter("a library").create_counter("library.calls")


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_sees_its_own(telemetry: Telemetry, turn: int) -> None:
    assert ([], [], []) == (telemetry.spans, telemetry.metrics(), telemetry.logs)
    with tracer_made_before.start_as_current_span("query"):
        counter_made_before.add(turn)
        logging.getLogger("library").warning("turn %d", turn)
    assert {"query": {}} == telemetry.tree()
    point = telemetry.metric("library.calls")
    assert point is not None
    assert turn == point.value
    (log,) = telemetry.logs
    assert (f"turn {turn}", telemetry.span("query").context.trace_id) == (
        log.log_record.body,
        log.log_record.trace_id,
    )


def test_outside_of_a_capture_nothing_is_recorded() -> None:
    before = list(logging.getLogger().handlers)
    with capture() as telemetry:
        pass
    assert before == logging.getLogger().handlers
    with tracer_made_before.start_as_current_span("after") as opened:
        assert not opened.is_recording()
    counter_made_before.add(1)
    logging.getLogger("library").warning("after")
    assert ([], [], []) == (telemetry.spans, telemetry.metrics(), telemetry.logs)
    with span("after") as opened:
        assert current_trace_id() is None


def test_captures_nest() -> None:
    with capture() as outer:
        with capture() as inner, span("inner"):
            pass
        with span("outer"):
            pass
    assert (["inner"], ["outer"]) == (
        [it.name for it in inner.spans],
        [it.name for it in outer.spans],
    )


def test_clear_forgets(telemetry: Telemetry) -> None:
    with span("a"):
        meter("m").counter("hits").add()
        logging.getLogger("m").warning("x")
    telemetry.clear()
    assert ([], [], []) == (telemetry.spans, telemetry.metrics(), telemetry.logs)
    meter("m").counter("hits").add(3)
    point = telemetry.metric("hits")
    assert point is not None
    assert 3 == point.value


def test_a_span_that_is_not_the_only_one_is_told(telemetry: Telemetry) -> None:
    with pytest.raises(AssertionError, match="0 spans are called 'a'; recorded: no span"):
        telemetry.span("a")
    for name in ("a", "a", "b"):
        with span(name):
            pass
    with pytest.raises(AssertionError, match="2 spans are called 'a'; recorded: a, a, b"):
        telemetry.span("a")


def test_several_points_that_fit_are_told(telemetry: Telemetry) -> None:
    hits = meter("m").counter("hits")
    hits.add(1, {"a.b": 1})
    hits.add(1, {"a.b": 2})
    assert telemetry.metric("hits", a_b=1)
    assert telemetry.metric("hits", **{"a.b": 2})
    assert telemetry.metric("hits", a_b=3) is None
    with pytest.raises(AssertionError, match="2 points of hits fit"):
        telemetry.metric("hits")


def test_an_unknown_sampler_is_refused() -> None:
    with pytest.raises(OtelConfigError, match="sampler"), capture(sampler="sometimes"):
        pass


def test_the_same_calls_of_the_plain_api_make_the_same(telemetry: Telemetry) -> None:
    def seen() -> Any:
        spans = [
            (it.name, it.kind, dict(it.attributes or {}), it.status.status_code, len(it.events))
            for it in telemetry.spans
        ]
        points = [(it.name, dict(it.attributes), it.value, it.counts) for it in telemetry.metrics()]
        return spans, points, telemetry.tree()

    with span("outer", kind="producer", a=1), span("inner", attributes={"b.c": [1, 2]}) as opened:
        opened.add_event("happened", {"x": 1})
    shop = meter("m")
    shop.counter("c").bind(k="v").add(2)
    shop.up_down_counter("u").add(-1)
    shop.gauge("g").set(3, {"k": 1})
    shop.histogram("h", buckets=[1]).record(0.5)
    ours = seen()
    telemetry.clear()
    tracer, plain = trace.get_tracer("infra_otel"), metrics.get_meter("m")
    with tracer.start_as_current_span("outer", kind=trace.SpanKind.PRODUCER, attributes={"a": 1}):
        with tracer.start_as_current_span("inner", attributes={"b.c": [1, 2]}) as opened:
            opened.add_event("happened", {"x": 1})
    plain.create_counter("c").add(2, {"k": "v"})
    plain.create_up_down_counter("u").add(-1)
    plain.create_gauge("g").set(3, {"k": 1})
    plain.create_histogram("h", explicit_bucket_boundaries_advisory=[1]).record(0.5)
    assert seen() == ours


@pytest.mark.subprocess
def test_the_plugin_loads_nothing_of_opentelemetry() -> None:
    code = "import sys, infra_otel.testing; print([m for m in sys.modules if 'opentelem' in m])"
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "[]\n" == found.stdout


@pytest.mark.subprocess
def test_a_capture_works_beside_a_configured_application(program: Any) -> None:
    program("""
        from infra_otel import configure, meter, span
        from infra_otel.testing import capture
        handle = configure(exporter="memory")
        with span("before"):
            pass
        with capture() as telemetry:
            with span("within"):
                meter("m").counter("hits").add()
            assert telemetry.metric("hits").value == 1
        with span("after") as opened:
            assert opened.is_recording()
        assert ["within"] == [it.name for it in telemetry.spans]
        assert ["before", "within", "after"] == [it.name for it in handle.memory.spans]
        assert handle.memory.metric("hits").value == 1
    """)


@pytest.mark.subprocess
def test_a_capture_beside_a_strange_provider_is_refused(program: Any) -> None:
    program("""
        import pytest
        from opentelemetry import trace
        from infra_otel import ExistingProvider
        from infra_otel.testing import capture
        trace.set_tracer_provider(trace.NoOpTracerProvider())
        with pytest.raises(ExistingProvider), capture():
            pass
    """)


def test_an_open_telemetry_log_is_kept(telemetry: Telemetry) -> None:
    _logs.get_logger("plain").emit(_logs.LogRecord(body="plain"))
    assert ["plain"] == [it.log_record.body for it in telemetry.logs]
