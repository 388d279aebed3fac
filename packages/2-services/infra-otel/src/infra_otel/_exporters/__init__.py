"""One private module for each way out: standard streams, OTLP, Prometheus, memory."""

from __future__ import annotations

__all__: list[str] = []
