"""What infra-cache raises on purpose.

    CacheError
    ├── CacheUnavailable   (UnavailableError, retry)   cache.connection, cache.breaker_open,
    │                                                  cache.pool_exhausted
    ├── CacheTimeout       (DeadlineExceededError)     cache.timeout
    ├── OutcomeUnknown     (UnavailableError)          cache.outcome_unknown
    ├── WrongType                                      cache.wrong_type
    ├── CounterOverflow                                cache.overflow
    ├── CacheFull                                      cache.full
    ├── LockHeld           (ConflictError, retry)      cache.lock_held
    ├── LockLost           (ConflictError)             cache.lock_lost
    ├── RateLimitExceeded  (RateLimitedError)          cache.rate_limited
    ├── LoadTimeout        (DeadlineExceededError)     cache.load_timeout
    ├── RecursiveLoad                                  cache.recursive_load
    ├── StoreError                                     cache.store
    └── CapabilityError                                cache.unsupported

Bad input is `infra_errors.ValidationError` (`cache.invalid_key`, `cache.invalid_ttl`,
`cache.invalid_pattern`, `cache.value_too_large`, `cache.invalid_rate`, `cache.invalid_cost`,
`cache.invalid`), what has no encoded form `infra_errors.SerializationError` (`cache.encode`), bad
settings `infra_errors.ConfigError` (`cache.config`, `cache.unknown_scheme`,
`cache.missing_extra`). No message holds a key or a value.
"""

from __future__ import annotations

from infra_errors import (
    CacheError,
    ConflictError,
    DeadlineExceededError,
    RateLimitedError,
    SerializationError,
    Status,
    UnavailableError,
    ValidationError,
)

__all__ = [
    "CacheFull",
    "CacheTimeout",
    "CacheUnavailable",
    "CapabilityError",
    "CounterOverflow",
    "LoadTimeout",
    "LockHeld",
    "LockLost",
    "OutcomeUnknown",
    "RateLimitExceeded",
    "RecursiveLoad",
    "StoreError",
    "WrongType",
    "undecodable",
    "unencodable",
    "wrong_input",
]


class CacheUnavailable(CacheError, UnavailableError):
    """The cache cannot be reached; the same call may succeed later."""

    code = "cache.connection"
    retryable = True


class CacheTimeout(CacheError, DeadlineExceededError):
    """The cache did not answer in time."""

    code = "cache.timeout"
    retryable = True


class OutcomeUnknown(CacheError, UnavailableError):
    """The connection broke after a call that must not be repeated: it may have happened."""

    code = "cache.outcome_unknown"
    retryable = False


class WrongType(CacheError):
    """The key holds something else: a text where a counter is asked for, a guard, an index."""

    code = "cache.wrong_type"
    status = Status.FAILED_PRECONDITION
    default_message = "the key holds a value of another kind than this call works on"


class CounterOverflow(CacheError):
    """The counter would leave the range of 64 bits; it keeps its value."""

    code = "cache.overflow"
    status = Status.OUT_OF_RANGE
    default_message = "the counter would leave the range of a signed 64-bit integer"


class CacheFull(CacheError):
    """There is no room for what must not be evicted, or the disk is full."""

    code = "cache.full"
    status = Status.RESOURCE_EXHAUSTED
    retryable = False


class LockHeld(CacheError, ConflictError):
    """Somebody else holds the lock, and did for as long as we waited."""

    code = "cache.lock_held"
    retryable = True


class LockLost(CacheError, ConflictError):
    """The lock ended while we held it: its ttl ran out, or the cache lost it."""

    code = "cache.lock_lost"


class RateLimitExceeded(CacheError, RateLimitedError):
    """The rate is used up; `retry_after` says when the same call is let through."""

    code = "cache.rate_limited"


class LoadTimeout(CacheError, DeadlineExceededError):
    """A loader took longer than its `load_timeout`."""

    code = "cache.load_timeout"


class RecursiveLoad(CacheError):
    """A loader asked the cache for the very key it is loading."""

    code = "cache.recursive_load"
    status = Status.FAILED_PRECONDITION


class StoreError(CacheError):
    """The backend answered something that no retry will cure; the cause says what."""

    code = "cache.store"


class CapabilityError(CacheError):
    """This backend cannot do what was asked."""

    code = "cache.unsupported"
    status = Status.UNIMPLEMENTED


def wrong_input(code: str, message: str) -> ValidationError:
    """Make the ValidationError `cache.<code>`."""
    return ValidationError(message, code=f"cache.{code}")


def unencodable(message: str) -> SerializationError:
    """Make the SerializationError for a value that has no encoded form."""
    return SerializationError(message, code="cache.encode")


def undecodable(message: str) -> SerializationError:
    """Make the SerializationError for bytes that a codec cannot read; a read makes it a miss."""
    return SerializationError(message, code="cache.decode")
