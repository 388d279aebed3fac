"""Telemetry: off until the settings or the OTEL_* variables say where it goes."""

from __future__ import annotations

from benchmark_exchange.settings import Settings
from infra_otel import OtelHandle, OtelSettings, configure, configure_logging

__all__ = ["switch_on"]


def switch_on(settings: Settings) -> OtelHandle:
    """Switch traces, metrics and logs on; leaving the handle sends what is left.

    Nothing is sent anywhere unless EXCHANGE_TELEMETRY or OTEL_EXPORTER_OTLP_ENDPOINT is set.
    """
    configure_logging(level=settings.log_level.upper())
    name = "benchmark-exchange"
    if settings.telemetry is None:
        return configure(OtelSettings.from_env(service_name=name))
    return configure(OtelSettings.from_env(service_name=name, exporter=settings.telemetry))
