"""What infra-http raises on purpose.

    HttpError                                                        code
    ├── ConnectFailed    UnavailableError, httpx2.ConnectError       http.connect_failed
    ├── TlsFailed        UnavailableError, httpx2.ConnectError       http.tls_failed
    ├── ReadFailed       UnavailableError, httpx2.ReadError          http.read_failed
    ├── WriteFailed      UnavailableError, httpx2.WriteError         http.write_failed
    ├── ProtocolFailed   UnavailableError, RemoteProtocolError       http.protocol_failed
    ├── ConnectTimedOut  DeadlineExceededError, ConnectTimeout       http.connect_timed_out
    ├── ReadTimedOut     DeadlineExceededError, ReadTimeout          http.read_timed_out
    ├── WriteTimedOut    DeadlineExceededError, WriteTimeout         http.write_timed_out
    ├── PoolTimedOut     DeadlineExceededError, PoolTimeout          http.pool_timed_out
    ├── AttemptTimedOut  DeadlineExceededError, ReadTimeout          http.attempt_timed_out
    ├── TotalTimedOut    DeadlineExceededError, TimeoutException     http.total_timed_out
    ├── CircuitOpen      infra_errors.CircuitOpenError               http.circuit_open
    ├── BulkheadFull     infra_errors.BulkheadFullError              http.bulkhead_full
    ├── RateLimitHit     RateLimitedError                            http.rate_limit_hit
    ├── AddressBlocked   PermissionDeniedError, httpx2.ConnectError  http.address_blocked
    ├── TooManyRedirects   httpx2.TooManyRedirects                   http.too_many_redirects
    ├── ResponseTooLarge   httpx2.ReadError                          http.response_too_large
    ├── BodyNotReplayable  httpx2.StreamConsumed                     http.body_not_replayable
    └── HttpStatusError    httpx2.HTTPStatusError                    http.status_error
        ├── HttpNotFound, HttpConflict, HttpUnauthenticated, HttpPermissionDenied,
        └── HttpRateLimited, HttpDeadlineExceeded (504), HttpUnavailable (502, 503)

What the server answers for a client's fault, and for its own:

    HttpError
    ├── BodyTooLarge         413  http.body_too_large
    ├── HeadersTooLarge      431  http.headers_too_large
    ├── TargetTooLong        414  http.target_too_long
    ├── BodyTimedOut         408  http.body_timed_out
    ├── RequestTimedOut      504  http.request_timed_out
    ├── ServerBusy           503  http.server_busy
    ├── ServerDraining       503  http.server_draining
    ├── RouteNotFound        404  http.route_not_found
    ├── MethodNotAllowed     405  http.method_not_allowed
    ├── HandlerReturnedNone  500  http.handler_returned_none
    ├── IdempotencyMismatch  422  http.idempotency_mismatch
    └── IdempotencyRunning   409  http.idempotency_running

Bad input is HttpInputError (a ValidationError, `http.invalid`); below it are RequestRefused (also
httpx2's LocalProtocolError, `http.request_refused`) and UnsupportedScheme (also its
UnsupportedProtocol, `http.unsupported_scheme`), which a transport raises. Bad settings are
HttpConfigError (a ConfigError, `http.config`, `http.missing_extra`, `http.hedge_needs_async`). No
message holds a header's value, a body, a query or the userinfo of a URL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2

from infra_errors import (
    BulkheadFullError,
    CircuitOpenError,
    ConfigError,
    ConflictError,
    DeadlineExceededError,
    HttpError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    Status,
    UnauthenticatedError,
    UnavailableError,
    ValidationError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "AddressBlocked",
    "AttemptTimedOut",
    "BodyNotReplayable",
    "BodyTimedOut",
    "BodyTooLarge",
    "BulkheadFull",
    "CircuitOpen",
    "ConnectFailed",
    "ConnectTimedOut",
    "HandlerReturnedNone",
    "HeadersTooLarge",
    "HttpConfigError",
    "HttpConflict",
    "HttpDeadlineExceeded",
    "HttpInputError",
    "HttpNotFound",
    "HttpPermissionDenied",
    "HttpRateLimited",
    "HttpStatusError",
    "HttpUnauthenticated",
    "HttpUnavailable",
    "IdempotencyMismatch",
    "IdempotencyRunning",
    "MethodNotAllowed",
    "PoolTimedOut",
    "ProtocolFailed",
    "RateLimitHit",
    "ReadFailed",
    "ReadTimedOut",
    "RequestRefused",
    "RequestTimedOut",
    "ResponseTooLarge",
    "RouteNotFound",
    "ServerBusy",
    "ServerDraining",
    "TargetTooLong",
    "TlsFailed",
    "TooManyRedirects",
    "TotalTimedOut",
    "UnsupportedScheme",
    "WriteFailed",
    "WriteTimedOut",
    "status_error",
]


class HttpInputError(ValidationError):
    """What was given to infra-http is not what it takes."""

    code = "http.invalid"


class RequestRefused(HttpInputError, httpx2.LocalProtocolError):
    """A request that may not be sent as it is: nothing of it was."""

    code = "http.request_refused"
    _request: httpx2.Request | None = None  # httpx2 sets it; it is not part of a pickle


class UnsupportedScheme(RequestRefused, httpx2.UnsupportedProtocol):
    """The URL is neither http nor https: nothing was sent."""

    code = "http.unsupported_scheme"


class HttpConfigError(ConfigError):
    """Settings or options that cannot work together."""

    code = "http.config"


class _Sent(HttpError):
    """An exchange of ours failed: what httpx2's exceptions have, `.request`, is here too."""

    _request: httpx2.Request | None = None  # httpx2 sets it; it is not part of a pickle


# ---- the other side cannot be reached, or does not speak HTTP ------------------------------------


class ConnectFailed(_Sent, UnavailableError, httpx2.ConnectError):
    """No connection: name not found, refused, unreachable. Nothing was sent."""

    code = "http.connect_failed"
    http_status = 502


class TlsFailed(_Sent, UnavailableError, httpx2.ConnectError):
    """The TLS handshake failed, mostly a certificate that is not trusted. Nothing was sent."""

    code = "http.tls_failed"
    http_status = 502
    retryable = False


class ReadFailed(_Sent, UnavailableError, httpx2.ReadError):
    """The connection broke before the response was complete."""

    code = "http.read_failed"
    http_status = 502


class WriteFailed(_Sent, UnavailableError, httpx2.WriteError):
    """The connection broke while the request was being sent."""

    code = "http.write_failed"
    http_status = 502


class ProtocolFailed(_Sent, UnavailableError, httpx2.RemoteProtocolError):
    """What came back is no HTTP, or closes in the middle of it."""

    code = "http.protocol_failed"
    http_status = 502


# ---- too slow ------------------------------------------------------------------------------------


class ConnectTimedOut(_Sent, DeadlineExceededError, httpx2.ConnectTimeout):
    """No connection within the connect timeout. Nothing was sent."""

    code = "http.connect_timed_out"
    retryable = True


class ReadTimedOut(_Sent, DeadlineExceededError, httpx2.ReadTimeout):
    """No bytes of the response within the read timeout."""

    code = "http.read_timed_out"
    retryable = True


class WriteTimedOut(_Sent, DeadlineExceededError, httpx2.WriteTimeout):
    """The other side took no bytes of the request within the write timeout."""

    code = "http.write_timed_out"
    retryable = True


class PoolTimedOut(_Sent, DeadlineExceededError, httpx2.PoolTimeout):
    """No connection of the pool became free in time. Nothing was sent."""

    code = "http.pool_timed_out"
    retryable = True


class AttemptTimedOut(_Sent, DeadlineExceededError, httpx2.ReadTimeout):
    """One attempt took longer than the policy's `attempt_timeout`."""

    code = "http.attempt_timed_out"
    retryable = True


class TotalTimedOut(_Sent, DeadlineExceededError, httpx2.TimeoutException):
    """The total deadline passed, or the next wait would; the cause is the last failure."""

    code = "http.total_timed_out"
    retryable = False


# ---- refused on this side ------------------------------------------------------------------------


class CircuitOpen(_Sent, CircuitOpenError, httpx2.TransportError):
    """The breaker of this origin is open: nothing was sent. `retry_after` says when it may be."""

    code = "http.circuit_open"
    http_status = 503


class BulkheadFull(_Sent, BulkheadFullError, httpx2.TransportError):
    """As many calls as the bulkhead takes are under way or waiting: nothing was sent."""

    code = "http.bulkhead_full"
    http_status = 503


class RateLimitHit(_Sent, RateLimitedError, httpx2.TransportError):
    """Our own limit of requests to the other side is spent: nothing was sent."""

    code = "http.rate_limit_hit"
    http_status = 503


class AddressBlocked(_Sent, PermissionDeniedError, httpx2.ConnectError):
    """The SSRF guard refuses this address: nothing was sent."""

    code = "http.address_blocked"


class TooManyRedirects(_Sent, httpx2.TooManyRedirects):
    """More redirects than allowed, or one from https to http."""

    code = "http.too_many_redirects"
    http_status = 502


class ResponseTooLarge(_Sent, httpx2.ReadError):
    """The body is over `max_response_bytes`, as sent or once decompressed."""

    code = "http.response_too_large"
    http_status = 502


class BodyNotReplayable(_Sent, httpx2.StreamConsumed):
    """A redirect wants the body again, and it was an iterator: give bytes or a file."""

    code = "http.body_not_replayable"
    status = Status.FAILED_PRECONDITION


# ---- the other side answered with an error -------------------------------------------------------


class HttpStatusError(HttpError, httpx2.HTTPStatusError):
    """The other side answered 4xx or 5xx.

    `status_code` is its answer and `http_status` what our server answers for it. `response` and
    `request` are there until the error is pickled; `problem` is the RFC 9457 problem of the body.
    """

    code = "http.status_error"
    _request: httpx2.Request | None = None
    response: httpx2.Response = None  # type: ignore[assignment]  # gone once pickled
    problem: Any = None


class HttpNotFound(HttpStatusError, NotFoundError):
    """404 or 410."""

    code = "http.not_found"
    http_status = 502


class HttpConflict(HttpStatusError, ConflictError):
    """409 or 412."""

    code = "http.conflict"
    http_status = 502


class HttpUnauthenticated(HttpStatusError, UnauthenticatedError):
    """401: the other side does not know us."""

    code = "http.unauthenticated"
    http_status = 502


class HttpPermissionDenied(HttpStatusError, PermissionDeniedError):
    """403: the other side does not allow it."""

    code = "http.permission_denied"
    http_status = 502


class HttpRateLimited(HttpStatusError, RateLimitedError):
    """429."""

    code = "http.rate_limited"
    http_status = 503


class HttpDeadlineExceeded(HttpStatusError, DeadlineExceededError):
    """504."""

    code = "http.deadline_exceeded"
    http_status = 504
    retryable = True


class HttpUnavailable(HttpStatusError, UnavailableError):
    """502 or 503."""

    code = "http.unavailable"
    http_status = 503


_LEAVES: Mapping[int, type[HttpStatusError]] = {
    401: HttpUnauthenticated,
    403: HttpPermissionDenied,
    404: HttpNotFound,
    409: HttpConflict,
    410: HttpNotFound,
    412: HttpConflict,
    429: HttpRateLimited,
    502: HttpUnavailable,
    503: HttpUnavailable,
    504: HttpDeadlineExceeded,
}


def status_error(number: int) -> type[HttpStatusError]:
    """Return the class of an answer with this status number."""
    return _LEAVES.get(number, HttpStatusError)


# ---- what our server answers ---------------------------------------------------------------------


class BodyTooLarge(HttpError):
    """The request's body is over the limit."""

    code = "http.body_too_large"
    status = Status.OUT_OF_RANGE
    http_status = 413


class HeadersTooLarge(HttpError):
    """The request has too many headers, or too long ones."""

    code = "http.headers_too_large"
    status = Status.OUT_OF_RANGE
    http_status = 431


class TargetTooLong(HttpError):
    """The request's target is over the limit."""

    code = "http.target_too_long"
    status = Status.OUT_OF_RANGE
    http_status = 414


class BodyTimedOut(HttpError, DeadlineExceededError):
    """The request's body stopped coming."""

    code = "http.body_timed_out"
    http_status = 408


class RequestTimedOut(HttpError, DeadlineExceededError):
    """The handler took longer than the request may, and was cancelled."""

    code = "http.request_timed_out"
    http_status = 504


class ServerBusy(HttpError, UnavailableError):
    """As many requests as the server takes are under way."""

    code = "http.server_busy"
    http_status = 503


class ServerDraining(HttpError, UnavailableError):
    """The server is about to stop."""

    code = "http.server_draining"
    http_status = 503


class RouteNotFound(HttpError, NotFoundError):
    """No route has this path."""

    code = "http.route_not_found"
    http_status = 404
    default_message = "no route has this path"


class MethodNotAllowed(HttpError):
    """The route exists, not with this method."""

    code = "http.method_not_allowed"
    status = Status.UNIMPLEMENTED
    http_status = 405
    default_message = "this path does not take this method"


class HandlerReturnedNone(HttpError):
    """A handler returned None, which no response can be made of."""

    code = "http.handler_returned_none"
    status = Status.INTERNAL
    http_status = 500


class IdempotencyMismatch(HttpError):
    """An idempotency key was used before, for another request."""

    code = "http.idempotency_mismatch"
    status = Status.FAILED_PRECONDITION
    http_status = 422


class IdempotencyRunning(HttpError, ConflictError):
    """The first request with this idempotency key is still running."""

    code = "http.idempotency_running"
    http_status = 409
    retryable = True
