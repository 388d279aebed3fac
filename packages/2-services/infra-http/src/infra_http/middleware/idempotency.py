"""The same request twice has its effect once: answers are kept by the `Idempotency-Key`."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from infra_errors import ValidationError
from infra_http.errors import BodyTooLarge
from infra_http.middleware._answers import judged, problem_answer
from infra_http.middleware.idempotency_store import (
    IdempotencyStore,
    MemoryIdempotencyStore,
    StoredResponse,
)
from infra_http.propagation import IDEMPOTENCY_KEY_HEADER

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Idempotency"]

_NAME = IDEMPOTENCY_KEY_HEADER.lower().encode("ascii")
_METHODS = {"POST", "PATCH"}
_MAX_STORED = 1 << 20
_MAX_KEY = 255
_NOT_FINAL = {401, 403, 408, 425, 429}  # the same request may fare better later
_OF_THE_CONNECTION = {b"connection", b"date", b"transfer-encoding", b"x-request-id"}


class Idempotency:
    """Answers a repeated POST or PATCH that carries an `Idempotency-Key` from a store.

    Same key and same request (method, path, query, body, identity): the first answer again, with
    `Idempotent-Replayed: true`. Another request under the key: 422. The first still running: 409
    with Retry-After. Not kept: 5xx, 401, 403, 408, 425 and 429, and bodies over 1 MiB; a handler
    that failed frees the key. Keys of different identities do not meet.

    Args:
        app: the application.
        store: where answers are; None is this process, 10,000 of them and 64 MiB.
        ttl: seconds that one is kept.
        max_request: bytes of a request that is held to be compared, 413 above.
        leave: exceptions that are answered further out; their answers are not kept.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        store: IdempotencyStore | None = None,
        ttl: float = 86400.0,
        max_request: int = 8 << 20,
        leave: tuple[type[BaseException], ...] = (),
    ) -> None:
        self._app = app
        self._store: IdempotencyStore = MemoryIdempotencyStore() if store is None else store
        self._ttl = ttl
        self._max_request = max_request
        self._leave = leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        key = None
        if scope["type"] == "http" and scope["method"] in _METHODS:
            key = _key(scope)
        if key is None:
            await self._app(scope, receive, send)
            return
        body = await self._body(receive)
        if body is None:  # the client is gone
            return
        who = _who(scope.get("infra.identity"))
        owned = hashlib.sha256(f"{who}\0{key}".encode()).hexdigest()
        found = await self._store.begin(owned, _fingerprint(scope, body, who), self._ttl)
        if found is not None:
            await _replay(found, send)
            return
        await self._first(owned, body, scope, receive, send)

    async def _first(
        self, key: str, body: bytes, scope: Scope, receive: Receive, send: Send
    ) -> None:
        recorder = _Recorder(key, self._store, send)
        try:
            try:
                await self._app(scope, _Replayed(body, receive).receive, recorder.send)
            except Exception as exc:
                # an answer below 500 is as final as one that the handler returned
                if (
                    recorder.status
                    or isinstance(exc, self._leave)
                    or not 400 <= judged(exc).http_status < 500
                ):
                    raise
                status, headers, text = problem_answer(exc, scope)
                if status in _NOT_FINAL:
                    raise
                await recorder.send(
                    {"type": "http.response.start", "status": status, "headers": headers}
                )
                await recorder.send({"type": "http.response.body", "body": text})
        finally:
            if not recorder.kept:
                await self._store.abort(key)

    async def _body(self, receive: Receive) -> bytes | None:
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._max_request:
                what = f"a body under an idempotency key is at most {self._max_request} bytes"
                raise BodyTooLarge(what)
            if not message.get("more_body", False):
                return b"".join(parts)


class _Replayed:
    """The body again, then whatever the server says."""

    __slots__ = ("_body", "_receive")

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def receive(self) -> Message:
        if self._body is None:
            return await self._receive()
        message = {"type": "http.request", "body": self._body, "more_body": False}
        self._body = None
        return message


class _Recorder:
    """Passes the response on, and stores a bounded copy before its last piece goes out."""

    __slots__ = ("_body", "_headers", "_key", "_send", "_size", "_store", "kept", "status")

    def __init__(self, key: str, store: IdempotencyStore, send: Send) -> None:
        self._key = key
        self._store = store
        self._send = send
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] | None = []
        self._size = 0
        self.status = 0
        self.kept = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._headers = [
                (bytes(name), bytes(value))
                for name, value in message.get("headers", ())
                if name not in _OF_THE_CONNECTION
            ]
            if self.status >= 500 or self.status in _NOT_FINAL:
                self._body = None
        elif message["type"] != "http.response.body":
            self._body = None  # a file by path: not ours to read
        elif self._body is not None:
            await self._take(message)
        await self._send(message)

    async def _take(self, message: Message) -> None:
        assert self._body is not None
        self._body.append(bytes(message.get("body", b"")))
        self._size += len(self._body[-1])
        if self._size > _MAX_STORED:
            self._body = None
        elif not message.get("more_body", False):
            response = StoredResponse(
                status=self.status, headers=tuple(self._headers), body=b"".join(self._body)
            )
            await self._store.commit(self._key, response)
            self.kept = True


async def _replay(found: StoredResponse, send: Send) -> None:
    headers = [*found.headers, (b"idempotent-replayed", b"true")]
    await send({"type": "http.response.start", "status": found.status, "headers": headers})
    await send({"type": "http.response.body", "body": found.body})


def _key(scope: Scope) -> str | None:
    found = [value for name, value in scope["headers"] if name == _NAME]
    if not found:
        return None
    text: str = found[0].decode("latin-1")
    if len(found) > 1 or not 1 <= len(text) <= _MAX_KEY or not text.isascii():
        message = f"{IDEMPOTENCY_KEY_HEADER} is one header of 1 to {_MAX_KEY} ASCII characters"
        raise ValidationError(message, code="http.bad_idempotency_key")
    return text


def _fingerprint(scope: Scope, body: bytes, who: str) -> str:
    digest = hashlib.sha256(body).hexdigest()
    query = scope.get("query_string", b"").decode("latin-1")
    parts = (scope["method"], scope["path"], query, digest, who)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _who(identity: Any) -> str:
    """Return what stays the same of an identity from one request to the next."""
    if identity is None or isinstance(identity, str | int | bytes):
        return repr(identity)
    for name in ("subject", "sub", "id"):
        found = getattr(identity, name, None)
        if found is None and isinstance(identity, dict):
            found = identity.get(name)
        if found is not None:
            return f"{name}={found}"
    return repr(identity)
