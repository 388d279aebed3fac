"""A stream of server-sent events: comments while nothing happens, an end when nobody listens."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from infra_http.errors import HttpInputError
from infra_json import dumps

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Mapping

    from starlette.types import Receive, Scope, Send

    from infra_http.server.drain import Drain

__all__ = ["EventStream", "encode_event"]

_LINE_END = re.compile(r"\r\n|\r|\n")
_KEEPALIVE = b": keepalive\n\n"


class EventStream(Response):
    """The response that `sse` returns."""

    media_type = "text/event-stream"

    def __init__(
        self,
        events: AsyncIterable[Any],
        *,
        keepalive: float | None,
        retry: float | None,
        headers: Mapping[str, str] | None,
    ) -> None:
        self._events = events
        self._keepalive = keepalive
        self._first = b"" if retry is None else b"retry: %d\n\n" % round(retry * 1000)
        self.status_code = 200
        self.background = None
        # no-transform: a proxy that compresses would hold events back; the last is nginx's switch
        given = {"cache-control": "no-store, no-transform", "x-accel-buffering": "no"}
        self.init_headers({**given, **(headers or {})})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until they end, the client leaves, or the server drains."""
        await send({"type": "http.response.start", "status": 200, "headers": [*self.raw_headers]})
        iterator = aiter(self._events)
        drain: Drain | None = scope.get("infra.drain")
        ended = asyncio.get_running_loop().create_future()
        forget = None if drain is None else drain.on_end("stream", lambda: _finish(ended))
        gone = asyncio.create_task(_left(receive))
        upcoming: asyncio.Task[Any] | None = None
        try:
            await send(_body(self._first))
            while not (ended.done() or gone.done()):
                if upcoming is None:
                    upcoming = asyncio.create_task(_next(iterator))
                await asyncio.wait(
                    {upcoming, gone, ended},
                    timeout=self._keepalive,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if upcoming.done():
                    try:
                        event = upcoming.result()
                    except StopAsyncIteration:
                        break
                    upcoming = None
                    await send(_body(encode_event(event)))
                elif not (gone.done() or ended.done()):
                    await send(_body(_KEEPALIVE))
            if not gone.done():
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except OSError:  # the client is gone, says a server of ASGI 2.4
            if not gone.done() and upcoming is not None and upcoming.done():
                raise
        finally:
            if forget is not None:
                forget()
            await _stop(gone, upcoming)
            close = getattr(iterator, "aclose", None)
            if close is not None:
                await close()


def encode_event(event: Any) -> bytes:
    """Return the bytes of one event.

    Raises:
        ValidationError: `http.invalid`, an id or an event name of more than one line.
    """
    if isinstance(event, str):
        return _data(event)
    if not hasattr(event, "data"):
        return _data(dumps(event))
    lines = b""
    for name, value in (("event", event.event), ("id", event.id)):
        if not value or (name == "event" and value == "message"):
            continue
        if _LINE_END.search(value) or "\0" in value:
            message = f"the {name} of a server-sent event is one line"
            raise HttpInputError(message)
        lines += f"{name}: {value}\n".encode()
    if event.retry is not None:
        lines += b"retry: %d\n" % event.retry
    return lines + _data(event.data)


def _data(text: str) -> bytes:
    return "".join([f"data: {line}\n" for line in _LINE_END.split(text)]).encode() + b"\n"


def _body(body: bytes) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": True}


async def _next(iterator: Any) -> Any:
    return await anext(iterator)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _finish(ended: asyncio.Future[None]) -> None:
    if not ended.done():
        ended.set_result(None)


async def _stop(*tasks: asyncio.Task[Any] | None) -> None:
    running = [task for task in tasks if task is not None]
    for task in running:
        task.cancel()
    if running:
        await asyncio.gather(*running, return_exceptions=True)
