"""Logs: one JSON object a line with the trace it belongs to, or text on a terminal."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import TYPE_CHECKING, Any, Literal

from opentelemetry import baggage, trace
from opentelemetry.context import get_current

from infra_otel import _state
from infra_otel._failures import error_type, stack_of
from infra_otel._records import extras_of, message_of, shown, writable
from infra_otel.errors import bad_setting
from infra_otel.redaction import Redaction
from infra_otel.semconv import REQUEST_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["JsonFormatter", "LoggingHandle", "configure_logging"]

_STREAMS = ("stderr", "stdout")
_FORMATS = ("json", "text", "auto")
_encoder = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, default=shown
)


def _encode(value: Any) -> str:
    return _encoder.encode(value)


_make_chunks: Any = getattr(json.encoder, "c_make_encoder", None)
if _make_chunks is not None:  # else there is no accelerator
    # JSONEncoder.encode makes this object anew for each value, half of its time
    _chunks = _make_chunks(
        *(None, shown, json.encoder.encode_basestring, None, ": ", ", ", False, False, False)
    )

    def _encode(value: Any) -> str:
        return "".join(_chunks(value, 0))


def _level(number: int) -> str:
    if number >= 40:
        return "error"
    return "warn" if number >= 30 else "info" if number >= 20 else "debug"


class JsonFormatter(logging.Formatter):
    """Makes one JSON object of a record, for any `logging.Handler`.

    Its fields are `timestamp` (RFC 3339, UTC, microseconds), `level` (debug, info, warn, error),
    `logger`, `message`, `trace_id` and `span_id` within a span, `service`, the record's extras,
    and of an exception `error.code`, `error.type`, `error.stack`. Nothing it is given makes it
    raise.

    Args:
        redaction: what is masked, by default what infra-errors masks.
        static: fields of every line.
    """

    def __init__(
        self, *, redaction: Redaction | None = None, static: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        self._redaction = Redaction() if redaction is None else redaction
        self._static = dict(static or {})
        self._second, self._prefix = -1, ""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        fields = self._fields(record)
        try:
            line = _encode(fields)
        except Exception:  # noqa: BLE001  # a line is written, whatever is in it
            line = _encode({str(key): writable(value, _encode) for key, value in fields.items()})
        # a lone surrogate has no UTF-8; its JSON escape has
        return line if line.isascii() else line.encode("utf-8", "backslashreplace").decode()

    def _fields(self, record: logging.LogRecord) -> dict[str, Any]:
        redaction = self._redaction
        fields: dict[str, Any] = {
            "timestamp": self._time(record.created),
            "level": _level(record.levelno or 0),
            "logger": record.name,
            "message": redaction.text(message_of(record)),
        }
        if current := get_current():
            found = trace.get_current_span(current).get_span_context()
            if found.trace_id:
                fields["trace_id"] = f"{found.trace_id:032x}"
                fields["span_id"] = f"{found.span_id:016x}"
            if (request := baggage.get_baggage(REQUEST_ID, current)) is not None:
                fields[REQUEST_ID] = redaction.value(request)
        if service := _state.service_name:
            fields["service"] = service
        if self._static:
            fields |= self._static
        if extras := extras_of(record):
            for name, value in redaction.attributes(extras).items():
                fields[f"extra.{name}" if name in fields else name] = value
        if record.exc_info and record.exc_info[1] is not None:
            exc = record.exc_info[1]
            kind = error_type(exc)
            if kind != type(exc).__name__:
                fields["error.code"] = kind
            fields["error.type"] = type(exc).__name__
            fields["error.stack"] = redaction.text(stack_of(exc))
        elif record.stack_info:
            fields["stack"] = redaction.text(record.stack_info)
        return fields

    def _time(self, created: float) -> str:
        second = int(created)
        if second != self._second:
            prefix = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            # the second last: another thread that sees it sees its prefix too
            self._prefix, self._second = prefix, second
            return f"{prefix}.{int((created - second) * 1e6):06d}Z"
        return f"{self._prefix}.{int((created - second) * 1e6):06d}Z"


class _TextFormatter(logging.Formatter):
    """For a person at a terminal: local time, level, logger, message, `name=value` of extras."""

    def __init__(self, redaction: Redaction) -> None:
        super().__init__()
        self._redaction = redaction

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%H:%M:%S", time.localtime(record.created))
        message = self._redaction.text(message_of(record)).replace("\n", "\\n")
        level = _level(record.levelno or 0)
        parts = [f"{moment}.{int(record.msecs):03d} {level:5} {record.name}: {message}"]
        for name, value in self._redaction.attributes(extras_of(record)).items():
            parts.append(f"{name}={writable(value, str)}")
        found = trace.get_current_span().get_span_context()
        if found.trace_id:
            parts.append(f"trace_id={found.trace_id:032x}")
        line = " ".join(parts)
        if record.exc_info and record.exc_info[1] is not None:
            line += "\n" + self._redaction.text(stack_of(record.exc_info[1])).rstrip("\n")
        return line.encode("utf-8", "backslashreplace").decode()


class _StreamHandler(logging.StreamHandler[Any]):
    """Writes to what `sys.stderr` or `sys.stdout` is at that moment."""

    def __init__(self, name: str) -> None:
        self._name_of_stream = name
        super().__init__(getattr(sys, name))

    @property
    def stream(self) -> Any:
        return getattr(sys, self._name_of_stream)

    @stream.setter
    def stream(self, _: Any) -> None:
        """The stream is looked up, never kept."""


class LoggingHandle:
    """What `configure_logging` has changed."""

    def __init__(
        self,
        ours: list[logging.Handler],
        former: list[logging.Handler],
        levels: dict[str, int],
    ) -> None:
        self._ours, self._former, self._levels = ours, former, levels

    def restore(self) -> None:
        """Take our handlers from the root logger and put the former back, with their levels."""
        root = logging.getLogger()
        ours, self._ours = self._ours, []
        for handler in ours:
            root.removeHandler(handler)
            handler.close()
        if ours:
            for handler in self._former:
                root.addHandler(handler)
            for name, level in self._levels.items():
                logging.getLogger(name).setLevel(level)


def configure_logging(
    *,
    level: str = "INFO",
    format: Literal["json", "text", "auto"] = "auto",
    stream: Literal["stderr", "stdout"] = "stderr",
    levels: Mapping[str, str] | None = None,
    redaction: Redaction | None = None,
    otlp: bool = False,
) -> LoggingHandle:
    """Put our handler onto the root logger, in place of those it has.

    Args:
        level: of the root logger.
        format: `json`; `text`; `auto` is text on a terminal and JSON elsewhere.
        stream: where lines go.
        levels: of other loggers, by their names.
        redaction: what is masked, by default what infra-errors masks.
        otlp: also hand records to where `configure` sends logs.

    Raises:
        OtelConfigError: `otel.bad_setting`.
    """
    if stream not in _STREAMS:
        raise bad_setting("stream", f"{stream!r} is none of {', '.join(_STREAMS)}")
    if format not in _FORMATS:
        raise bad_setting("format", f"{format!r} is none of {', '.join(_FORMATS)}")
    wanted = {"": _number("level", level)}
    for name, text in (levels or {}).items():
        wanted[name] = _number(f"levels[{name}]", text)
    redaction = Redaction() if redaction is None else redaction
    handler = _StreamHandler(stream)
    is_text = format == "text" or (format == "auto" and handler.stream.isatty())
    handler.setFormatter(
        _TextFormatter(redaction) if is_text else JsonFormatter(redaction=redaction)
    )
    ours: list[logging.Handler] = [handler]
    if otlp:
        from infra_otel._bridge import OtelHandler

        ours.append(OtelHandler())
    root = logging.getLogger()
    former = list(root.handlers)
    before = {name: logging.getLogger(name).level for name in wanted}
    for old in former:
        root.removeHandler(old)
    for new in ours:
        root.addHandler(new)
    for name, number in wanted.items():
        logging.getLogger(name).setLevel(number)
    return LoggingHandle(ours, former, before)


def _number(field: str, level: str) -> int:
    known = {"WARN": "WARNING", "FATAL": "CRITICAL"}
    text = str(level).upper()
    number = logging.getLevelName(known.get(text, text))
    if not isinstance(number, int):
        raise bad_setting(field, f"{level!r} is no level of logging")
    return number
