"""Spans: `with span("load", size=3):`, a decorator, and errors told once.

Without an SDK a span costs about a tenth of the API's own: nothing is attached, nothing evaluated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from opentelemetry import trace
from opentelemetry.context import attach
from opentelemetry.trace import (
    INVALID_SPAN,
    NonRecordingSpan,
    SpanKind,
    Status,
    StatusCode,
    format_trace_id,
    set_span_in_context,
)

from infra_otel import _state
from infra_otel.errors import bad_setting
from infra_otel.semconv import ERROR_TYPE, SCHEMA_URL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Literal

    from opentelemetry.trace import Link, Span, SpanContext

    Kind = Literal["internal", "server", "client", "producer", "consumer"]

__all__ = ["Tracer", "current_trace_id", "record_error", "span", "tracer"]

F = TypeVar("F", bound="Callable[..., Any]")

_KINDS = {kind.name.lower(): kind for kind in SpanKind}
_CANCELLED = frozenset({"CancelledError", "Cancelled"})  # asyncio's and trio's


class _Current(NonRecordingSpan):
    """What `span()` gives without an SDK: it records nothing, and its context is the current."""

    def get_span_context(self) -> SpanContext:
        return trace.get_current_span().get_span_context()


_CURRENT = _Current(INVALID_SPAN.get_span_context())


class Tracer:
    """Spans under a name of their own: `tracer("shop").span("pay")`."""

    __slots__ = ("otel",)

    def __init__(self, otel: trace.Tracer) -> None:
        #: the OpenTelemetry tracer below
        self.otel = otel

    def span(
        self,
        name: str,
        /,
        *,
        kind: Kind = "internal",
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[Link | SpanContext] = (),
        **attrs: Any,
    ) -> span:
        """Open a span of this tracer, as `infra_otel.span` does."""
        return span(name, kind=kind, attributes=attributes, links=links, tracer=self, **attrs)


def tracer(name: str, version: str | None = None, *, schema_url: str = SCHEMA_URL) -> Tracer:
    """Return a tracer; made before `configure`, it works from then on.

    Args:
        name: the instrumented library or part of the application.
        version: its version.
        schema_url: the semantic conventions its attributes follow.
    """
    return Tracer(trace.get_tracer(name, version, schema_url=schema_url))


_DEFAULT = tracer("infra_otel")


class span:  # noqa: N801  # it is used as a function
    """A span around a block, a function, a coroutine or a generator.

    >>> with span("load", size=3) as current:
    ...     current.is_recording()
    False

    A context manager, sync and async, that gives the OpenTelemetry span; and a decorator, each call
    of whose function is a span. An exception makes the span's status ERROR, is told as `error.type`
    (the code of an InfraError, else the class) and as one event with its message redacted, and is
    raised on unchanged. A cancellation only sets `error.type`.

    Args:
        name: what the operation is called; few different ones, so no ids in it.
        kind: internal, server, client, producer or consumer.
        attributes: attributes whose names are no identifiers, like `http.route`.
        links: other spans, as `Link` or `SpanContext`.
        tracer: the tracer to use, by default one named `infra_otel`.
        attrs: attributes. One that is callable is called only if the span is recorded.

    Raises:
        OtelConfigError: `otel.bad_setting` for an unknown kind.
    """

    __slots__ = ("_attributes", "_attrs", "_kind", "_links", "_span", "_token", "_tracer", "name")

    def __init__(
        self,
        name: str,
        /,
        *,
        kind: Kind = "internal",
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[Link | SpanContext] = (),
        tracer: Tracer | None = None,
        **attrs: Any,
    ) -> None:
        if kind != "internal" and kind not in _KINDS:
            raise bad_setting("kind", f"{kind!r} is none of {', '.join(_KINDS)}")
        self.name = name
        self._kind = kind
        self._attributes = attributes
        self._links = links
        self._tracer = tracer
        self._attrs = attrs
        self._span: Span | None = None

    def __enter__(self) -> Span:
        if not _state.tracing():
            return _CURRENT
        opened = self._span = self.start()
        self._token = attach(set_span_in_context(opened))
        return opened

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, _: TracebackType | None
    ) -> None:
        opened = self._span
        if opened is None:
            return
        self._span = None
        _state.detach(self._token)
        if exc is not None:
            tell(opened, exc)
        opened.end()

    async def __aenter__(self) -> Span:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.__exit__(kind, exc, tb)

    def __call__(self, fn: F) -> F:
        from infra_otel._wrapping import wrapped

        return wrapped(self, fn)

    def again(self) -> span:
        """Return a fresh one of the same description."""
        return span(
            self.name,
            kind=self._kind,
            attributes=self._attributes,
            links=self._links,
            tracer=self._tracer,
            **self._attrs,
        )

    def start(self) -> Span:
        """Start the span without making it current; whoever asks must end it."""
        given, attrs = self._attributes, self._attrs
        attributes = {**given, **attrs} if given else attrs
        lazy = None
        for value in attributes.values():
            if callable(value):
                lazy = {name: made for name, made in attributes.items() if callable(made)}
                attributes = {key: kept for key, kept in attributes.items() if key not in lazy}
                break
        opened = (self._tracer or _DEFAULT).otel.start_span(
            self.name,
            kind=_KINDS[self._kind],
            attributes=attributes,
            links=_linked(self._links) if self._links else None,
        )
        if lazy and opened.is_recording():
            opened.set_attributes({name: made() for name, made in lazy.items()})
        return opened


def _linked(links: Sequence[Link | SpanContext]) -> list[Link]:
    return [link if isinstance(link, trace.Link) else trace.Link(link) for link in links]


def record_error(exc: BaseException, *, span: Span | None = None) -> None:
    """Tell an error that is handled: status ERROR, `error.type` and one event, redacted.

    Args:
        exc: the error.
        span: whose it is, by default the current span's.
    """
    tell(trace.get_current_span() if span is None else span, exc)


def current_trace_id() -> str | None:
    """Return the id of the current trace, 32 hex digits, or None outside of any."""
    found = trace.get_current_span().get_span_context()
    return format_trace_id(found.trace_id) if found.is_valid else None


def tell(opened: Span, exc: BaseException) -> None:
    """Write an exception onto a span; what only ends a program or a generator is no error."""
    if not opened.is_recording():
        return
    if not isinstance(exc, Exception):
        if type(exc).__name__ in _CANCELLED:
            opened.set_attribute(ERROR_TYPE, type(exc).__name__)
        return
    from infra_otel._failures import described

    kind, event = described(exc)
    opened.set_attribute(ERROR_TYPE, kind)
    opened.add_event("exception", event)
    opened.set_status(Status(StatusCode.ERROR, event["exception.message"]))
