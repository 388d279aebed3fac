"""granian, in this process and on a socket of ours."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.net import SocketHolder  # type: ignore[attr-defined]  # its stub hides it
from granian.server.embed import Server

from infra_http.server.listening import BACKLOG

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from infra_http.server.settings import ServerSettings

__all__ = ["Backend"]

_SETTLE = 1.0  # seconds
_CONCURRENT = 1 << 16  # the bound is ours, `max_concurrency`; at granian's it stops to accept


class Backend:
    """One granian in this event loop."""

    ends_sockets = True  # once stopped, it sends nothing on them any more, not even a close

    def __init__(
        self,
        app: ASGIApp,
        bound: socket.socket,
        settings: ServerSettings,
        *,
        header_timeout: float | None,
        header_bytes: int,
    ) -> None:
        cert, key = settings.ssl_certfile, settings.ssl_keyfile
        wait = 10**9 if header_timeout is None else round(header_timeout * 1000)
        self._bound = bound
        self._server: Any = _Server(
            bound,
            target=app,
            interface=Interfaces.ASGINL,
            # HTTP/2 is agreed on in TLS; to guess it, granian waits for ever for the first byte
            http=HTTPModes.auto if cert else HTTPModes.http1,
            log_enabled=False,
            backpressure=_CONCURRENT,
            http1_settings=HTTP1Settings(
                header_read_timeout=wait, max_buffer_size=max(header_bytes, 65536)
            ),
            ssl_cert=Path(cert) if cert else None,
            ssl_key=Path(key) if key else None,
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Accept connections."""
        self._task = asyncio.create_task(self._server.serve())
        await asyncio.sleep(0)

    async def stop_accepting(self) -> None:
        """Close the listener and the connections that are idle; the others close when they are."""
        self._server.stop()
        self._bound.close()

    async def flushed(self) -> None:
        """Return once all that was written has left: granian ends with its last connection."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def close(self) -> None:
        """Give the connections of what was cancelled a moment to end."""
        self._server.stop()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=_SETTLE)


class _Server(Server):
    """granian's embedded server on a socket that is bound already."""

    _shd: Any
    _ssp: Any

    def __init__(self, bound: socket.socket, **options: Any) -> None:
        super().__init__(**options)
        self._given = bound

    def _init_shared_socket(self) -> None:
        # the holder closes its descriptor: it gets one of its own
        is_unix = self._given.family == getattr(socket, "AF_UNIX", None)
        holder: Any = SocketHolder
        self._shd = holder(os.dup(self._given.fileno()), is_unix, BACKLOG)
        self._ssp = None
