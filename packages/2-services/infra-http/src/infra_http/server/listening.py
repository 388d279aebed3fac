"""The socket that a server listens on, bound before anything is promised."""

from __future__ import annotations

import os
import socket
import ssl
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from infra_http.errors import HttpConfigError

if TYPE_CHECKING:
    from infra_http.server.settings import ServerSettings

__all__ = ["address", "bind", "check_certificate", "forget"]

BACKLOG = 2048


def bind(settings: ServerSettings) -> socket.socket:
    """Return a listening socket.

    Raises:
        ConfigError: `http.cannot_listen`, the address is in use, not ours, or none.
    """
    try:
        return _unix(settings.uds) if settings.uds else _tcp(settings.host, settings.port)
    except (OSError, UnicodeError, OverflowError) as exc:
        where = settings.uds or f"{settings.host}:{settings.port}"
        why = getattr(exc, "strerror", None) or exc
        message = f"cannot listen on {where}: {why}; choose another SERVER_HOST or SERVER_PORT"
        raise HttpConfigError(message, code="http.cannot_listen") from exc


def _tcp(host: str, port: int) -> socket.socket:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, where = found[0]
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:  # `::` means both, wherever the system can
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        bound.bind(where)
        return _listening(bound)
    except OSError:
        bound.close()
        raise


def _unix(path: str) -> socket.socket:
    file = Path(path)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if file.exists() and stat.S_ISSOCK(file.stat().st_mode) and not _is_served(path):
            file.unlink()  # what a server left that was killed
        bound.bind(path)
        return _listening(bound)
    except OSError:
        bound.close()
        raise


def _is_served(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
        return True


def _listening(bound: socket.socket) -> socket.socket:
    bound.listen(BACKLOG)
    bound.setblocking(False)
    return bound


def check_certificate(settings: ServerSettings) -> None:
    """Return if the certificate and its key can be used, or there are none.

    Raises:
        ConfigError: `http.config`, a file is missing, is no PEM, or they do not belong together.
    """
    if settings.ssl_certfile is None:
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(settings.ssl_certfile, settings.ssl_keyfile)
    except OSError as exc:
        why = getattr(exc, "strerror", None) or type(exc).__name__
        message = f"cannot use the certificate {settings.ssl_certfile} and its key: {why}"
        raise HttpConfigError(message) from exc


def forget(settings: ServerSettings) -> None:
    """Remove the Unix socket's file, where there is one."""
    if settings.uds:
        Path(settings.uds).unlink(missing_ok=True)


def address(bound: socket.socket, *, tls: bool = False) -> str:
    """Return the URL that a socket answers at."""
    if bound.family == getattr(socket, "AF_UNIX", None):
        return f"unix:{bound.getsockname()}"
    host, port = bound.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"http{'s' if tls else ''}://{shown}:{port}"
