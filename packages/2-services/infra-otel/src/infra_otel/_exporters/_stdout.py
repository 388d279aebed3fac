"""One JSON object a line, on stdout or stderr, for a span, a metric point or a log record."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import format_span_id, format_trace_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.metrics.export import MetricsData
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan

__all__ = ["LogLines", "MetricLines", "SpanLines"]

Stream = Literal["stdout", "stderr"]


def _time(nanoseconds: int | None) -> str | None:
    if nanoseconds is None:
        return None
    moment = datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC).replace(tzinfo=None)
    return f"{moment.isoformat()}.{nanoseconds // 1000 % 1_000_000:06d}Z"


def _service(resource: Resource | None) -> Any:
    return None if resource is None else resource.attributes.get("service.name")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple | set | frozenset) else repr(value)


def _write(stream: Stream, objects: Iterable[Mapping[str, Any]]) -> None:
    """Write all lines of a batch in one call, so that another writer cannot come between."""
    lines = [json.dumps(item, sort_keys=True, default=_plain) for item in objects]
    if lines:
        # looked up each time: a program, or a test, may replace its streams
        out = getattr(sys, stream)
        out.write("\n".join(lines) + "\n")
        out.flush()


class SpanLines(SpanExporter):
    """Writes spans."""

    def __init__(self, stream: Stream) -> None:
        self._stream: Stream = stream

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Write a batch."""
        _write(self._stream, map(_span, spans))
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Nothing is open."""


class LogLines(LogRecordExporter):
    """Writes log records."""

    def __init__(self, stream: Stream) -> None:
        self._stream: Stream = stream

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Write a batch."""
        _write(self._stream, map(_log, batch))
        return LogRecordExportResult.SUCCESS

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing waits here."""
        return True

    def shutdown(self) -> None:
        """Nothing is open."""


class MetricLines(MetricExporter):
    """Writes metric points."""

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self._stream: Stream = stream

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: Any
    ) -> MetricExportResult:
        """Write a collection."""
        _write(self._stream, _points(metrics_data))
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Nothing waits here."""
        return True

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:
        """Nothing is open."""


def _span(span: ReadableSpan) -> dict[str, Any]:
    context = span.get_span_context()
    assert context is not None
    return {
        "type": "span",
        "name": span.name,
        "kind": span.kind.name.lower(),
        "trace_id": format_trace_id(context.trace_id),
        "span_id": format_span_id(context.span_id),
        "parent_id": format_span_id(span.parent.span_id) if span.parent else None,
        "start": _time(span.start_time),
        "end": _time(span.end_time),
        "status": span.status.status_code.name.lower(),
        "status_text": span.status.description,
        "service": _service(span.resource),
        "attributes": dict(span.attributes or {}),
        "events": [
            {
                "name": event.name,
                "time": _time(event.timestamp),
                "attributes": dict(event.attributes or {}),
            }
            for event in span.events
        ],
        "links": [format_span_id(link.context.span_id) for link in span.links],
    }


def _log(record: ReadableLogRecord) -> dict[str, Any]:
    log = record.log_record
    scope = record.instrumentation_scope
    return {
        "type": "log",
        "time": _time(log.timestamp or log.observed_timestamp),
        "level": (log.severity_text or "").lower(),
        "body": log.body,
        "logger": scope.name if scope else "",
        "trace_id": format_trace_id(log.trace_id) if log.trace_id else None,
        "span_id": format_span_id(log.span_id) if log.span_id else None,
        "service": _service(record.resource),
        "attributes": dict(log.attributes or {}),
    }


def _points(data: MetricsData) -> Iterable[dict[str, Any]]:
    for of_resource in data.resource_metrics:
        for scope in of_resource.scope_metrics:
            for metric in scope.metrics:
                for point in metric.data.data_points:
                    shown = {
                        "type": "metric",
                        "name": metric.name,
                        "unit": metric.unit,
                        "kind": type(metric.data).__name__.lower(),
                        "time": _time(point.time_unix_nano),
                        "service": _service(of_resource.resource),
                        "attributes": dict(point.attributes or {}),
                    }
                    for name in ("value", "count", "sum", "bucket_counts", "explicit_bounds"):
                        if hasattr(point, name):
                            shown[name] = getattr(point, name)
                    yield shown
