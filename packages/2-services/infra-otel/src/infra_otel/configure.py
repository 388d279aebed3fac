"""`configure()`: one call that switches telemetry on, and the handle that flushes and ends it."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from opentelemetry import _logs, metrics, propagate, trace
from opentelemetry.propagators.composite import CompositePropagator

from infra_otel import _state
from infra_otel._environ import layered
from infra_otel.errors import AlreadyConfigured, ExistingProvider, OtelConfigError
from infra_otel.propagation import StrictBaggage, StrictTraceContext
from infra_otel.settings import SIGNALS, OtelSettings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from infra_otel._exporters._memory import Telemetry
    from infra_otel._providers import Pipeline

__all__ = ["OtelHandle", "configure"]

_logger = logging.getLogger("infra_otel")
_lock = threading.RLock()
_handle: OtelHandle | None = None
_EXIT = 5.0  # seconds that the end of the process may take


class OtelHandle:
    """What `configure` has switched on. As a context manager, sync or async, it ends with it."""

    def __init__(self, settings: OtelSettings, pipeline: Pipeline | None) -> None:
        #: what is in effect
        self.settings = settings
        self._pipeline = pipeline
        self._ended: bool | None = None

    @property
    def tracer_provider(self) -> trace.TracerProvider:
        """The provider of tracers: ours, or the API's no-op where traces go nowhere."""
        found = self._pipeline and self._pipeline.tracer_provider
        return found or trace.get_tracer_provider()

    @property
    def meter_provider(self) -> metrics.MeterProvider:
        """The provider of meters: ours, or the API's no-op where metrics go nowhere."""
        found = self._pipeline and self._pipeline.meter_provider
        return found or metrics.get_meter_provider()

    @property
    def logger_provider(self) -> _logs.LoggerProvider:
        """The provider of loggers: ours, or the API's no-op where logs go nowhere."""
        found = self._pipeline and self._pipeline.logger_provider
        return found or _logs.get_logger_provider()

    @property
    def dropped(self) -> Mapping[str, int]:
        """What a full queue or a failed export has lost: spans, collections and log records."""
        if self._pipeline is None:
            return dict.fromkeys(SIGNALS, 0)
        return MappingProxyType(self._pipeline.dropped)

    @property
    def memory(self) -> Telemetry:
        """What the exporter `memory` keeps; `otel.bad_setting` where it is not on."""
        if self._pipeline is None or self._pipeline.memory is None:
            message = "nothing is kept in memory: configure(exporter='memory')"
            raise OtelConfigError(message)
        return self._pipeline.memory

    @property
    def metrics_app(self) -> Any:
        """An ASGI app for Prometheus to fetch; `otel.bad_setting` where that exporter is off."""
        if self._pipeline is None or self._pipeline.prometheus is None:
            message = "metrics do not go to Prometheus: configure(metrics='prometheus')"
            raise OtelConfigError(message)
        return self._pipeline.prometheus.app

    def flush(self, timeout: float = 5.0) -> bool:
        """Send what waits; return whether all of it was sent within `timeout` seconds."""
        if self._pipeline is None or self._ended is not None:
            return True
        deadline = time.monotonic() + timeout
        collected = _Timely(self._collect)
        sent = self._pipeline.flush(deadline)
        return collected.ended(deadline) and sent

    def shutdown(self, timeout: float = 5.0) -> bool:
        """Send what waits and end; helpers are no-ops from then on.

        Returns whether all was sent within `timeout` seconds; what was not is counted in `dropped`.
        A second call returns what the first one did.
        """
        with _lock:
            if self._ended is not None:
                return self._ended
            self._ended = True
        atexit.unregister(self.shutdown)
        pipeline = self._pipeline
        if pipeline is None:
            return True
        deadline = time.monotonic() + timeout
        _state.sleep(pipeline.tracer_provider, pipeline.meter_provider)
        pipeline.stop()
        lost = pipeline.dropped["metrics"]
        collected = _Timely(lambda: self._end_metrics(deadline))
        sent = pipeline.join(deadline)
        sent = collected.ended(deadline) and sent and lost == pipeline.dropped["metrics"]
        self._ended = sent
        return sent

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.shutdown()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        import asyncio

        await asyncio.to_thread(self.shutdown)

    def _collect(self) -> bool:
        pipeline = self._pipeline
        if pipeline is None or pipeline.meter_provider is None:
            return True
        lost = pipeline.dropped["metrics"]
        pipeline.meter_provider.force_flush()
        return lost == pipeline.dropped["metrics"]

    def _end_metrics(self, deadline: float) -> bool:
        pipeline = self._pipeline
        if pipeline is not None and pipeline.meter_provider is not None:
            left = max(0.0, deadline - time.monotonic())
            pipeline.meter_provider.shutdown(timeout_millis=left * 1000)
        return True


class _Timely:
    """A call in a thread of its own, because the SDK's metrics keep to no time."""

    def __init__(self, call: Any) -> None:
        self._call, self._result = call, False
        self._thread = threading.Thread(target=self._run, name="infra_otel-metrics", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            # at the end of the interpreter, Python 3.12 and later start no thread
            self._run()

    def ended(self, deadline: float) -> bool:
        """Wait until `deadline`; what the call returned, False if it has not or has failed."""
        if self._thread.ident is not None:
            self._thread.join(max(0.0, deadline - time.monotonic()))
        return self._result

    def _run(self) -> None:
        try:
            self._result = self._call()
        except Exception as exc:  # noqa: BLE001  # telemetry never fails the application
            _logger.debug("metrics were not collected: %s", type(exc).__name__)


def configure(settings: OtelSettings | None = None, /, **overrides: Any) -> OtelHandle:
    """Switch telemetry on for this process; an application calls it once, a library never.

    >>> handle = configure(service_name="shop", exporter="none")
    >>> handle.settings.service_name
    'shop'

    Keyword overrides go over `settings`, those over `OTEL_*` variables, those over the defaults. An
    application that sets nothing sends nothing. The same effective settings again return the same
    handle. At the exit of the process, what waits is sent within five seconds.

    Args:
        settings: what to send where; a field left at its default counts as not given.
        overrides: fields of OtelSettings.

    Raises:
        OtelConfigError: `otel.bad_setting`, `otel.missing_extra`; `otel.already_configured` if
            this process was configured otherwise or has shut down; `otel.existing_provider` if
            somebody else has installed a provider.
    """
    global _handle  # noqa: PLW0603  # a process has one
    effective = layered(OtelSettings, settings, overrides, None)
    with _lock:
        if _handle is not None:
            return _same(_handle, effective)
        wanted = [signal for signal in SIGNALS if effective.exporters(signal)]
        pipeline = _pipeline_of(effective) if wanted else None
        if effective.log_level:
            level = {"warn": "WARNING", "fatal": "CRITICAL"}.get(effective.log_level)
            for name in ("opentelemetry", "infra_otel"):
                logging.getLogger(name).setLevel(level or effective.log_level.upper())
        propagate.set_global_textmap(CompositePropagator(_propagators(effective)))
        _state.service_name = effective.service_name
        _handle = OtelHandle(effective, pipeline)
        if pipeline is not None:
            _install(pipeline)
            atexit.register(_handle.shutdown, _EXIT)
        return _handle


def _same(handle: OtelHandle, effective: OtelSettings) -> OtelHandle:
    if handle._ended is not None:
        message = "telemetry was shut down; OpenTelemetry cannot be configured twice in a process"
        raise AlreadyConfigured(message)
    if handle.settings != effective:
        import attrs

        differ = [
            field.name
            for field in attrs.fields(OtelSettings)
            if getattr(handle.settings, field.name) != getattr(effective, field.name)
        ]
        message = f"telemetry is configured otherwise already: {', '.join(differ)}"
        raise AlreadyConfigured(message, settings=differ)
    return handle


def _pipeline_of(settings: OtelSettings) -> Pipeline:
    for signal, found in (
        ("traces", trace.get_tracer_provider()),
        ("metrics", metrics.get_meter_provider()),
        ("logs", _logs.get_logger_provider()),
    ):
        # the API's stand-ins are called ProxyTracerProvider, _ProxyMeterProvider, …
        if settings.exporters(signal) and "Proxy" not in type(found).__name__:  # type: ignore[arg-type]  # a signal
            message = (
                f"a provider of {signal} is installed already ({type(found).__module__}."
                f"{type(found).__qualname__}): let only one place configure OpenTelemetry"
            )
            raise ExistingProvider(message, signal=signal)
    from infra_otel._exporters._otlp import extra_module

    for name, extra in _needed(settings):
        extra_module(name, extra)
    from infra_otel._providers import Pipeline

    return Pipeline.of(settings)


def _needed(settings: OtelSettings) -> list[tuple[str, str]]:
    """Name the modules that the exporters need, each with the extra that brings it."""
    names = {name for signal in SIGNALS for name in settings.exporters(signal)}
    extra = next((name for name in ("otlp", "jaeger", "prometheus") if name in names), "sdk")
    needed = [("opentelemetry.sdk.trace", extra)]
    if "prometheus" in names:
        needed += [("opentelemetry.exporter.prometheus", "prometheus")]
    return needed


def _install(pipeline: Pipeline) -> None:
    if pipeline.meter_provider is not None:
        metrics.set_meter_provider(pipeline.meter_provider)
    if pipeline.tracer_provider is not None:
        trace.set_tracer_provider(pipeline.tracer_provider)
    if pipeline.logger_provider is not None:
        _logs.set_logger_provider(pipeline.logger_provider)


def _propagators(settings: OtelSettings) -> list[Any]:
    made = {"tracecontext": StrictTraceContext, "baggage": StrictBaggage}
    return [made[name]() for name in settings.propagators if name != "none"]
