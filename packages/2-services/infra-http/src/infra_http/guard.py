"""What keeps a URL of somebody else's from reaching what only we can reach.

    guard = SSRFGuard()
    client = AsyncClient(guard=guard)

A URL is checked, then each address of its host, and the socket connects to an address that was
checked: there is no second look-up that could say something else.
"""

from __future__ import annotations

import asyncio
import inspect
import re
import socket
from ipaddress import ip_network
from typing import TYPE_CHECKING

import httpx2
from attrs import frozen

from infra_http._ranges import METADATA_NAMES, embedded, parsed, why_special
from infra_http.errors import AddressBlocked, ConnectFailed, HttpConfigError, HttpInputError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence
    from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

    Resolver = Callable[[str, int], Sequence[str] | Awaitable[Sequence[str]]]

__all__ = ["Address", "SSRFGuard"]

_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
# The URL standard takes a host whose last label is a number for an IPv4 address: so do C libraries.
_NUMERIC = re.compile(r"(?:.*\.)?(?:\d+|0[xX][0-9a-fA-F]*)\.?")
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?")


@frozen
class Address:
    """An address that was checked: what a socket connects to."""

    ip: str
    port: int

    @property
    def family(self) -> socket.AddressFamily:
        """AF_INET or AF_INET6."""
        return socket.AF_INET6 if ":" in self.ip else socket.AF_INET


class SSRFGuard:
    """Rules for the URLs that others choose: webhooks, avatars, link previews, a gateway's origins.

    Args:
        schemes: that a URL may have.
        ports: that it may go to; None is any.
        allow_hosts: names whose addresses are not looked at; `*.example.com` is all below it.
        allow_networks: addresses that are fine although they are special, as `10.1.0.0/16`.
        deny_networks: addresses that are not, although they are public; this comes first.
        allow_private: opens RFC 1918, unique local addresses and loopback, and nothing else.
        resolver: gives the addresses of a host, for tests or for a DNS of your own; may be async.

    Raises:
        HttpConfigError: a network or port that is none.
    """

    def __init__(
        self,
        *,
        schemes: Collection[str] = ("http", "https"),
        ports: Collection[int] | None = (80, 443),
        allow_hosts: Collection[str] = (),
        allow_networks: Collection[str] = (),
        deny_networks: Collection[str] = (),
        allow_private: bool = False,
        resolver: Resolver | None = None,
    ) -> None:
        if isinstance(schemes, str) or isinstance(allow_hosts, str):
            message = "schemes and allow_hosts of SSRFGuard are collections of texts"
            raise HttpConfigError(message)
        self._schemes = frozenset(scheme.lower() for scheme in schemes)
        self._ports = None if ports is None else frozenset(ports)
        self._hosts = frozenset(host.lower().rstrip(".") for host in allow_hosts)
        self._allowed = _networks(allow_networks)
        self._denied = _networks(deny_networks)
        self._allow_private = allow_private
        self._resolver = resolver

    def check_url(self, url: httpx2.URL | str) -> None:
        """Return if the URL may be asked for, as far as it can be told without a look-up.

        Raises:
            AddressBlocked: it may not.
            HttpInputError: it is no URL.
        """
        try:
            parts = httpx2.URL(url)
        except (httpx2.InvalidURL, TypeError) as error:
            message = "this is no URL"
            raise HttpInputError(message) from error
        if parts.scheme not in self._schemes:
            raise _blocked(f"the scheme {parts.scheme[:20]!r} is not allowed")
        if parts.userinfo:
            raise _blocked("a URL with a user or password is not allowed")
        port = parts.port or _PORTS.get(parts.scheme)
        if self._ports is not None and port not in self._ports:
            raise _blocked(f"port {port} is not allowed")
        self._check_host(parts.raw_host.decode("ascii", "replace"))

    async def resolve(self, host: str, port: int) -> tuple[Address, ...]:
        """Return the addresses of a host, all of them checked.

        Raises:
            AddressBlocked: the host, or one of its addresses, is refused.
            ConnectFailed: there is no such name.
        """
        literal = self._check_host(host)
        if literal is not None:
            return (Address(str(literal), port),)
        try:
            if self._resolver is None:
                loop = asyncio.get_running_loop()
                found = _texts(await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))
            else:
                answer = self._resolver(host, port)
                found = await answer if inspect.isawaitable(answer) else answer  # type: ignore[assignment]
        except (OSError, UnicodeError) as error:
            raise _unknown(host) from error
        return self._checked(host, port, found)

    def resolve_now(self, host: str, port: int) -> tuple[Address, ...]:
        """As `resolve`, in a thread that may block.

        Raises:
            AddressBlocked, ConnectFailed: as `resolve`.
            HttpConfigError: the resolver is async.
        """
        literal = self._check_host(host)
        if literal is not None:
            return (Address(str(literal), port),)
        try:
            if self._resolver is None:
                found = _texts(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
            else:
                answer = self._resolver(host, port)
                if inspect.isawaitable(answer):
                    if inspect.iscoroutine(answer):
                        answer.close()
                    message = "a guard of the sync client needs a resolver that is not async"
                    raise HttpConfigError(message)
                found = answer  # type: ignore[assignment]
        except (OSError, UnicodeError) as error:
            raise _unknown(host) from error
        return self._checked(host, port, found)

    def _checked(self, host: str, port: int, found: Sequence[str]) -> tuple[Address, ...]:
        if not found:
            raise _unknown(host)
        is_named = self._is_named(host)
        for text in found:
            address = parsed(text)
            if address is None:
                raise _blocked(f"{host} resolves to what is no address")
            self._check_address(address, host, is_named=is_named)
        return tuple(Address(text, port) for text in dict.fromkeys(found))

    def _check_host(self, host: str) -> IPv4Address | IPv6Address | None:
        """Refuse what no look-up is needed for; return the address that the host is, if it is."""
        literal = parsed(host)
        if literal is not None:
            self._check_address(literal, host, is_named=self._is_named(host))
            return literal
        if _NUMERIC.fullmatch(host):
            raise _blocked("an address is written in an unusual way")
        if not _NAME.fullmatch(host):
            raise _blocked("the host is neither a name nor an address")
        if host.lower().rstrip(".") in METADATA_NAMES and not self._is_named(host):
            raise _blocked("this name is of a cloud's metadata service")
        return None

    def _check_address(
        self, address: IPv4Address | IPv6Address, host: str, *, is_named: bool
    ) -> None:
        if getattr(address, "scope_id", None):
            raise _blocked(f"{host} is an address of one network interface")
        forms = (address, *embedded(address))
        if any(
            form.version == net.version and form in net for form in forms for net in self._denied
        ):
            raise _blocked(f"{host} is in a network that is denied")
        if is_named:
            return
        if any(address.version == net.version and address in net for net in self._allowed):
            return
        kind = why_special(address, allow_private=self._allow_private)
        if kind is not None:
            raise _blocked(f"{host} is, or resolves to, an address that is not public: {kind}")

    def _is_named(self, host: str) -> bool:
        if not self._hosts:
            return False
        name = host.lower().rstrip(".")
        labels = name.split(".")
        above = ("*." + ".".join(labels[at:]) for at in range(1, len(labels)))
        return name in self._hosts or any(pattern in self._hosts for pattern in above)


def _networks(texts: Collection[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    if isinstance(texts, str):
        message = "the networks of SSRFGuard are a collection of texts"
        raise HttpConfigError(message)
    try:
        return tuple(ip_network(text) for text in texts)
    except ValueError as error:
        message = "a network of SSRFGuard is written as 10.0.0.0/8, without host bits"
        raise HttpConfigError(message) from error


def _texts(infos: Sequence[tuple[object, ...]]) -> list[str]:
    return [str(info[4][0]) for info in infos]  # type: ignore[index]  # a socket address


def _blocked(message: str) -> AddressBlocked:
    return AddressBlocked(message)


def _unknown(host: str) -> ConnectFailed:
    return ConnectFailed(f"the name {host} cannot be resolved")
