"""Has the process a provider that listens? The only module that looks behind the API.

`opentelemetry.trace` keeps its provider in a global of the module. Reading that costs a tenth of
the public question, and a span asks it each time. Where the global is gone, the public question is
asked until the answer is yes, which then holds for good.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from opentelemetry import context, trace
from opentelemetry.trace import ProxyTracerProvider

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Token

    from opentelemetry.context import Context

__all__ = ["check_metering", "detach", "metering", "service_name", "sleep", "tracing", "wake"]

# of the configured service, for log lines
service_name = ""


# what the globals hold while nobody listens: None, or a provider that was shut down or is between
# two captures
_idle_tracing: Any = None
_idle_metering: Any = None


def _tracing_by_global() -> bool:
    return trace._TRACER_PROVIDER is not _idle_tracing


def _metering_by_global() -> bool:
    # who has not loaded the API for metrics has not set a provider either
    internal = sys.modules.get("opentelemetry.metrics._internal")
    return internal is not None and internal._METER_PROVIDER is not _idle_metering


class _Public:
    """The public question, whose yes is remembered until the provider falls asleep."""

    def __init__(self, ask: Callable[[], Any], is_proxy: Callable[[Any], bool]) -> None:
        self._ask, self._is_proxy, self._found = ask, is_proxy, None

    def __call__(self, idle: Any) -> bool:
        if self._found is None:
            provider = self._ask()
            if self._is_proxy(provider):
                return False
            self._found = provider
        return self._found is not idle


def _meter_provider() -> Any:
    from opentelemetry.metrics import get_meter_provider

    return get_meter_provider()


_public_tracing = _Public(trace.get_tracer_provider, lambda it: isinstance(it, ProxyTracerProvider))
_public_metering = _Public(
    _meter_provider,
    lambda it: type(it).__name__ == "_ProxyMeterProvider",  # which has no public name
)


def _tracing_by_api() -> bool:
    return _public_tracing(_idle_tracing)


def _metering_by_api() -> bool:
    return _public_metering(_idle_metering)


tracing = _tracing_by_global if hasattr(trace, "_TRACER_PROVIDER") else _tracing_by_api
metering = _metering_by_global


def check_metering() -> None:
    """Fall back to the public question where the API for metrics has no such global.

    Called by what makes instruments, so that a span does not load the API for metrics.
    """
    global metering  # noqa: PLW0603  # the state of the process
    from opentelemetry.metrics import _internal

    if not hasattr(_internal, "_METER_PROVIDER"):
        metering = _metering_by_api


def sleep(tracer_provider: Any, meter_provider: Any) -> None:
    """Make the helpers no-ops although these providers stay installed: nobody reads them now."""
    global _idle_tracing, _idle_metering  # the state of the process
    _idle_tracing, _idle_metering = tracer_provider, meter_provider


def wake() -> None:
    """Take `sleep` back."""
    sleep(None, None)


def detach(token: Token[Context]) -> None:
    """Undo an attach, also where another task or the garbage collector closes the scope.

    `opentelemetry.context.detach` would log an error then, and there is nothing to restore.
    """
    try:
        token.var.reset(token)
    except ValueError:
        return
    except AttributeError:  # a context runtime of OTEL_PYTHON_CONTEXT has tokens of its own
        context.detach(token)
