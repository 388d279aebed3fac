"""What users of this package test with: servers on the loopback, and the transport contract.

>>> import asyncio
>>> from infra_http import AsyncClient
>>> from infra_http.testing import stub_server
>>> async def main():
...     async with stub_server([503, (200, {}, b"hello")]) as server, AsyncClient() as client:
...         response = await client.get(server.url)
...         return response.text, len(server.requests)
>>> asyncio.run(main())
('hello', 2)
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx2

from infra_http.raw_server import RawPeer, RawServer

if TYPE_CHECKING:
    from infra_http.transport_contract import TransportContract

__all__ = ["RawPeer", "RawServer", "StubRequest", "StubServer", "TransportContract", "stub_server"]


class StubRequest(NamedTuple):
    """A request as a stub server received it."""

    method: str
    target: str
    headers: httpx2.Headers
    body: bytes


Answer = int | tuple[int, Mapping[str, str], bytes]
Answers = Callable[[StubRequest], Answer | Awaitable[Answer]] | Sequence[Answer] | Answer


class StubServer:
    """A running stub server: its `url`, the `requests` it received, its `connections`."""

    def __init__(self, raw: RawServer, requests: list[StubRequest]) -> None:
        self._raw = raw
        self.requests = requests

    @property
    def url(self) -> str:
        """Its URL, without a slash at the end."""
        return self._raw.url

    @property
    def connections(self) -> int:
        """How many connections were made to it."""
        return self._raw.connections


@asynccontextmanager
async def stub_server(answers: Answers, **options: Any) -> AsyncIterator[StubServer]:
    """Serve answers on a free port of the loopback, and remember the requests.

    Args:
        answers: a status; or (status, headers, body); or a list of these, one for each request,
            the last one for all that follow; or a function, sync or async, of the StubRequest.
        options: of RawServer.
    """
    requests: list[StubRequest] = []

    async def answer(request: StubRequest) -> Answer:
        if callable(answers):
            found = answers(request)
            return await found if inspect.isawaitable(found) else found
        if isinstance(answers, list):
            one: Answer = answers[min(len(requests), len(answers)) - 1]
            return one
        return answers  # type: ignore[return-value]  # one answer for all

    async def serve(peer: RawPeer) -> None:
        while data := await peer.request():
            request = _parsed(data)
            requests.append(request)
            found = await answer(request)
            status, headers, body = (found, {}, b"") if isinstance(found, int) else found
            await peer.send(
                _head(status, headers, body) + (b"" if request.method == "HEAD" else body)
            )

    async with RawServer(serve, **options) as raw:
        yield StubServer(raw, requests)


def _parsed(data: bytes) -> StubRequest:
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    fields = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    headers = httpx2.Headers(fields)
    if headers.get("Transfer-Encoding") == "chunked":
        body = _joined(body)
    return StubRequest(method, target, headers, body)


def _joined(chunks: bytes) -> bytes:
    body = b""
    while chunks:
        line, _, rest = chunks.partition(b"\r\n")
        size = int(line, 16)
        body += rest[:size]
        chunks = rest[size + 2 :] if size else b""
    return body


def _head(status: int, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [f"HTTP/1.1 {status} {httpx2.codes.get_reason_phrase(status)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def __getattr__(name: str) -> Any:
    if name == "TransportContract":  # it needs pytest, which a program does not
        from infra_http.transport_contract import TransportContract

        return TransportContract
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
