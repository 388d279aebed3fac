"""The small values that a cache takes and gives back."""

from __future__ import annotations

from datetime import timedelta
from enum import Enum, StrEnum
from typing import Final, Literal, TypeAlias

import attrs

from infra_cache.errors import CapabilityError

__all__ = [
    "DEFAULT",
    "MISSING",
    "CacheStats",
    "Capabilities",
    "Counters",
    "Default",
    "GuardOutcome",
    "GuardResult",
    "Health",
    "Missing",
    "Ttl",
]


class _Sentinel(Enum):
    MISSING = "MISSING"
    DEFAULT = "DEFAULT"

    def __repr__(self) -> str:
        return self.value


MISSING: Final = _Sentinel.MISSING
"""What `ttl` gives for a key that is not there; a `default` that no value is."""
DEFAULT: Final = _Sentinel.DEFAULT
"""The ttl that stands for the cache's `default_ttl`."""

Missing: TypeAlias = Literal[_Sentinel.MISSING]
Default: TypeAlias = Literal[_Sentinel.DEFAULT]
Ttl: TypeAlias = float | timedelta | Default | None
"""Seconds, a timedelta, None for never, DEFAULT for the cache's own."""


@attrs.frozen
class Capabilities:
    """What a backend can do; ask with `require`, which raises for what it cannot.

    `durable`: outlives the process. `shared`: other processes see it. `atomic`: each step is one.
    `tracking`: tells of changed keys. `cluster`: the keys are spread over several servers.
    """

    durable: bool = False
    shared: bool = False
    atomic: bool = True
    tracking: bool = False
    cluster: bool = False

    def require(self, *names: str) -> None:
        """Raise CapabilityError `cache.unsupported` unless all of these are true."""
        missing = [name for name in names if not getattr(self, name, False)]
        if missing:
            message = f"this cache does not offer {', '.join(missing)}"
            raise CapabilityError(message, missing=missing)


@attrs.frozen
class Health:
    """Whether the cache answers, after how many seconds, what looks wrong, or the error's code."""

    ok: bool
    latency: float | None = None
    warnings: tuple[str, ...] = ()
    error: str | None = None


@attrs.frozen
class CacheStats:
    """What happened since the cache was made, counted in this process."""

    hits: int = 0
    misses: int = 0
    stale_hits: int = 0
    negative_hits: int = 0
    l1_hits: int = 0
    loads: int = 0
    load_errors: int = 0
    evictions: int = 0
    expired: int = 0
    rejected: int = 0
    undecodable: int = 0
    invalidations: int = 0
    errors: int = 0
    background_dropped: int = 0


class Counters:
    """The running numbers behind CacheStats."""

    __slots__ = tuple(field.name for field in attrs.fields(CacheStats))
    hits: int
    misses: int
    stale_hits: int
    negative_hits: int
    l1_hits: int
    loads: int
    load_errors: int
    evictions: int
    expired: int
    rejected: int
    undecodable: int
    invalidations: int
    errors: int
    background_dropped: int

    def __init__(self) -> None:
        for name in self.__slots__:
            setattr(self, name, 0)

    def snapshot(self) -> CacheStats:
        """Give the numbers of now."""
        return CacheStats(**{name: getattr(self, name) for name in self.__slots__})


class GuardOutcome(StrEnum):
    """How a try against a guarded code ended."""

    MATCH = "match"
    MISMATCH = "mismatch"
    EXHAUSTED = "exhausted"
    ABSENT = "absent"


@attrs.frozen
class GuardResult:
    """A try's outcome, and how many tries are left."""

    outcome: GuardOutcome
    remaining: int = 0

    @property
    def matched(self) -> bool:
        """Whether the digest was the one."""
        return self.outcome is GuardOutcome.MATCH
