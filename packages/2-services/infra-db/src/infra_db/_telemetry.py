"""A span and a duration for each statement, in OpenTelemetry's terms for databases.

Only its API is used: until an application installs an SDK, nothing is recorded. No statement text
and no value stands in a span; the names of the operation and of the table do.
"""

from __future__ import annotations

import time
import weakref
from typing import TYPE_CHECKING, Any

from opentelemetry.metrics import Observation, get_meter_provider
from opentelemetry.trace import SpanKind, StatusCode, get_tracer_provider
from sqlalchemy import event
from sqlalchemy.pool import QueuePool

from infra_errors import InfraError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from opentelemetry.metrics import CallbackOptions
    from opentelemetry.trace import Span
    from sqlalchemy import Engine
    from sqlalchemy.engine import ExceptionContext

__all__ = ["Telemetry", "names_of"]

_STARTED = "_infra_db_started"
_KINDS = (
    ("isinsert", "INSERT"),
    ("isupdate", "UPDATE"),
    ("isdelete", "DELETE"),
    ("is_ddl", "DDL"),
)


def names_of(compiled: Any, text: str) -> tuple[str, str | None]:
    """Return the operation of a statement in upper case, and the table it is about."""
    statement = getattr(compiled, "statement", None)
    for flag, name in _KINDS:
        if getattr(compiled, flag, False):
            table = getattr(statement, "table", getattr(statement, "element", None))
            return name, getattr(table, "name", None)
    operation = (text.split(None, 1) or [""])[0].upper()
    if statement is not None and hasattr(statement, "columns_clause_froms"):
        # Not get_final_froms: it compiles, by a dialect that does not know our functions.
        froms = statement.columns_clause_froms
        return "SELECT", getattr(froms[0], "name", None) if len(froms) == 1 else None
    return operation, None


def _counting(engine: Engine) -> Callable[[CallbackOptions], Iterable[Observation]]:
    """Observe an engine's pool for as long as it is there."""
    held = weakref.ref(engine.pool)
    name = f"{engine.url.host or ''}/{engine.url.database or ''}"

    def observe(_: CallbackOptions) -> Iterable[Observation]:
        pool = held()
        if isinstance(pool, QueuePool):
            for state, count in (("used", pool.checkedout()), ("idle", pool.checkedin())):
                labels = {
                    "db.client.connection.state": state,
                    "db.client.connection.pool.name": name,
                }
                yield Observation(count, labels)

    return observe


class _Connecting:
    """A span for a connection that fails; one from the pool is not worth a span."""

    __slots__ = ("_telemetry",)

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(exc, Exception):
            self._telemetry.end(self._telemetry.start("CONNECT", None), exc)


class Telemetry:
    """What one database reports."""

    def __init__(self, engine: Engine, system: str) -> None:
        self._tracer = get_tracer_provider().get_tracer("infra_db")
        meter = get_meter_provider().get_meter("infra_db")
        self._durations = meter.create_histogram(
            "db.client.operation.duration", "s", "Duration of database client operations."
        )
        meter.create_observable_up_down_counter(
            "db.client.connection.count",
            [_counting(engine)],
            "{connection}",
            "Connections that are used and idle.",
        )
        url = engine.url
        common = {
            "db.system.name": system,
            "db.namespace": url.database,
            "server.address": url.host,
        }
        self._common = {name: value for name, value in common.items() if value}
        event.listen(engine, "before_cursor_execute", self._before)
        event.listen(engine, "after_cursor_execute", self._after)
        event.listen(engine, "handle_error", self._failed)

    def start(self, operation: str, table: str | None) -> tuple[Span, dict[str, Any], float]:
        """Begin the span of a statement; give the result to `end`."""
        summary = f"{operation} {table}" if table else operation
        attributes = self._common | {"db.operation.name": operation, "db.query.summary": summary}
        if table:
            attributes["db.collection.name"] = table
        span = self._tracer.start_span(summary, kind=SpanKind.CLIENT, attributes=attributes)
        return span, attributes, time.perf_counter()

    def end(
        self, started: tuple[Span, dict[str, Any], float], error: BaseException | None = None
    ) -> None:
        """End the span, and count how long it took."""
        span, attributes, since = started
        if error is not None:
            kind = error.code if isinstance(error, InfraError) else type(error).__name__
            attributes = attributes | {"error.type": kind}
            span.set_attribute("error.type", kind)
            span.set_status(StatusCode.ERROR)
        span.end()
        self._durations.record(time.perf_counter() - since, attributes)

    def connecting(self) -> _Connecting:
        """Return a context manager that leaves a span if no connection could be had."""
        return _Connecting(self)

    def _before(self, _: Any, __: Any, text: str, ___: Any, context: Any, ____: Any) -> None:
        if context is not None:
            names = names_of(getattr(context, "compiled", None), text)
            setattr(context, _STARTED, self.start(*names))

    def _after(self, _: Any, __: Any, ___: str, ____: Any, context: Any, _____: Any) -> None:
        started = getattr(context, _STARTED, None)
        if started is not None:
            delattr(context, _STARTED)
            self.end(started)

    def _failed(self, context: ExceptionContext) -> None:
        running = context.execution_context
        started = getattr(running, _STARTED, None)
        if started is not None:
            delattr(running, _STARTED)
            told = getattr(context, "chained_exception", None)
            self.end(started, told or context.original_exception)
