"""Policy.execute: the pipeline, on a clock that only sleeping moves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from infra_errors import Bulkhead, Deadline, NotFoundError, RetryBudget, RetryPolicy, Status
from infra_http import (
    Attempt,
    AttemptTimedOut,
    BreakerRule,
    BulkheadFull,
    CircuitOpen,
    ConnectFailed,
    Hedge,
    HttpConfigError,
    Policy,
    PolicyEvent,
    RateLimitHit,
    RateRule,
    ReadFailed,
    RetryRule,
    TlsFailed,
    TotalTimedOut,
)


class Clock:
    """Seconds that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rule(clock: Clock) -> RetryRule:
    """Waits of 1, 2, 4 seconds."""
    return RetryRule(
        RetryPolicy(attempts=4, base=1, jitter=0, deadline=None, clock=clock, sleep=clock.sleep)
    )


def failing(*errors: Exception | None) -> Callable[[Attempt], Awaitable[Any]]:
    """Fail with the given errors in turn, then answer the number of the attempt."""
    left = list(errors)

    async def fn(attempt: Attempt) -> int:
        error = left.pop(0) if left else None
        if error is not None:
            raise error
        return attempt.number

    return fn


def down(times: int) -> list[ReadFailed]:
    return [ReadFailed(f"down {n}") for n in range(1, times + 1)]


# ---- retry ---------------------------------------------------------------------------------------


async def test_a_failure_is_repeated_after_the_policys_waits(rule: RetryRule, clock: Clock) -> None:
    assert 3 == await Policy(retry=rule).execute(failing(*down(2)))
    assert [1, 2] == clock.slept


async def test_an_attempt_knows_its_number_its_predecessor_and_the_deadline(
    rule: RetryRule,
) -> None:
    seen: list[tuple[int, Exception | None, float]] = []
    first = ReadFailed("down")

    async def fn(attempt: Attempt) -> None:
        assert attempt.deadline is not None
        seen.append((attempt.number, attempt.previous, attempt.deadline.remaining()))
        if attempt.number == 1:
            raise first

    await Policy(retry=rule, total_timeout=30).execute(fn)
    assert [(1, None, 30), (2, first, 29)] == seen


async def test_the_last_failure_is_raised_and_tells_how_many_there_were(rule: RetryRule) -> None:
    errors = down(4)
    with pytest.raises(ReadFailed) as caught:
        await Policy(retry=rule).execute(failing(*errors))
    assert errors[-1] is caught.value
    assert 4 == caught.value.attempts


@pytest.mark.parametrize(
    "error", [NotFoundError("no"), TlsFailed("no"), ValueError("no")], ids=["404", "tls", "bug"]
)
async def test_what_would_fail_again_is_not_repeated(rule: RetryRule, error: Exception) -> None:
    with pytest.raises(type(error)):
        await Policy(retry=rule).execute(failing(error))


async def test_what_is_not_idempotent_is_repeated_only_if_nothing_was_sent(
    rule: RetryRule,
) -> None:
    policy = Policy(retry=rule)
    assert 2 == await policy.execute(failing(ConnectFailed("refused")), idempotent=False)
    with pytest.raises(ReadFailed):
        await policy.execute(failing(ReadFailed("cut")), idempotent=False)


async def test_no_retry_rule_is_one_attempt() -> None:
    with pytest.raises(ReadFailed):
        await Policy(retry=None).execute(failing(*down(1)))


async def test_a_result_may_stand_for_a_failure(rule: RetryRule, clock: Clock) -> None:
    def classify(result: int) -> Exception | None:
        return ReadFailed("too small", retry_after=7) if result < 3 else None

    async def fn(attempt: Attempt) -> int:
        return attempt.number

    assert 3 == await Policy(retry=rule).execute(fn, classify=classify)
    assert [7, 7] == clock.slept


async def test_the_last_result_is_returned_when_repeating_did_not_help(rule: RetryRule) -> None:
    async def fn(attempt: Attempt) -> int:
        return -attempt.number

    assert -4 == await Policy(retry=rule).execute(fn, classify=lambda _: ReadFailed("bad"))


async def test_a_longer_wait_than_allowed_is_not_waited(rule: RetryRule, clock: Clock) -> None:
    with pytest.raises(ReadFailed):
        await Policy(retry=rule).execute(failing(ReadFailed("later", retry_after=31)))
    assert [] == clock.slept


async def test_only_one_layer_repeats(rule: RetryRule, clock: Clock) -> None:
    calls = 0
    inner = Policy(retry=rule)

    async def call(attempt: Attempt) -> None:
        nonlocal calls
        calls += 1
        message = "down"
        raise ReadFailed(message)

    with pytest.raises(ReadFailed):
        await Policy(retry=rule).execute(lambda _: inner.execute(call))
    assert 4 == calls


# ---- budget --------------------------------------------------------------------------------------


async def test_an_empty_budget_lets_the_first_failure_surface(rule: RetryRule) -> None:
    events: list[PolicyEvent] = []
    spent = RetryRule(rule.policy, budget=RetryBudget(ratio=0, min_per_second=0))
    with pytest.raises(ReadFailed) as caught:
        await Policy(retry=spent, on_event=events.append).execute(failing(*down(1)), key="a")
    assert "budget" in caught.value.__notes__[0]
    assert [("budget", "a", 1)] == [(it.kind, it.origin, it.attempt) for it in events]


async def test_a_budget_refills_with_time(rule: RetryRule, clock: Clock) -> None:
    policy = Policy(retry=rule, breaker=None)
    calls = 0

    async def fn(attempt: Attempt) -> None:
        nonlocal calls
        calls += 1
        message = "down"
        raise ReadFailed(message)

    async def storm(times: int) -> int:
        before = calls
        for _ in range(times):
            clock_before = clock.now
            with pytest.raises(ReadFailed):
                await policy.execute(fn)
            clock.now = clock_before  # all at once
        return calls - before

    # 100 free tokens in a window of 10 s, three of them a call
    assert 200 + 100 == await storm(200)
    clock.now += 11
    assert 200 + 100 == await storm(200)


async def test_each_origin_has_its_own_budget_and_breaker(rule: RetryRule) -> None:
    policy = Policy(
        retry=RetryRule(rule.policy.with_(attempts=1)), breaker=BreakerRule(consecutive=1)
    )
    with pytest.raises(ReadFailed):
        await policy.execute(failing(*down(1)), key="a")
    with pytest.raises(CircuitOpen):
        await policy.execute(failing(), key="a")
    assert 1 == await policy.execute(failing(), key="b")


# ---- time ----------------------------------------------------------------------------------------


async def test_no_wait_begins_that_would_end_after_the_deadline(
    rule: RetryRule, clock: Clock
) -> None:
    errors = down(3)
    with pytest.raises(TotalTimedOut, match="2 attempts") as caught:
        await Policy(retry=rule, total_timeout=2.5).execute(failing(*errors))
    assert [1] == clock.slept
    assert errors[1] is caught.value.__cause__
    assert 2 == caught.value.attempts


async def test_a_retry_after_beyond_the_deadline_is_not_slept(
    rule: RetryRule, clock: Clock
) -> None:
    with pytest.raises(TotalTimedOut):
        await Policy(retry=rule, total_timeout=5).execute(
            failing(ReadFailed("later", retry_after=10))
        )
    assert [] == clock.slept


async def test_the_deadline_cuts_an_attempt() -> None:
    async def hang(attempt: Attempt) -> None:
        await asyncio.Event().wait()

    with pytest.raises(TotalTimedOut, match="attempt 1"):
        await Policy(total_timeout=0.02).execute(hang)


async def test_the_tightest_deadline_holds(rule: RetryRule, clock: Clock) -> None:
    seen: list[float] = []

    async def fn(attempt: Attempt) -> None:
        assert attempt.deadline is not None
        seen.append(attempt.deadline.remaining())

    policy = Policy(retry=rule, total_timeout=30)
    await policy.execute(fn, deadline=7)
    await policy.execute(fn, deadline=Deadline.after(8, clock=clock))
    await policy.execute(fn, deadline=99)
    with Deadline.after(5, clock=clock).scope():
        await policy.execute(fn)
    assert [7, 8, 30, 5] == seen


async def test_a_slow_attempt_is_cut_and_repeated(rule: RetryRule) -> None:
    async def fn(attempt: Attempt) -> int:
        if attempt.number == 1:
            await asyncio.Event().wait()
        return attempt.number

    assert 2 == await Policy(retry=rule, attempt_timeout=0.02).execute(fn)


async def test_an_attempt_that_was_cut_is_our_error_and_httpx2s(rule: RetryRule) -> None:
    import httpx2

    async def hang(attempt: Attempt) -> None:
        await asyncio.Event().wait()

    with pytest.raises(AttemptTimedOut) as caught:
        await Policy(retry=None, attempt_timeout=0.02).execute(hang)
    assert isinstance(caught.value, httpx2.ReadTimeout | TimeoutError)


async def test_cancellation_leaves_at_once(rule: RetryRule, clock: Clock) -> None:
    begun = asyncio.Event()

    async def hang(attempt: Attempt) -> None:
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(Policy(retry=rule).execute(hang))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [] == clock.slept


# ---- breaker -------------------------------------------------------------------------------------


async def test_a_breaker_opens_probes_and_closes(rule: RetryRule, clock: Clock) -> None:
    events: list[PolicyEvent] = []
    policy = Policy(
        retry=RetryRule(rule.policy.with_(attempts=1)),
        breaker=BreakerRule(consecutive=2, open_for=5, half_open_calls=1),
        on_event=events.append,
    )
    for error in down(2):
        with pytest.raises(ReadFailed):
            await policy.execute(failing(error))
    calls = 0

    async def fn(attempt: Attempt) -> int:
        nonlocal calls
        calls += 1
        return calls

    with pytest.raises(CircuitOpen) as caught:
        await policy.execute(fn)
    assert (0, 5) == (calls, caught.value.retry_after)
    clock.now += 5
    assert 1 == await policy.execute(fn)
    assert 2 == await policy.execute(fn)
    assert ["open", "close"] == [event.kind for event in events]


async def test_the_breaker_counts_every_attempt(rule: RetryRule) -> None:
    policy = Policy(retry=rule, breaker=BreakerRule(consecutive=2))
    with pytest.raises(CircuitOpen):
        await policy.execute(failing(*down(4)))


async def test_an_attempt_that_the_timer_cut_is_a_failure(rule: RetryRule) -> None:
    policy = Policy(retry=None, attempt_timeout=0.02, breaker=BreakerRule(consecutive=1))

    async def hang(attempt: Attempt) -> None:
        await asyncio.Event().wait()

    with pytest.raises(AttemptTimedOut):
        await policy.execute(hang)
    with pytest.raises(CircuitOpen):
        await policy.execute(hang)


async def test_an_attempt_that_the_deadline_cut_is_a_failure() -> None:
    policy = Policy(retry=None, total_timeout=0.02, breaker=BreakerRule(consecutive=1))

    async def hang(attempt: Attempt) -> None:
        await asyncio.Event().wait()

    with pytest.raises(TotalTimedOut):
        await policy.execute(hang)
    with pytest.raises(CircuitOpen):
        await policy.execute(hang)


async def test_neither_cancellation_nor_what_the_other_side_answered_opens_it() -> None:
    policy = Policy(retry=None, breaker=BreakerRule(consecutive=1))
    with pytest.raises(NotFoundError):
        await policy.execute(failing(NotFoundError("no such user")))

    async def hang(attempt: Attempt) -> None:
        await asyncio.Event().wait()

    task = asyncio.ensure_future(policy.execute(hang))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert 1 == await policy.execute(failing())


async def test_a_cancelled_probe_gives_its_place_back(clock: Clock, rule: RetryRule) -> None:
    policy = Policy(
        retry=RetryRule(rule.policy.with_(attempts=1)),
        breaker=BreakerRule(consecutive=1, open_for=5, half_open_calls=1),
    )
    with pytest.raises(ReadFailed):
        await policy.execute(failing(*down(1)))
    clock.now += 5

    async def hang(attempt: Attempt) -> None:
        await asyncio.Event().wait()

    task = asyncio.ensure_future(policy.execute(hang))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert 1 == await policy.execute(failing())


# ---- rate and bulkhead ---------------------------------------------------------------------------


async def test_a_rate_makes_calls_wait_in_line(rule: RetryRule, clock: Clock) -> None:
    policy = Policy(retry=rule, rate=RateRule(2, burst=2))
    for _ in range(5):
        await policy.execute(failing())
    assert [0.5, 0.5, 0.5] == clock.slept


async def test_a_wait_longer_than_max_wait_is_refused(rule: RetryRule, clock: Clock) -> None:
    policy = Policy(retry=rule, rate=RateRule(1, per=10, burst=1, max_wait=0))
    await policy.execute(failing())
    with pytest.raises(RateLimitHit) as caught:
        await policy.execute(failing())
    assert (10, 503) == (caught.value.retry_after, caught.value.http_status)
    assert [] == clock.slept
    clock.now += 10
    assert 1 == await policy.execute(failing())


async def test_a_turn_that_was_not_taken_is_given_back(clock: Clock) -> None:
    async def interrupted(seconds: float) -> None:
        raise asyncio.CancelledError

    retry = RetryRule(RetryPolicy(attempts=1, deadline=None, clock=clock, sleep=interrupted))
    policy = Policy(retry=retry, rate=RateRule(1, burst=1, max_wait=60))
    await policy.execute(failing())
    for _ in range(5):
        with pytest.raises(asyncio.CancelledError):
            await policy.execute(failing())
    clock.now += 1
    assert 1 == await policy.execute(failing())


async def test_a_bulkhead_bounds_the_calls_at_once() -> None:
    running = most = 0

    async def fn(attempt: Attempt) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1

    policy = Policy(bulkhead=3)
    await asyncio.gather(*(policy.execute(fn) for _ in range(20)))
    assert 3 == most


async def test_a_full_bulkhead_refuses_without_a_call() -> None:
    policy = Policy(bulkhead=Bulkhead(1, queue=0))
    gate = asyncio.Event()

    async def hold(attempt: Attempt) -> None:
        await gate.wait()

    first = asyncio.ensure_future(policy.execute(hold))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with pytest.raises(BulkheadFull):
        await policy.execute(failing())
    gate.set()
    await first
    assert 1 == await policy.execute(failing())


# ---- hedge ---------------------------------------------------------------------------------------


async def test_a_slow_attempt_is_hedged_and_the_loser_is_cancelled() -> None:
    events: list[PolicyEvent] = []
    ended: list[int] = []

    async def fn(attempt: Attempt) -> int:
        try:
            if attempt.number == 1:
                await asyncio.Event().wait()
            return attempt.number
        finally:
            ended.append(attempt.number)

    policy = Policy(hedge=Hedge(0.01), on_event=events.append)
    assert 2 == await policy.execute(fn)
    assert [2, 1] == ended
    assert ["hedge"] == [event.kind for event in events]


async def test_a_quick_answer_and_what_is_not_idempotent_are_not_hedged() -> None:
    calls = 0

    async def fn(attempt: Attempt) -> None:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0.02)

    await Policy(hedge=Hedge(10)).execute(fn)
    await Policy(hedge=Hedge(0.001)).execute(fn, idempotent=False)
    assert 2 == calls


async def test_a_hedge_is_paid_from_the_budget() -> None:
    calls = 0

    async def fn(attempt: Attempt) -> None:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0.05)

    rule = RetryRule(budget=RetryBudget(ratio=0, min_per_second=0))
    await Policy(hedge=Hedge(0.001), retry=rule).execute(fn)
    assert 1 == calls


async def test_p95_hedges_once_enough_is_known() -> None:
    policy = Policy(hedge=Hedge("p95"))
    calls = 0

    async def fn(attempt: Attempt) -> None:
        nonlocal calls
        calls += 1
        if calls == 20:
            await asyncio.Event().wait()

    for _ in range(19):
        await policy.execute(fn)
    await policy.execute(fn)
    assert 21 == calls


async def test_a_cancelled_hedge_leaves_nothing_running() -> None:
    running = 0

    async def fn(attempt: Attempt) -> None:
        nonlocal running
        running += 1
        try:
            await asyncio.Event().wait()
        finally:
            running -= 1

    task = asyncio.ensure_future(Policy(hedge=Hedge(0.005)).execute(fn))
    while running < 2:  # noqa: ASYNC110  # nothing else tells
        await asyncio.sleep(0.002)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert 0 == running


# ---- fallback ------------------------------------------------------------------------------------


async def test_a_fallback_stands_for_what_is_down_and_for_nothing_else() -> None:
    events: list[PolicyEvent] = []
    policy = Policy(retry=None, fallback=lambda what: ("instead", what), on_event=events.append)
    error = ReadFailed("down")
    assert ("instead", error) == await policy.execute(failing(error))
    assert ["fallback"] == [event.kind for event in events]
    with pytest.raises(NotFoundError):
        await policy.execute(failing(NotFoundError("no")))
    with pytest.raises(asyncio.CancelledError):
        await policy.execute(failing(asyncio.CancelledError()))  # type: ignore[arg-type]  # the case


async def test_a_fallback_may_be_async() -> None:
    async def instead(what: BaseException) -> str:
        return "instead"

    policy = Policy(retry=None, fallback=instead)
    assert "instead" == await policy.execute(failing(ReadFailed("down")))


# ---- the value -----------------------------------------------------------------------------------


def test_presets_are_what_they_say() -> None:
    none, llm = Policy.none(), Policy.llm()
    assert [None] * 5 == [
        none.total_timeout,
        none.attempt_timeout,
        none.stream_idle_timeout,
        none.retry,
        none.breaker,
    ]
    assert (600, 120, 120) == (llm.total_timeout, llm.attempt_timeout, llm.stream_idle_timeout)
    assert llm.retry is not None
    assert 529 in llm.retry.statuses
    assert llm.auto_idempotency
    assert llm.hedge is None


def test_with_changes_a_copy() -> None:
    policy = Policy()
    assert 5 == policy.with_(total_timeout=5).total_timeout
    assert 30 == policy.total_timeout
    with pytest.raises(HttpConfigError, match="totl_timeout"):
        policy.with_(totl_timeout=5)


@pytest.mark.parametrize(
    "options",
    [
        {"total_timeout": 0},
        {"attempt_timeout": -1},
        {"stream_idle_timeout": float("nan")},
        {"total_timeout": "3"},
        {"bulkhead": 0},
        {"bulkhead": True},
    ],
    ids=["zero", "negative", "nan", "text", "no-slot", "bool"],
)
def test_a_bad_option_is_refused_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(HttpConfigError):
        Policy(**options)


@pytest.mark.parametrize(
    "make",
    [
        lambda: RateRule(0),
        lambda: RateRule(1, burst=0),
        lambda: RateRule(1, max_wait=-1),
        lambda: Hedge(0),
        lambda: Hedge("p99"),  # type: ignore[arg-type]  # the case
        lambda: RetryRule(budget="mine"),  # type: ignore[arg-type]  # the case
        lambda: RetryRule(methods="GET"),  # type: ignore[arg-type]  # the case
        lambda: RetryRule(policy=3),  # type: ignore[arg-type]  # the case
    ],
    ids=["rate", "burst", "wait", "hedge", "percentile", "budget", "methods", "policy"],
)
def test_a_bad_rule_is_refused_at_once(make: Callable[[], object]) -> None:
    with pytest.raises(HttpConfigError):
        make()


async def test_the_users_own_hooks_and_predicate_are_kept(rule: RetryRule) -> None:
    told: list[str] = []
    own = rule.policy.with_(
        on=LookupError,
        on_retry=lambda event: told.append(f"retry {event.attempt}"),
        on_give_up=lambda event: told.append(event.reason),
    )
    with pytest.raises(ReadFailed):
        await Policy(retry=RetryRule(own)).execute(failing(LookupError("a"), ReadFailed("b")))
    assert ["retry 1", "not_retryable"] == told


def test_status_of_the_refusals_is_what_a_server_answers() -> None:
    assert [Status.UNAVAILABLE, Status.UNAVAILABLE, Status.RESOURCE_EXHAUSTED] == [
        error.status for error in (CircuitOpen("x"), BulkheadFull("x"), RateLimitHit("x"))
    ]
