"""What stands before each exporter: redaction, and failures that are told but never raised."""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Any

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, detach, set_value
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult

from infra_errors import redact_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.metrics.export import MetricsData

__all__ = ["Guard", "MetricGuard", "last_complaint", "quiet"]

_logger = logging.getLogger("infra_otel")
_EVERY = 60.0  # seconds between two messages about one exporter


class _Catcher(logging.Handler):
    """Keeps what an exporter complained of, first and last, for our one message a minute."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._seen = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        seen = getattr(self._seen, "messages", [])
        self._seen.messages = [*seen[:1], record.getMessage()]

    def take(self) -> str:
        """Return what this thread's exporter said, and forget it."""
        messages: list[str] = getattr(self._seen, "messages", [])
        self._seen.messages = []
        return " ".join(messages)


_catcher = _Catcher()


def quiet() -> None:
    """Keep the exporters' own messages, one for each attempt, from the application's log."""
    for name in ("opentelemetry.exporter.otlp", "opentelemetry.exporter.http"):
        theirs = logging.getLogger(name)
        if _catcher not in theirs.handlers:
            theirs.addHandler(_catcher)
            theirs.propagate = False


def last_complaint() -> str:
    """Return what an exporter said in this thread, redacted, and forget it."""
    return redact_text(_catcher.take())


class Guard:
    """One exporter of one signal.

    Args:
        signal: traces, metrics or logs.
        name: what the exporter is called in settings.
        make: makes the exporter; again in a child process, whose connections must be its own.
        redact: makes what is exported of one item.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        signal: str,
        name: str,
        make: Callable[[], Any],
        redact: Callable[[Any], Any],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.signal = signal
        self._name = name
        self._make = make
        self._redact = redact
        self._clock = clock
        self._exporter = make()
        self._pid = os.getpid()
        self._told_at: float | None = None
        self._untold = 0

    @property
    def exporter(self) -> Any:
        """The exporter, one for each process."""
        if self._pid != os.getpid():
            self._exporter, self._pid = self._make(), os.getpid()
        return self._exporter

    def export(self, items: Any, **options: Any) -> bool:
        """Redact and export; whether the exporter took it."""
        token = attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
        try:
            result = self.exporter.export(self._redact(items), **options)
        except Exception as exc:  # noqa: BLE001  # whatever an exporter does stays here
            self._tell(f"{type(exc).__name__}: {exc}")
            return False
        finally:
            detach(token)
        if result.name == "SUCCESS":
            return True
        self._tell(_catcher.take() or "the exporter could not send it")
        return False

    def shutdown(self) -> None:
        """Close the exporter; what it says of it is not told."""
        try:
            self.exporter.shutdown()
        except Exception as exc:  # noqa: BLE001  # whatever an exporter does stays here
            self._tell(f"{type(exc).__name__}: {exc}")

    def _tell(self, reason: str) -> None:
        now = self._clock()
        if self._told_at is not None and now - self._told_at < _EVERY:
            self._untold += 1
            return
        more = f" ({self._untold} more since the last message)" if self._untold else ""
        self._told_at, self._untold = now, 0
        _logger.warning(
            "cannot export %s by %s: %s%s", self.signal, self._name, redact_text(reason), more
        )


class MetricGuard(MetricExporter):
    """A Guard as the SDK's periodic reader wants it."""

    def __init__(self, guard: Guard, lost: Callable[[int], None]) -> None:
        below = guard.exporter
        super().__init__(
            preferred_temporality=below._preferred_temporality,
            preferred_aggregation=below._preferred_aggregation,
        )
        self._guard = guard
        self._lost = lost

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: Any
    ) -> MetricExportResult:
        """Export one collection."""
        if self._guard.export(metrics_data, timeout_millis=timeout_millis):
            return MetricExportResult.SUCCESS
        self._lost(1)
        return MetricExportResult.FAILURE

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Nothing waits here."""
        return True

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:
        """Close the exporter."""
        self._guard.shutdown()
