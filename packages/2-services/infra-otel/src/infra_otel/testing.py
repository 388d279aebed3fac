"""Fixtures that keep what an application emits in memory.

A pytest plugin: `def test_it(telemetry): …` has the fixture without an import. Nothing of
OpenTelemetry is loaded before the first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from infra_otel._exporters._memory import MetricPoint, Telemetry

__all__ = ["MetricPoint", "Telemetry", "capture", "telemetry"]


def capture(*, sampler: str = "always_on") -> AbstractContextManager[Telemetry]:
    """Keep the spans, metrics and logs of a `with` block, redacted as before an export.

    Args:
        sampler: one of the names that `OtelSettings.sampler` takes.

    Raises:
        OtelConfigError: `otel.missing_extra` without the SDK, `otel.bad_setting`, or
            `otel.existing_provider` where a provider is installed that is not the SDK's.
    """
    from infra_otel._exporters._otlp import extra_module

    extra_module("opentelemetry.sdk.trace", "test")
    from infra_otel import _capture

    return _capture.capture(sampler=sampler)


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    """What this test emits: spans, metrics and logs."""
    with capture() as kept:
        yield kept


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in {"MetricPoint", "Telemetry"}:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        from infra_otel._exporters import _memory

        return getattr(_memory, name)
