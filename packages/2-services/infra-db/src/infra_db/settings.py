"""What a database connection can be told, and the values it refuses."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

import attrs

from infra_errors import ConfigError, Secret, SecretUrl

__all__ = ["DatabaseConfig", "DatabaseSettings", "Isolation"]


class Isolation(StrEnum):
    """The least isolation a transaction asks for; a backend may give more."""

    READ_COMMITTED = "READ COMMITTED"
    REPEATABLE_READ = "REPEATABLE READ"
    SERIALIZABLE = "SERIALIZABLE"


def _setting(
    default: Any, env: str, help: str, *, unit: str = "", secret: bool = False, **how: Any
) -> Any:
    metadata = {"env": env, "help": help, "unit": unit, "secret": secret}
    return attrs.field(default=default, metadata=metadata, **how)


def _refuse(name: str, what: str) -> ConfigError:
    message = f"database setting {name}: {what}"
    return ConfigError(message, code="db.config", setting=name)


def _is_positive(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        raise _refuse(field.name, "must be a number of seconds above 0")


def _is_positive_or_none(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
    if value is not None:
        _is_positive(_, field, value)


def _is_count(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _refuse(field.name, "must be a whole number of at least 1")


def _is_synchronous(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
    if value not in {"full", "normal"}:
        raise _refuse(field.name, "must be 'full' or 'normal'")


def _to_url(value: str | SecretUrl) -> SecretUrl:
    if not isinstance(value, str | SecretUrl) or not value:
        raise _refuse("url", "is missing; for example sqlite:///app.db")
    return value if isinstance(value, SecretUrl) else SecretUrl(value)


def _to_keys(value: Any) -> tuple[Secret[Any], ...]:
    if isinstance(value, str | bytes | Secret):
        value = (value,)
    keys = tuple(key if isinstance(key, Secret) else Secret(key) for key in value)
    if any(len(key.reveal()) < 16 for key in keys):
        raise _refuse("cursor_keys", "a key must have at least 16 characters")
    return keys


@attrs.frozen(kw_only=True)
class DatabaseSettings:
    """Where the database is and how long anything may take.

    `url` is the only one without a default. Times are in seconds. The environment names stand in
    each field's metadata; nothing is read from the environment here. Settings hold secrets and
    therefore do not pickle.
    """

    url: SecretUrl = attrs.field(
        converter=_to_url,
        metadata={
            "env": "DATABASE_URL",
            "help": "sqlite:///file.db, postgresql://user@host/name, mysql://user@host/name, memory://",
            "unit": "",
            "secret": True,
        },
    )
    min_connections: int = _setting(
        5, "DATABASE_MIN_CONNECTIONS", "connections kept open", validator=_is_count
    )
    max_connections: int = _setting(
        20, "DATABASE_MAX_CONNECTIONS", "connections opened at most", validator=_is_count
    )
    connect_timeout: float = _setting(
        5.0, "DATABASE_CONNECT_TIMEOUT", "to open one connection", unit="s", validator=_is_positive
    )
    pool_timeout: float = _setting(
        10.0, "DATABASE_POOL_TIMEOUT", "to wait for a free one", unit="s", validator=_is_positive
    )
    query_timeout: float | None = _setting(
        30.0,
        "DATABASE_QUERY_TIMEOUT",
        "a statement may run",
        unit="s",
        validator=_is_positive_or_none,
    )
    lock_timeout: float | None = _setting(
        10.0,
        "DATABASE_LOCK_TIMEOUT",
        "to wait for a lock",
        unit="s",
        validator=_is_positive_or_none,
    )
    max_lifetime: float = _setting(
        1800.0, "DATABASE_MAX_LIFETIME", "a connection lives", unit="s", validator=_is_positive
    )
    cursor_keys: tuple[Secret[Any], ...] = _setting(
        (),
        "DATABASE_CURSOR_KEYS",
        "sign page cursors: the first signs, all verify",
        secret=True,
        converter=_to_keys,
    )
    application_name: str = _setting(
        "infra-db", "DATABASE_APPLICATION_NAME", "shown in the server's list of connections"
    )
    prepared: bool = _setting(
        True,
        "DATABASE_PREPARED",
        "statements are prepared by name; false behind a proxy that shares connections",
    )
    fast_reads: bool = _setting(
        True,
        "DATABASE_FAST_READS",
        "reads outside a transaction go past SQLAlchemy's execution where the driver allows",
    )
    synchronous: Literal["full", "normal"] = _setting(
        "full",
        "DATABASE_SYNCHRONOUS",
        "SQLite: full survives a power cut, normal may lose the last commits",
        validator=_is_synchronous,
    )

    def __attrs_post_init__(self) -> None:
        if self.min_connections > self.max_connections:
            what = f"{self.min_connections} is more than max_connections {self.max_connections}"
            raise _refuse("min_connections", what)


DatabaseConfig = DatabaseSettings
