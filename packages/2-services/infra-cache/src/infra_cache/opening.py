"""The front door: `connect`, and the two classes for whoever wants to name the backend."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, Literal

import attrs

from infra_cache._core import Core
from infra_cache._kept import KeepingCodec
from infra_cache.backends import make_store
from infra_cache.cache import StoreCache
from infra_cache.codecs import JsonCodec, ObjectCodec
from infra_cache.protocol import StoreContext
from infra_cache.settings import CacheSettings, LocalOptions
from infra_cache.values import Counters
from infra_errors import ConfigError, RetryPolicy, SecretUrl

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra_cache.protocol import Codec

__all__ = ["DEFAULT_RETRY", "MemoryCache", "RedisCache", "connect"]

DEFAULT_RETRY = RetryPolicy(attempts=3, base=0.05, deadline=None)
"""How a call that may be repeated is: three tries, 50 ms, full jitter."""


def connect(
    url: str | SecretUrl | CacheSettings,
    /,
    *,
    codec: Codec | None = None,
    l1: LocalOptions | None = None,
    retry: RetryPolicy = DEFAULT_RETRY,
    clock: Callable[[], float] = time.time,
    rng: Callable[[], float] = random.random,
    **options: Any,
) -> StoreCache:
    """Make a cache from its URL; no I/O until it is awaited, entered or first used.

    `url`: `memory://`, `sqlite:///file.db`, `redis://`, `rediss://`, `redis+unix:///socket`,
    `redis+sentinel://h1,h2/service`, `redis+cluster://h1,h2`, or whole settings. `codec` makes
    bytes of values (JsonCodec), `l1` puts a memory tier in front, `clock` gives wall seconds,
    `rng` jitter. `options` are the fields of CacheSettings and those of the backend
    (`share_objects=True` for memory keeps the objects themselves).

    Raises ConfigError `cache.config`, `cache.unknown_scheme`, `cache.missing_extra`.
    """
    settings, own = _settings(url, options)
    core = _core(settings, own, codec, l1, StoreContext(Counters(), clock, rng, retry))
    return StoreCache(core, settings.namespace)


def _settings(
    url: str | SecretUrl | CacheSettings, options: dict[str, Any]
) -> tuple[CacheSettings, dict[str, Any]]:
    """Split options into settings and the backend's own."""
    known = {field.name for field in attrs.fields(CacheSettings)}
    given = {name: value for name, value in options.items() if name in known}
    own = {name: value for name, value in options.items() if name not in known}
    if isinstance(url, CacheSettings):
        return attrs.evolve(url, **given), own
    if "url" in given or "host" in given:
        message = "the URL is given; url= and host= do not go with it"
        raise ConfigError(message, code="cache.config")
    return CacheSettings(url=_secret(url), **given), own


def _secret(url: str | SecretUrl) -> SecretUrl:
    return url if isinstance(url, SecretUrl) else SecretUrl(url)


BACKEND_OPTIONS = {"memory": ("share_objects", "policy"), "redis": ("client",), "sqlite": ()}


def _core(
    settings: CacheSettings,
    own: dict[str, Any],
    codec: Codec | None,
    l1: LocalOptions | None,
    context: StoreContext,
) -> Core:
    scheme = settings.resolved_url().reveal().partition("://")[0]
    family = "redis" if scheme.startswith("redis") else scheme
    allowed = BACKEND_OPTIONS.get(family)
    unknown = sorted(set(own) - set(allowed)) if allowed is not None else []
    if unknown:
        known = sorted({field.name for field in attrs.fields(CacheSettings)} | set(allowed or ()))
        message = f"unknown cache option {', '.join(unknown)}; known are {', '.join(known)}"
        raise ConfigError(message, code="cache.config", options=unknown)
    shares = bool(own.get("share_objects"))
    if shares and codec is not None:
        message = "share_objects=True keeps the objects themselves; it takes no codec"
        raise ConfigError(message, code="cache.config")
    store = make_store(scheme, settings, {"context": context, **own})
    if l1 is not None:
        from infra_cache.backends.tiered import TieredStore

        store = TieredStore(store, settings, l1, context)
    chosen = codec or (ObjectCodec() if shares else JsonCodec())
    if l1 is not None and l1.share_objects:
        chosen = KeepingCodec(chosen)
    return Core(store, settings, chosen, context)


class MemoryCache(StoreCache):
    """The cache behind `connect("memory://")`.

    `settings` default to CacheSettings(); `policy` says what leaves a full cache: "lru" the least
    recently used, "adaptive" what recency and frequency together call least useful.
    `share_objects` keeps the objects themselves. `options` are those of `connect`.
    """

    def __init__(
        self,
        settings: CacheSettings | None = None,
        *,
        policy: Literal["adaptive", "lru"] = "adaptive",
        share_objects: bool = False,
        **options: Any,
    ) -> None:
        memory = SecretUrl("memory://")
        chosen = attrs.evolve(settings or CacheSettings(), url=memory, host=None)
        made = connect(chosen, policy=policy, share_objects=share_objects, **options)
        super().__init__(made._core, made.namespace)


class RedisCache(StoreCache):
    """The cache behind `connect("redis://…")`: a URL, settings, or a redis-py asyncio client.

    A client lends its address, credentials and TLS; the connections are our own, so that every
    rule of this package holds for them, and the client stays the caller's to close. `options` are
    those of `connect`.
    """

    def __init__(self, url: str | SecretUrl | CacheSettings | Any, /, **options: Any) -> None:
        if isinstance(url, str | SecretUrl | CacheSettings):
            made = connect(url, **options)
        else:
            made = connect("redis://client", client=url, **options)
        super().__init__(made._core, made.namespace)
