"""Rates, decisions, and the arithmetic held against a model that counts every hit."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra_cache import Decision, MemoryCache, Rate, RateLimiter
from infra_cache._rates import gcra_step, window_step
from infra_errors import ValidationError

steps = st.lists(st.tuples(st.integers(0, 700_000), st.integers(1, 4)), max_size=60)


@pytest.mark.parametrize(
    ("text", "limit", "per"),
    [
        ("100/minute", 100, 60),
        ("10/s", 10, 1),
        ("5 per 30 seconds", 5, 30),
        ("1/day", 1, 86400),
        ("2 / 3h", 2, 10800),
        ("7/2 minutes", 7, 120),
    ],
)
def test_a_rate_is_read_as_people_write_it(text: str, limit: int, per: float) -> None:
    assert Rate(limit, per) == Rate.parse(text)


@pytest.mark.parametrize("text", ["", "100", "/minute", "0/minute", "-1/s", "5/year", "5/0s", None])
def test_what_is_no_rate_is_refused(text: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        Rate.parse(text)
    assert "cache.invalid_rate" == caught.value.code


@pytest.mark.parametrize(
    "given_",
    [
        (0, 1),
        (1, 0),
        (True, 1),
        (1, float("nan")),
        (1, 60, 0),
        (1, 1e9),
        (2_000_000, 1),
        (1, 31_622_400, 1000),
    ],
)
def test_a_rate_that_cannot_be_kept_is_refused(given_: tuple[Any, ...]) -> None:
    with pytest.raises(ValidationError):
        Rate(*given_)


@pytest.mark.parametrize(
    ("rates", "options"),
    [
        ((), {}),
        (("5/s",), {}),
        ((Rate(1001, 60),), {"algorithm": "sliding_window"}),
        ((Rate(5, 60, burst=2),), {"algorithm": "sliding_window"}),
        ((Rate(5, 60),), {"algorithm": "fixed"}),
        ((Rate(5, 60),), {"on_error": "ignore"}),
    ],
)
def test_a_limiter_that_cannot_work_is_refused(rates: Any, options: Any) -> None:
    with pytest.raises(ValidationError):
        RateLimiter(MemoryCache(), *rates, name="t", **options)


@given(steps, st.integers(1, 6), st.integers(100_000, 2_000_000))
def test_a_window_never_holds_more_than_its_limit_and_refuses_only_what_would(
    moves: list[tuple[int, int]], limit: int, per: int
) -> None:
    now, log, taken = 0, [], []
    for pause, cost in moves:
        now += pause
        cost = min(cost, limit)
        inside = [at for at in taken if at > now - per]
        state, after = window_step(now, log, cost, [(per, limit)])
        assert state.allowed == (len(inside) + cost <= limit)
        if state.allowed:
            log = after
            taken += [now] * cost
        else:
            again, _ = window_step(now + state.retry_us, log, cost, [(per, limit)])
            early, _ = window_step(now + state.retry_us - 1, log, cost, [(per, limit)])
            assert (True, False) == (again.allowed, early.allowed)
        assert len([at for at in taken if at > now - per]) <= limit


@given(steps, st.integers(1, 10), st.integers(1, 10), st.integers(100_000, 2_000_000))
def test_a_bucket_lets_through_no_more_than_limit_and_burst_in_a_period(
    moves: list[tuple[int, int]], limit: int, burst: int, per: int
) -> None:
    step = -(-per // limit)
    now, tats, taken = 0, [], []
    for pause, cost in moves:
        now += pause
        cost = min(cost, burst)
        state, after = gcra_step(now, tats, cost, [(step, burst)])
        if state.allowed:
            tats = after
            taken += [now] * cost
            assert 0 <= state.remaining <= burst
        else:
            again, _ = gcra_step(now + state.retry_us, tats, cost, [(step, burst)])
            early, _ = gcra_step(now + state.retry_us - 1, tats, cost, [(step, burst)])
            assert (True, False) == (again.allowed, early.allowed)
        assert len([at for at in taken if at > now - per]) <= limit + burst


async def test_a_refund_never_gives_more_than_the_burst() -> None:
    now = 0.0
    limiter = RateLimiter(MemoryCache(clock=lambda: now), Rate(5, 10), name="t")
    await limiter.hit("k")
    assert (await limiter.refund("k", cost=5)).remaining == 5
    for _ in range(5):
        assert (await limiter.hit("k")).allowed
    assert not (await limiter.hit("k")).allowed


async def test_a_clock_that_went_back_locks_nobody_out() -> None:
    times = [1_000_000]
    state, tats = gcra_step(times[0], [], 5, [(100_000, 5)])
    assert state.allowed
    assert gcra_step(0, tats, 1, [(100_000, 5)])[0].retry_us <= 500_000


def test_headers_say_what_a_client_needs() -> None:
    rates = (Rate(100, 60), Rate(1000, 3600))
    decision = Decision(
        allowed=False,
        limit=100,
        remaining=0,
        retry_after=0.2,
        reset_after=59.1,
        name="api",
        rates=rates,
    )
    assert {
        "RateLimit-Policy": '"api";q=100;w=60, "api";q=1000;w=3600',
        "RateLimit": '"api";r=0;t=60',
        "Retry-After": "1",
    } == decision.headers()
    allowed = Decision(
        allowed=True, limit=1, remaining=1, retry_after=0, reset_after=0, name='a"\n'
    )
    assert "Retry-After" not in allowed.headers()
    assert '"a__";r=1;t=0' == allowed.headers()["RateLimit"]
