"""Rate limits: what a rate is, what a limiter answers, and the limiter over any cache."""

from __future__ import annotations

import asyncio
import math
import re
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

import attrs

from infra_cache._core import INTERNAL, positive
from infra_cache.errors import RateLimitExceeded, wrong_input
from infra_cache.keys import check_key
from infra_errors import CacheError

if TYPE_CHECKING:
    from infra_cache.cache import StoreCache
    from infra_cache.protocol import RateState

__all__ = ["Decision", "Rate", "RateLimiter"]

Algorithm = Literal["gcra", "sliding_window"]

_UNITS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86_400.0}
_RATE = re.compile(
    r"(\d{1,9})\s*(?:/|per)\s*(\d{1,6})?\s*(second|minute|hour|day|s|m|h|d)s?", re.IGNORECASE
)
MAX_WINDOW = 1000
DOWN_RETRY = 1.0  # seconds that a limiter with on_error="deny" asks to wait


def _wrong(what: str) -> Exception:
    return wrong_input("invalid_rate", what)


@attrs.frozen
class Rate:
    """`limit` items in `per` seconds; `burst` of them at once (the limit, unless given).

    Raises ValidationError `cache.invalid_rate`; at most a million items a second, a year long.
    """

    limit: int
    per: float
    burst: int | None = None

    def __attrs_post_init__(self) -> None:
        for name, value in (("limit", self.limit), ("burst", self.capacity)):
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 10**9:
                message = f"a rate's {name} must be a whole number of at least 1"
                raise _wrong(message)
        per = self.per
        is_number = isinstance(per, int | float) and not isinstance(per, bool)
        if not is_number or not 0.001 <= per <= 31_622_400 or self.limit / per > 1_000_000:
            message = "a rate's period is 0.001 s to a year, at most a million items a second"
            raise _wrong(message)
        if self.capacity * per / self.limit > 3e9:  # µs must stay exact in a double, for Lua
            message = "a rate's burst takes longer than 95 years to come back; make it smaller"
            raise _wrong(message)

    @property
    def capacity(self) -> int:
        """How many go through at once."""
        return self.limit if self.burst is None else self.burst

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `100/minute`, `5 per 30 seconds`, `10/s`."""
        match = _RATE.fullmatch(text.strip()) if isinstance(text, str) else None
        if match is None:
            message = "a rate is written like 100/minute, 10/s or 5 per 30 seconds"
            raise _wrong(message)
        unit = match[3].lower()
        seconds = next(size for name, size in _UNITS.items() if name.startswith(unit[:1]))
        return cls(int(match[1]), int(match[2] or 1) * seconds)

    @property
    def step(self) -> tuple[int, int]:
        """µs that one item takes to come back, rounded up, and how many go at once."""
        return math.ceil(self.per * 1e6 / self.limit), self.capacity

    @property
    def span(self) -> tuple[int, int]:
        """µs of the window, and how many may be in it."""
        return round(self.per * 1e6), self.limit


class Decision(NamedTuple):
    """Whether a hit went through; `remaining` more would, `retry_after` s until this one does.

    `reset_after`: seconds until everything is free again. `limit` is that of the first rate.
    """

    # A tuple, because every hit makes one: half the time of a frozen class with slots.

    allowed: bool
    limit: int
    remaining: int
    retry_after: float
    reset_after: float
    name: str = ""
    rates: tuple[Rate, ...] = ()

    def headers(self) -> dict[str, str]:
        """Give `RateLimit-Policy`, `RateLimit` (IETF draft 10) and, when refused, `Retry-After`."""
        name = re.sub(r"[^ !#-\[\]-~]", "_", self.name or "default")
        policy = ", ".join(
            f'"{name}";q={rate.limit};w={math.ceil(rate.per)}' for rate in self.rates
        )
        found = {
            "RateLimit-Policy": policy,
            "RateLimit": f'"{name}";r={self.remaining};t={math.ceil(self.reset_after)}',
        }
        if not self.allowed:
            found["Retry-After"] = str(max(1, math.ceil(self.retry_after)))
        return found


def decide(state: RateState, name: str, rates: tuple[Rate, ...]) -> Decision:
    """Make a Decision of a limiter's step."""
    return Decision(
        allowed=state.allowed,
        limit=rates[0].limit,
        remaining=state.remaining,
        retry_after=state.retry_us / 1e6,
        reset_after=state.reset_us / 1e6,
        name=name,
        rates=rates,
    )


def check_rates(rates: tuple[Rate, ...], algorithm: str) -> tuple[tuple[int, int], ...]:
    """Check a limiter's rates and give them in µs."""
    if not rates or len(rates) > 8 or not all(isinstance(rate, Rate) for rate in rates):
        message = "a limiter takes one to eight Rates"
        raise _wrong(message)
    if algorithm == "gcra":
        return tuple(rate.step for rate in rates)
    if algorithm != "sliding_window":
        message = "algorithm must be gcra or sliding_window"
        raise _wrong(message)
    if any(rate.limit > MAX_WINDOW or rate.burst is not None for rate in rates):
        message = f"a sliding window takes rates up to {MAX_WINDOW} and no burst; gcra takes more"
        raise _wrong(message)
    return tuple(rate.span for rate in rates)


def check_cost(cost: int, bounds: tuple[tuple[int, int], ...]) -> int:
    """Return the cost; ValidationError `cache.invalid_cost` for one that can never pass."""
    most = min(bound for _, bound in bounds)
    if isinstance(cost, bool) or not isinstance(cost, int) or not 1 <= cost <= most:
        message = (
            f"cost must be a whole number from 1 to {most}, what the rates let through at once"
        )
        raise wrong_input("invalid_cost", message)
    return cost


class RateLimiter:
    """Limits on a cache, shared by all who use the same cache, `name` and key.

    "gcra": `burst` at once, then one per `per / limit`. "sliding_window": an exact log, never more
    than `limit` in any window. Several rates let a hit through together or not at all; a refused
    hit costs nothing. Time is the Redis server's, or this process's clock on memory and SQLite.

    `on_error`: what to answer when the cache is down. Raises ValidationError `cache.invalid_rate`.
    """

    def __init__(
        self,
        cache: StoreCache,
        *rates: Rate,
        name: str,
        algorithm: Algorithm = "gcra",
        on_error: Literal["raise", "deny", "allow"] = "raise",
    ) -> None:
        self._bounds = check_rates(rates, algorithm)
        if on_error not in {"raise", "deny", "allow"}:
            message = "on_error must be raise, deny or allow"
            raise wrong_input("invalid", message)
        self.name = check_key(name)
        self.rates = rates
        self.algorithm = algorithm
        self._core = cache._core
        self._prefix = f"{cache._prefix}{INTERNAL}limit:{algorithm}:{name}:"
        self._on_error = on_error

    async def hit(self, key: str, *, cost: int = 1) -> Decision:
        """Spend `cost` if every rate allows."""
        return await self._step(key, check_cost(cost, self._bounds))

    async def peek(self, key: str) -> Decision:
        """Say what a hit of one would be answered, and spend nothing."""
        return await self._step(key, 0)

    async def refund(self, key: str, *, cost: int) -> Decision:
        """Give back cost already taken, never above the burst."""
        return await self._step(key, -check_cost(cost, self._bounds))

    async def acquire(self, key: str, *, cost: int = 1, wait: float = 0.0) -> Decision:
        """Spend `cost`, waiting at most `wait` seconds; raises RateLimitExceeded."""
        positive(wait, "wait", zero=True)
        until = asyncio.get_running_loop().time() + wait
        while True:
            decision = await self.hit(key, cost=cost)
            if decision.allowed:
                return decision
            left = until - asyncio.get_running_loop().time()
            if decision.retry_after > left:
                message = f"the rate {self.name} is used up"
                raise RateLimitExceeded(
                    message, retry_after=decision.retry_after, limiter=self.name
                )
            await asyncio.sleep(decision.retry_after)

    async def reset(self, key: str) -> None:
        """Forget what a key has spent."""
        await self._core.ready()
        await self._core.store.delete([self._prefix + check_key(key)])

    async def _step(self, key: str, cost: int) -> Decision:
        name = self._prefix + check_key(key)
        store = self._core.store
        try:
            await self._core.ready()
            step = store.gcra if self.algorithm == "gcra" else store.window
            return decide(await step(name, cost, self._bounds), self.name, self.rates)
        except CacheError as error:
            if self._on_error == "raise" or self._core.closed:
                raise
            self._core.seldom(10.0, "a rate limiter has no cache: %s", error.code)
        allowed = self._on_error == "allow"
        wait = 0.0 if allowed else DOWN_RETRY
        return Decision(allowed, self.rates[0].limit, 0, wait, wait, self.name, self.rates)
