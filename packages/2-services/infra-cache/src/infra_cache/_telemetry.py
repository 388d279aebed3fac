"""Spans and durations of calls to a backend, by OpenTelemetry's database conventions.

Without an SDK both are no-ops. No key and no value is ever an attribute.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from opentelemetry import metrics, trace
from opentelemetry.trace import SpanKind, StatusCode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.util.types import AttributeValue

__all__ = ["Telemetry"]

_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)


class Telemetry:
    """The spans and the metric of one backend: its system (`redis`, `sqlite`) and address."""

    __slots__ = ("_common", "_duration", "_tracer")

    def __init__(self, system: str, address: str = "", port: int | None = None) -> None:
        self._tracer = trace.get_tracer("infra_cache")
        self._duration = metrics.get_meter("infra_cache").create_histogram(
            "db.client.operation.duration",
            unit="s",
            description="Duration of database client operations.",
            explicit_bucket_boundaries_advisory=_BUCKETS,
        )
        self._common: dict[str, AttributeValue] = {"db.system.name": system}
        if address:
            self._common["server.address"] = address
        if port is not None:
            self._common["server.port"] = port

    @contextmanager
    def call(self, operation: str) -> Iterator[None]:
        """Measure one call."""
        attributes = {**self._common, "db.operation.name": operation}
        span = self._tracer.start_span(operation, kind=SpanKind.CLIENT, attributes=attributes)
        started = time.perf_counter()
        try:
            yield
        except BaseException as error:
            kind = getattr(error, "code", type(error).__name__)
            attributes["error.type"] = kind
            span.set_attribute("error.type", kind)
            span.set_status(StatusCode.ERROR)
            raise
        finally:
            self._duration.record(time.perf_counter() - started, attributes)
            span.end()
