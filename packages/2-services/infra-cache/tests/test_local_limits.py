"""LocalRateLimiter: the contract of all limiters, a brute-force model, and its bounds."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra_cache import LocalRateLimiter, Rate, RateLimitExceeded
from infra_cache.testing import LimiterContract
from infra_errors import ValidationError

ALGORITHMS = ["gcra", "sliding_window"]


class Clock:
    def __init__(self) -> None:
        self.micros = 1_000_000_000

    def __call__(self) -> float:
        return (self.micros + 0.5) / 1e6  # the limiter cuts off what is less than one


class Awaited:
    """A local limiter with the shape that the contract of shared ones asks for."""

    def __init__(self, limiter: LocalRateLimiter) -> None:
        self.limiter = limiter

    async def hit(self, key: str, *, cost: int = 1) -> Any:
        return self.limiter.hit(key, cost=cost)

    async def peek(self, key: str) -> Any:
        return self.limiter.peek(key)

    async def refund(self, key: str, *, cost: int) -> Any:
        return self.limiter.refund(key, cost=cost)

    async def reset(self, key: str) -> None:
        self.limiter.reset(key)

    async def acquire(self, key: str, *, wait: float = 0.0) -> Any:
        decision = self.limiter.hit(key)
        if not decision.allowed and decision.retry_after <= wait:
            await asyncio.sleep(decision.retry_after)
            decision = self.limiter.hit(key)
        if not decision.allowed:
            raise RateLimitExceeded("used up", retry_after=decision.retry_after)
        return decision


class TestLocalLimiter(LimiterContract):
    async def make_limiter(self, *rates: Rate, **options: Any) -> Any:
        return Awaited(LocalRateLimiter(*rates, **options))


steps = st.lists(st.tuples(st.integers(0, 700_000), st.integers(1, 3)), max_size=50)


@given(steps)
def test_no_window_ever_holds_more_than_its_limits(hits: Any) -> None:
    clock = Clock()
    rates = Rate(3, 1), Rate(5, 3)
    limiter = LocalRateLimiter(*rates, algorithm="sliding_window", clock=clock)
    went: list[int] = []
    for wait, cost in hits:
        clock.micros += wait
        fits = all(
            sum(at > clock.micros - rate.per * 1e6 for at in went) + cost <= rate.limit
            for rate in rates
        )
        decision = limiter.hit("a", cost=cost)
        assert fits == decision.allowed
        if fits:
            went += [clock.micros] * cost


@given(steps, st.integers(1, 6))
def test_gcra_gives_burst_and_rate_in_any_stretch_of_time(hits: Any, burst: int) -> None:
    clock = Clock()
    limiter = LocalRateLimiter(Rate(4, 1, burst=burst), clock=clock)
    went: list[int] = []
    for wait, cost in hits:
        clock.micros += wait
        if cost > burst:
            continue
        if limiter.hit("a", cost=cost).allowed:
            went += [clock.micros] * cost
        for at, since in enumerate(went):
            assert len(went) - at <= burst + (clock.micros - since) / 250_000


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(hits=steps)
def test_retry_after_is_exact_to_the_microsecond(algorithm: Any, hits: Any) -> None:
    clock = Clock()
    limiter = LocalRateLimiter(Rate(3, 1), algorithm=algorithm, clock=clock)
    for wait, cost in hits:
        clock.micros += wait
        decision = limiter.hit("a", cost=cost)
        if not decision.allowed:
            assert decision.retry_after > 0
            clock.micros += round(decision.retry_after * 1e6) - 1
            assert not limiter.hit("a", cost=cost).allowed
            clock.micros += 1
            assert limiter.hit("a", cost=cost).allowed


@given(steps)
def test_the_short_way_of_a_single_hit_answers_like_the_long_one(hits: Any) -> None:
    clock = Clock()
    short = LocalRateLimiter(Rate(3, 1), clock=clock)
    long = LocalRateLimiter(Rate(3, 1), clock=clock)
    long._single = None
    for wait, _ in hits:
        clock.micros += wait
        assert long.hit("a") == short.hit("a")


def test_a_clock_that_goes_back_locks_nobody_out_for_longer_than_the_burst_takes() -> None:
    clock = Clock()
    limiter = LocalRateLimiter(Rate(2, 1), clock=clock)
    limiter.hit("a", cost=2)
    clock.micros -= 500_000_000
    assert limiter.hit("a").retry_after <= 1


def test_a_full_limiter_forgets_the_key_nearest_to_idle_and_counts_it() -> None:
    clock = Clock()
    limiter = LocalRateLimiter(Rate(10, 10), max_keys=2, clock=clock)
    limiter.hit("busy", cost=10)
    limiter.hit("calm")
    limiter.hit("new")
    assert (2, 1) == (len(limiter), limiter.evicted_active)
    assert not limiter.hit("busy").allowed
    assert 9 == limiter.hit("calm").remaining  # it was forgotten: nothing was spent


def test_keys_that_have_everything_back_are_forgotten_for_free() -> None:
    clock = Clock()
    limiter = LocalRateLimiter(Rate(1, 1), max_keys=2, clock=clock)
    for number in range(100):
        assert limiter.hit(f"key{number}").allowed
        clock.micros += 1_000_000
    assert 0 == limiter.evicted_active
    assert len(limiter) <= 2


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_overflow_deny_refuses_new_keys_and_says_for_how_long(algorithm: Any) -> None:
    clock = Clock()
    limiter = LocalRateLimiter(
        Rate(2, 1), algorithm=algorithm, max_keys=1, overflow="deny", clock=clock
    )
    assert limiter.hit("a").allowed
    clock.micros += 100_000
    assert limiter.hit("a").allowed  # known: it may go on
    refused = limiter.hit("b")
    assert not refused.allowed
    clock.micros += round(refused.retry_after * 1e6)
    assert limiter.hit("b").allowed
    assert 0 == limiter.evicted_active


def test_refund_reset_and_peek_of_an_unknown_key_keep_nothing() -> None:
    limiter = LocalRateLimiter(Rate(3, 60))
    assert 3 == limiter.peek("a").remaining
    assert 3 == limiter.refund("a", cost=2).remaining
    limiter.reset("a")
    assert 0 == len(limiter)


def test_resets_leave_no_notes_behind() -> None:
    limiter = LocalRateLimiter(Rate(3, 3600))
    for _ in range(1000):
        limiter.hit("a")
        limiter.reset("a")
    assert len(limiter._idle) < 100


@pytest.mark.parametrize("options", [{"max_keys": 0}, {"max_keys": True}, {"overflow": "drop"}])
def test_options_that_are_none_are_refused(options: Any) -> None:
    with pytest.raises(ValidationError):
        LocalRateLimiter(Rate(1, 1), **options)


def test_a_limiter_needs_a_rate() -> None:
    with pytest.raises(ValidationError) as caught:
        LocalRateLimiter()
    assert "cache.invalid_rate" == caught.value.code


@pytest.mark.threads
def test_threads_together_get_no_more_than_the_limit() -> None:
    limiter = LocalRateLimiter(Rate(500, 3600))
    allowed: list[bool] = []

    def work() -> None:
        allowed.extend(limiter.hit("a").allowed for _ in range(400))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 500 == sum(allowed)
