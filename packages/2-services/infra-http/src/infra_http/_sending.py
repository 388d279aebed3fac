"""The body of a request on its way: as long as it is wanted, and no faster than it is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra_http.errors import ReadFailed, RequestRefused

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

    from infra_http._h1 import Connection
    from infra_http._request import Head
    from infra_http._response import UpstreamResponse

__all__ = ["SLICE", "send"]

SLICE = 262144  # bytes of a large body, between two looks at whether it is wanted


async def send(
    conn: Connection,
    response: UpstreamResponse,
    head: Head,
    body: bytes | AsyncIterable[bytes] | None,
    seconds: float | None,
) -> None:
    """Send what one write does not take, as long as it is wanted."""
    assert body is not None, "a request without a body is one write"
    if not isinstance(body, bytes):
        await _stream(conn, response, head, body, seconds)
        return
    pieces = [b"%x\r\n" % len(body), b"\r\n0\r\n\r\n"] if head.chunked else [b"", b""]
    conn.write(head.data + pieces[0])
    view = memoryview(body)
    for at in range(0, len(body), SLICE):
        if conn.refuses(response) or response._error is not None:
            conn.written(whole=False)
            return
        conn.write(view[at : at + SLICE])
        await conn.drained(response, seconds)
    conn.write(pieces[1])
    conn.written(whole=True)


async def _stream(
    conn: Connection,
    response: UpstreamResponse,
    head: Head,
    body: AsyncIterable[bytes],
    seconds: float | None,
) -> None:
    conn.write(head.data)
    left = head.length
    pieces = aiter(body)
    whole = True
    try:
        async for piece in pieces:
            data = bytes(piece)
            if response._error is not None or conn.refuses(response):
                whole = False
                break
            if not data:
                continue
            if left is not None:
                left -= len(data)
                if left < 0:
                    message = "the body is longer than its Content-Length says"
                    raise RequestRefused(message)  # noqa: TRY301
            conn.write(data if not head.chunked else b"%x\r\n%b\r\n" % (len(data), data))
            await conn.drained(response, seconds)
    except BaseException:
        conn.fail(response, ReadFailed("the body of the request could not be sent"))
        raise
    finally:
        if (close := getattr(pieces, "aclose", None)) is not None:
            await close()
    if whole and left:
        message = "the body is shorter than its Content-Length says"
        raise RequestRefused(message)
    if whole and head.chunked:
        conn.write(b"0\r\n\r\n")
    conn.written(whole=whole)
