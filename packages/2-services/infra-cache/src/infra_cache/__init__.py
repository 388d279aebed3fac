"""One cache over memory, SQLite and Redis.

>>> import asyncio
>>> from infra_cache import connect
>>> async def load():
...     return {"name": "Ann"}
>>> async def main():
...     async with connect("memory://") as cache:
...         user = await cache.get_or_load("user:7", load, ttl=60, tags=["user"])
...         await cache.invalidate_tags("user")
...         return user, await cache.get("user:7", "gone")
>>> asyncio.run(main())
({'name': 'Ann'}, 'gone')

Importing this package loads none of its modules: each name is fetched at its first use (PEP 562).
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from infra_cache.codecs import JsonCodec, SealedCodec
    from infra_cache.decorator import cached
    from infra_cache.entities import EntityCache, invalidate_after
    from infra_cache.errors import (
        CacheFull,
        CacheTimeout,
        CacheUnavailable,
        CapabilityError,
        CounterOverflow,
        LoadTimeout,
        LockHeld,
        LockLost,
        OutcomeUnknown,
        RateLimitExceeded,
        RecursiveLoad,
        StoreError,
        WrongType,
    )
    from infra_cache.keys import CacheKey, glob_escape
    from infra_cache.limits import Decision, Rate, RateLimiter
    from infra_cache.llm import LLMCache, LLMResult
    from infra_cache.local import LocalCache
    from infra_cache.local_limits import LocalRateLimiter
    from infra_cache.locks import Lock
    from infra_cache.opening import DEFAULT_RETRY, MemoryCache, RedisCache, connect
    from infra_cache.prices import Price, PriceTable, Usage, UsageMeter, UsageTotals
    from infra_cache.protocol import Cache, Codec, Found, RateState, Store, StoreContext
    from infra_cache.settings import CacheConfig, CacheSettings, LocalOptions, RedisConfig
    from infra_cache.values import (
        DEFAULT,
        MISSING,
        CacheStats,
        Capabilities,
        GuardOutcome,
        GuardResult,
        Health,
        Ttl,
    )

__all__ = [
    "Cache",
    "CacheConfig",
    "CacheFull",
    "CacheKey",
    "CacheSettings",
    "CacheStats",
    "CacheTimeout",
    "CacheUnavailable",
    "Capabilities",
    "CapabilityError",
    "Codec",
    "CounterOverflow",
    "DEFAULT",
    "DEFAULT_RETRY",
    "Decision",
    "EntityCache",
    "Found",
    "GuardOutcome",
    "GuardResult",
    "Health",
    "JsonCodec",
    "LLMCache",
    "LLMResult",
    "LoadTimeout",
    "LocalCache",
    "LocalOptions",
    "LocalRateLimiter",
    "Lock",
    "LockHeld",
    "LockLost",
    "MISSING",
    "MemoryCache",
    "OutcomeUnknown",
    "Price",
    "PriceTable",
    "Rate",
    "RateLimitExceeded",
    "RateLimiter",
    "RateState",
    "RecursiveLoad",
    "RedisCache",
    "RedisConfig",
    "SealedCodec",
    "Store",
    "StoreContext",
    "StoreError",
    "Ttl",
    "Usage",
    "UsageMeter",
    "UsageTotals",
    "WrongType",
    "cached",
    "connect",
    "glob_escape",
    "invalidate_after",
]

_MODULES = {
    "codecs": "JsonCodec SealedCodec",
    "decorator": "cached",
    "entities": "EntityCache invalidate_after",
    "keys": "CacheKey glob_escape",
    "limits": "Decision Rate RateLimiter",
    "llm": "LLMCache LLMResult",
    "local": "LocalCache",
    "local_limits": "LocalRateLimiter",
    "locks": "Lock",
    "opening": "DEFAULT_RETRY MemoryCache RedisCache connect",
    "prices": "Price PriceTable Usage UsageMeter UsageTotals",
    "protocol": "Cache Codec Found RateState Store StoreContext",
    "settings": "CacheConfig CacheSettings LocalOptions RedisConfig",
    "values": "CacheStats Capabilities DEFAULT GuardOutcome GuardResult Health MISSING Ttl",
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names.split()}

if not TYPE_CHECKING:

    def __getattr__(name):
        if name not in __all__:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        # not importlib.import_module, which need not be loaded yet
        module = f"{__name__}.{_MODULE_OF.get(name, 'errors')}"
        __import__(module)
        value = globals()[name] = getattr(sys.modules[module], name)
        return value

    def __dir__():
        return sorted({*globals(), *__all__})
