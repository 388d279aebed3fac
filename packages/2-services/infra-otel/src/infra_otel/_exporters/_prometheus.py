"""Metrics for Prometheus to fetch: a reader with redaction, and the ASGI app that answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from prometheus_client import CollectorRegistry, make_asgi_app

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricsData

    from infra_otel._masking import Masking

__all__ = ["Reader"]


class Reader(PrometheusMetricReader):
    """Collects when it is asked; each has a registry of its own.

    `app` is an ASGI app that answers with Prometheus' text or, if the request accepts it,
    OpenMetrics.
    """

    def __init__(self, masking: Masking, cardinality_limits: dict[type, int]) -> None:
        self._masking = masking
        self._own = CollectorRegistry()
        super().__init__(registry=self._own, cardinality_limits=cardinality_limits)
        self.app: Any = make_asgi_app(self._own)

    def _receive_metrics(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **options: Any
    ) -> None:
        if metrics_data is not None:
            masked = self._masking.metrics(metrics_data)
            super()._receive_metrics(masked, timeout_millis, **options)
