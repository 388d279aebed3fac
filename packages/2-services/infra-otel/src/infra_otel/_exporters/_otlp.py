"""OTLP over HTTP and gRPC, by OpenTelemetry's own exporters. Jaeger takes the same."""

from __future__ import annotations

import os
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra_errors import Secret
from infra_otel.errors import MissingExtra, bad_setting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra_otel.settings import OtelSettings, Signal

__all__ = ["exporter", "extra_module", "unread_environ"]

_MODULES = {"traces": "trace_exporter", "metrics": "metric_exporter", "logs": "_log_exporter"}
_CLASSES = {
    "traces": "OTLPSpanExporter",
    "metrics": "OTLPMetricExporter",
    "logs": "OTLPLogExporter",
}


_BROUGHT = {
    "opentelemetry.sdk": "opentelemetry-sdk",
    "opentelemetry.exporter.otlp.proto.http": "opentelemetry-exporter-otlp-proto-http",
    "opentelemetry.exporter.otlp.proto.grpc": "opentelemetry-exporter-otlp-proto-grpc",
    "opentelemetry.exporter.prometheus": "opentelemetry-exporter-prometheus",
}


def extra_module(name: str, extra: str) -> Any:
    """Import what an extra brings, or raise `otel.missing_extra` with the command that does."""
    try:
        return import_module(name)
    except ImportError as exc:
        needed = next(it for prefix, it in _BROUGHT.items() if name.startswith(prefix))
        # one that is there and cannot be loaded says why
        reason = "" if isinstance(exc, ModuleNotFoundError) else f" ({exc})"
        message = f"infra-otel needs {needed}{reason}: pip install 'infra-otel[{extra}]'"
        raise MissingExtra(message, extra=extra, module=name) from exc


@contextmanager
def unread_environ() -> Iterator[None]:
    """Hide the variables that our settings have read already.

    The SDK and its exporters read them once more, beside what they are given, so that an argument
    of the program could not switch off a header or a refusal from the environment.
    """
    hidden = {
        name: os.environ.pop(name)
        for name in list(os.environ)
        if name == "OTEL_SDK_DISABLED"
        or (
            name.startswith("OTEL_EXPORTER_OTLP_")
            and name.endswith(("HEADERS", "CERTIFICATE", "COMPRESSION", "TIMEOUT", "ENDPOINT"))
            and "CLIENT_" not in name
        )
    }
    try:
        yield
    finally:
        os.environ.update(hidden)


def exporter(settings: OtelSettings, signal: Signal, *, name: str = "otlp") -> Any:
    """Make the exporter of one signal; it opens no connection yet.

    Raises:
        MissingExtra: `otel.missing_extra`.
        OtelConfigError: `otel.bad_setting` for a certificate that cannot be read.
    """
    is_grpc = settings.option(signal, "protocol") == "grpc"
    extra = "grpc" if is_grpc else "jaeger" if name == "jaeger" else "otlp"
    package = f"opentelemetry.exporter.otlp.proto.{'grpc' if is_grpc else 'http'}"
    module = extra_module(f"{package}.{_MODULES[signal]}", extra)
    headers = {
        key: value.reveal() if isinstance(value, Secret) else value
        for key, value in settings.option(signal, "headers").items()
    }
    make = _grpc_options if is_grpc else _http_options
    with unread_environ():
        return getattr(module, _CLASSES[signal])(
            endpoint=settings.target(signal),
            headers=headers,
            timeout=settings.option(signal, "export_timeout"),
            **make(settings, signal),
        )


def _http_options(settings: OtelSettings, signal: Signal) -> dict[str, Any]:
    from opentelemetry.exporter.otlp.proto.http import Compression

    certificate = settings.option(signal, "certificate")
    if certificate is not None:
        _certificate(certificate)
    return {
        "certificate_file": certificate,
        "compression": Compression(settings.option(signal, "compression")),
    }


def _grpc_options(settings: OtelSettings, signal: Signal) -> dict[str, Any]:
    grpc: Any = import_module("grpc")  # which has no types

    certificate = settings.option(signal, "certificate")
    is_gzip = settings.option(signal, "compression") == "gzip"
    return {
        "insecure": settings.target(signal).startswith("http://"),
        "credentials": None
        if certificate is None
        else grpc.ssl_channel_credentials(_certificate(certificate)),
        "compression": grpc.Compression.Gzip if is_gzip else grpc.Compression.NoCompression,
    }


def _certificate(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as exc:
        raise bad_setting("certificate", f"cannot be read ({exc.strerror})") from exc
