"""Where the answers of idempotent requests are kept, and the store in this process."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

import attrs

from infra_http.errors import IdempotencyMismatch, IdempotencyRunning, ServerBusy

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["IdempotencyStore", "MemoryIdempotencyStore", "StoredResponse"]

_OVERHEAD = 512  # bytes that an entry takes besides its body and headers


@attrs.frozen(kw_only=True)
class StoredResponse:
    """A response to be given again: its status, its raw headers and its body."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class IdempotencyStore(Protocol):
    """Keeps answers by key. `begin` must be atomic among all who share the store."""

    async def begin(self, key: str, fingerprint: str, ttl: float) -> StoredResponse | None:
        """Take the key for `ttl` seconds and return None, or return the answer that is kept.

        Raises:
            IdempotencyMismatch: the key was taken with another fingerprint.
            IdempotencyRunning: it was taken with this one, and there is no answer yet.
        """

    async def commit(self, key: str, response: StoredResponse) -> None:
        """Keep the answer of a key that `begin` gave, until the ttl of `begin` is over."""

    async def abort(self, key: str) -> None:
        """Give a key back that has no answer; one that has an answer, or none, is left alone."""


@attrs.define
class _Entry:
    fingerprint: str
    expires: float
    response: StoredResponse | None = None
    size: int = _OVERHEAD


class MemoryIdempotencyStore:
    """The store in this process: lost with it, and not shared with other workers.

    Over a bound the oldest answer goes; keys that are still running never do, and when they alone
    fill the store a new key is refused with 503.

    Args:
        max_items: keys at most.
        max_bytes: bytes of all answers together at most.
        clock: seconds.
    """

    def __init__(
        self,
        *,
        max_items: int = 10_000,
        max_bytes: int = 64 << 20,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._clock = clock
        self._running: dict[str, _Entry] = {}
        self._done: OrderedDict[str, _Entry] = OrderedDict()  # oldest first
        self._bytes = 0

    async def begin(self, key: str, fingerprint: str, ttl: float) -> StoredResponse | None:
        """Take a key, or return its answer; see `IdempotencyStore`."""
        now = self._clock()
        entry = self._running.get(key)
        if entry is None and (entry := self._done.get(key)) is not None and entry.expires <= now:
            self._drop(key)
            entry = None
        if entry is not None:
            if entry.fingerprint != fingerprint:
                message = "this idempotency key was used for another request; use a new one"
                raise IdempotencyMismatch(message)
            if entry.response is None:
                message = "the first request with this idempotency key is still running"
                raise IdempotencyRunning(message, retry_after=1)
            return entry.response
        if len(self._running) >= self._max_items:
            message = "too many requests with an idempotency key are running"
            raise ServerBusy(message, retry_after=1)
        self._running[key] = _Entry(fingerprint, now + ttl)
        self._trim()
        return None

    async def commit(self, key: str, response: StoredResponse) -> None:
        """Keep the answer of a running key."""
        entry = self._running.pop(key, None)
        if entry is None:
            return
        headers = sum([len(name) + len(value) for name, value in response.headers])
        entry.response = response
        entry.size = _OVERHEAD + headers + len(response.body)
        self._done[key] = entry
        self._bytes += entry.size
        self._trim()

    async def abort(self, key: str) -> None:
        """Give a running key back."""
        self._running.pop(key, None)

    def _trim(self) -> None:
        while self._done and (
            len(self._done) + len(self._running) > self._max_items or self._bytes > self._max_bytes
        ):
            self._drop(next(iter(self._done)))

    def _drop(self, key: str) -> None:
        self._bytes -= self._done.pop(key).size
