"""One request and its response, as all middleware of this package see them.

The outermost of them wraps `send` once; the others find this object in the scope, so that ten
middleware cost one wrapped call a message and not ten. Each still works alone, around any app.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import Message, Scope, Send

__all__ = ["Exchange", "exchange_of", "headers_of"]

KEY = "infra.exchange"
_CLOSE = (b"connection", b"close")


class Exchange:
    """What has been sent so far, and the headers that the response gets on its way out.

    `headers` are added where the response has none of that name; `always` in any case.
    `drain` is asked, when the response starts, whether the connection has to close.
    """

    __slots__ = (
        "_is_head",
        "_send",
        "always",
        "closes",
        "complete",
        "drain",
        "headers",
        "is_http1",
        "logged",
        "sent",
        "started",
        "status",
    )

    def __init__(self, scope: Scope, send: Send) -> None:
        self._send = send
        self._is_head = scope.get("method") == "HEAD"
        self.is_http1 = scope["http_version"][:2] in {"1", "1."}
        self.headers: list[tuple[bytes, bytes]] = []
        self.always: list[tuple[bytes, bytes]] = []
        self.drain: Any = None
        self.closes = False
        self.started = False
        self.complete = False
        self.logged = False
        self.status = 0
        self.sent = 0

    async def send(self, message: Message) -> None:
        """Send a message of the response, with the headers of all, and take note of it."""
        kind = message["type"]
        if kind == "http.response.start":
            self.started = True
            self.status = message["status"]
            message["headers"] = self.merged(message.get("headers", ()))
        elif kind == "http.response.body":
            if self._is_head:
                message = {**message, "body": b""}
            else:
                self.sent += len(message.get("body", b""))
            if not message.get("more_body", False):
                self.complete = True
        await self._send(message)

    def merged(self, given: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Return the headers of the response with those of the middleware."""
        result = [*given]
        names = {name for name, _ in result}
        result += [header for header in self.headers if header[0] not in names]
        result += self.always
        closes = self.closes or (self.drain is not None and self.drain.draining)
        if closes and self.is_http1 and b"connection" not in names:
            result.append(_CLOSE)
        return result

    def cut(self) -> Send:
        """Return the way to the server, and let nothing that comes later through it."""
        send, self._send = self._send, _dropped
        return send


def headers_of(scope: Scope) -> dict[bytes, bytes]:
    """Return the request's headers by name, the last of each; made once a request."""
    found: dict[bytes, bytes] | None = scope.get("infra.headers")
    if found is None:
        found = scope["infra.headers"] = dict(scope["headers"])
    return found


async def _dropped(message: Message) -> None:
    """The request was answered over the head of a handler that would not stop."""


def exchange_of(scope: Scope, send: Send) -> tuple[Exchange, Send]:
    """Return the request's exchange and the `send` to go on with; the first call wraps it."""
    found: Exchange | None = scope.get(KEY)
    if found is not None:
        return found, send
    exchange = scope[KEY] = Exchange(scope, send)
    return exchange, exchange.send
