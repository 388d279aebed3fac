"""A request's head as bytes, checked so that nothing of it can be read as something else.

RFC 9112 sections 3, 5 and 6: a name is a token, a value has no line break and no NUL, and exactly
one of Content-Length and Transfer-Encoding says where the body ends.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from infra_http.errors import RequestRefused

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Sequence

__all__ = ["IDEMPOTENT", "Head", "RequestRefused", "encode"]

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "QUERY"})

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET = re.compile(rb"[\x21-\x7e]+")
# RFC 9110 5.5: line breaks and NUL make another message of it; no other control but tab is of use.
_FORBIDDEN = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_CONTROLS = bytes({*range(32), 127} - {9, 10, 13})

_PLAIN, _LENGTH, _CODING, _CONNECTION, _HOST, _UPGRADE = range(6)
_KINDS = {
    b"content-length": _LENGTH,
    b"transfer-encoding": _CODING,
    b"connection": _CONNECTION,
    b"host": _HOST,
    b"upgrade": _UPGRADE,
}
_KNOWN_NAMES = 1024
_kinds: dict[bytes, int] = {}  # what a name was found to be, so that it is looked at once
_methods: dict[str, bytes] = {}


class Head(NamedTuple):
    """A request up to its body, and how the body is framed."""

    data: bytes
    length: int | None  # of the body; None where it is sent in chunks
    chunked: bool
    close: bool  # the request itself says that it is the last one
    upgrade: bool


def encode(
    method: str,
    target: bytes,
    headers: Sequence[tuple[bytes, bytes]],
    body: bytes | AsyncIterable[bytes] | None,
    content_length: int | None,
    host: bytes,
) -> Head:
    """Return the head of a request; `host` is used where the headers have none.

    Raises:
        HttpInputError: a method, target or header that may not be sent as it is.
    """
    start = _methods.get(method) or _method(method)
    if _TARGET.fullmatch(target) is None:
        raise _refused("the request's target has a character that may not be in it")
    parts = [start, target, b" HTTP/1.1\r\n"]
    seen: dict[int, bytes] = {}
    close = False
    for name, value in headers:
        kind = _kinds.get(name)
        if kind is None:
            kind = _kind(name)
        if kind:
            if kind == _CONNECTION:
                close = close or b"close" in _tokens(value)
            elif kind in seen and kind != _UPGRADE:
                raise _refused(f"the header {name.decode()} is there twice")
            seen[kind] = value
        parts += (name, b": ", value, b"\r\n")
    lines = len(headers) + 2
    if _HOST not in seen:
        parts += (b"host: ", host, b"\r\n")
        lines += 1
    length, chunked, framing = _framing(body, content_length, seen, method)
    if framing:
        parts.append(framing)
        lines += 1
    parts.append(b"\r\n")
    data = b"".join(parts)
    # Three scans of the whole find what a look at each value would: a break that is not ours.
    if (
        data.count(b"\n") != lines
        or data.count(b"\r") != lines
        or len(data.translate(None, _CONTROLS)) != len(data)
    ):
        raise _refused(_culprit(headers))
    return Head(data, length, chunked, close, _UPGRADE in seen)


def _framing(
    body: bytes | AsyncIterable[bytes] | None,
    content_length: int | None,
    seen: dict[int, bytes],
    method: str,
) -> tuple[int | None, bool, bytes]:
    """Return the body's length, whether it is chunked, and the header line that is missing."""
    if body is None and content_length is None and not seen:
        return 0, False, b""
    stated = _stated(seen)
    if content_length is not None:
        if content_length < 0 or stated not in (None, content_length):
            raise _refused("content_length is not what the header Content-Length says")
        if _CODING in seen:
            raise _refused("a body of known length is not sent in chunks")
    known = stated if content_length is None else content_length
    if body is None or isinstance(body, bytes):
        size = len(body or b"")
        if known not in (None, size):
            raise _refused("the body is not as long as its Content-Length says")
        if _CODING in seen:
            return None, True, b""
        wanted = stated is None and (body is not None or content_length is not None)
        # RFC 9110 8.6: a body of nothing is said only where the method means one.
        wanted = wanted and (size > 0 or method in {"POST", "PUT", "PATCH"})
        return size, False, b"content-length: %d\r\n" % size if wanted else b""
    if known is not None:
        return known, False, b"" if stated is not None else b"content-length: %d\r\n" % known
    return None, True, b"" if _CODING in seen else b"transfer-encoding: chunked\r\n"


def _stated(seen: dict[int, bytes]) -> int | None:
    coding = seen.get(_CODING)
    if coding is not None and coding.strip().lower() != b"chunked":
        raise _refused("the only transfer coding that is sent is chunked")
    value = seen.get(_LENGTH)
    if value is None:
        return None
    if coding is not None:
        raise _refused("a request has Content-Length or Transfer-Encoding, not both")
    if not value.isdigit() or len(value) > 18:
        raise _refused("Content-Length is not a number")
    return int(value)


def _method(method: str) -> bytes:
    raw = method.encode("ascii", "replace")
    if _TOKEN.fullmatch(raw) is None:
        raise _refused("the method is not a token")
    if raw == b"CONNECT":
        raise _refused("CONNECT is not sent: a tunnel through a proxy is httpx2's")
    if len(_methods) < _KNOWN_NAMES:
        _methods[method] = raw + b" "
    return raw + b" "


def _kind(name: bytes) -> int:
    if _TOKEN.fullmatch(name) is None:
        raise _refused("the name of a header is not a token")
    kind = _KINDS.get(name.lower(), _PLAIN)
    if len(_kinds) < _KNOWN_NAMES:
        _kinds[name] = kind
    return kind


def _tokens(value: bytes) -> list[bytes]:
    return [token.strip() for token in value.lower().split(b",")]


def _culprit(headers: Sequence[tuple[bytes, bytes]]) -> str:
    names = (name for name, value in headers if _FORBIDDEN.search(value))
    name = next(names, b"host").decode("ascii", "replace")
    return f"the value of the header {name} has a line break or another control character"


def _refused(message: str) -> RequestRefused:
    return RequestRefused(message)
