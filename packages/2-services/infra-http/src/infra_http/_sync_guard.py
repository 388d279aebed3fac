"""The guard of the sync client: httpx2's own transport, connecting only to checked addresses.

The network backend is where httpcore2 goes from a name to a socket. Replaced there, host, SNI,
certificate check and the key under which a connection is kept all stay those of the name: two
hosts behind one address never share a connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpcore2
import httpx2

from infra_http.errors import ConnectFailed, HttpConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from infra_http.guard import SSRFGuard

__all__ = ["SyncGuardTransport"]


class SyncGuardTransport(httpx2.BaseTransport):
    """Checks each URL, also of a redirect, and each address that a connection is made to.

    Args:
        inner: of httpx2, without a proxy; it belongs to this transport from now on.
        guard: the rules.

    Raises:
        HttpConfigError: the inner transport cannot be guarded.
    """

    def __init__(self, inner: httpx2.BaseTransport, guard: SSRFGuard) -> None:
        pool = getattr(inner, "_pool", None)
        if type(pool) is not httpcore2.ConnectionPool or not hasattr(pool, "_network_backend"):
            message = "a guard needs httpx2's HTTPTransport, without a proxy"
            raise HttpConfigError(message)
        pool._network_backend = _PinningBackend(pool._network_backend, guard)
        self._inner = inner
        self._guard = guard

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Check the URL and send the request.

        Raises:
            AddressBlocked: the URL, or an address of its host, is refused.
        """
        self._guard.check_url(request.url)
        return self._inner.handle_request(request)

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


class _PinningBackend(httpcore2.NetworkBackend):
    """Looks a name up once, checks what it finds, and connects to just that."""

    def __init__(self, inner: httpcore2.NetworkBackend, guard: SSRFGuard) -> None:
        self._inner = inner
        self._guard = guard

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        failure: Exception = ConnectFailed(f"the name {host} has no address")
        for address in self._guard.resolve_now(host, port):
            try:
                return self._inner.connect_tcp(
                    address.ip, port, timeout, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore2.NetworkStream:
        return self._inner.connect_unix_socket(path, timeout, socket_options)

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)
