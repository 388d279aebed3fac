"""`capture()`: what one test emits, although a process has its providers only once.

The first capture installs providers that drop everything while no capture is open, or, where an
application has configured the SDK, hangs itself beside its exporters. Each capture then opens and
closes what stands behind them.
"""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider, sampling

from infra_otel import _state
from infra_otel._bridge import OtelHandler
from infra_otel._exporters import _memory
from infra_otel._masking import Masking
from infra_otel._providers import make_sampler
from infra_otel.errors import ExistingProvider, bad_setting
from infra_otel.redaction import Redaction
from infra_otel.settings import SAMPLERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra_otel._exporters._memory import Telemetry

__all__ = ["capture"]


class _Sampler(sampling.Sampler):
    """That of the open capture; nothing is sampled while there is none."""

    def __init__(self) -> None:
        self.current: sampling.Sampler = sampling.ALWAYS_OFF

    def should_sample(self, *args: Any, **kwargs: Any) -> sampling.SamplingResult:
        return self.current.should_sample(*args, **kwargs)

    def get_description(self) -> str:
        return "infra_otel.capture"


class _Switch:
    """The providers of the process, and the capture that is open."""

    def __init__(self) -> None:
        self.open: list[tuple[Telemetry, sampling.Sampler]] = []
        self._sampler = _Sampler()
        self._reader = _memory.Reader(self._take_metrics)
        self._own_tracer: TracerProvider | None = None
        self._own_meter: MeterProvider | None = None
        self._install_tracer()
        self._install_meter()
        self._install_logger()
        self._handler = OtelHandler()

    def collect(self) -> None:
        self._reader.collect()

    def enter(self, telemetry: Telemetry, sampler: sampling.Sampler) -> None:
        if not self.open:
            _state.wake()
            self.collect()  # what was counted before belongs to nobody
            logging.getLogger().addHandler(self._handler)
        self.open.append((telemetry, sampler))
        self._sampler.current = sampler

    def leave(self) -> None:
        self.collect()
        self.open.pop()
        self._sampler.current = self.open[-1][1] if self.open else sampling.ALWAYS_OFF
        if not self.open:
            logging.getLogger().removeHandler(self._handler)
            _state.sleep(self._own_tracer, self._own_meter)

    def _take_span(self, span: Any) -> None:
        if self.open:
            self.open[-1][0].take_span(span)

    def _take_log(self, record: Any) -> None:
        if self.open:
            self.open[-1][0].take_log(record)

    def _take_metrics(self, data: Any) -> None:
        if self.open:
            self.open[-1][0].take_metrics(data)

    def _install_tracer(self) -> None:
        found: Any = trace.get_tracer_provider()
        if isinstance(found, trace.ProxyTracerProvider):
            found = self._own_tracer = TracerProvider(sampler=self._sampler, shutdown_on_exit=False)
            trace.set_tracer_provider(found)
        _require(found, "add_span_processor").add_span_processor(_memory.SpanSink(self._take_span))

    def _install_meter(self) -> None:
        found: Any = metrics.get_meter_provider()
        if "Proxy" in type(found).__name__:
            self._own_meter = MeterProvider([self._reader], shutdown_on_exit=False)
            metrics.set_meter_provider(self._own_meter)
        else:
            _require(found, "add_metric_reader").add_metric_reader(self._reader)

    def _install_logger(self) -> None:
        found: Any = _logs.get_logger_provider()
        if "Proxy" in type(found).__name__:
            found = LoggerProvider(shutdown_on_exit=False)
            _logs.set_logger_provider(found)
        _require(found, "add_log_record_processor").add_log_record_processor(
            _memory.LogSink(self._take_log)
        )


def _require(provider: Any, method: str) -> Any:
    if not hasattr(provider, method):
        kind = type(provider)
        message = f"{kind.__module__}.{kind.__qualname__} is no provider of OpenTelemetry's SDK"
        raise ExistingProvider(message)
    return provider


_lock = threading.Lock()
_switch: _Switch | None = None


@contextmanager
def capture(*, sampler: str = "always_on") -> Iterator[Telemetry]:
    """Keep the spans, metrics and logs of a `with` block, also those of the stdlib's `logging`.

    They are redacted as they would be before an export.

    Args:
        sampler: one of the names that `OtelSettings.sampler` takes; without effect where an
            application has installed a provider of its own.

    Raises:
        OtelConfigError: `otel.bad_setting`, or `otel.existing_provider` where a provider is
            installed that is not the SDK's.
    """
    global _switch  # noqa: PLW0603  # a process has one
    if sampler not in SAMPLERS:
        raise bad_setting("sampler", f"{sampler!r} is none of {', '.join(SAMPLERS)}")
    with _lock:
        if _switch is None:
            _switch = _Switch()
        switch = _switch
    telemetry = _memory.Telemetry(Masking(Redaction()), switch.collect)
    switch.enter(telemetry, make_sampler(sampler, 1.0))
    try:
        yield telemetry
    finally:
        switch.leave()
