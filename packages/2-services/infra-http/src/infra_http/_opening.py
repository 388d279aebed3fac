"""A new connection: socket, TLS, and an error that says which of them failed."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import httpx2

from infra_http import _dns
from infra_http._h1 import Connection
from infra_http.errors import ConnectFailed, TlsFailed

if TYPE_CHECKING:
    import asyncio

    from infra_http.pool import UpstreamPool

__all__ = ["GOODBYE", "open_connection"]

GOODBYE = 1.0  # seconds that the end of TLS may take


async def open_connection(pool: UpstreamPool, loop: asyncio.AbstractEventLoop) -> Connection:
    def make() -> Connection:
        return Connection(pool, loop)

    tls: dict[str, Any] = {}
    if pool.secure:
        context = pool.ssl or default_context()
        context.set_alpn_protocols(["http/1.1"])  # as httpx2's transport does
        tls = {
            "ssl": context,
            "server_hostname": pool.server_hostname or pool.address[0],
            "ssl_shutdown_timeout": GOODBYE,
        }
    sock = None
    try:
        if pool.uds is not None:
            _, conn = await loop.create_unix_connection(make, pool.uds, **tls)
            return conn
        places = await _dns.look_up(*pool.address, pool.guard)
        sock = await _dns.connect(places, local_address=pool.local_address)
        _, conn = await loop.create_connection(make, sock=sock, **tls)
    except BaseException as error:
        if sock is not None:
            sock.close()
        if isinstance(error, ssl.SSLError):
            message = f"the TLS handshake with {pool.address[0]} failed: {error.reason}"
            if isinstance(error, ssl.SSLCertVerificationError):
                message += f" ({error.verify_message})"
            raise TlsFailed(message) from error
        if isinstance(error, OSError) and not isinstance(error, httpx2.HTTPError):
            message = f"{pool.address[0]} port {pool.address[1]} cannot be connected to"
            raise ConnectFailed(message) from error
        raise
    return conn


_context: ssl.SSLContext | None = None


def default_context() -> ssl.SSLContext:
    """Return httpx2's TLS settings, made once: it takes 20 ms to read the authorities."""
    global _context  # noqa: PLW0603
    if _context is None:
        _context = httpx2.create_ssl_context()
    return _context
