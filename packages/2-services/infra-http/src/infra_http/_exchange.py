"""What the async and the sync policy transport share: one request, judged and prepared."""

from __future__ import annotations

import ssl
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import attrs
import httpx2
from opentelemetry import trace

from infra_errors import Deadline, InfraError, parse_retry_after
from infra_http.errors import (
    ConnectFailed,
    ConnectTimedOut,
    HttpStatusError,
    PoolTimedOut,
    ProtocolFailed,
    ReadFailed,
    ReadTimedOut,
    TlsFailed,
    WriteFailed,
    WriteTimedOut,
    status_error,
)
from infra_http.propagation import (
    IDEMPOTENCY_KEY_HEADER,
    REQUEST_ID_HEADER,
    TIMEOUT_HEADER,
    current_request_id,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra_http.policy import Policy

__all__ = [
    "CALL",
    "KEYED",
    "NOT_REPLAYABLE",
    "NO_OPTIONS",
    "OPTIONS",
    "CallOptions",
    "Propagation",
    "State",
    "has_body_at_hand",
    "has_key",
    "judge",
    "mode_of",
    "origin_of",
    "status_failure",
    "translate",
]

OPTIONS = "infra"  # the request extension that a caller gives
CALL = "infra.call"  # the one that a client of ours adds
KEYED = frozenset({"POST", "PATCH"})  # what an automatic idempotency key is for
REPLAYED = 1 << 20  # bytes of a body that are kept to be sent again
NOT_REPLAYABLE = "not repeated: the body is sent once; give bytes, or a file of at most 1 MiB"
WITHOUT_RETRY_AFTER = 1.0  # seconds to wait after a 429 or 503 that asks for none


@attrs.frozen(kw_only=True)
class CallOptions:
    """What one call does differently: `client.get(url, extensions={"infra": CallOptions(...)})`.

    Args:
        policy: instead of the client's; its breakers and budgets are its own.
        deadline: a Deadline, or seconds from now; the tightest one holds.
        idempotency_key: sent as `Idempotency-Key`, the same on every attempt, hedge and redirect.
        retry: True lets any method be repeated, False none.
        route: a template such as `/users/{id}` for the span's name.
    """

    policy: Policy | None = None
    deadline: Deadline | float | None = None
    idempotency_key: str | None = None
    retry: bool | None = None
    route: str | None = None


NO_OPTIONS = CallOptions()


@attrs.define
class State:
    """What a client of ours knows of a call, and hands down in the request's extensions."""

    policy: Policy
    options: CallOptions
    whole: bool  # the body is read before the response is returned
    timed: bool  # there is one exchange, so that its loop keeps the total time
    follow: bool
    ambient: Deadline | None  # around the call; what is sent along


class Propagation:
    """Which hosts are told the request id, the time left and the trace.

    Args:
        propagate_to: "all", or host names; `.example.com` stands for all below it.
    """

    __slots__ = ("_all", "_below", "_hosts")

    def __init__(self, propagate_to: Sequence[str] | Literal["all"]) -> None:
        self._all = propagate_to == "all"
        names = () if isinstance(propagate_to, str) else propagate_to
        self._hosts = {name.lower() for name in names if not name.startswith(".")}
        self._below = tuple(name.lower() for name in names if name.startswith("."))

    def reaches(self, url: httpx2.URL) -> bool:
        """Say whether this URL's host is told."""
        if self._all:
            return True
        host = url.host.lower()
        return host in self._hosts or host.endswith(self._below or ("/",))

    def stamp(self, request: httpx2.Request, ambient: Deadline | None) -> None:
        """Set the headers on a request; those that the caller set stay."""
        headers = request.headers
        if ambient is not None:
            headers[TIMEOUT_HEADER] = str(int(ambient.remaining() * 1000))
        if (request_id := current_request_id()) and REQUEST_ID_HEADER not in headers:
            headers[REQUEST_ID_HEADER] = request_id
        if trace.get_current_span().get_span_context().is_valid:
            from opentelemetry import propagate  # looks for plugins, which takes its time

            carrier: dict[str, str] = {}
            propagate.inject(carrier)
            headers.update(carrier)


def origin_of(url: httpx2.URL) -> str:
    """Return scheme, host and port of a URL as one text."""
    return _origin(url.raw_scheme, url.raw_host, url.port)


@lru_cache(maxsize=1024)
def _origin(scheme: bytes, host: bytes, port: int | None) -> str:
    url = httpx2.URL(scheme=scheme.decode("ascii"), host=host.decode("ascii"))
    return f"{url.scheme}://{url.host}:{port or (443 if url.scheme == 'https' else 80)}"


def mode_of(
    request: httpx2.Request, policy: Policy, options: CallOptions
) -> Literal["always", "unsent", "never"]:
    """Say when a request may be repeated, whatever its body."""
    if options.retry is False or policy.retry is None:
        return "never"
    if options.retry or request.method in policy.retry.methods or has_key(request, policy, options):
        return "always"
    return "unsent"


def has_key(request: httpx2.Request, policy: Policy, options: CallOptions) -> bool:
    """Say whether a request is sent with an idempotency key."""
    return (
        IDEMPOTENCY_KEY_HEADER in request.headers
        or options.idempotency_key is not None
        or (policy.auto_idempotency and request.method in KEYED)
    )


def has_body_at_hand(request: httpx2.Request) -> bool | None:
    """Say whether the body can be sent again; None: once it was read into memory."""
    if isinstance(request.stream, httpx2.ByteStream):
        return True
    length = request.headers.get("Content-Length", "")
    return None if length.isdigit() and int(length) <= REPLAYED else False


def judge(policy: Policy, response: httpx2.Response) -> tuple[bool, Exception | None]:
    """Say whether an answer is a failure of the other side, and what to repeat it for."""
    status = response.status_code
    failed = status >= 500 and status != 501
    if policy.retry is None or status not in policy.retry.statuses:
        return failed, None
    return failed, status_failure(response, wait=True)


def status_failure(response: httpx2.Response, *, wait: bool = False) -> HttpStatusError:
    """Return the error that an answer stands for; it names no query and no header."""
    status = response.status_code
    after = parse_retry_after(response.headers.get("Retry-After", ""))
    if after is None and wait and status in {429, 503}:
        after = WITHOUT_RETRY_AFTER
    request = response._request
    what = "the request"
    if request is not None:
        what = f"{request.method} {origin_of(request.url)}{request.url.path}"
    error = status_error(status)(f"{what}: {status}", status_code=status, retry_after=after)
    error.response = response
    error._request = request
    return error


# Most specific first: the first that fits counts.
_LEAVES: tuple[tuple[type[httpx2.TransportError], type[InfraError]], ...] = (
    (httpx2.ConnectTimeout, ConnectTimedOut),
    (httpx2.ReadTimeout, ReadTimedOut),
    (httpx2.WriteTimeout, WriteTimedOut),
    (httpx2.PoolTimeout, PoolTimedOut),
    (httpx2.ConnectError, ConnectFailed),
    (httpx2.ReadError, ReadFailed),
    (httpx2.WriteError, WriteFailed),
    (httpx2.CloseError, ReadFailed),
    (httpx2.RemoteProtocolError, ProtocolFailed),
)


def translate(error: httpx2.TransportError) -> Exception:
    """Return our leaf for a transport's exception; ours, and those that have none, as they are."""
    if isinstance(error, InfraError):
        return error
    for kind, leaf in _LEAVES:
        if isinstance(error, kind):
            if leaf is ConnectFailed and _is_tls(error):
                leaf = TlsFailed  # noqa: PLW2901  # the same class of httpx2's
            return leaf(str(error) or kind.__name__)
    return error


def _is_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False
