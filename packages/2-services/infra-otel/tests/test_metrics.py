"""Metrics: sums that only grow, gauges, histograms, callbacks that fail, and limits."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk")

from infra_otel import meter
from infra_otel.testing import Telemetry, capture

shop = meter("shop", "1.2")
made_before = shop.counter("shop.before", unit="{hit}", description="Made at import.")


def value(telemetry: Telemetry, name: str, **attributes: Any) -> float | None:
    point = telemetry.metric(name, **attributes)
    return None if point is None else point.value


def test_a_counter_adds_up(telemetry: Telemetry) -> None:
    hits = shop.counter("shop.hits")
    hits.add(1)
    hits.add()
    hits.add(5, {"page": "home"})
    (plain,) = [it for it in telemetry.metrics() if not it.attributes]
    assert (2, 5) == (plain.value, value(telemetry, "shop.hits", page="home"))
    assert value(telemetry, "shop.hits", page="none") is None


def test_an_instrument_made_before_works_in_each_capture() -> None:
    made_before.add(7)
    for _ in range(2):
        with capture() as telemetry:
            made_before.add(2)
            point = telemetry.metric("shop.before")
        assert point is not None
        assert (2, "sum", "{hit}") == (point.value, point.kind, point.unit)


@pytest.mark.parametrize("bad", [-1, math.nan, math.inf, -0.5])
def test_a_counter_drops_what_would_not_grow_and_says_so_once(
    telemetry: Telemetry, caplog: pytest.LogCaptureFixture, bad: float
) -> None:
    hits = shop.counter("shop.monotonic")
    hits.add(2)
    for _ in range(3):
        hits.add(bad)
        hits.bind(page="x").add(bad)
    assert 2 == value(telemetry, "shop.monotonic")
    told = [it for it in caplog.records if it.name == "infra_otel"]
    assert [logging.WARNING] == [it.levelno for it in told]
    assert "shop.monotonic" in told[0].getMessage()


def test_an_up_down_counter_goes_both_ways(telemetry: Telemetry) -> None:
    queue = shop.up_down_counter("shop.queue")
    queue.add(3)
    queue.add(-1)
    queue.add(math.nan)
    assert 2 == value(telemetry, "shop.queue")


def test_a_gauge_is_what_it_was_set_to_last(telemetry: Telemetry) -> None:
    level = shop.gauge("shop.level")
    level.set(3)
    level.set(5)
    level.set(math.inf)
    point = telemetry.metric("shop.level")
    assert point is not None
    assert ("gauge", 5) == (point.kind, point.value)


def test_a_histogram_counts_sums_and_sorts_into_buckets(telemetry: Telemetry) -> None:
    took = shop.histogram("shop.took", unit="s", buckets=[0.1, 1])
    for seconds in (0.2, 0.05, 3, -1, math.nan):
        took.record(seconds)
    point = telemetry.metric("shop.took")
    assert point is not None
    assert (3, (0.1, 1), (1, 1, 1)) == (point.count, point.bounds, point.counts)
    assert pytest.approx(3.25) == point.sum


def test_a_timer_records_seconds_also_of_what_fails(telemetry: Telemetry) -> None:
    took = shop.histogram("shop.timed", unit="s")
    with took.timer({"job": "a"}):
        pass
    with pytest.raises(ValueError), took.bind(job="b").timer():
        raise ValueError
    for job in "ab":
        point = telemetry.metric("shop.timed", job=job)
        assert point is not None
        assert (1, True) == (point.count, 0 <= point.sum < 10)


def test_bound_attributes_are_joined_by_those_of_the_call(telemetry: Telemetry) -> None:
    hits = shop.counter("shop.bound").bind(a=1, b=1).bind(**{"b": 2, "http.route": "/x"})
    hits.add()
    hits.add(2, {"b": 3})
    found = {tuple(sorted(it.attributes.items())): it.value for it in telemetry.metrics()}
    assert {
        (("a", 1), ("b", 2), ("http.route", "/x")): 1,
        (("a", 1), ("b", 3), ("http.route", "/x")): 2,
    } == found


@pytest.fixture
def running() -> Iterator[list[bool]]:
    """Not empty while the test runs: an observable instrument outlives it, and is to be silent."""
    found = [True]
    yield found
    found.clear()


def test_a_callback_is_asked_once_a_collection(telemetry: Telemetry, running: list[bool]) -> None:
    asked = []

    def level() -> Any:
        asked.append(1)
        return 7 if running else []

    shop.observable_gauge("shop.observed", level)
    assert 7 == value(telemetry, "shop.observed")
    assert 1 == len(asked)


def test_a_callback_may_tell_several_sets(telemetry: Telemetry, running: list[bool]) -> None:
    def levels() -> Iterator[tuple[float, Mapping[str, Any]]]:
        if running:
            yield 1, {"of": "a"}
            yield 2, {"of": "b"}

    shop.observable_counter("shop.observed.sum", levels)
    assert (1, 2) == tuple(value(telemetry, "shop.observed.sum", of=it) for it in "ab")


def test_a_callback_that_raises_is_logged_and_the_others_are_told(
    telemetry: Telemetry, caplog: pytest.LogCaptureFixture, running: list[bool]
) -> None:
    failing = [True]

    def level() -> Any:
        if failing:
            raise ValueError("token=hunter2")
        return 1 if running else []

    shop.observable_gauge("shop.failing", level)
    shop.counter("shop.other").add()
    assert (None, 1) == (value(telemetry, "shop.failing"), value(telemetry, "shop.other"))
    assert "shop.failing: its callback raised ValueError" in caplog.text
    failing.clear()
    assert 1 == value(telemetry, "shop.failing")


def test_too_many_attribute_sets_are_folded_into_one() -> None:
    from infra_otel._providers import Pipeline
    from infra_otel.settings import OtelSettings

    pipeline = Pipeline.of(OtelSettings(exporter="memory", cardinality_limit=3))
    assert pipeline.meter_provider is not None
    assert pipeline.memory is not None
    counter = pipeline.meter_provider.get_meter("m").create_counter("c")
    for number in range(10):
        counter.add(1, {"user": number})
    folded = pipeline.memory.metric("c", otel_metric_overflow=True)
    assert folded is not None
    assert (7, 4) == (folded.value, len(pipeline.memory.metrics()))


def test_without_a_listener_every_call_works() -> None:
    hits = shop.counter("shop.nobody")
    hits.add(1, {"a": 1})
    shop.gauge("shop.nobody.gauge").set(1)
    with shop.histogram("shop.nobody.took").timer():
        pass
    shop.up_down_counter("shop.nobody.queue").add(-1)
