"""What was recorded, kept in memory: the `memory` exporter and the test fixtures read it back."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import attrs
from opentelemetry.sdk._logs import LogRecordProcessor, ReadableLogRecord
from opentelemetry.sdk.metrics import (
    Counter,
    Histogram,
    UpDownCounter,
)
from opentelemetry.sdk.metrics import _Gauge as GaugeInstrument
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    HistogramDataPoint,
    MetricReader,
    NumberDataPoint,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.sdk._logs import ReadWriteLogRecord
    from opentelemetry.sdk.metrics.export import MetricsData
    from opentelemetry.sdk.trace import ReadableSpan

    from infra_otel._masking import Masking

__all__ = ["LogSink", "MetricPoint", "Reader", "SpanSink", "Telemetry"]


@attrs.frozen(kw_only=True)
class MetricPoint:
    """One attribute set of a metric: `value` of a sum or gauge; the rest of a histogram.

    `kind` is sum, gauge or histogram. `counts` holds one more number than `bounds`.
    """

    name: str
    kind: str
    unit: str
    attributes: Mapping[str, Any]
    value: float = 0
    count: int = 0
    sum: float = 0
    bounds: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()

    def _plus(self, later: MetricPoint) -> MetricPoint:
        if self.kind == "gauge":
            return later
        if self.bounds != later.bounds:
            return later
        pairs = zip(self.counts, later.counts, strict=True)
        return attrs.evolve(
            self,
            value=self.value + later.value,
            count=self.count + later.count,
            sum=self.sum + later.sum,
            counts=tuple(one + other for one, other in pairs),
        )


class Telemetry:
    """What has been recorded, after redaction, as an exporter would have seen it."""

    def __init__(self, masking: Masking, collect: Callable[[], None]) -> None:
        self._masking = masking
        self._collect = collect
        self._lock = threading.RLock()
        self._spans: list[ReadableSpan] = []
        self._logs: list[ReadableLogRecord] = []
        self._points: dict[Any, MetricPoint] = {}

    @property
    def spans(self) -> list[ReadableSpan]:
        """The ended spans, in the order in which they ended."""
        with self._lock:
            return list(self._spans)

    @property
    def logs(self) -> list[ReadableLogRecord]:
        """The log records."""
        with self._lock:
            return list(self._logs)

    def span(self, name: str) -> ReadableSpan:
        """Return the one span of this name; AssertionError for none or several."""
        found = [span for span in self.spans if span.name == name]
        if len(found) != 1:
            names = ", ".join(sorted(span.name for span in self.spans)) or "no span"
            message = f"{len(found)} spans are called {name!r}; recorded: {names}"
            raise AssertionError(message)
        return found[0]

    def tree(self) -> dict[str, Any]:
        """Return names in names: a span under its parent, in the order of their starts.

        Of siblings of one name, the later are `name #2`, `name #3`.
        """
        spans = sorted(self.spans, key=lambda span: span.start_time or 0)
        nodes: dict[int, dict[str, Any]] = {_id(span): {} for span in spans}
        top: dict[str, Any] = {}
        for span in spans:
            parent = span.parent.span_id if span.parent else 0
            above = nodes.get(parent, top)
            name, number = span.name, 1
            while name in above:
                number += 1
                name = f"{span.name} #{number}"
            above[name] = nodes[_id(span)]
        return top

    def metrics(self) -> list[MetricPoint]:
        """Return every point, by name and attributes."""
        with self._lock:
            self._collect()
            return [self._points[key] for key in sorted(self._points)]

    def metric(self, name: str, /, **attributes: Any) -> MetricPoint | None:
        """Return the one point of a metric that has these attributes, None if there is none.

        An underscore in an argument also stands for a dot: `http_route="/users"`. Several points
        are an AssertionError that lists them.
        """
        found = [
            point
            for point in self.metrics()
            if point.name == name and _has(point.attributes, attributes)
        ]
        if len(found) > 1:
            listed = "; ".join(str(dict(point.attributes)) for point in found)
            message = f"{len(found)} points of {name} fit: {listed}"
            raise AssertionError(message)
        return found[0] if found else None

    def clear(self) -> None:
        """Forget what was recorded until now."""
        with self._lock:
            self._collect()
            self._spans.clear()
            self._logs.clear()
            self._points.clear()

    def assert_no_values(self, *needles: str) -> None:
        """Raise AssertionError if one of these stands in any span, metric point or log record."""
        places = [
            *((f"span {span.name!r}", _texts_of_span(span)) for span in self.spans),
            *((f"metric {it.name}", [*map(str, _flat(it.attributes))]) for it in self.metrics()),
            *((f"log {it.log_record.body!r:.40}", _texts_of_log(it)) for it in self.logs),
        ]
        found = sorted(
            {place for place, texts in places for text in texts for it in needles if it in text}
        )
        if found:
            # the needle itself is not told: it is what nobody should read
            message = f"a value that must not be recorded stands in {', '.join(found)}"
            raise AssertionError(message)

    def take_span(self, span: ReadableSpan) -> None:
        """Keep a span."""
        kept = self._masking.traces([span])
        with self._lock:
            self._spans += kept

    def take_log(self, record: ReadableLogRecord) -> None:
        """Keep a log record."""
        kept = self._masking.logs([record])
        with self._lock:
            self._logs += kept

    def take_metrics(self, data: MetricsData) -> None:
        """Add what has changed since the last collection."""
        with self._lock:
            for of_resource in self._masking.metrics(data).resource_metrics:
                for scope in of_resource.scope_metrics:
                    for metric in scope.metrics:
                        for point in metric.data.data_points:
                            self._take_point(metric, point)

    def _take_point(self, metric: Any, point: Any) -> None:
        made = _point(metric, point)
        key = metric.name, repr(sorted(made.attributes.items(), key=lambda pair: pair[0]))
        before = self._points.get(key)
        is_delta = (
            getattr(metric.data, "aggregation_temporality", None) is AggregationTemporality.DELTA
        )
        self._points[key] = made if before is None or not is_delta else before._plus(made)


def _point(metric: Any, point: Any) -> MetricPoint:
    common = {"name": metric.name, "unit": metric.unit, "attributes": dict(point.attributes or {})}
    if isinstance(point, NumberDataPoint):
        kind = "sum" if isinstance(metric.data, Sum) else "gauge"
        return MetricPoint(**common, kind=kind, value=point.value)
    shown: dict[str, Any] = {"count": point.count, "sum": point.sum}
    if isinstance(point, HistogramDataPoint):
        shown |= {"bounds": tuple(point.explicit_bounds), "counts": tuple(point.bucket_counts)}
    return MetricPoint(**common, kind="histogram", **shown)


def _id(span: ReadableSpan) -> int:
    context = span.get_span_context()
    return 0 if context is None else context.span_id


def _has(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    loose = {name.replace(".", "_"): value for name, value in found.items()}
    absent = object()
    return all(found.get(name, loose.get(name, absent)) == value for name, value in wanted.items())


def _flat(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [part for pair in value.items() for side in pair for part in _flat(side)]
    if isinstance(value, list | tuple):
        return [part for item in value for part in _flat(item)]
    return [value]


def _texts_of_span(span: ReadableSpan) -> list[str]:
    parts: list[Any] = [span.name, span.status.description, dict(span.attributes or {})]
    parts += [[event.name, dict(event.attributes or {})] for event in span.events]
    parts += [dict(link.attributes or {}) for link in span.links]
    return [str(part) for part in _flat(parts)]


def _texts_of_log(record: ReadableLogRecord) -> list[str]:
    log = record.log_record
    return [str(part) for part in _flat([log.body, dict(log.attributes or {})])]


class SpanSink(SpanProcessor):
    """Hands ended spans on at once."""

    def __init__(self, take: Callable[[ReadableSpan], None]) -> None:
        self._take = take

    def on_end(self, span: ReadableSpan) -> None:
        """Hand on a span that was sampled."""
        if span.context is not None and span.context.trace_flags.sampled:
            self._take(span)


class LogSink(LogRecordProcessor):
    """Hands log records on at once."""

    def __init__(self, take: Callable[[ReadableLogRecord], None]) -> None:
        self._take = take

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Hand on a record."""
        self._take(readable(log_record))

    def shutdown(self) -> None:
        """Nothing is open."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing waits here."""
        return True


def readable(record: ReadWriteLogRecord) -> ReadableLogRecord:
    """Return the form of a record that an exporter takes."""
    return ReadableLogRecord(
        log_record=record.log_record,
        resource=record.resource or Resource.get_empty(),
        instrumentation_scope=record.instrumentation_scope,
        limits=record.limits,
    )


class Reader(MetricReader):
    """Collects what has changed since the last time, so that a test can begin at nothing.

    Observable instruments are told as they are observed.
    """

    def __init__(
        self, take: Callable[[MetricsData], None], limits: dict[type, int] | None = None
    ) -> None:
        delta = AggregationTemporality.DELTA
        kinds: tuple[type, ...] = (Counter, UpDownCounter, Histogram, GaugeInstrument)
        super().__init__(
            preferred_temporality=dict.fromkeys(kinds, delta), cardinality_limits=limits
        )
        self._take = take

    def _receive_metrics(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: Any
    ) -> None:
        if metrics_data is not None:
            self._take(metrics_data)

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:
        """Nothing is open."""
