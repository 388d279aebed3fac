"""What crosses to another service: W3C trace context, strictly read, and W3C baggage.

Trace Context (Recommendation, and level 2), Baggage (Candidate Recommendation). Malformed input is
a new trace, never an exception.
"""

from __future__ import annotations

import functools
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, unquote

from opentelemetry import baggage, propagate, trace
from opentelemetry.context import Context, attach
from opentelemetry.context import get_current as current_context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import (
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from infra_otel import _state
from infra_otel._carriers import HEADERS, SETTER
from infra_otel._tracestate import parse_tracestate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["StrictBaggage", "StrictTraceContext", "attached", "bound", "extract", "inject"]

C = TypeVar("C")
F = TypeVar("F", bound="Callable[..., Any]")

_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16
# sampled, and random of level 2; other bits mean nothing yet and are not sent on
_FLAGS = tuple(TraceFlags(bits) for bits in range(4))


class StrictTraceContext(TextMapPropagator):
    """`traceparent` and `tracestate`, as the recommendation has them.

    Exactly one `traceparent`, lower-case hex, no version `ff`, no all-zero id, nothing after
    version 00's four fields; else there is a new trace. A `tracestate` with an illegal member or
    more than 32 is left out whole.
    """

    @property
    def fields(self) -> set[str]:
        """The headers that are written."""
        return {"traceparent", "tracestate"}

    def extract(
        self,
        carrier: Any,
        context: Context | None = None,
        getter: Getter[Any] = default_getter,
    ) -> Context:
        """Return the context with the remote span, or as it was if there is none."""
        if context is None:
            context = Context()
        given = getter.get(carrier, "traceparent")
        if not given or len(given) != 1:
            return context
        match = _PARENT.fullmatch(given[0].strip(" \t"))
        if match is None:
            return context
        version, trace_id, span_id, flags, rest = match.groups()
        if (
            trace_id == _NO_TRACE
            or span_id == _NO_SPAN
            or version == "ff"
            or (rest is not None and version == "00")
        ):
            return context
        states = getter.get(carrier, "tracestate")
        remote = SpanContext(
            int(trace_id, 16),
            int(span_id, 16),
            True,  # is_remote
            _FLAGS[int(flags, 16) & 3],
            parse_tracestate(states) if states else None,
        )
        return set_span_in_context(NonRecordingSpan(remote), context)

    def inject(
        self,
        carrier: Any,
        context: Context | None = None,
        setter: Setter[Any] = default_setter,
    ) -> None:
        """Write the current span; a carrier's former headers are replaced."""
        found = trace.get_current_span(context).get_span_context()
        if not found.is_valid:
            return
        flags = found.trace_flags & 3
        parent = f"00-{found.trace_id:032x}-{found.span_id:016x}-{flags:02x}"
        setter.set(carrier, "traceparent", parent)
        if found.trace_state:
            setter.set(carrier, "tracestate", found.trace_state.to_header())


_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# baggage-octet without "%", which begins an encoded one
_OCTETS = "!#$&'()*+-./:<=>?@[]^_`{|}~"


class StrictBaggage(TextMapPropagator):
    """`baggage`: names and values that all services of a trace may read. Put no secret in it.

    Values are percent-encoded UTF-8, properties are not kept, and members beyond the limits are
    left out, the last ones first.

    Args:
        max_members: names at most.
        max_bytes: of the whole header.
    """

    def __init__(self, *, max_members: int = 64, max_bytes: int = 8192) -> None:
        self._max_members = max_members
        self._max_bytes = max_bytes

    @property
    def fields(self) -> set[str]:
        """The header that is written."""
        return {"baggage"}

    def extract(
        self,
        carrier: Any,
        context: Context | None = None,
        getter: Getter[Any] = default_getter,
    ) -> Context:
        """Return the context with what the header names; a malformed member is left out."""
        context = current_context() if context is None else context
        lines = getter.get(carrier, "baggage")
        if not lines:
            return context
        left, count = self._max_bytes, 0
        for member in ",".join(lines).split(","):
            left -= len(member) + 1
            if left < -1 or count == self._max_members:
                break
            name, equals, value = member.partition(";")[0].partition("=")
            name, value = name.strip(" \t"), value.strip(" \t")
            if equals and _TOKEN.fullmatch(name) and value.isascii() and value.isprintable():
                context = baggage.set_baggage(name, unquote(value, errors="replace"), context)
                count += 1
        return context

    def inject(
        self,
        carrier: Any,
        context: Context | None = None,
        setter: Setter[Any] = default_setter,
    ) -> None:
        """Write the baggage; a name that is no token is left out."""
        members: list[str] = []
        left = self._max_bytes
        for name, value in baggage.get_all(context).items():
            if not _TOKEN.fullmatch(name):
                continue
            member = f"{name}={quote(str(value), safe=_OCTETS, errors='replace')}"
            left -= len(member) + (1 if members else 0)
            if left < 0 or len(members) == self._max_members:
                break
            members.append(member)
        if members:
            setter.set(carrier, "baggage", ",".join(members))


_chosen: tuple[Any, Any] = (None, None)


def _textmap() -> TextMapPropagator:
    """Return the propagator of the process, or in place of the API's own W3C ones the strict ones.

    Without `configure`, the API's are what is set.
    """
    global _chosen  # noqa: PLW0603  # one for the process
    found = propagate.get_global_textmap()
    before, chosen = _chosen
    if found is not before:
        fields, chosen = found.fields, found
        parts = getattr(found, "_propagators", ())
        is_strict = any(isinstance(it, StrictTraceContext | StrictBaggage) for it in parts)
        if not is_strict and fields <= {"traceparent", "tracestate", "baggage"}:
            ours: list[TextMapPropagator] = []
            ours += [StrictTraceContext()] if "traceparent" in fields else []
            ours += [StrictBaggage()] if "baggage" in fields else []
            chosen = CompositePropagator(ours)
        _chosen = found, chosen
    return chosen  # type: ignore[no-any-return]  # one of both


def inject(carrier: C, *, context: Context | None = None) -> C:
    """Write the current trace and baggage into a carrier, and return it.

    Args:
        carrier: a dict of str, a mutable mapping, or a list of ASGI's raw headers. What it held
            under these names is replaced, whatever their case.
        context: what to write, by default the current context.
    """
    _textmap().inject(carrier, context, SETTER)
    return carrier


def extract(carrier: Any) -> Context:
    """Return the context that a carrier holds; without a valid one, an empty context.

    Args:
        carrier: a mapping to texts or to lists of texts, or a list of ASGI's raw headers. Names
            are compared without regard to case.
    """
    return _textmap().extract(carrier, Context(), HEADERS)


@contextmanager
def attached(carrier: Any) -> Iterator[Context]:
    """Make the context that a carrier holds the current one, within a `with` block."""
    context = extract(carrier)
    token = attach(context)
    try:
        yield context
    finally:
        _state.detach(token)


def bound(fn: F) -> F:
    """Return `fn` such that each call, in whatever thread or task, runs in today's context."""
    import inspect  # 3 ms, and few need it

    context = current_context()
    if inspect.iscoroutinefunction(fn):

        @functools.wraps(fn)
        async def acall(*args: Any, **kwargs: Any) -> Any:
            token = attach(context)
            try:
                return await fn(*args, **kwargs)
            finally:
                _state.detach(token)

        return acall  # type: ignore[return-value]  # it has fn's signature

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        token = attach(context)
        try:
            return fn(*args, **kwargs)
        finally:
            _state.detach(token)

    return call  # type: ignore[return-value]  # it has fn's signature
