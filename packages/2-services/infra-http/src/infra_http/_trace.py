"""A CLIENT span and a duration for each attempt, by OpenTelemetry's HTTP conventions.

Where no SDK is installed an attempt costs a look at that and nothing else.
"""

from __future__ import annotations

import re
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

import httpx2
from opentelemetry import metrics, trace
from opentelemetry.trace import SpanKind, StatusCode

if TYPE_CHECKING:
    from types import TracebackType

    from opentelemetry.trace import Span
    from opentelemetry.util.types import AttributeValue

__all__ = ["Attempting", "attempting", "redacted"]

_KNOWN = frozenset(
    {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"}
)
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_VALUE = re.compile(r"=[^&;]*")

_duration = metrics.get_meter("infra_http").create_histogram(
    "http.client.request.duration",
    unit="s",
    description="Duration of HTTP client requests.",
    explicit_bucket_boundaries_advisory=_BUCKETS,
)


@lru_cache(maxsize=1024)
def _common(scheme: bytes, host: bytes, port: int | None) -> dict[str, AttributeValue]:
    """Return the attributes of an origin; not to be changed."""
    url = httpx2.URL(scheme=scheme.decode("ascii"), host=host.decode("ascii"))
    return {
        "server.address": url.host,
        "server.port": port or (443 if url.scheme == "https" else 80),
        "url.scheme": url.scheme,
    }


def redacted(url: httpx2.URL) -> str:
    """Return the URL without what may be secret: its userinfo, and the values of its query."""
    userinfo = "REDACTED:REDACTED@" if url.userinfo else ""
    path, _, query = url.raw_path.decode("ascii").partition("?")
    names = f"?{_VALUE.sub('=REDACTED', query)}" if "=" in query else "?REDACTED" if query else ""
    return f"{url.scheme}://{userinfo}{url.netloc.decode('ascii')}{path}{names}"


def attempting(
    method: str, url: httpx2.URL, *, resend_count: int = 0, route: str | None = None
) -> Attempting:
    """Return what measures one attempt: `with attempting("GET", url) as attempt: ...`.

    Args:
        method: the request's.
        url: where it goes; userinfo and query values do not get into the telemetry.
        resend_count: how many attempts were made before, 0 for the first.
        route: a template such as `/users/{id}`, for the span's name.
    """
    return Attempting(method, url, resend_count, route)


class Attempting:
    """One attempt; inside of it its span is the current one, so that a header can name it."""

    __slots__ = ("_attributes", "_begun", "_scope", "_span")

    def __init__(self, method: str, url: httpx2.URL, resend_count: int, route: str | None) -> None:
        name = method if method in _KNOWN else "HTTP"
        known = method if method in _KNOWN else "_OTHER"
        self._attributes = {
            **_common(url.raw_scheme, url.raw_host, url.port),
            "http.request.method": known,
        }
        if route is not None:
            self._attributes["url.template"] = route
            name = f"{name} {route}"
        self._span: Span | None = None
        self._scope: Any = None
        self._begun = time.perf_counter()
        if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            return  # nobody looks: no span is made
        attributes = {**self._attributes, "url.full": redacted(url)}
        if name.startswith("HTTP"):
            attributes["http.request.method_original"] = method
        if resend_count:
            attributes["http.request.resend_count"] = resend_count
        tracer = trace.get_tracer("infra_http")
        self._span = tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes)

    def answered(self, status: int, http_version: str = "1.1") -> None:
        """Note the response: of 400 and above the span says that it failed."""
        facts: dict[str, AttributeValue] = {
            "http.response.status_code": status,
            "network.protocol.version": http_version,
        }
        if status >= 400:
            facts["error.type"] = str(status)
        self._attributes.update(facts)
        if self._span is not None:
            self._span.set_attributes(facts)
            if status >= 400:
                self._span.set_status(StatusCode.ERROR)

    def __enter__(self) -> Self:
        if self._span is not None:
            self._scope = trace.use_span(
                self._span, record_exception=False, set_status_on_exception=False
            )
            self._scope.__enter__()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc is not None:
            kind = getattr(exc, "code", type(exc).__name__)
            self._attributes["error.type"] = kind
            if self._span is not None:
                self._span.set_attribute("error.type", kind)
                if isinstance(exc, Exception):  # a cancellation is nobody's failure
                    self._span.set_status(StatusCode.ERROR)
        _duration.record(time.perf_counter() - self._begun, self._attributes)
        if self._span is not None:
            self._scope.__exit__(None, None, None)
            self._span.end()
