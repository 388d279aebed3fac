"""What a redis URL says: servers, credentials, TLS; and the connections made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

import attrs
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection

from infra_errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio.connection import AbstractConnection

    from infra_cache.backends._topology import Address
    from infra_cache.settings import CacheSettings

__all__ = ["Place"]

DEFAULT_PORT = 6379
SENTINEL_PORT = 26379
_QUERY = {"db", "sentinel_username", "sentinel_password"}


@attrs.frozen
class Place:
    """Where the servers are, and how to speak to them."""

    kind: str  # redis, unix, sentinel, cluster
    addresses: tuple[Address, ...]
    service: str
    options: dict[str, Any] = attrs.field(repr=False)
    sentinel_options: dict[str, Any] = attrs.field(repr=False)
    tls: bool
    path: str

    @classmethod
    def parse(cls, settings: CacheSettings) -> Place:
        """Read the settings; raises ConfigError `cache.config`."""
        scheme, _, rest = settings.resolved_url().reveal().partition("://")
        rest, _, query = rest.partition("?")
        kind = scheme.partition("+")[2] or "redis"
        tls = scheme.startswith("rediss")
        authority, _, path = rest.partition("/")
        credentials, _, hosts = authority.rpartition("@")
        given = dict(parse_qsl(query))
        unknown = sorted(set(given) - _QUERY)
        if unknown:
            raise _wrong(
                f"the query has {', '.join(unknown)}; known are {', '.join(sorted(_QUERY))}"
            )
        user, _, word = credentials.partition(":")
        username = unquote(user) or settings.username
        password = unquote(word) or (settings.password and settings.password.reveal())
        service = unquote(path) if kind == "sentinel" else ""
        if kind == "sentinel" and not service:
            raise _wrong("a sentinel URL ends with the service: redis+sentinel://h1,h2/service")
        db = _database(path if kind == "redis" and path else given.get("db", "0"))
        if kind == "cluster" and (db or path):
            raise _wrong("a cluster has no databases; leave out the number")
        common = _common(settings, tls=tls)
        credentials_of = {"username": username or None, "password": password or None}
        return cls(
            kind=kind,
            addresses=() if kind == "unix" else _addresses(hosts, kind),
            service=service,
            options={**common, **credentials_of, "db": db},
            sentinel_options={
                **common,
                "username": given.get("sentinel_username"),
                "password": given.get("sentinel_password"),
            },
            tls=tls,
            path="/" + path,
        )

    def connection(self, address: Address | None) -> Callable[[], AbstractConnection]:
        """Say how to make a connection to a server, or to the socket."""
        if address is None:
            return lambda: UnixDomainSocketConnection(path=self.path, **self.options)
        host, port = address
        kind = SSLConnection if self.tls else Connection
        return lambda: kind(host=host, port=port, **self.options)

    def sentinel(self, address: Address) -> Callable[[], AbstractConnection]:
        """Say how to make a connection to a sentinel."""
        host, port = address
        kind = SSLConnection if self.tls else Connection
        return lambda: kind(host=host, port=port, **self.sentinel_options)


def plain_options(timeout: float) -> dict[str, Any]:
    """Options that turn off what our pool does itself: timeouts, retries, announcements."""
    from redis.maint_notifications import MaintNotificationsConfig

    return {
        "protocol": 3,
        "decode_responses": False,
        "socket_timeout": None,
        "socket_connect_timeout": timeout,
        "driver_info": None,
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }


def _common(settings: CacheSettings, *, tls: bool) -> dict[str, Any]:
    common = plain_options(settings.connect_timeout)
    if tls:
        common |= {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
        if settings.ca_file is not None:
            common["ssl_ca_certs"] = settings.ca_file
    elif settings.ca_file is not None:
        raise _wrong("ca_file is for rediss://, and this URL has no TLS")
    return common


def _addresses(hosts: str, kind: str) -> tuple[Address, ...]:
    default = SENTINEL_PORT if kind == "sentinel" else DEFAULT_PORT
    found: list[Address] = []
    for text in hosts.split(","):
        host, port = text, ""
        if text.startswith("["):
            host, _, port = text[1:].partition("]")
            port = port.removeprefix(":")
        elif ":" in text:
            host, _, port = text.partition(":")
        if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise _wrong("a port is a number from 1 to 65535")
        found.append((host or "localhost", int(port or default)))
    if kind == "redis" and len(found) > 1:
        raise _wrong("several hosts go with redis+cluster:// or redis+sentinel://")
    return tuple(found)


def _database(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 1_000_000):
        raise _wrong("the database is a number, as in redis://localhost:6379/0")
    return int(text)


def _wrong(what: str) -> ConfigError:
    message = f"the redis URL cannot be used: {what}"
    return ConfigError(message, code="cache.config")
