"""What a handler answers with: functions that return Starlette responses, checked when made."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

from starlette.responses import Response, StreamingResponse

from infra_errors import InfraError, Problem, Status
from infra_http.errors import HandlerReturnedNone, HttpInputError
from infra_json import EncodeError, dump_bytes

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Mapping

    from infra_http.server.events import EventStream

__all__ = [
    "Result",
    "bytes_response",
    "json_response",
    "problem",
    "redirect",
    "sse",
    "stream",
    "text",
    "to_response",
]

Result: TypeAlias = Any  # a Response, or what json_response or text makes one of

_REDIRECTS = {301, 302, 303, 307, 308}
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_BAD_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]|[^\x00-\xff]")
_ABSOLUTE = re.compile(r"https?://[^/?#\\@\s]+(?:[/?#][^\\\s]*)?", re.IGNORECASE)
_LOCAL = re.compile(r"/(?![/\\])[^\\\s]*")
_JSON = (b"content-type", b"application/json")


class _Json(Response):
    """A JSON response, without the detours of a general one."""

    media_type = "application/json"

    def __init__(
        self, content: object, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        self.status_code = status
        self.background = None
        try:
            self.body = dump_bytes(content)
        except EncodeError as exc:  # a fault of the handler, and no 400 of the client
            message = f"the handler's result has no JSON form: {exc.message}"
            raise InfraError(message, code="http.no_json_form", status=Status.INTERNAL) from exc
        if headers is None and status not in {204, 304}:
            self.raw_headers = [(b"content-length", b"%d" % len(self.body)), _JSON]
        else:
            self.init_headers(headers)


def json_response(
    value: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return strict JSON of whatever infra-json writes: dict, list, attrs, dataclass, datetime, …

    Raises:
        ValidationError: `http.invalid`, a status outside 200 to 599 or what is no header.
        InfraError: `http.no_json_form`, a 500: the value holds what JSON cannot.
    """
    return _Json(value, _status(status), _headers(headers))


def text(
    content: str,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    *,
    media_type: str = "text/plain",
) -> Response:
    """Return text in UTF-8; `media_type="text/html"` for a page. Raises as `json_response`."""
    return Response(content, _status(status), _headers(headers), media_type)


def bytes_response(
    content: bytes,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    *,
    media_type: str = "application/octet-stream",
) -> Response:
    """Return bytes as they are. Raises as `json_response`."""
    return Response(content, _status(status), _headers(headers), media_type)


def redirect(url: str, status: int = 307, *, external: bool = False) -> Response:
    """Return a redirect to a path of this site, or with `external=True` to an http(s) URL.

    `//host`, `/\\host` and whatever else a browser takes for another site is no path of this one.

    Raises:
        ValidationError: `http.invalid`, for a URL of the wrong kind, white space or controls in
        it, or a status that is no redirect.
    """
    if status not in _REDIRECTS:
        message = f"{status} is no redirect; take 301, 302, 303, 307 or 308"
        raise HttpInputError(message)
    if not isinstance(url, str) or not url.isprintable() or not url.isascii():
        message = "a redirect's URL is printable ASCII text; quote the rest"
        raise HttpInputError(message)
    if not (_ABSOLUTE if external else _LOCAL).fullmatch(url):
        wanted = "an http or https URL" if external else "a path of this site, beginning with one /"
        message = f"a redirect needs {wanted}"
        raise HttpInputError(message)
    return Response(b"", status, {"location": url})


def problem(
    error: BaseException | Problem | Mapping[str, Any],
    *,
    headers: Mapping[str, str] | None = None,
    request_id: str | None = None,
) -> Response:
    """Return a problem document (RFC 9457) of an error, a Problem, or the fields of one.

    An error from 500 on does not show its message; an exception that is no InfraError is a 500.

    Raises:
        ValidationError: `http.invalid`, fields without a status of 400 to 599.
    """
    if isinstance(error, BaseException):
        from infra_http.middleware._answers import judged

        made = Problem.from_error(judged(error), request_id=request_id)
    elif isinstance(error, Problem):
        made = error
    else:
        try:
            made = Problem(**{"request_id": request_id, **error})
        except TypeError as exc:
            message = "a problem has a status, and the fields that infra_errors.Problem has"
            raise HttpInputError(message) from exc
    if not isinstance(made.status, int) or not 400 <= made.status <= 599:
        message = "a problem's status is 400 to 599"
        raise HttpInputError(message)
    given = {**made.headers(), **(_headers(headers) or {})}
    return Response(dump_bytes(made.to_dict()), made.status, given)


def stream(
    content: AsyncIterable[bytes | str],
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    *,
    media_type: str = "application/octet-stream",
) -> Response:
    """Return a response that is sent as it is made; the iterator is closed when the client leaves.

    Raises as `json_response`.
    """
    return StreamingResponse(content, _status(status), _headers(headers), media_type)


def sse(
    events: AsyncIterable[Any],
    *,
    keepalive: float | None = 15.0,
    retry: float | None = None,
    headers: Mapping[str, str] | None = None,
) -> EventStream:
    """Return a stream of server-sent events (HTML standard, section 9.2).

    The route needs `timeout=None`. When the client leaves, or the server drains, the iterator is
    closed.

    Args:
        events: httpx2's ServerSentEvent, text (the data), or a dict or list (the data, as JSON).
        keepalive: seconds without an event until a comment is sent; None for none.
        retry: seconds that a browser waits before it connects again.
        headers: further ones.

    Raises:
        ValidationError: `http.invalid`, a time that is not above 0, or what is no header.
    """
    from infra_http.server.events import EventStream

    for name, seconds in (("keepalive", keepalive), ("retry", retry)):
        if seconds is not None and not 0 < seconds < 1e9:
            message = f"sse: {name} is a number of seconds above 0, or None"
            raise HttpInputError(message)
    return EventStream(events, keepalive=keepalive, retry=retry, headers=_headers(headers))


def to_response(result: Result) -> Response:
    """Return the response that a handler's result stands for.

    A Response is itself, text is text, None is an error, and the rest is JSON.

    Raises:
        HandlerReturnedNone: a 500, for a forgotten `return` is not an empty answer.
    """
    if isinstance(result, Response):
        return result
    if result is None:
        message = 'the handler returned None; return a response, or text("", 204) for no content'
        raise HandlerReturnedNone(message)
    return Response(result, media_type="text/plain") if isinstance(result, str) else _Json(result)


def _status(status: int) -> int:
    if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
        message = f"{status!r} is no status of a response; take 200 to 599"
        raise HttpInputError(message)
    return status


def _headers(headers: Mapping[str, str] | None) -> Mapping[str, str] | None:
    for name, value in (headers or {}).items():
        if not _TOKEN.fullmatch(name) or _BAD_VALUE.search(value):
            message = f"header {name[:64]!r} has a name or value that HTTP does not allow"
            raise HttpInputError(message)
    return headers
