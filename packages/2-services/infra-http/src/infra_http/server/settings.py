"""Where a server listens, and whom it believes."""

from __future__ import annotations

import os
from typing import Any, Literal

import attrs

from infra_http.errors import HttpConfigError

__all__ = ["ServerSettings"]

SERVERS = ("auto", "uvicorn", "granian")


def _setting(default: Any, env: str, help: str, **how: Any) -> Any:
    metadata = {"env": env, "help": help, "unit": "", "secret": False}
    return attrs.field(default=default, metadata=metadata, **how)


def _refuse(name: str, what: str) -> HttpConfigError:
    message = f"server setting {name}: {what}"
    return HttpConfigError(message, setting=name)


def _is_port(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 65535:
        raise _refuse(field.name, "must be a port from 1 to 65535, or 0 for any that is free")


def _is_count(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _refuse(field.name, "must be a whole number of at least 1")


def _is_host(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, str) or not value or not value.isprintable() or " " in value:
        raise _refuse(field.name, "must be an address like 127.0.0.1, 0.0.0.0 or ::1")


def _is_server(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
    if value not in SERVERS:
        raise _refuse(field.name, f"must be one of {', '.join(SERVERS)}")


def _is_path(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
    if value is not None and (not isinstance(value, str | os.PathLike) or not os.fspath(value)):
        raise _refuse(field.name, "must be a path, not empty; leave it out for none")


def _to_networks(value: Any) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    return tuple([part.strip() for part in parts if part.strip()])


def _are_networks(_: Any, field: attrs.Attribute[Any], value: tuple[str, ...]) -> None:
    from ipaddress import ip_network

    for name in value:
        try:
            if name != "unix":
                ip_network(name)
        except ValueError as exc:
            raise _refuse(field.name, f"{exc}; write networks like 10.0.0.0/8, or unix") from exc


@attrs.frozen(kw_only=True)
class ServerSettings:
    """Where and how to serve.

    The environment names stand in each field's metadata; nothing is read from the environment
    here.

    Raises ConfigError `http.config`.
    """

    host: str = _setting("127.0.0.1", "SERVER_HOST", "the address to bind", validator=_is_host)
    port: int = _setting(8000, "SERVER_PORT", "the port, 0 for any free one", validator=_is_port)
    workers: int = _setting(
        1, "SERVER_WORKERS", "processes; more than one needs module:attr", validator=_is_count
    )
    server: Literal["auto", "uvicorn", "granian"] = _setting(
        "auto", "SERVER_SERVER", "auto takes uvicorn, else granian", validator=_is_server
    )
    trusted_proxies: tuple[str, ...] = _setting(
        (),
        "SERVER_TRUSTED_PROXIES",
        "networks whose X-Forwarded-* and Forwarded are believed",
        converter=_to_networks,
        validator=_are_networks,
    )
    uds: str | None = _setting(
        None, "SERVER_UDS", "a Unix socket to bind instead", validator=_is_path
    )
    ssl_certfile: str | None = _setting(
        None, "SERVER_SSL_CERTFILE", "a certificate chain, PEM: serves https", validator=_is_path
    )
    ssl_keyfile: str | None = _setting(
        None, "SERVER_SSL_KEYFILE", "its private key, PEM", validator=_is_path
    )

    def __attrs_post_init__(self) -> None:
        if (self.ssl_certfile is None) != (self.ssl_keyfile is None):
            raise _refuse("ssl_certfile", "a certificate and a key come together")
