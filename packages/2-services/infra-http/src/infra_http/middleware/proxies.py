"""Who the client is, behind proxies: X-Forwarded-* and Forwarded (RFC 7239), right to left."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, NamedTuple

from infra_http.errors import HttpConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["TrustedProxies"]

_PAIR = re.compile(r'\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=("(?:[^"\\]|\\.)*"|[^\s;,"]*)\s*(?:;|$)')
_ELEMENT = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+')
_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_HOPS = 32  # more in a header is no chain of proxies; what stands left of them is not looked at


class _Hop(NamedTuple):
    """What one proxy says of the side it got the request from."""

    client: str | None
    proto: str | None
    host: str | None


class TrustedProxies:
    """Takes client, scheme and host from the headers that trusted proxies set.

    Read from the right: each address is believed as long as the one that reported it is trusted,
    and the first that is not trusted is the client. When both X-Forwarded-For and Forwarded are
    there and name different clients, one of them came through from outside: neither is believed.

    Args:
        app: the application.
        trusted: networks or addresses, like `10.0.0.0/8`; `unix` for whoever comes by the Unix
            socket.

    Raises:
        ConfigError: `http.config`, something is no network.
    """

    def __init__(self, app: ASGIApp, *, trusted: Iterable[str]) -> None:
        self._app = app
        names = [trusted] if isinstance(trusted, str) else [*trusted]
        self._unix = "unix" in names
        try:
            self._networks = [ip_network(name) for name in names if name != "unix"]
        except ValueError as exc:
            message = f"trusted_proxies: {exc}; write networks like 10.0.0.0/8, or unix"
            raise HttpConfigError(message) from exc
        self._is_trusted = lru_cache(maxsize=1024)(self._look_up)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "lifespan":
            client = scope.get("client")
            # granian and uvicorn give no client, or an empty one, on a Unix socket
            if self._is_trusted(client[0]) if client and client[0] else self._unix:
                self._rewrite(scope)
        await self._app(scope, receive, send)

    def _look_up(self, text: str) -> bool:
        try:
            address = ip_address(text)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._networks)

    def _rewrite(self, scope: Scope) -> None:
        legacy, standard = _legacy(scope), _standard(scope)
        hop = self._client(legacy)
        if standard:
            found = self._client(standard)
            if legacy and hop.client is not None and found.client != hop.client:
                return
            hop = _Hop(found.client or hop.client, found.proto or hop.proto, found.host or hop.host)
        if hop.client is not None:
            scope["client"] = (hop.client, 0)
        if hop.proto in {"http", "https"}:
            is_socket = scope["type"] == "websocket"
            scope["scheme"] = hop.proto.replace("http", "ws") if is_socket else hop.proto
        if hop.host is not None and _HOST.fullmatch(hop.host):
            rest = [pair for pair in scope["headers"] if pair[0] != b"host"]
            scope["headers"] = [(b"host", hop.host.encode("ascii")), *rest]

    def _client(self, hops: list[_Hop]) -> _Hop:
        """Return the leftmost hop that a trusted proxy reported; its parts may be missing."""
        result = _Hop(None, None, None)
        for hop in reversed(hops):
            # a part that this proxy did not give stays what the one nearer to us said
            result = _Hop(
                hop.client or result.client, hop.proto or result.proto, hop.host or result.host
            )
            if hop.client is None or not self._is_trusted(hop.client):
                break
        return result


def _values(scope: Scope, wanted: bytes) -> str:
    return ",".join([v.decode("latin-1") for name, v in scope["headers"] if name == wanted])


def _legacy(scope: Scope) -> list[_Hop]:
    clients = _split(_values(scope, b"x-forwarded-for"))
    protos = _split(_values(scope, b"x-forwarded-proto"))
    hosts = _split(_values(scope, b"x-forwarded-host"))
    if not (clients or protos or hosts):
        return []
    hops = [_Hop(_address(text), None, None) for text in clients] or [_Hop(None, None, None)]
    # as many as addresses: one each; else only the last, which the nearest proxy wrote
    for field, texts in (("proto", protos), ("host", hosts)):
        if len(texts) == len(hops):
            hops = [hop._replace(**{field: text}) for hop, text in zip(hops, texts, strict=True)]
        elif texts:
            hops[-1] = hops[-1]._replace(**{field: texts[-1]})
    return hops


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.rsplit(",", _HOPS)[-_HOPS:]] if text else []


def _standard(scope: Scope) -> list[_Hop]:
    text = _values(scope, b"forwarded")
    if not text:
        return []
    hops = []
    for element in _ELEMENT.findall(text)[-_HOPS:]:
        found = {name.lower(): _unquoted(value) for name, value in _PAIR.findall(element)}
        client = _address(found["for"]) if "for" in found else None
        hops.append(_Hop(client, found.get("proto", "").lower() or None, found.get("host")))
    return hops


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text


def _address(text: str) -> str | None:
    """Return the address of `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]:80`; None for `unknown`."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ip_address(text))
    except ValueError:
        return None
