"""One item of each signal, sent to see what the collector answers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from opentelemetry import _logs
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider, sampling

from infra_otel._exporters import _memory, _otlp
from infra_otel._guard import last_complaint, quiet
from infra_otel._providers import guard_for
from infra_otel._resources import attributes_of

if TYPE_CHECKING:
    from infra_otel.settings import OtelSettings, Signal

__all__ = ["send"]

_NAME = "infra_otel.check"


def send(settings: OtelSettings, signal: Signal, name: str) -> tuple[bool, str]:
    """Send one item; return whether it arrived, and what there is to tell."""
    quiet()
    guard = guard_for(settings, signal, name)
    resource = Resource(attributes_of(settings))
    since = time.perf_counter()
    with _otlp.unread_environ():
        items = _MAKE[signal](resource)
    try:
        result = guard.exporter.export(items)
    except Exception as exc:  # noqa: BLE001  # whatever an exporter does is its answer
        return False, f"{type(exc).__name__}: {exc}"
    finally:
        guard.shutdown()
    if result.name == "SUCCESS":
        return True, f"accepted in {(time.perf_counter() - since) * 1000:.0f} ms"
    return False, last_complaint() or "not accepted"


def _span(resource: Resource) -> Any:
    kept: list[Any] = []
    provider = TracerProvider(sampling.ALWAYS_ON, resource, shutdown_on_exit=False)
    provider.add_span_processor(_memory.SpanSink(kept.append))
    provider.get_tracer("infra_otel").start_span(_NAME).end()
    return kept


def _metric(resource: Resource) -> Any:
    kept: list[Any] = []
    reader = _memory.Reader(kept.append)
    provider = MeterProvider([reader], resource, shutdown_on_exit=False)
    provider.get_meter("infra_otel").create_counter(_NAME).add(1)
    reader.collect()
    return kept[0]


def _log(resource: Resource) -> Any:
    kept: list[Any] = []
    provider = LoggerProvider(resource, shutdown_on_exit=False)
    provider.add_log_record_processor(_memory.LogSink(kept.append))
    provider.get_logger("infra_otel").emit(_logs.LogRecord(body=_NAME, severity_text="INFO"))
    return kept


_MAKE = {"traces": _span, "metrics": _metric, "logs": _log}
