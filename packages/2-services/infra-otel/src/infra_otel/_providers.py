"""The SDK's providers, made of settings. Imported only where an exporter asks for the SDK."""

from __future__ import annotations

import os
import threading
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
from opentelemetry.sdk.metrics import (
    Counter,
    Histogram,
    MeterProvider,
    ObservableCounter,
    ObservableGauge,
    ObservableUpDownCounter,
    UpDownCounter,
)
from opentelemetry.sdk.metrics import _Gauge as GaugeInstrument
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider, sampling

from infra_otel import semconv
from infra_otel._batch import Batch
from infra_otel._exporters import _memory, _otlp, _stdout
from infra_otel._guard import Guard, MetricGuard, quiet
from infra_otel._masking import Masking
from infra_otel._resources import attributes_of, process_attributes
from infra_otel.settings import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk._logs import ReadWriteLogRecord
    from opentelemetry.sdk.trace import ReadableSpan

    from infra_otel.settings import OtelSettings, Signal

__all__ = ["Pipeline", "guard_for", "make_sampler"]

_INSTRUMENTS: tuple[type, ...] = (
    *(Counter, UpDownCounter, Histogram, GaugeInstrument),
    *(ObservableCounter, ObservableUpDownCounter, ObservableGauge),
)
_LINES = {
    "traces": _stdout.SpanLines,
    "metrics": _stdout.MetricLines,
    "logs": _stdout.LogLines,
}


class _Spans(SpanProcessor):
    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    def on_end(self, span: ReadableSpan) -> None:
        if span.context is not None and span.context.trace_flags.sampled:
            self._batch.put(span)


class _Logs(LogRecordProcessor):
    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        self._batch.put(_memory.readable(log_record))

    def shutdown(self) -> None:
        """The pipeline closes the batch, within a time."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """The pipeline flushes the batch, within a time."""
        return True


class _Periodic(PeriodicExportingMetricReader):
    """The SDK's reader, which in a forked child would keep a lock that the parent's thread held."""

    def _at_fork_reinit(self) -> None:
        self._export_lock = threading.Lock()
        self._shutdown_event = threading.Event()
        super()._at_fork_reinit()  # type: ignore[no-untyped-call]  # theirs


def make_sampler(name: str, ratio: float) -> sampling.Sampler:
    """Make one of the samplers that OTEL_TRACES_SAMPLER names."""
    roots = {
        "always_on": sampling.ALWAYS_ON,
        "always_off": sampling.ALWAYS_OFF,
        "traceidratio": sampling.TraceIdRatioBased(ratio),
    }
    root = roots[name.removeprefix("parentbased_")]
    return sampling.ParentBased(root) if name.startswith("parentbased_") else root


def guard_for(settings: OtelSettings, signal: Signal, name: str) -> Guard:
    """Make an exporter that takes batches, with what stands before it."""
    make: Callable[[], Any]
    if name in {"stdout", "stderr"}:
        make = partial(_LINES[signal], name)  # type: ignore[arg-type]  # the two streams
    else:
        make = partial(_otlp.exporter, settings, signal, name=name)
    return Guard(signal, name, make, getattr(Masking(settings.redaction), signal))


@attrs.define(eq=False)
class Pipeline:
    """All that `configure` makes: providers, and the queues and readers behind them."""

    tracer_provider: TracerProvider | None = None
    meter_provider: MeterProvider | None = None
    logger_provider: LoggerProvider | None = None
    memory: _memory.Telemetry | None = None
    prometheus: Any = None
    dropped: dict[str, int] = attrs.field(factory=lambda: {"traces": 0, "metrics": 0, "logs": 0})
    _batches: list[tuple[Batch, Guard]] = attrs.field(factory=list)
    _readers: list[MetricReader] = attrs.field(factory=list)
    _lock: Any = attrs.field(factory=threading.Lock)

    @classmethod
    def of(cls, settings: OtelSettings) -> Pipeline:
        """Make the providers of the signals that go anywhere; each exporter is made before."""
        self = cls()
        wanted = {signal: settings.exporters(signal) for signal in SIGNALS}
        guards: dict[Signal, list[Guard]] = {}
        for signal, names in wanted.items():
            guards[signal] = [
                guard_for(settings, signal, name)
                for name in names
                if name not in {"memory", "prometheus"}
            ]
        quiet()
        if "memory" in {name for names in wanted.values() for name in names}:
            self.memory = _memory.Telemetry(Masking(settings.redaction), self._collect)
        resource = Resource(attributes_of(settings), semconv.SCHEMA_URL)
        with _otlp.unread_environ():
            if wanted["metrics"]:
                self._meter(settings, guards["metrics"], wanted["metrics"], resource)
            if wanted["traces"]:
                self._tracer(settings, guards["traces"], wanted["traces"], resource)
            if wanted["logs"]:
                self._logger(settings, guards["logs"], wanted["logs"], resource)
        self._begin_anew_in_children()
        return self

    def flush(self, deadline: float) -> bool:
        """Send what waits, until `deadline`; whether all was sent."""
        sent = True
        for batch, _ in self._batches:
            sent = batch.flush(deadline) and sent
        return sent

    def stop(self) -> None:
        """Take nothing more."""
        for batch, _ in self._batches:
            batch.stop()

    def join(self, deadline: float) -> bool:
        """Wait for what is sent last, then close; whether all was sent."""
        sent = True
        for batch, guard in self._batches:
            sent = batch.join(deadline) and sent
            guard.shutdown()
        return sent

    def lose(self, signal: Signal, count: int) -> None:
        """Count what was dropped."""
        with self._lock:
            self.dropped[signal] += count

    def _begin_anew_in_children(self) -> None:
        if not hasattr(os, "register_at_fork"):
            return
        known = weakref.ref(self)

        def in_child() -> None:
            if (found := known()) is not None:
                found._after_fork()

        os.register_at_fork(after_in_child=in_child)

    def _after_fork(self) -> None:
        self._lock = threading.Lock()
        self.dropped.update(dict.fromkeys(self.dropped, 0))
        # two processes of one instance id would overwrite each other's metrics
        changed = Resource(process_attributes())
        for provider in (self.tracer_provider, self.meter_provider, self.logger_provider):
            if (update := getattr(provider, "_update_resource", None)) is not None:
                update(changed)

    def _collect(self) -> None:
        for reader in self._readers:
            if isinstance(reader, _memory.Reader):
                reader.collect()

    def _batch(self, settings: OtelSettings, signal: Signal, guard: Guard) -> Batch:
        limit = settings.option(signal, "queue_size")
        batch = Batch(
            guard.export,
            name=f"infra_otel-{signal}",
            limit=limit,
            size=min(limit, settings.option(signal, "batch_size")),
            delay=settings.option(signal, "batch_delay"),
            lost=partial(self.lose, signal),
        )
        self._batches.append((batch, guard))
        return batch

    def _tracer(
        self,
        settings: OtelSettings,
        guards: list[Guard],
        names: tuple[str, ...],
        resource: Resource,
    ) -> None:
        self.tracer_provider = TracerProvider(
            sampler=make_sampler(settings.sampler, settings.sampler_ratio),
            resource=resource,
            shutdown_on_exit=False,
        )
        for guard in guards:
            self.tracer_provider.add_span_processor(_Spans(self._batch(settings, "traces", guard)))
        if "memory" in names and self.memory is not None:
            self.tracer_provider.add_span_processor(_memory.SpanSink(self.memory.take_span))

    def _logger(
        self,
        settings: OtelSettings,
        guards: list[Guard],
        names: tuple[str, ...],
        resource: Resource,
    ) -> None:
        self.logger_provider = LoggerProvider(resource=resource, shutdown_on_exit=False)
        for guard in guards:
            processor = _Logs(self._batch(settings, "logs", guard))
            self.logger_provider.add_log_record_processor(processor)
        if "memory" in names and self.memory is not None:
            self.logger_provider.add_log_record_processor(_memory.LogSink(self.memory.take_log))

    def _meter(
        self,
        settings: OtelSettings,
        guards: list[Guard],
        names: tuple[str, ...],
        resource: Resource,
    ) -> None:
        limits = dict.fromkeys(_INSTRUMENTS, settings.cardinality_limit)
        for guard in guards:
            reader = _Periodic(
                MetricGuard(guard, partial(self.lose, "metrics")),
                export_interval_millis=settings.metric_interval * 1000,
                export_timeout_millis=settings.option("metrics", "export_timeout") * 1000,
                cardinality_limits=limits,
            )
            self._readers.append(reader)
        if "prometheus" in names:
            from infra_otel._exporters import _prometheus

            self.prometheus = _prometheus.Reader(Masking(settings.redaction), limits)
            self._readers.append(self.prometheus)
        if "memory" in names and self.memory is not None:
            self._readers.append(_memory.Reader(self.memory.take_metrics, limits))
        self.meter_provider = MeterProvider(
            self._readers, resource=resource, shutdown_on_exit=False
        )
