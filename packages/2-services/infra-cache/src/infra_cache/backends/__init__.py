"""Which backend a URL's scheme asks for; each is imported when it is first needed.

A third party adds one under the entry-point group `infra_cache.backends`: the name is the scheme,
the object a function `(settings, **options) -> Store`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from infra_errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra_cache.protocol import Store

__all__ = ["make_store", "require_scheme"]

OWN = {
    "memory": "infra_cache.backends.memory",
    "sqlite": "infra_cache.backends.sqlite",
    "redis": "infra_cache.backends.redis",
    "rediss": "infra_cache.backends.redis",
    "redis+unix": "infra_cache.backends.redis",
    "redis+sentinel": "infra_cache.backends.redis",
    "rediss+sentinel": "infra_cache.backends.redis",
    "redis+cluster": "infra_cache.backends.redis",
    "rediss+cluster": "infra_cache.backends.redis",
}


def require_scheme(scheme: str) -> None:
    """Raise ConfigError `cache.unknown_scheme`, naming the known, unless there is a backend."""
    if scheme in OWN:
        return
    foreign = _foreign()
    if scheme not in foreign:
        known = ", ".join(f"{name}://" for name in [*OWN, *sorted(foreign)])
        message = f"no cache backend for the scheme of REDIS_URL; known are {known}"
        raise ConfigError(message, code="cache.unknown_scheme", scheme=scheme)


def make_store(scheme: str, settings: Any, options: dict[str, Any]) -> Store:
    """Make the store for a scheme; no I/O. Raises ConfigError for what it cannot use."""
    require_scheme(scheme)
    make: Callable[..., Store]
    make = import_module(OWN[scheme]).make_store if scheme in OWN else _foreign()[scheme].load()
    return make(settings, **options)


def _foreign() -> dict[str, Any]:
    from importlib.metadata import entry_points

    return {entry.name: entry for entry in entry_points(group="infra_cache.backends")}
