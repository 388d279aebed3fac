"""Keys that an issuer publishes: fetched by your callable, kept, renewed, and served when stale."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from infra_crypto._bytes import KeyHolder
from infra_crypto.errors import BadArgument, KeysetInvalid
from infra_crypto.jwt._rings import Ring
from infra_crypto.jwt.errors import JwksUnavailable, TokenKeyUnknown
from infra_crypto.jwt.jwk import Jwks
from infra_crypto.jwt.verifier import JwtVerifier

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from infra_crypto.jwt.claims import Claims

__all__ = ["AsyncJwtVerifier", "RemoteJwks"]


class RemoteJwks:
    """
    A JWK Set that comes through `fetch`, an async callable that gives its JSON or a mapping.

    Arguments: `ttl` seconds before it is fetched anew; `min_refresh` seconds between fetches that a
    token of unknown kid, or a failure, causes; `max_stale` seconds that a set serves when fetching
    fails; `timeout` seconds a fetch; `max_bytes` and `max_keys` of the set; `clock` Unix seconds.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[bytes | str | Mapping[str, Any]]],
        *,
        ttl: float = 300.0,
        min_refresh: float = 30.0,
        max_stale: float = 86_400.0,
        timeout: float = 10.0,
        max_bytes: int = 262_144,
        max_keys: int = 64,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if min(ttl, min_refresh, max_stale) < 0 or timeout <= 0 or min(max_bytes, max_keys) < 1:
            msg = "times are 0 seconds or more, timeout, max_bytes and max_keys more than 0"
            raise BadArgument(msg)
        self._fetch, self._clock = fetch, clock
        self._ttl, self._min_refresh, self._max_stale = ttl, min_refresh, max_stale
        self._timeout, self._max_bytes, self._max_keys = timeout, max_bytes, max_keys
        self._jwks: Jwks | None = None
        self._fetched_at = 0.0
        self._tried_at = 0.0
        self._flight: asyncio.Task[Jwks] | None = None

    async def get(self) -> Jwks:
        """
        Return the set, fetched anew when it is older than `ttl`.

        While fetching fails the old set serves, up to `max_stale`; then JwksUnavailable.
        """
        now = self._clock()
        if self._jwks is None:
            return await self.refresh()
        if now - self._fetched_at < self._ttl or self._tried_lately(now):
            return self._if_fresh(self._jwks)
        try:
            return await self.refresh()
        except JwksUnavailable:
            return self._if_fresh(self._jwks)

    async def refresh(self) -> Jwks:
        """
        Return the set, fetched now; whoever asks meanwhile gets the same answer.

        A caller that is cancelled does not cancel the fetch. Raises JwksUnavailable.
        """
        flight = self._flight
        if flight is None or flight.done() or flight.get_loop() is not asyncio.get_running_loop():
            flight = self._flight = asyncio.create_task(self._load())
            flight.add_done_callback(_retrieve)
        return await asyncio.shield(flight)

    async def get_for_unknown(self) -> Jwks:
        """Return the set for a token of unknown kid: fetched anew once per `min_refresh`."""
        jwks = await self.get()
        in_flight = self._flight is not None and not self._flight.done()
        if not in_flight and self._tried_lately(self._clock()):
            return jwks
        try:
            return await self.refresh()
        except JwksUnavailable:
            return jwks

    def __repr__(self) -> str:
        return f"<RemoteJwks {self._jwks!r}>"

    def _tried_lately(self, now: float) -> bool:
        return 0 <= now - self._tried_at < self._min_refresh

    def _if_fresh(self, jwks: Jwks) -> Jwks:
        age = self._clock() - self._fetched_at
        if age <= max(self._ttl, self._max_stale):
            return jwks
        msg = f"the key set is {age:.0f} s old, and fetching it anew fails"
        raise JwksUnavailable(msg)

    async def _load(self) -> Jwks:
        self._tried_at = self._clock()
        try:
            async with asyncio.timeout(self._timeout):
                data = await self._fetch()
            jwks = self._parse(data)
        except Exception as exc:
            msg = f"the key set cannot be fetched: {type(exc).__name__}"
            raise JwksUnavailable(msg) from exc
        self._jwks, self._fetched_at = jwks, self._clock()
        return jwks

    def _parse(self, data: bytes | str | Mapping[str, Any]) -> Jwks:
        size = len(json.dumps(data, default=str) if isinstance(data, Mapping) else data)
        if size > self._max_bytes:
            msg = f"the key set has {size} bytes, and {self._max_bytes} is the most"
            raise KeysetInvalid(msg)
        jwks = Jwks.parse(data, strict=False)
        if len(jwks) + len(jwks.ignored) > self._max_keys:
            msg = f"the key set has more than {self._max_keys} keys"
            raise KeysetInvalid(msg)
        return jwks


class AsyncJwtVerifier(KeyHolder):
    """A `JwtVerifier` over remote keys: the same options, and `await verifier.verify(token)`."""

    __slots__ = ("_remote", "_ring", "_verifier")

    def __init__(self, remote: RemoteJwks, **options: Any) -> None:
        self._remote = remote
        self._ring = Ring(Jwks([]))
        self._verifier = JwtVerifier._of(self._ring, **options)

    async def verify(self, token: str) -> Claims:
        """Return the claims of a token that holds; see `JwtVerifier.verify`. JwksUnavailable."""
        self._use(await self._remote.get())
        try:
            return self._verifier.verify(token)
        except TokenKeyUnknown:
            self._use(await self._remote.get_for_unknown())
        return self._verifier.verify(token)

    def _use(self, jwks: Jwks) -> None:
        if jwks is not self._ring.current().jwks:
            self._ring.replace(jwks)

    def __repr__(self) -> str:
        return f"<AsyncJwtVerifier {self._remote!r}>"


def _retrieve(flight: asyncio.Task[Jwks]) -> None:
    """Look at the outcome, so that asyncio does not report one that every caller has left."""
    if not flight.cancelled():
        flight.exception()
