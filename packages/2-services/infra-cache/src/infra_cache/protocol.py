"""The roles: `Cache` is what callers use, `Store` what a backend offers, `Codec` makes bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, Self, TypeVar

import attrs

from infra_cache.values import (
    DEFAULT,
    CacheStats,
    Capabilities,
    Counters,
    GuardResult,
    Health,
    Missing,
    Ttl,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from datetime import timedelta

    from infra_cache.keys import Glob
    from infra_cache.locks import Lock
    from infra_errors import RetryPolicy

__all__ = ["Cache", "Codec", "Found", "RateState", "Store", "StoreContext"]

T = TypeVar("T")


class Codec(Protocol):
    """Values to bytes and back. Both raise infra_errors.SerializationError."""

    def encode(self, value: Any, /) -> Any:
        """Give the bytes for a value."""

    def decode(self, data: Any, /) -> Any:
        """Give the value of the bytes; an error makes the entry a miss."""


class Cache(Protocol):
    """One cache; `connect` makes it. Every call may raise a CacheError that says what happened."""

    @property
    def name(self) -> str:
        """The backend's name: memory, sqlite, redis, …"""

    @property
    def namespace(self) -> str:
        """What stands before every key."""

    @property
    def default_ttl(self) -> float | None:
        """Seconds an entry lives unless told otherwise; None for ever."""

    @property
    def capabilities(self) -> Capabilities:
        """What the backend can do."""

    @property
    def stats(self) -> CacheStats:
        """What happened so far."""

    async def get(self, key: str, default: Any = None) -> Any:
        """Return the value, or `default` for a miss. A stored None is a value."""

    async def get_many(self, keys: Collection[str]) -> dict[str, Any]:
        """Return the hits only, in the order of `keys`."""

    async def set(
        self,
        key: str,
        value: object,
        *,
        ttl: Ttl = DEFAULT,
        tags: Collection[str] = (),
        pin: bool = False,
    ) -> None:
        """Store a value. `pin`: in memory it is never evicted, only expires."""

    async def set_many(
        self, items: Mapping[str, object], *, ttl: Ttl = DEFAULT, tags: Collection[str] = ()
    ) -> None:
        """Store many values; not atomic."""

    async def delete(self, key: str) -> bool:
        """Remove an entry; say whether there was one."""

    async def delete_many(self, keys: Collection[str]) -> int:
        """Remove entries; say how many there were."""

    async def delete_pattern(self, glob: str, *, all: bool = False) -> int:
        """Remove what matches in this namespace; a pattern of stars only needs `all=True`."""

    async def clear(self) -> int:
        """Remove everything of this namespace, locks and limits too; say how many keys."""

    async def exists(self, key: str) -> bool:
        """Say whether `get` would be a hit."""

    async def ttl(self, key: str) -> float | Missing | None:
        """Return the seconds left, None for an entry that never expires, MISSING for none."""

    async def expire(self, key: str, ttl: float | timedelta) -> bool:
        """Give an entry a new time to live; False when there is none."""

    async def get_or_load(
        self,
        key: str,
        loader: Callable[[], Awaitable[T]],
        *,
        ttl: Ttl = DEFAULT,
        stale: float = 0.0,
        negative_ttl: float | None = None,
        tags: Collection[str] = (),
        jitter: float = 0.0,
        across: bool = False,
        load_timeout: float | None = 30.0,
        cache_if: Callable[[T], bool] | None = None,
        on_error: Literal["load", "raise"] = "load",
    ) -> T:
        """Return the entry, or load it once for all who ask."""

    async def invalidate_tags(self, *tags: str) -> None:
        """Make every entry with one of these tags a miss."""

    def keys(self, glob: str = "*", *, batch: int = 1000) -> AsyncIterator[str]:
        """Give the keys that match, each at least once if it was there all the while."""

    def namespaced(self, name: str, *, version: int = 1) -> Cache:
        """Give a view whose keys stand below this namespace; a new version starts empty."""

    async def increment(self, key: str, by: int = 1, *, ttl: Ttl = DEFAULT) -> int:
        """Add to a counter and return it; `ttl` counts only for the call that creates it."""

    async def set_nx(self, key: str, value: object, *, ttl: Ttl) -> bool:
        """Store a value unless there is one; say whether it was stored."""

    async def take(self, key: str, default: Any = None) -> Any:
        """Return the value and remove it, in one step."""

    async def compare_and_set(self, key: str, expected: object, value: object, *, ttl: Ttl) -> bool:
        """Replace the value if it is the expected one."""

    def lock(
        self, name: str, *, ttl: float = 30.0, wait: float | None = 10.0
    ) -> AbstractAsyncContextManager[Lock]:
        """Hold a lock for the block. Pass its fencing token to what the lock protects."""

    async def guard_set(self, key: str, digest: bytes, *, attempts: int, ttl: float) -> None:
        """Keep the keyed digest of a one-time code, for so many tries."""

    async def guard_check(self, key: str, digest: bytes) -> GuardResult:
        """Count a try, compare, and on a match forget the code: one step."""

    async def guard_remaining(self, key: str) -> int | None:
        """Return the tries left, None when there is no code."""

    async def index_add(self, key: str, member: str, *, ttl: float) -> None:
        """Put a member into a set, for so many seconds."""

    async def index_remove(self, key: str, member: str) -> bool:
        """Take a member out; say whether it was there."""

    async def index_members(self, key: str, *, limit: int = 1000) -> list[str]:
        """Return the members that have not expired, the next to expire first."""

    async def set_with_expiry(self, key: str, value: object, seconds: float) -> None:
        """Store a value for so many seconds."""

    async def get_json(self, key: str, default: Any = None) -> Any:
        """Return a value of JSON's own types; anything else is a miss."""

    async def set_json(self, key: str, value: object, *, ttl: Ttl = DEFAULT) -> None:
        """Store a value of JSON's own types."""

    async def ping(self) -> None:
        """Ask the backend for an answer; raises what stands in the way."""

    async def health(self, timeout: float = 2.0) -> Health:  # noqa: ASYNC109  # house name
        """Ping within `timeout` seconds; never raises."""

    async def aclose(self) -> None:
        """Cancel running loads and close; a second time does nothing."""

    async def __aenter__(self) -> Self:
        """Open at once."""

    async def __aexit__(self, *_: object) -> None:
        """Close."""


class Found(NamedTuple):
    """What a store found: the data (None: nothing), ms left (None: for ever), tags' stamps."""

    data: Any
    left: int | None
    stamps: tuple[str | None, ...] = ()


class RateState(NamedTuple):
    """A limiter's answer: allowed, units remaining, µs until a retry, µs until all is free."""

    allowed: bool
    remaining: int
    retry_us: int
    reset_us: int


@attrs.frozen
class StoreContext:
    """What a store is given by `connect`: counters to fill, the clock, chance and retry."""

    counters: Counters
    clock: Callable[[], float]
    rng: Callable[[], float]
    retry: RetryPolicy


class Store(Protocol):
    """What a backend offers: absolute keys, encoded data, times to live in ms (None: never).

    Each method is one atomic step at the backend unless it says otherwise. A key that holds
    another kind raises WrongType. `nx`, `pin` and `limit` are as in `Cache`.
    """

    name: str
    capabilities: Capabilities

    async def open(self) -> None:
        """Make sure the backend answers; called once before the first use."""

    async def get(self, key: str) -> Any:
        """Return the data or None."""

    async def mget(self, keys: Sequence[str]) -> list[Any]:
        """Return the data or None, a key each; need not be atomic."""

    async def fetch(
        self,
        key: str,
        tags: Sequence[str] = (),
        *,
        fresh: Sequence[str] = (),
        keep: int | None = 0,
        size: int | None = None,
    ) -> Found:
        """Return data, time left and the tags' stamps.

        With `fresh`, a stamp for each tag, those that are absent are created for `keep` ms.
        `size` bounds the bytes returned. Need not be atomic over key and tags.
        """

    async def set(
        self,
        key: str,
        data: Any,
        ttl: int | None,
        *,
        nx: bool = False,
        pin: bool = False,
        tags: Sequence[str] = (),
    ) -> bool:
        """Store; then make the tags live at least as long. False when `nx` found something."""

    async def mset(self, items: Mapping[str, Any], ttl: int | None, tags: Sequence[str]) -> None:
        """Store many; need not be atomic."""

    async def delete(self, keys: Sequence[str]) -> int:
        """Remove; return how many were there."""

    async def expire(self, key: str, ttl: int, tags: Sequence[str] = ()) -> bool:
        """Set the time left; and make the tags live as long."""

    async def incr(self, key: str, by: int, ttl: int | None) -> int:
        """Add to a 64-bit counter; raises WrongType, CounterOverflow."""

    async def take(self, key: str) -> Found:
        """Return and remove."""

    async def cas(self, key: str, old: Any, new: Any, ttl: int | None) -> bool:
        """Store `new` if the data is exactly `old`."""

    async def cad(self, key: str, old: Any) -> bool:
        """Remove if the data is exactly `old`."""

    async def guard_set(self, key: str, digest: bytes, attempts: int, ttl: int) -> None:
        """Keep a digest for so many tries."""

    async def guard_check(self, key: str, digest: bytes) -> GuardResult:
        """Count, compare, remove on a match."""

    async def guard_remaining(self, key: str) -> int | None:
        """Return the tries left."""

    async def zadd(self, key: str, member: str, ttl: int, limit: int) -> None:
        """Add an expiring member; raises CacheFull at `limit` members."""

    async def zrem(self, key: str, member: str) -> bool:
        """Remove a member."""

    async def zrange(self, key: str, limit: int) -> list[str]:
        """Return live members by expiry."""

    async def gcra(self, key: str, cost: int, rates: Sequence[tuple[int, int]]) -> RateState:
        """Spend `cost` from every rate (µs an item, burst) or none; 0 peeks, below 0 refunds."""

    async def window(self, key: str, cost: int, rates: Sequence[tuple[int, int]]) -> RateState:
        """Log `cost` hits if every rate (µs a window, limit) allows; 0 peeks, below 0 refunds."""

    def scan(self, prefix: str, glob: Glob, batch: int) -> AsyncIterator[list[str]]:
        """Give the keys below `prefix` that match, in lists; not atomic."""

    async def lock_acquire(self, key: str, owner: str, ttl: int) -> int | None:
        """Take the lock; return its fencing token, None when it is held."""

    async def lock_renew(self, key: str, owner: str, ttl: int) -> bool:
        """Prolong the lock if `owner` holds it."""

    async def lock_release(self, key: str, owner: str) -> bool:
        """Give the lock back if `owner` holds it."""

    async def ping(self) -> None:
        """Raise unless the backend answers."""

    async def warnings(self) -> tuple[str, ...]:
        """Say what about the backend is dangerous for a cache."""

    async def aclose(self) -> None:
        """Close; a second time does nothing."""
