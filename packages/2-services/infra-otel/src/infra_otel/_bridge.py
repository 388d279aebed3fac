"""From `logging` to OpenTelemetry's logs, where `configure` sends them on."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from opentelemetry import _logs, baggage, context
from opentelemetry._logs import SeverityNumber
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY

from infra_otel._failures import described
from infra_otel._records import extras_of, message_of, shown
from infra_otel.semconv import REQUEST_ID

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry._logs import LoggerProvider

__all__ = ["OtelHandler"]

_SEVERITIES = (
    (50, SeverityNumber.FATAL, "FATAL"),
    (40, SeverityNumber.ERROR, "ERROR"),
    (30, SeverityNumber.WARN, "WARN"),
    (20, SeverityNumber.INFO, "INFO"),
    (10, SeverityNumber.DEBUG, "DEBUG"),
)
_INT64 = 2**63


class OtelHandler(logging.Handler):
    """Hands each record to an OpenTelemetry logger of the same name.

    What is logged while something is exported is not handed on: it would never end.
    """

    def __init__(self, provider: Callable[[], LoggerProvider] = _logs.get_logger_provider) -> None:
        super().__init__()
        self._provider = provider

    def emit(self, record: logging.LogRecord) -> None:
        """Hand on one record."""
        if context.get_value(_SUPPRESS_INSTRUMENTATION_KEY):
            return
        try:
            self._emit(record)
        except Exception:  # noqa: BLE001  # as every handler of logging does
            self.handleError(record)

    def _emit(self, record: logging.LogRecord) -> None:
        attributes: dict[str, Any] = {
            name: _plain(value) for name, value in extras_of(record).items()
        }
        attributes["code.file.path"] = record.pathname
        attributes["code.line.number"] = record.lineno
        attributes["code.function.name"] = record.funcName
        if (request := baggage.get_baggage(REQUEST_ID)) is not None:
            attributes[REQUEST_ID] = _plain(request)
        if record.exc_info and record.exc_info[1] is not None:
            kind, event = described(record.exc_info[1])
            attributes |= {"error.type": kind, **event}
        number, text = SeverityNumber.TRACE, "TRACE"
        for least, severity, name in _SEVERITIES:
            if record.levelno >= least:
                number, text = severity, name
                break
        self._provider().get_logger(record.name).emit(
            _logs.LogRecord(
                timestamp=int(record.created * 1e9),
                severity_number=number,
                severity_text=text,
                body=_text(message_of(record)),
                attributes=attributes,
            )
        )


def _text(text: str) -> str:
    # a lone surrogate has no UTF-8, which protobuf wants
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | float | bytes):
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return value if -_INT64 <= value < _INT64 else shown(value)
    if isinstance(value, dict):
        return {_text(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return _text(shown(value))
