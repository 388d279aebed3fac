"""RetryPolicy, retry, RetryEvent: rules 17 to 19."""

from __future__ import annotations

import asyncio
import copy
import gc
import inspect
import logging
import pickle
import weakref
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra_errors.budget import RetryBudget
from infra_errors.deadline import Deadline
from infra_errors.errors import (
    DeadlineExceededError,
    NotFoundError,
    RateLimitedError,
    UnavailableError,
    ValidationError,
)
from infra_errors.retry import GiveUpEvent, RetryEvent, RetryPolicy, retry


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def policy(clock: Clock) -> RetryPolicy:
    """Waits of 1, 2, 4 … seconds on the fake clock."""
    return RetryPolicy(base=1.0, jitter=0, clock=clock, sleep=clock.sleep)


class Service:
    """Fails with the given errors in turn, then answers 42."""

    def __init__(self, *errors: BaseException) -> None:
        self.calls = 0
        self._errors: Iterator[BaseException] = iter(errors)

    def __call__(self) -> int:
        self.calls += 1
        error = next(self._errors, None)
        if error is not None:
            raise error
        return 42

    async def later(self) -> int:
        return self()


def down(times: int = 1) -> list[UnavailableError]:
    return [UnavailableError(f"down {n}") for n in range(1, times + 1)]


# The delay


def test_delays_double_up_to_the_cap() -> None:
    policy = RetryPolicy(attempts=5, base=0.1, factor=2, cap=0.5, jitter=0)
    assert [0.1, 0.2, 0.4, 0.5] == list(policy.delays())


def test_delays_without_a_bound_on_attempts_never_end() -> None:
    policy = RetryPolicy(attempts=None, base=1, cap=3, jitter=0)
    assert [1, 2, 3, 3, 3] == list(islice(policy.delays(), 5))


@pytest.mark.parametrize(("jitter", "expected"), [(1.0, 0.25), (0.5, 0.625), (0.0, 1.0)])
def test_jitter_is_the_share_that_chance_takes(jitter: float, expected: float) -> None:
    assert expected == RetryPolicy(base=1.0, jitter=jitter, rng=lambda: 0.75).delay(1)


@given(
    base=st.floats(0, 1e300),
    factor=st.floats(1, 1e10),
    cap=st.floats(0, 1e10),
    jitter=st.floats(0, 1),
    chance=st.floats(0, 1, exclude_max=True),
    n=st.integers(1, 10**9),
)
def test_a_delay_stays_between_zero_and_the_cap(
    base: float, factor: float, cap: float, jitter: float, chance: float, n: int
) -> None:
    policy = RetryPolicy(base=base, factor=factor, cap=cap, jitter=jitter, rng=lambda: chance)
    delay = policy.delay(n)
    assert 0 <= delay <= cap
    assert delay >= min(cap, base) * (1 - jitter) * (1 - 1e-9)


@given(asked=st.floats(0, 1e6), chance=st.floats(0, 1, exclude_max=True))
def test_retry_after_is_a_floor_with_at_most_base_on_top(asked: float, chance: float) -> None:
    policy = RetryPolicy(base=2.0, cap=2.0, rng=lambda: chance)
    delay = policy.delay(1, RateLimitedError(retry_after=asked))
    assert asked <= delay <= asked + 2.0


def test_retry_after_below_the_wait_changes_nothing() -> None:
    policy = RetryPolicy(base=8.0, jitter=0)
    assert policy.delay(1) == policy.delay(1, RateLimitedError(retry_after=3))


def test_a_base_of_zero_waits_for_nothing_however_late() -> None:
    assert 0.0 == RetryPolicy(base=0.0).delay(100_000)


def test_retries_count_from_one() -> None:
    with pytest.raises(ValidationError, match="from 1 on"):
        RetryPolicy().delay(0)


def test_full_jitter_is_distributed_as_tenacity_s() -> None:
    tenacity = pytest.importorskip("tenacity")
    theirs = tenacity.wait_random_exponential(multiplier=1, max=6)
    policy = RetryPolicy(base=1, cap=6)
    for n in (1, 2, 3, 4):
        state = tenacity.RetryCallState(None, None, (), {})
        state.attempt_number = n
        expected = sorted(theirs(state) for _ in range(2000))
        actual = sorted(policy.delay(n) for _ in range(2000))
        distance = max(abs(a - e) for a, e in zip(actual, expected, strict=True))
        assert distance < 0.15 * min(6, 2 ** (n - 1))  # 1 in 10^7 runs comes that far


# The options


@pytest.mark.parametrize(
    "options",
    [
        {"attempts": 0},
        {"attempts": -1},
        {"base": -0.1},
        {"base": float("nan")},
        {"factor": 0.9},
        {"factor": float("nan")},
        {"cap": -1.0},
        {"jitter": 1.1},
        {"jitter": -0.1},
        {"jitter": float("nan")},
        {"deadline": -1},
        {"deadline": timedelta(seconds=-1)},
        {"attempt_timeout": float("nan")},
        {"max_retry_after": -1},
        {"attempts": None, "deadline": None},
        {"on": "OSError"},
        {"on": (OSError, "ValueError")},
        {"on": int},
        {"attempts": "3"},
        {"attempts": 2.5},
        {"attempts": True},
        {"base": "1"},
        {"base": None},
        {"factor": float("inf")},
        {"jitter": None},
        {"cap": None},
        {"max_retry_after": None},
        {"deadline": "60"},
    ],
    ids=repr,
)
def test_a_bad_option_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as caught:
        RetryPolicy(**options)  # type: ignore[arg-type]
    assert "errors.bad_policy" == caught.value.code


def test_durations_may_be_timedeltas() -> None:
    policy = RetryPolicy(deadline=timedelta(minutes=1), attempt_timeout=timedelta(seconds=2))
    assert (60.0, 2.0) == (policy.deadline, policy.attempt_timeout)


def test_a_policy_is_a_value() -> None:
    policy = RetryPolicy(attempts=7)
    assert RetryPolicy(attempts=7) == policy
    assert RetryPolicy() != policy
    assert policy != 7
    assert hash(RetryPolicy(attempts=7)) == hash(policy)
    assert policy == copy.deepcopy(policy) == pickle.loads(pickle.dumps(policy))
    assert policy == RetryPolicy().with_(attempts=7)
    assert "RetryPolicy(attempts=7)" == repr(policy)


def test_a_policy_cannot_be_changed() -> None:
    policy = RetryPolicy()
    with pytest.raises(AttributeError, match="with_"):
        policy.attempts = 9
    with pytest.raises(AttributeError, match="immutable"):
        del policy.attempts


def test_a_changed_copy_is_checked_too() -> None:
    with pytest.raises(ValidationError):
        RetryPolicy().with_(attempts=0)


# One run


def test_a_call_that_succeeds_is_made_once(policy: RetryPolicy, clock: Clock) -> None:
    service = Service()
    assert 42 == policy.run(service)
    assert (1, []) == (service.calls, clock.slept)


def test_a_call_is_repeated_until_it_succeeds(policy: RetryPolicy, clock: Clock) -> None:
    service = Service(*down(3))
    assert 42 == policy.run(service)
    assert [1, 2, 4] == clock.slept


def test_arguments_reach_the_function(policy: RetryPolicy) -> None:
    assert ((1, 2), {"fn": 3}) == policy.run(lambda *args, **kw: (args, kw), 1, 2, fn=3)


def test_the_last_error_itself_is_raised_with_what_happened(policy: RetryPolicy) -> None:
    errors = down(4)
    with pytest.raises(UnavailableError) as caught:
        policy.run(Service(*errors))
    assert errors[-1] is caught.value
    assert 4 == caught.value.attempts
    assert ("gave up after 4 attempts in 7.00 s (attempts)",) == caught.value.notes
    assert caught.value.__context__ is None


def test_an_error_that_is_not_retryable_is_raised_at_once(policy: RetryPolicy) -> None:
    service = Service(NotFoundError())
    with pytest.raises(NotFoundError) as caught:
        policy.run(service)
    assert (1, 1, ()) == (service.calls, caught.value.attempts, caught.value.notes)


def test_an_error_that_stops_being_retryable_says_after_how_many(policy: RetryPolicy) -> None:
    with pytest.raises(NotFoundError) as caught:
        policy.run(Service(*down(), NotFoundError()))
    assert ("gave up after 2 attempts in 1.00 s (not_retryable)",) == caught.value.notes


def test_foreign_errors_are_judged_by_conversion(policy: RetryPolicy) -> None:
    assert 42 == policy.run(Service(ConnectionResetError(), TimeoutError()))
    with pytest.raises(KeyError):
        policy.run(Service(KeyError("x")))


@pytest.mark.parametrize("on", [KeyError, (OSError, LookupError), lambda e: "x" in e.args])
def test_on_names_the_errors_to_repeat(policy: RetryPolicy, on: type[Exception]) -> None:
    assert 42 == policy.with_(on=on).run(Service(KeyError("x")))
    with pytest.raises(ValueError, match="y"):
        policy.with_(on=on).run(Service(ValueError("y")))


def test_a_server_that_asks_for_too_long_is_not_asked_again(
    policy: RetryPolicy, clock: Clock
) -> None:
    assert 42 == policy.run(Service(RateLimitedError(retry_after=30)))
    assert [30] == clock.slept
    with pytest.raises(RateLimitedError):
        policy.run(Service(RateLimitedError(retry_after=30.1)))


def test_no_wait_goes_past_the_deadline(policy: RetryPolicy, clock: Clock) -> None:
    with pytest.raises(UnavailableError) as caught:
        policy.with_(deadline=3.0).run(Service(*down(9)))
    assert [1] == clock.slept  # the next 2 s would end at the deadline
    assert ("gave up after 2 attempts in 1.00 s (deadline)",) == caught.value.notes


def test_a_sleep_that_took_too_long_is_not_followed_by_an_attempt(
    policy: RetryPolicy, clock: Clock
) -> None:
    service = Service(*down(9))
    with pytest.raises(UnavailableError) as caught:
        policy.with_(deadline=3.0, sleep=lambda s: clock.sleep(s * 5)).run(service)
    assert 1 == service.calls
    assert 1 == caught.value.attempts


def test_the_tighter_deadline_holds(policy: RetryPolicy, clock: Clock) -> None:
    with Deadline.after(2.5, clock=clock).scope(), pytest.raises(UnavailableError):
        policy.run(Service(*down(9)))
    assert [1] == clock.slept


def test_the_deadline_alone_bounds_a_policy_without_attempts(
    policy: RetryPolicy, clock: Clock
) -> None:
    with pytest.raises(UnavailableError):
        policy.with_(attempts=None, deadline=100.0, cap=10.0).run(Service(*down(99)))
    assert 95 == clock.now


def test_an_empty_budget_denies_the_first_retry(policy: RetryPolicy, clock: Clock) -> None:
    budget = RetryBudget(min_per_second=0, ratio=1, clock=clock)
    with pytest.raises(UnavailableError) as caught:
        policy.with_(budget=budget).run(Service(*down()))
    assert ("gave up after 1 attempt in 0.00 s (budget)",) == caught.value.notes


def test_a_success_earns_budget_whenever_it_comes(policy: RetryPolicy, clock: Clock) -> None:
    budget = RetryBudget(min_per_second=0, ratio=1, clock=clock)
    policy = policy.with_(budget=budget)
    policy.run(Service())
    assert 42 == policy.run(Service(*down()))  # spends one, earns one
    assert [True, False] == [budget.allow(), budget.allow()]


def test_a_retry_that_is_denied_for_another_reason_spends_no_budget(
    policy: RetryPolicy, clock: Clock
) -> None:
    budget = RetryBudget(min_per_second=0.1, ratio=0, clock=clock)
    with pytest.raises(NotFoundError):
        policy.with_(budget=budget).run(Service(NotFoundError()))
    with pytest.raises(UnavailableError):
        policy.with_(budget=budget, attempts=1).run(Service(*down()))
    assert budget.allow()


async def test_a_failure_is_not_kept_alive_by_the_run_that_saw_it(policy: RetryPolicy) -> None:
    class Watched(UnavailableError):
        pass

    async def later(fail: list[bool]) -> None:
        attempt(fail)

    def attempt(fail: list[bool]) -> None:
        if fail:
            fail.clear()
            error = Watched()
            seen.append(weakref.ref(error))
            try:
                raise error
            finally:
                del error

    seen: list[weakref.ref[Watched]] = []
    gc.disable()
    try:
        policy.run(attempt, [True])
        await policy.arun(later, [True])
        assert [None, None] == [reference() for reference in seen]
    finally:
        gc.enable()


# What is told


def test_on_retry_is_told_of_each_retry(policy: RetryPolicy) -> None:
    events: list[RetryEvent] = []
    service = Service(*(errors := down(2)))
    policy.with_(on_retry=events.append).run(service)
    assert [1, 2] == [event.attempt for event in events]
    assert [1.0, 2.0] == [event.wait for event in events]
    assert [0.0, 1.0] == [event.elapsed for event in events]
    assert errors == [event.error for event in events]
    assert {"Service"} == {event.name for event in events}
    assert "attempt=1" in repr(events[0])


def test_what_on_retry_raises_propagates(policy: RetryPolicy) -> None:
    def refuse(event: RetryEvent) -> None:
        raise LookupError(event.name)

    with pytest.raises(LookupError):
        policy.with_(on_retry=refuse).run(Service(*down()))


def test_on_give_up_is_told_why(policy: RetryPolicy, clock: Clock) -> None:
    ends: list[GiveUpEvent] = []
    told = policy.with_(on_give_up=ends.append)
    spent = RetryBudget(ratio=0, min_per_second=0, clock=clock)
    for cut in (
        told,
        told.with_(deadline=1.5),
        told.with_(budget=spent),
        told.with_(on=LookupError),
    ):
        with pytest.raises(UnavailableError):
            cut.run(Service(*down(9)))
    assert ["attempts", "deadline", "budget", "not_retryable"] == [end.reason for end in ends]
    assert [4, 2, 1, 1] == [end.attempts for end in ends]
    assert {"Service"} == {end.name for end in ends}
    assert "reason='attempts'" in repr(ends[0])


async def test_what_on_give_up_raises_stands_for_the_failure(policy: RetryPolicy) -> None:
    def replace(event: GiveUpEvent) -> None:
        raise LookupError(event.reason) from event.error

    replacing = policy.with_(on_give_up=replace)
    with pytest.raises(LookupError, match="attempts") as caught:
        replacing.run(Service(*down(9)))
    assert isinstance(caught.value.__cause__, UnavailableError)
    with pytest.raises(LookupError, match="attempts") as caught:
        await replacing.arun(Service(*down(9)).later)
    assert isinstance(caught.value.__cause__, UnavailableError)


def test_a_retry_is_a_warning_and_giving_up_one_error(
    policy: RetryPolicy, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(UnavailableError):
        policy.run(Service(*down(4)))
    assert ["WARNING"] * 3 + ["ERROR"] == [record.levelname for record in caplog.records]
    assert {"infra_errors.retry"} == {record.name for record in caplog.records}
    assert {"general.unavailable"} == {vars(record)["error.type"] for record in caplog.records}


def test_a_single_failure_is_the_caller_s_to_log(
    policy: RetryPolicy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(NotFoundError):
        policy.run(Service(NotFoundError()))
    assert [] == caplog.records


# Nesting


def test_nested_policies_do_not_multiply(policy: RetryPolicy) -> None:
    service = Service(*down(99))
    with pytest.raises(UnavailableError):
        policy.with_(attempts=3).run(partial(policy.with_(attempts=3, base=2.0).run, service))
    assert 3 == service.calls


def test_an_inner_policy_repeats_what_the_outer_one_does_not(policy: RetryPolicy) -> None:
    service = Service(KeyError("x"), *down())
    inner = policy.with_(on=(KeyError, UnavailableError))
    assert 42 == policy.with_(attempts=2).run(partial(inner.run, service))


def test_a_policy_of_one_attempt_retries_nothing_and_stands_in_nobody_s_way(
    policy: RetryPolicy,
) -> None:
    service = Service(*down(2))
    assert 42 == policy.with_(attempts=1).run(partial(policy.run, service))


def test_the_deadline_is_current_while_an_attempt_runs_and_not_after(
    policy: RetryPolicy, clock: Clock
) -> None:
    def left() -> float:
        current = Deadline.current()
        assert current is not None
        return current.remaining()

    waiting: list[Deadline | None] = []
    assert 60 == policy.run(left)
    policy.with_(on_retry=lambda _: waiting.append(Deadline.current())).run(Service(*down()))
    assert [None] == waiting
    assert Deadline.current() is None


async def test_a_task_left_behind_inherits_neither_deadline_nor_retrying(
    policy: RetryPolicy, clock: Clock
) -> None:
    done = asyncio.Event()
    service = Service(*down(2))

    async def background() -> tuple[Deadline | None, int]:
        await done.wait()
        return Deadline.current(), policy.run(service)

    async def leave_behind() -> asyncio.Task[tuple[Deadline | None, int]]:
        return asyncio.create_task(background())

    task = await policy.arun(leave_behind)
    done.set()
    assert (None, 42) == await task


async def test_a_task_of_the_first_attempt_is_not_revived_by_the_second(
    policy: RetryPolicy,
) -> None:
    go, seen = asyncio.Event(), asyncio.Event()
    tasks: list[asyncio.Task[Deadline | None]] = []

    async def background() -> Deadline | None:
        await go.wait()
        seen.set()
        return Deadline.current()

    async def attempt() -> None:
        if not tasks:
            tasks.append(asyncio.create_task(background()))
            raise UnavailableError
        go.set()
        await seen.wait()

    await policy.arun(attempt)
    assert await tasks[0] is None


async def test_a_task_with_a_deadline_of_its_own_does_not_inherit_retrying_either(
    policy: RetryPolicy,
) -> None:
    done = asyncio.Event()
    service = Service(*down(2))

    async def background() -> int:
        with Deadline.after(1000).scope():
            await done.wait()
            return policy.run(service)

    async def leave_behind() -> asyncio.Task[int]:
        task = asyncio.create_task(background())
        await asyncio.sleep(0)
        return task

    task = await policy.arun(leave_behind)
    done.set()
    assert 42 == await task


# Leaving at once


@pytest.mark.parametrize("leaving", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_no_exception_leaves_at_once(
    policy: RetryPolicy, leaving: type[BaseException]
) -> None:
    service = Service(leaving())
    with pytest.raises(leaving):
        policy.with_(on=lambda _: True).run(service)
    assert 1 == service.calls


def test_an_interrupted_sleep_leaves_at_once(policy: RetryPolicy) -> None:
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    service = Service(*down(3))
    with pytest.raises(KeyboardInterrupt):
        policy.with_(sleep=interrupted).run(service)
    assert 1 == service.calls


async def test_a_cancelled_attempt_is_not_repeated(policy: RetryPolicy) -> None:
    calls = 0

    async def hang() -> None:
        nonlocal calls
        calls += 1
        await asyncio.Event().wait()

    for options in ({}, {"deadline": None}, {"attempt_timeout": 1000.0}):
        calls = 0
        task = asyncio.create_task(policy.with_(**options, on=lambda _: True).arun(hang))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert 1 == calls


async def test_a_cancelled_sleep_leaves_at_once(policy: RetryPolicy) -> None:
    service = Service(*down(3))
    task = asyncio.create_task(policy.with_(sleep=None).arun(service.later))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert 1 == service.calls


async def test_an_outer_timeout_is_not_taken_for_the_attempt_s(policy: RetryPolicy) -> None:
    calls = 0

    async def hang() -> None:
        nonlocal calls
        calls += 1
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(0):
            await policy.with_(attempt_timeout=1000.0).arun(hang)
    assert (TimeoutError, 1) == (type(caught.value), calls)


async def test_cancellation_from_outside_wins_over_the_cut(policy: RetryPolicy) -> None:
    calls = 0

    async def hang() -> None:
        nonlocal calls
        calls += 1
        asyncio.get_running_loop().call_soon(task.cancel)
        await asyncio.Event().wait()

    task = asyncio.create_task(policy.with_(attempt_timeout=0.0).arun(hang))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert 1 == calls


# Async


async def test_an_async_call_is_repeated_too(policy: RetryPolicy, clock: Clock) -> None:
    assert 42 == await policy.arun(Service(*down(3)).later)
    assert [1, 2, 4] == clock.slept


async def test_a_sleep_may_be_async(policy: RetryPolicy, clock: Clock) -> None:
    async def sleep(seconds: float) -> None:
        await asyncio.sleep(0)
        clock.sleep(seconds)

    assert 42 == await policy.with_(sleep=sleep).arun(Service(*down()).later)
    assert [1] == clock.slept


async def test_the_default_sleep_is_asyncio_s(policy: RetryPolicy) -> None:
    assert 42 == await policy.with_(base=0.0, sleep=None).arun(Service(*down()).later)


async def test_a_slow_attempt_is_cut_and_repeated(policy: RetryPolicy) -> None:
    calls = 0

    async def slow_at_first() -> int:
        nonlocal calls
        calls += 1
        if calls == 1:
            await asyncio.Event().wait()
        return calls

    assert 2 == await policy.with_(attempt_timeout=0.0).arun(slow_at_first)


async def test_attempts_that_are_all_cut_say_so(policy: RetryPolicy) -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    with pytest.raises(DeadlineExceededError, match=r"attempt 4 of .*hang") as caught:
        await policy.with_(attempt_timeout=0.0).arun(hang)
    assert ("errors.attempt_timeout", True) == (caught.value.code, caught.value.retryable)
    assert isinstance(caught.value, TimeoutError)


async def test_the_deadline_cuts_an_attempt_for_good(policy: RetryPolicy) -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    with pytest.raises(DeadlineExceededError) as caught:
        await policy.with_(deadline=0.0, on=lambda _: True).arun(hang)
    assert ("general.deadline_exceeded", False) == (caught.value.code, caught.value.retryable)
    assert 1 == caught.value.attempts


async def test_an_attempt_cut_by_the_deadline_names_the_failure_before(
    policy: RetryPolicy, clock: Clock
) -> None:
    first = down()[0]
    calls = 0

    async def fail_then_hang() -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise first
        clock.now = 59.999999  # a sliver of real time for asyncio to wait
        await asyncio.Event().wait()

    # The limit is taken when the attempt begins, so the sleep leaves that sliver.
    policy = policy.with_(sleep=lambda _: setattr(clock, "now", 59.999999))
    with pytest.raises(DeadlineExceededError) as caught:
        await policy.arun(fail_then_hang)
    assert first is caught.value.__cause__
    assert ("gave up after 2 attempts in 60.00 s (deadline)",) == caught.value.notes


@pytest.mark.parametrize("options", [{"attempt_timeout": 1000.0}, {}, {"deadline": None}])
async def test_a_timeout_of_the_function_s_own_is_its_own(
    policy: RetryPolicy, options: dict[str, float]
) -> None:
    own = TimeoutError("mine")
    with pytest.raises(TimeoutError) as caught:
        await policy.with_(**options, attempts=1).arun(Service(own).later)  # type: ignore[arg-type]
    assert own is caught.value


async def test_a_failure_while_being_cut_is_the_attempt_s_own(policy: RetryPolicy) -> None:
    async def convert() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise NotFoundError from None

    with pytest.raises(NotFoundError):
        await policy.with_(attempt_timeout=0.0).arun(convert)
    task = asyncio.current_task()
    assert task is not None
    assert 0 == task.cancelling()


def test_a_sync_attempt_cannot_be_cut(policy: RetryPolicy) -> None:
    with pytest.raises(ValidationError, match="async"):
        policy.with_(attempt_timeout=1.0).run(Service())


def test_a_sync_run_refuses_an_async_sleep(policy: RetryPolicy) -> None:
    class Pause:
        def __await__(self) -> Iterator[None]:
            yield

    with pytest.raises(ValidationError, match="arun"):
        policy.with_(sleep=lambda _: Pause()).run(Service(*down()))


# The decorator


def test_a_decorated_function_is_repeated_and_keeps_its_name(clock: Clock) -> None:
    service = Service(*down(2))

    @retry(base=1.0, jitter=0, clock=clock, sleep=clock.sleep)
    def answer(plus: int) -> int:
        """Answer."""
        return service() + plus

    assert 43 == answer(1)
    assert ("answer", "Answer.") == (answer.__name__, answer.__doc__)


async def test_a_decorated_coroutine_function_stays_one(policy: RetryPolicy) -> None:
    service = Service(*down(2))

    @retry(policy)
    async def answer() -> int:
        return service()

    assert inspect.iscoroutinefunction(answer)
    assert 42 == await answer()


async def test_options_replace_those_of_the_policy(policy: RetryPolicy) -> None:
    service = Service(*down(9))

    class Client:
        @retry(policy, attempts=2)
        async def get(self) -> int:
            return service()

    with pytest.raises(UnavailableError):
        await Client().get()
    assert 2 == service.calls


async def test_an_async_callable_object_is_async(policy: RetryPolicy) -> None:
    service = Service(*down())

    class Call:
        async def __call__(self) -> int:
            return service()

    decorated: Callable[[], object] = retry(policy)(Call())
    assert 42 == await decorated()  # type: ignore[misc]


def test_a_generator_function_is_refused() -> None:
    def generate() -> Iterator[int]:
        yield 1

    with pytest.raises(ValidationError, match="generator"):
        retry()(generate)


def test_a_method_object_that_cannot_be_called_is_refused() -> None:
    with pytest.raises(ValidationError, match="below @classmethod"):
        retry()(classmethod(lambda cls: cls))  # type: ignore[type-var]


def test_run_refuses_what_has_to_be_awaited(policy: RetryPolicy) -> None:
    async def work() -> None: ...

    with pytest.raises(ValidationError, match="use arun"):
        policy.run(work)


def test_a_sync_function_with_an_attempt_timeout_is_refused_when_decorated() -> None:
    with pytest.raises(ValidationError, match="async"):
        retry(attempt_timeout=1.0)(lambda: None)


def test_a_forgotten_call_of_the_decorator_is_explained() -> None:
    with pytest.raises(ValidationError, match=r"@retry\(\)"):
        retry(lambda: None)  # type: ignore[arg-type]
