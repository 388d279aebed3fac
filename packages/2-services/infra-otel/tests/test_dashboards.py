"""The dashboards: a schema that Grafana loads, and no metric that nobody emits."""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import Any

import pytest

from infra_otel import semconv

FILES = sorted(
    resources.files("infra_otel").joinpath("dashboards").iterdir(), key=lambda it: it.name
)
NAME = re.compile(r"\b([a-z][a-z0-9_]*)(?=\{|\[|, job\))")
SUFFIX = re.compile(r"_(?:bucket|count|sum|total)$")


def named(text: str) -> set[str]:
    known = set(semconv.METRICS.values())
    return {it if it in known else SUFFIX.sub("", it) for it in NAME.findall(text)}


def queries(dashboard: dict[str, Any]) -> list[str]:
    found = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    variables = dashboard["templating"]["list"]
    return found + [it["query"]["query"] for it in variables if it["type"] == "query"]


def test_there_are_four() -> None:
    names = ["gateway.json", "http-client.json", "http-server.json", "runtime.json"]
    assert names == [file.name for file in FILES]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_dashboard_is_one_that_grafana_loads(file: Any) -> None:
    found = json.loads(file.read_text("utf-8"))
    assert found["schemaVersion"] >= 36
    assert f"infra-{file.name.removesuffix('.json')}" == found["uid"]
    ids = [panel["id"] for panel in found["panels"]]
    assert len(ids) == len(set(ids))
    places = set()
    for panel in found["panels"]:
        assert panel["type"] in {"timeseries", "stat"}
        assert panel["title"]
        assert "${datasource}" == panel["datasource"]["uid"]
        place = panel["gridPos"]
        assert 0 <= place["x"] <= place["x"] + place["w"] <= 24
        places.add((place["x"], place["y"]))
        for target in panel["targets"]:
            text = target["expr"]
            assert text.count("(") == text.count(")")
            assert text.count("{") == text.count("}")
            assert "$__rate_interval" in text or "rate(" not in text
    assert len(places) == len(found["panels"])
    assert ["datasource", "job"] == [it["name"] for it in found["templating"]["list"]]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_dashboard_names_only_metrics_that_are_emitted(file: Any) -> None:
    found = set().union(*map(named, queries(json.loads(file.read_text("utf-8")))))
    assert found
    assert set() == found - set(semconv.METRICS.values())


def test_a_metric_that_nobody_emits_is_caught() -> None:
    query = 'sum by (le) (rate(nobody_emits_seconds_bucket{job=~"$job"}[5m])) + other_total{a="b"}'
    assert {"nobody_emits_seconds", "other"} == named(query)


async def test_the_middlewares_metrics_have_the_names_that_prometheus_makes() -> None:
    pytest.importorskip("opentelemetry.exporter.prometheus")
    from prometheus_client.parser import text_string_to_metric_families

    from infra_otel import OtelSettings
    from infra_otel._providers import Pipeline

    pipeline = Pipeline.of(OtelSettings(metrics="prometheus"))
    assert pipeline.meter_provider is not None
    meter = pipeline.meter_provider.get_meter("m")
    units = {semconv.ACTIVE_REQUESTS: "{request}", "db.client.connection.count": "{connection}"}
    for name in semconv.METRICS:
        if name in units:
            meter.create_up_down_counter(name, units[name]).add(1)
        else:
            meter.create_histogram(name, "s").record(1)
    from prometheus_client import generate_latest

    text = generate_latest(pipeline.prometheus._own).decode()
    families = {family.name for family in text_string_to_metric_families(text)}
    assert set() == set(semconv.METRICS.values()) - families
