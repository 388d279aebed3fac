"""The endpoint for Prometheus: text, OpenMetrics, and no secret in a label."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("opentelemetry.exporter.prometheus")

from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text

from infra_otel import OtelSettings
from infra_otel._providers import Pipeline


async def fetch(app: Any, accept: str = "*/*") -> tuple[str, str]:
    sent: list[dict[str, Any]] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/metrics",
        "query_string": b"",
        "headers": [(b"accept", accept.encode())],
    }
    await app(scope, receive, send)
    kind = dict(sent[0]["headers"])[b"Content-Type"].decode()
    return kind, b"".join(it.get("body", b"") for it in sent).decode()


@pytest.mark.parametrize(
    ("accept", "parse"),
    [("text/plain", parse_text), ("application/openmetrics-text", parse_openmetrics)],
    ids=["text", "openmetrics"],
)
async def test_hits_and_misses_are_read_by_prometheus(accept: str, parse: Any) -> None:
    pipeline = Pipeline.of(OtelSettings(service_name="shop", metrics="prometheus"))
    assert pipeline.meter_provider is not None
    meter = pipeline.meter_provider.get_meter("cache")
    counter = meter.create_counter("cache.lookups", "{lookup}")
    counter.add(1, {"result": "hit", "token": "hunter2"})
    counter.add(1, {"result": "miss", "token": "hunter2"})
    meter.create_histogram("cache.took", "s").record(0.2)
    kind, text = await fetch(pipeline.prometheus.app, accept)
    assert kind.startswith(accept)
    assert "hunter2" not in text
    samples = {
        (it.name, it.labels.get("result")): it.value
        for family in parse(text)
        for it in family.samples
    }
    assert (1, 1) == (
        samples["cache_lookups_total", "hit"],
        samples["cache_lookups_total", "miss"],
    )
    assert 1 == samples["cache_took_seconds_count", None]


async def test_two_endpoints_do_not_mix() -> None:
    one, two = (Pipeline.of(OtelSettings(metrics="prometheus")) for _ in range(2))
    assert one.meter_provider is not None
    one.meter_provider.get_meter("m").create_counter("only.one").add(1)
    assert "only_one" in (await fetch(one.prometheus.app))[1]
    assert "only_one" not in (await fetch(two.prometheus.app))[1]
