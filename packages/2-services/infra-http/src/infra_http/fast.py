"""httpx2's transport for HTTP/1.1, over our pools: the same behaviour at a multiple of the speed.

client = httpx2.AsyncClient(transport=FastTransport())
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import httpx2

from infra_http._slots import PoolLimits, PoolStats, Slots
from infra_http.errors import ReadFailed, ReadTimedOut, UnsupportedScheme, WriteTimedOut
from infra_http.pool import Timeouts, UpstreamPool

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

    from infra_errors import InfraError
    from infra_http._response import Duplex, UpstreamResponse
    from infra_http.guard import SSRFGuard

__all__ = ["FastTransport"]

_SCHEMES = {b"http": 80, b"ws": 80, b"https": 443, b"wss": 443}
_SECURE = frozenset({b"https", b"wss"})
_DEFAULT = PoolLimits()
_MANY = 2**31  # what httpx2.Limits says as None
_POOLS = 1024  # origins without a connection that are remembered

logger = logging.getLogger("infra_http.transport")


class FastTransport(httpx2.AsyncBaseTransport):
    """An `httpx2.AsyncBaseTransport` for HTTP/1.1 on asyncio; proxies and HTTP/2 are httpx2's own.

    Timeouts come with each request, as its `timeout` extension; what a request lacks is unbounded,
    as with httpx2's transport. The limits hold over all origins together.

    Args:
        limits: ours or `httpx2.Limits`.
        verify: True, an `ssl.SSLContext`, or False, which trusts anybody and says so in the log.
        cert: a client certificate: a file, or (certificate, key), or (certificate, key, password).
        guard: checks each URL, and each address before it is connected to.
        uds: a Unix socket that all requests go to.
        local_address: the address to connect from.
        trust_env: whether SSL_CERT_FILE and SSL_CERT_DIR count.
    """

    def __init__(
        self,
        *,
        limits: PoolLimits | httpx2.Limits = _DEFAULT,
        verify: ssl.SSLContext | str | bool = True,
        cert: str | tuple[str, ...] | None = None,
        guard: SSRFGuard | None = None,
        uds: str | None = None,
        local_address: str | None = None,
        trust_env: bool = True,
    ) -> None:
        self._limits = limits if isinstance(limits, PoolLimits) else _limits(limits)
        self._guard = guard
        self._uds = uds
        self._local_address = local_address
        self._context: ssl.SSLContext | None = None
        if verify is not True or cert is not None or not trust_env:
            self._context = _context(verify, cert, trust_env)
        self._slots = Slots(self._limits)
        self._pools: dict[tuple[bytes, bytes, int | None, str | None], UpstreamPool] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request; redirects, cookies and decoding are the client's.

        Raises:
            httpx2.TransportError: of the class that httpx2's transport raises; each is also ours.
            AddressBlocked: the guard refuses the URL or an address.
        """
        url = request.url
        extensions = request.extensions
        if self._guard is not None:
            self._guard.check_url(url)
        key = (url.raw_scheme, url.raw_host, url.port, extensions.get("sni_hostname"))
        pool = self._pools.get(key)
        if pool is None or self._loop is not asyncio.get_running_loop():
            pool = self._pool(key)
        stream = request.stream
        if isinstance(stream, httpx2.ByteStream):
            body: Any = b"".join(stream) or None
        else:
            body = stream
        timeout = extensions.get("timeout")
        response = await pool.exchange(
            request.method,
            _raw(extensions["target"]) if "target" in extensions else url.raw_path,
            request.headers.raw,
            body,
            timeouts=_NONE
            if timeout is None
            else Timeouts(
                timeout.get("connect"),
                timeout.get("read"),
                timeout.get("write"),
                timeout.get("pool"),
            ),
            allow_upgrade=None,
        )
        return httpx2.Response(
            status_code=response.status,
            headers=response.headers,
            stream=_Body(response),
            extensions={
                "http_version": b"HTTP/1.1" if response.http_version == "1.1" else b"HTTP/1.0",
                "reason_phrase": response.reason,
                "network_stream": _NetworkStream(response),
            },
        )

    def stats(self) -> PoolStats:
        """Return how many connections to all origins serve a call, are idle, are waited for."""
        opened = sum(pool.stats().opened for pool in self._pools.values())
        slots = self._slots
        return PoolStats(
            in_use=slots.in_use, idle=len(slots.idle), waiting=len(slots.waiters), opened=opened
        )

    async def aclose(self) -> None:
        """Close all connections; a request after this opens new ones, as with httpx2."""
        pools, self._pools = list(self._pools.values()), {}
        await asyncio.gather(*(pool.aclose() for pool in pools))

    def _pool(self, key: tuple[bytes, bytes, int | None, str | None]) -> UpstreamPool:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            # Connections of a loop that has ended end with it.
            if self._loop is None or self._loop.is_closed():
                self._slots.stop()
                self._slots = Slots(self._limits)
                self._pools = {}
            self._loop = loop
        scheme, host, port, sni_hostname = key
        if scheme not in _SCHEMES or not host:
            message = "the URL of a request begins with http:// or https:// and has a host"
            raise UnsupportedScheme(message)
        if (pool := self._pools.get(key)) is not None:
            return pool
        if len(self._pools) >= _POOLS:
            self._pools = {at: pool for at, pool in self._pools.items() if pool.busy}
        secure = scheme in _SECURE
        pool = self._pools[key] = UpstreamPool.sharing(
            self._slots,
            host=host.decode("ascii"),
            port=port or _SCHEMES[scheme],
            secure=secure,
            ssl_context=self._context if secure else None,
            guard=self._guard,
            server_hostname=sni_hostname,
            uds=self._uds,
            local_address=self._local_address,
        )
        return pool


class _Body(httpx2.AsyncByteStream):
    """A response's body as httpx2 reads it."""

    __slots__ = ("_response",)

    def __init__(self, response: UpstreamResponse) -> None:
        self._response = response

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._response

    async def aclose(self) -> None:
        await self._response.aclose()


class _NetworkStream:
    """The connection as httpx2's WebSockets use it: httpcore2's methods and exceptions."""

    __slots__ = ("_duplex", "_response")

    def __init__(self, response: UpstreamResponse) -> None:
        self._response = response
        self._duplex: Duplex | None = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109  # httpcore2's name
        try:
            return await self._upgraded().read(max_bytes, timeout=timeout)
        except httpx2.TransportError as error:
            raise _as_httpcore(error) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        try:
            await self._upgraded().write(buffer, timeout=timeout)
        except httpx2.TransportError as error:
            raise _as_httpcore(error) from error

    async def aclose(self) -> None:
        await self._upgraded().aclose()

    def get_extra_info(self, info: str) -> Any:
        return self._response._conn.fact(_NAMES.get(info, info))

    def _upgraded(self) -> Duplex:
        if self._duplex is None:
            self._duplex = self._response.upgrade()
        return self._duplex


_NAMES = {"client_addr": "sockname", "server_addr": "peername"}  # httpcore2's, asyncio's
_NONE = Timeouts(None, None, None, None)


def _as_httpcore(error: Exception) -> Exception:
    import httpcore2

    table: list[tuple[type[InfraError], type[Exception]]] = [
        (ReadTimedOut, httpcore2.ReadTimeout),
        (WriteTimedOut, httpcore2.WriteTimeout),
        (ReadFailed, httpcore2.ReadError),
    ]
    kind = next((theirs for ours, theirs in table if isinstance(error, ours)), httpcore2.WriteError)
    return kind(str(error))


def _raw(target: str | bytes) -> bytes:
    return target.encode("ascii") if isinstance(target, str) else target


def _limits(theirs: httpx2.Limits) -> PoolLimits:
    most = _MANY if theirs.max_connections is None else theirs.max_connections
    kept = theirs.max_keepalive_connections
    return PoolLimits(
        max_connections=most,
        max_keepalive=most if kept is None else kept,
        keepalive_expiry=theirs.keepalive_expiry,
    )


_warned = False


def _context(
    verify: ssl.SSLContext | str | bool, cert: str | tuple[str, ...] | None, trust_env: bool
) -> ssl.SSLContext:
    global _warned  # noqa: PLW0603
    if verify is False and not _warned:
        _warned = True
        logger.warning("verify=False: TLS connections are not authenticated, anybody can read them")
    context = httpx2.create_ssl_context(verify=verify, trust_env=trust_env)
    if cert is not None:
        context.load_cert_chain(*((cert,) if isinstance(cert, str) else cert))
    return context
