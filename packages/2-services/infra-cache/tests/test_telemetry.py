"""Spans and the metric, and what is in none of them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace

from infra_cache import WrongType, connect
from infra_cache._telemetry import Telemetry

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.threads


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", lambda name: provider.get_tracer(name))
    return exporter


async def test_a_call_is_a_span_with_its_operation_and_no_key(
    exporter: InMemorySpanExporter, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with connect(f"sqlite:///{tmp_path / 'c.db'}") as cache:
        await cache.set("user:secret-key", "secret-value")
        await cache.get("user:secret-key")
        with pytest.raises(WrongType):
            await cache.increment("user:secret-key")
        await cache._store.set("planted", b"secret-garbage", None)
        assert await cache.get("planted") is None
    spans = exporter.get_finished_spans()
    assert {"OPEN", "SET", "GET", "INCR", "CLOSE"} <= {span.name for span in spans}
    failed = next(span for span in spans if span.name == "INCR")
    attributes: dict[str, Any] = dict(failed.attributes or {})
    assert {
        "db.system.name": "sqlite",
        "db.operation.name": "INCR",
        "error.type": "cache.wrong_type",
    } == attributes
    shown = "".join(span.to_json() for span in spans) + caplog.text + repr(cache)
    assert "secret" not in shown
    assert "cannot be decoded" in caplog.text


def test_an_address_is_told_where_there_is_one(exporter: InMemorySpanExporter) -> None:
    with Telemetry("redis", "cache", 6379).call("GET"):
        pass
    (span,) = exporter.get_finished_spans()
    assert {
        "db.system.name": "redis",
        "db.operation.name": "GET",
        "server.address": "cache",
        "server.port": 6379,
    } == dict(span.attributes or {})
