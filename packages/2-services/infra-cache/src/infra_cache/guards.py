"""One-time codes and expiring indexes: checked here, done by the store in one step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra_cache._core import to_ms
from infra_cache.errors import wrong_input

if TYPE_CHECKING:
    from infra_cache._core import Core
    from infra_cache.values import GuardResult

__all__ = [
    "check_limit",
    "check_member",
    "guard_check",
    "guard_set",
    "index_add",
]

MAX_MEMBERS = 100_000


async def guard_set(core: Core, key: str, digest: bytes, attempts: int, ttl: float) -> None:
    """Keep a digest; raises ValidationError for a short one and for attempts below 1."""
    if isinstance(attempts, bool) or not isinstance(attempts, int) or not 1 <= attempts <= 1000:
        message = "attempts must be a whole number from 1 to 1000"
        raise wrong_input("invalid", message)
    live = to_ms(ttl)
    raw = _digest(digest)
    await core.ready()
    await core.store.guard_set(key, raw, attempts, live)


async def guard_check(core: Core, key: str, digest: bytes) -> GuardResult:
    """Count a try and compare."""
    raw = _digest(digest)
    await core.ready()
    return await core.store.guard_check(key, raw)


def _digest(digest: bytes) -> bytes:
    if not isinstance(digest, bytes) or not 16 <= len(digest) <= 128:
        message = "a guard takes a keyed digest (HMAC) of 16 to 128 bytes, never the code itself"
        raise wrong_input("invalid", message)
    return digest


async def index_add(core: Core, key: str, member: str, ttl: float) -> None:
    """Put a member into an index."""
    live = to_ms(ttl)
    check_member(member)
    await core.ready()
    await core.store.zadd(key, member, live, MAX_MEMBERS)


def check_member(member: str) -> str:
    """Return a member, or raise ValidationError."""
    if not isinstance(member, str) or not 0 < len(member.encode(errors="replace")) <= 512:
        message = "a member of an index is text of 1 to 512 bytes"
        raise wrong_input("invalid", message)
    return member


def check_limit(limit: int) -> int:
    """Return a limit, or raise ValidationError."""
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MAX_MEMBERS:
        message = f"limit must be a whole number from 1 to {MAX_MEMBERS}"
        raise wrong_input("invalid", message)
    return limit
