"""Copies of spans, log records and metric points in which a Redaction has masked what it masks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.metrics.export import (
    Gauge,
    HistogramDataPoint,
    NumberDataPoint,
)
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.metrics.export import Metric, MetricsData

    from infra_otel.redaction import Redaction

__all__ = ["Masking"]


class _Masked(ReadableSpan):
    """A span whose counts of dropped parts are those of the span it copies."""

    def __init__(self, span: ReadableSpan, **parts: Any) -> None:
        super().__init__(**parts)
        self._of = span

    @property
    def dropped_attributes(self) -> int:
        return self._of.dropped_attributes

    @property
    def dropped_events(self) -> int:
        return self._of.dropped_events

    @property
    def dropped_links(self) -> int:
        return self._of.dropped_links


class Masking:
    """Applies a Redaction to what the SDK hands to an exporter; None changes nothing."""

    def __init__(self, redaction: Redaction | None) -> None:
        self._redaction = redaction

    def traces(self, batch: Sequence[ReadableSpan]) -> Sequence[ReadableSpan]:
        """Mask names, attributes, events, links and status texts."""
        redaction = self._redaction
        return batch if redaction is None else [_span(span, redaction) for span in batch]

    def logs(self, batch: Sequence[ReadableLogRecord]) -> Sequence[ReadableLogRecord]:
        """Mask bodies and attributes."""
        redaction = self._redaction
        return batch if redaction is None else [_log(record, redaction) for record in batch]

    def metrics(self, data: MetricsData) -> MetricsData:
        """Mask attributes; points that are the same then become one."""
        redaction = self._redaction
        if redaction is None:
            return data
        resources = []
        for of_resource in data.resource_metrics:
            scopes = [
                replace(scope, metrics=[_metric(metric, redaction) for metric in scope.metrics])
                for scope in of_resource.scope_metrics
            ]
            resources.append(replace(of_resource, scope_metrics=scopes))
        return replace(data, resource_metrics=resources)


def _span(span: ReadableSpan, redaction: Redaction) -> ReadableSpan:
    attributes, text = redaction.attributes, redaction.text
    status = span.status
    if status.description:
        status = Status(status.status_code, text(status.description))
    return _Masked(
        span,
        name=text(span.name),
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=attributes(span.attributes or {}),
        events=[
            Event(event.name, attributes(event.attributes or {}), event.timestamp)
            for event in span.events
        ],
        links=[Link(link.context, attributes(link.attributes or {})) for link in span.links],
        kind=span.kind,
        status=status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _log(record: ReadableLogRecord, redaction: Redaction) -> ReadableLogRecord:
    from copy import copy

    shown = copy(record.log_record)
    shown.body = redaction.value(shown.body)
    shown.attributes = redaction.attributes(shown.attributes or {})
    return ReadableLogRecord(
        log_record=shown,
        resource=record.resource,
        instrumentation_scope=record.instrumentation_scope,
        limits=record.limits,
    )


def _metric(metric: Metric, redaction: Redaction) -> Metric:
    points: dict[Any, Any] = {}
    is_gauge = isinstance(metric.data, Gauge)
    for point in metric.data.data_points:
        masked = redaction.attributes(point.attributes or {})
        exemplars = [
            replace(it, filtered_attributes=redaction.attributes(it.filtered_attributes or {}))
            for it in point.exemplars
        ]
        shown = replace(point, attributes=masked, exemplars=exemplars)
        key = repr(sorted(masked.items(), key=lambda pair: pair[0]))
        before = points.get(key)
        points[key] = shown if before is None or is_gauge else _together(before, shown)
    data: Any = metric.data
    return replace(metric, data=replace(data, data_points=list(points.values())))


def _together(one: Any, other: Any) -> Any:
    start = min(one.start_time_unix_nano, other.start_time_unix_nano)
    if isinstance(one, NumberDataPoint):
        return replace(one, value=one.value + other.value, start_time_unix_nano=start)
    if isinstance(one, HistogramDataPoint) and one.explicit_bounds == other.explicit_bounds:
        counts = [a + b for a, b in zip(one.bucket_counts, other.bucket_counts, strict=True)]
        return replace(
            one,
            count=one.count + other.count,
            sum=one.sum + other.sum,
            min=min(one.min, other.min),
            max=max(one.max, other.max),
            bucket_counts=counts,
            start_time_unix_nano=start,
        )
    return other
