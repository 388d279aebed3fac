"""What a cache can be told, and the values it refuses."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import quote

import attrs

from infra_cache.backends import require_scheme
from infra_errors import ConfigError, Secret, SecretUrl

__all__ = ["CacheConfig", "CacheSettings", "LocalOptions", "RedisConfig"]


def _setting(
    default: Any, env: str, help: str, *, unit: str = "", secret: bool = False, **how: Any
) -> Any:
    metadata = {"env": env, "help": help, "unit": unit, "secret": secret}
    return attrs.field(default=default, metadata=metadata, **how)


def _refuse(name: str, what: str) -> ConfigError:
    message = f"cache setting {name}: {what}"
    return ConfigError(message, code="cache.config", setting=name)


def _is_positive(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise _refuse(field.name, "must be a number of seconds above 0")


def _is_positive_or_none(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
    if value is not None:
        _is_positive(_, field, value)


def _is_count(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _refuse(field.name, "must be a whole number of at least 1")


def _is_count_or_none(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
    if value is not None:
        _is_count(_, field, value)


def _is_port(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 65535:
        raise _refuse(field.name, "must be a port from 1 to 65535")


def _is_text_or_none(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
    if value is not None and (not isinstance(value, str) or not value):
        raise _refuse(field.name, "must be text, not empty; leave it out for none")


def _is_namespace(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, str) or len(value) > 128 or not value.isprintable():
        raise _refuse(field.name, "must be at most 128 printable characters")


def _to_url(value: str | SecretUrl | None) -> SecretUrl | None:
    if value is None:
        return None
    if not isinstance(value, str | SecretUrl) or not value:
        raise _refuse("url", "REDIS_URL must be a URL like redis://localhost:6379; or leave it out")
    url = value if isinstance(value, SecretUrl) else SecretUrl(value)
    scheme, found, _ = url.reveal().partition("://")
    if not found:
        raise _refuse("url", "REDIS_URL must be a URL like redis://localhost:6379")
    require_scheme(scheme)
    return url


def _to_secret(value: str | Secret[str] | None) -> Secret[str] | None:
    return value if value is None or isinstance(value, Secret) else Secret(value)


def _to_seconds(value: Any) -> Any:
    return value.total_seconds() if isinstance(value, timedelta) else value


@attrs.frozen(kw_only=True)
class CacheSettings:
    """Where the cache is, how much it keeps, and how long anything may take.

    Give `url` or `host`, not both; neither is `memory://`. Times are in seconds, `default_ttl`
    None keeps entries for ever. The environment names stand in each field's metadata; nothing is
    read from the environment here. Settings that hold a password do not pickle.

    Raises ConfigError `cache.config` or `cache.unknown_scheme`.
    """

    url: SecretUrl | None = _setting(
        None,
        "REDIS_URL",
        "memory://, sqlite:///file.db, redis://host:6379/0",
        secret=True,
        converter=_to_url,
    )
    host: str | None = _setting(
        None, "REDIS_HOST", "a Redis server, where there is no URL", validator=_is_text_or_none
    )
    port: int = _setting(6379, "REDIS_PORT", "its port", validator=_is_port)
    username: str | None = _setting(
        None, "REDIS_USERNAME", "its ACL user", validator=_is_text_or_none
    )
    password: Secret[str] | None = _setting(
        None, "REDIS_PASSWORD", "its password", secret=True, converter=_to_secret
    )
    ca_file: str | None = _setting(
        None, "REDIS_CA_FILE", "whom to trust for rediss://", validator=_is_text_or_none
    )
    pool_size: int = _setting(
        5, "REDIS_POOL_SIZE", "connections opened at most", validator=_is_count
    )
    connect_timeout: float = _setting(
        2.0, "REDIS_CONNECT_TIMEOUT", "to open one connection", unit="s", validator=_is_positive
    )
    timeout: float = _setting(
        2.0, "REDIS_TIMEOUT", "a call may take", unit="s", validator=_is_positive
    )
    default_ttl: float | None = _setting(
        3600.0,
        "REDIS_DEFAULT_TTL",
        "an entry lives unless told otherwise",
        unit="s",
        converter=_to_seconds,
        validator=_is_positive_or_none,
    )
    namespace: str = _setting(
        "", "CACHE_NAMESPACE", "stands before every key", validator=_is_namespace
    )
    max_items: int = _setting(
        10_000, "CACHE_MAX_ITEMS", "entries kept in memory or SQLite", validator=_is_count
    )
    max_bytes: int | None = _setting(
        None, "CACHE_MAX_BYTES", "bytes kept in memory", validator=_is_count_or_none
    )
    max_pinned: int = _setting(
        100_000, "CACHE_MAX_PINNED", "counters, locks, codes in memory", validator=_is_count
    )
    max_value_bytes: int = _setting(
        4_194_304, "CACHE_MAX_VALUE_BYTES", "one encoded value", validator=_is_count
    )

    def __attrs_post_init__(self) -> None:
        if self.url is not None and self.host is not None:
            raise _refuse("host", "url and host are both given; REDIS_URL or REDIS_HOST, not both")

    def resolved_url(self) -> SecretUrl:
        """Give the URL to connect to: `url`, else one made of `host`, else `memory://`."""
        if self.url is not None:
            return self.url
        if self.host is None:
            return SecretUrl("memory://")
        host = f"[{self.host}]" if ":" in self.host else self.host
        user = quote(self.username or "", safe="")
        word = "" if self.password is None else f":{quote(self.password.reveal(), safe='')}"
        return SecretUrl(f"redis://{user}{word}{'@' if user or word else ''}{host}:{self.port}/0")


CacheConfig = CacheSettings
RedisConfig = CacheSettings


@attrs.frozen(kw_only=True)
class LocalOptions:
    """The memory tier that `connect(url, l1=…)` puts in front of a shared cache.

    At most `max_items` entries and `max_bytes` bytes, each for at most `ttl` seconds.
    `invalidation`: the server tells of changed keys ("tracking"), every tier tells the others on a
    channel ("pubsub": who writes without a tier is not heard), nothing but the ttl does ("ttl"), or
    the first of them that the server allows ("auto", which logs what it chose). With
    `share_objects` an entry is decoded once and every reader gets the same object: do not change
    it.
    """

    max_items: int = attrs.field(default=10_000, validator=_is_count)
    max_bytes: int | None = attrs.field(default=None, validator=_is_count_or_none)
    ttl: float = attrs.field(default=60.0, validator=_is_positive)
    share_objects: bool = False
    invalidation: Literal["auto", "tracking", "pubsub", "ttl"] = attrs.field(default="auto")

    @invalidation.validator
    def _is_known(self, field: attrs.Attribute[Any], value: Any) -> None:
        if value not in {"auto", "tracking", "pubsub", "ttl"}:
            raise _refuse(field.name, "must be auto, tracking, pubsub or ttl")
