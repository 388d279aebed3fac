"""What a tracer and a meter are told of each statement, and what they never are."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete, insert, select, text, update

from infra_db import Repository, UniqueViolation, _telemetry, connect, transaction
from infra_db.testing import Note

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.importorskip("opentelemetry.sdk", reason="the SDK is not installed")

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import (
    InMemorySpanExporter,
)


class Recorded:
    def __init__(self) -> None:
        self.spans = InMemorySpanExporter()
        self.metrics = InMemoryMetricReader()

    def names(self) -> list[str]:
        return [span.name for span in self.spans.get_finished_spans()]


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    found = Recorded()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(found.spans))
    meters = MeterProvider([found.metrics])
    monkeypatch.setattr(_telemetry, "get_tracer_provider", lambda: tracers)
    monkeypatch.setattr(_telemetry, "get_meter_provider", lambda: meters)
    yield found
    tracers.shutdown()
    meters.shutdown()


@pytest.mark.parametrize("fast", [True, False])
async def test_each_statement_is_a_span_with_operation_and_table(
    fast: bool, recorded: Recorded
) -> None:
    async with connect("memory://", fast_reads=fast) as db:
        await db.create_all(Note.metadata)
        notes = Repository(db, Note)
        made = await notes.create({"title": "hunter2"})
        recorded.spans.clear()
        await notes.get_by_id(made.id)
        await db.fetch_all(select(Note.title).where(Note.title == "hunter2"))
        await db.execute(update(Note).values(rank=2).where(Note.title == "hunter2"))
        await db.execute(insert(Note).values(title="b"))
        await db.execute(delete(Note).where(Note.title == "b"))
        await db.fetch_all(text("SELECT 1"))
    table = Note.__tablename__
    statements = [it for it in recorded.names() if it.split()[0] not in {"BEGIN", "PRAGMA"}]
    assert [
        f"SELECT {table}",
        f"SELECT {table}",
        f"UPDATE {table}",
        f"INSERT {table}",
        f"DELETE {table}",
        "SELECT",
    ] == statements
    first: Any = next(it for it in recorded.spans.get_finished_spans() if table in it.name)
    assert {
        "db.system.name": "sqlite",
        "db.operation.name": "SELECT",
        "db.collection.name": table,
        "db.query.summary": f"SELECT {table}",
    }.items() <= dict(first.attributes).items()
    assert all("hunter2" not in it.to_json() for it in recorded.spans.get_finished_spans())
    assert "db.client.operation.duration" in (recorded.metrics.get_metrics_data() or "").to_json()


async def test_an_error_is_told_by_its_code(recorded: Recorded) -> None:
    async with connect("memory://") as db:
        await db.create_all(Note.metadata)
        notes = Repository(db, Note)
        await notes.create({"title": "hunter2"})
        with pytest.raises(UniqueViolation):
            await notes.create({"title": "hunter2"})
    failed = [it for it in recorded.spans.get_finished_spans() if not it.status.is_ok]
    (span,) = [it for it in failed if it.attributes and "error.type" in it.attributes]
    assert span.attributes is not None
    assert "db.unique_violation" == span.attributes["error.type"]
    assert "hunter2" not in span.to_json()


async def test_a_transaction_that_is_held_long_is_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(transaction, "_LONG", 0.0)
    async with connect("memory://") as db:
        with caplog.at_level(logging.WARNING, logger="infra_db"):
            async with db.transaction():
                pass
    assert "a transaction was held" in caplog.text


async def test_the_pool_is_counted(recorded: Recorded) -> None:
    async with connect("memory://") as db, db.transaction():
        told = (recorded.metrics.get_metrics_data() or "").to_json()
        points = [
            (point["attributes"]["db.client.connection.state"], point["value"])
            for resource in json.loads(told)["resource_metrics"]
            for scope in resource["scope_metrics"]
            for metric in scope["metrics"]
            if metric["name"] == "db.client.connection.count"
            for point in metric["data"]["data_points"]
        ]
    assert [("used", 1), ("idle", 0)] == points
