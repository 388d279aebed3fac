"""Telemetry for an application: one call switches traces, metrics and logs on.

>>> from infra_otel import Redaction, attached, inject, span
>>> parent = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
>>> with attached(parent), span("load", size=3) as current:
...     print(current.is_recording(), inject({}) == parent)
False True
>>> Redaction().text("password=hunter2")
'password=***'

`configure(service_name="shop", exporter="stderr")` switches it on, once a process.
A library uses `opentelemetry-api`, never this package. Each name is fetched at its first use
(PEP 562): importing the package loads nothing of OpenTelemetry.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infra_otel.asgi import OtelMiddleware
    from infra_otel.builder import OtelBuilder
    from infra_otel.configure import OtelHandle, configure
    from infra_otel.errors import (
        AlreadyConfigured,
        ExistingProvider,
        MissingExtra,
        OtelConfigError,
    )
    from infra_otel.logs import JsonFormatter, LoggingHandle, configure_logging
    from infra_otel.metrics import Counter, Gauge, Histogram, Meter, UpDownCounter, meter
    from infra_otel.propagation import (
        StrictBaggage,
        StrictTraceContext,
        attached,
        bound,
        extract,
        inject,
    )
    from infra_otel.redaction import Redaction
    from infra_otel.semconv import SCHEMA_URL
    from infra_otel.settings import Exporter, OtelSettings, SignalOptions
    from infra_otel.spans import Tracer, current_trace_id, record_error, span, tracer

__all__ = [
    "SCHEMA_URL",
    "AlreadyConfigured",
    "Counter",
    "ExistingProvider",
    "Exporter",
    "Gauge",
    "Histogram",
    "JsonFormatter",
    "LoggingHandle",
    "Meter",
    "MissingExtra",
    "OtelBuilder",
    "OtelConfigError",
    "OtelHandle",
    "OtelMiddleware",
    "OtelSettings",
    "Redaction",
    "SignalOptions",
    "StrictBaggage",
    "StrictTraceContext",
    "Tracer",
    "UpDownCounter",
    "attached",
    "bound",
    "configure",
    "configure_logging",
    "current_trace_id",
    "extract",
    "inject",
    "meter",
    "record_error",
    "span",
    "tracer",
]

_MODULES = {
    "asgi": "OtelMiddleware",
    "builder": "OtelBuilder",
    "configure": "OtelHandle configure",
    "errors": "AlreadyConfigured ExistingProvider MissingExtra OtelConfigError",
    "logs": "JsonFormatter LoggingHandle configure_logging",
    "metrics": "Counter Gauge Histogram Meter UpDownCounter meter",
    "propagation": "StrictBaggage StrictTraceContext attached bound extract inject",
    "redaction": "Redaction",
    "semconv": "SCHEMA_URL",
    "settings": "Exporter OtelSettings SignalOptions",
    "spans": "Tracer current_trace_id record_error span tracer",
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names.split()}

if not TYPE_CHECKING:

    def __getattr__(name):
        if name not in _MODULE_OF:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        value = globals()[name] = getattr(import_module(f"infra_otel.{_MODULE_OF[name]}"), name)
        return value

    def __dir__():
        return sorted({*globals(), *__all__})


class _Package(type(sys)):  # type: ignore[misc]  # ModuleType, without importing types
    """Keeps `infra_otel.configure` the function after an import of the module of that name."""

    def __setattr__(self, name: str, value: object) -> None:
        # the import system binds each submodule on its package
        if name == "configure" and isinstance(value, type(sys)):
            value = value.__dict__.get("configure", value)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
