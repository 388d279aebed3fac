"""Deadline, retry, bulkhead, breaker, attempt timeout, call: rule 24, and old mistakes."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from infra_errors.breaker import BreakerState, CircuitBreaker, CircuitOpenError
from infra_errors.budget import RetryBudget
from infra_errors.bulkhead import Bulkhead, BulkheadFullError
from infra_errors.deadline import Deadline
from infra_errors.errors import (
    DeadlineExceededError,
    NotFoundError,
    RateLimitedError,
    UnavailableError,
)
from infra_errors.retry import RetryPolicy, retry


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


class Client:
    """A call in the order of rule 24, with every part on one fake clock."""

    def __init__(self, *answers: object, open_for: float = 5.0) -> None:
        self.clock = Clock()
        self.answers = list(answers)
        self.calls = 0
        self.policy = RetryPolicy(base=1.0, jitter=0, clock=self.clock, sleep=self.clock.sleep)
        self.bulkhead = Bulkhead(1, clock=self.clock)
        self.breaker = CircuitBreaker(
            consecutive=2, half_open_calls=1, open_for=open_for, clock=self.clock
        )

    async def get(self, seconds: float = 60.0) -> object:
        async with Deadline.after(seconds, clock=self.clock).scope():
            return await self.policy.arun(self.attempt)

    async def attempt(self) -> object:
        async with self.bulkhead.slot():
            with self.breaker.allow():
                async with asyncio.timeout(0 if self.answers[0] == "hang" else None):
                    return await self.call()

    async def call(self) -> object:
        self.calls += 1
        answer = self.answers.pop(0)
        if answer == "hang":
            await asyncio.Event().wait()
        if isinstance(answer, BaseException):
            raise answer
        return answer


async def test_all_of_them_let_a_good_call_pass() -> None:
    client = Client(42)
    assert 42 == await client.get()
    assert (1, 0, []) == (client.calls, client.bulkhead.in_use, client.clock.slept)


async def test_a_passing_trouble_is_retried_through_all_of_them() -> None:
    client = Client(UnavailableError(), 42)
    assert 42 == await client.get()
    assert [1] == client.clock.slept


async def test_the_slot_is_free_while_a_retry_waits() -> None:
    client = Client(UnavailableError(), 42)
    held: list[int] = []
    client.policy = client.policy.with_(on_retry=lambda _: held.append(client.bulkhead.in_use))
    await client.get()
    assert [0] == held


async def test_an_attempt_that_hangs_is_retried_and_counted_by_the_breaker() -> None:
    client = Client("hang", "hang", 42)
    assert 42 == await client.get()
    # The second timeout opened the circuit, which turned the third attempt away.
    assert [1, 2, 4] == client.clock.slept
    assert 3 == client.calls
    assert BreakerState.CLOSED is client.breaker.state


async def test_a_refusal_of_the_open_circuit_is_waited_for_but_not_counted() -> None:
    client = Client(UnavailableError(), UnavailableError(), 42, open_for=20.0)
    assert 42 == await client.get()
    assert [1, 2, 18] == client.clock.slept
    assert 3 == client.calls


async def test_a_circuit_open_for_longer_than_the_deadline_ends_the_run() -> None:
    client = Client(*[UnavailableError() for _ in range(9)], open_for=20.0)
    with pytest.raises(CircuitOpenError) as caught:
        await client.get(seconds=10.0)
    assert 2 == client.calls
    assert ("gave up after 3 attempts in 3.00 s (deadline)",) == caught.value.notes


async def test_a_full_bulkhead_is_retried_and_leaves_the_breaker_closed() -> None:
    client = Client(42)
    for _ in range(3):
        async with client.bulkhead.slot():
            with pytest.raises(BulkheadFullError):
                await client.get()
    assert BreakerState.CLOSED is client.breaker.state
    assert [1, 2, 4] * 3 == client.clock.slept


async def test_the_deadline_reaches_the_call_itself() -> None:
    client = Client(42)
    seen: list[Deadline | None] = []

    async def call() -> None:
        seen.append(Deadline.current())

    client.call = call  # type: ignore[method-assign]
    await client.get(seconds=3.0)
    assert [3.0] == [deadline.remaining() for deadline in seen if deadline]


async def test_cancelling_the_whole_leaves_nothing_behind() -> None:
    client = Client(*["hang"] * 9)
    client.answers[0] = "wait"

    async def wait() -> None:
        await asyncio.Event().wait()

    client.call = wait  # type: ignore[method-assign]
    task = asyncio.create_task(client.get())
    for _ in range(3):
        await asyncio.sleep(0)
    assert 1 == client.bulkhead.in_use
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (0, BreakerState.CLOSED) == (client.bulkhead.in_use, client.breaker.state)


async def test_a_cancelled_probe_does_not_wedge_the_circuit() -> None:
    client = Client(UnavailableError(), UnavailableError(), "wait", 42)
    client.policy = client.policy.with_(attempts=1)
    for _ in range(2):
        with pytest.raises(UnavailableError):
            await client.get()
    client.clock.now += 5
    call, started = client.call, asyncio.Event()

    async def wait() -> None:
        client.answers.pop(0)
        started.set()
        await asyncio.Event().wait()

    client.call = wait  # type: ignore[method-assign]
    probe = asyncio.create_task(client.get())
    await started.wait()
    with pytest.raises(CircuitOpenError):  # never two probes at once
        client.breaker.allow()
    probe.cancel()
    await asyncio.gather(probe, return_exceptions=True)
    client.call = call  # type: ignore[method-assign]
    assert 42 == await client.get()
    assert BreakerState.CLOSED is client.breaker.state


def test_answers_of_not_found_never_open_the_circuit() -> None:
    breaker = CircuitBreaker(min_calls=1, failure_ratio=0.1, clock=Clock())
    for _ in range(100):
        with pytest.raises(NotFoundError), breaker.allow():
            raise NotFoundError
    assert BreakerState.CLOSED is breaker.state


def test_three_layers_of_three_attempts_make_three_calls() -> None:
    clock, calls = Clock(), 0

    def call() -> None:
        nonlocal calls
        calls += 1
        raise UnavailableError

    layered = call
    for _ in range(3):
        layered = retry(attempts=3, clock=clock, sleep=clock.sleep)(layered)
    with pytest.raises(UnavailableError) as caught:
        layered()
    assert 3 == calls
    assert 1 == len(caught.value.notes)


def test_a_budget_keeps_an_outage_from_tripling_the_load() -> None:
    clock, calls = Clock(), 0
    budget = RetryBudget(ratio=0.1, min_per_second=0, clock=clock)
    policy = RetryPolicy(base=0, attempts=3, budget=budget, clock=clock, sleep=clock.sleep)
    for _ in range(50):
        policy.run(int)

    def call() -> None:
        nonlocal calls
        calls += 1
        raise UnavailableError

    for _ in range(50):
        with pytest.raises(UnavailableError):
            policy.run(call)
    assert 55 == calls


def test_a_budget_that_was_spent_refills() -> None:
    clock = Clock()
    budget = RetryBudget(ratio=0, min_per_second=0.1, window=10, clock=clock)
    answers = [UnavailableError(), UnavailableError(), None]

    def call() -> None:
        if (answer := answers.pop(0)) is not None:
            raise answer

    policy = RetryPolicy(base=0, budget=budget, clock=clock, sleep=clock.sleep)
    with pytest.raises(UnavailableError):
        policy.run(call)
    answers.insert(0, UnavailableError())
    clock.now += 10
    policy.run(call)


def test_the_decorator_heeds_retry_after() -> None:
    clock, answers = Clock(), [RateLimitedError(retry_after=7.0), None]

    @retry(base=1.0, rng=lambda: 0.5, clock=clock, sleep=clock.sleep)
    def call() -> None:
        if (answer := answers.pop(0)) is not None:
            raise answer

    call()
    assert [7.5] == clock.slept


async def test_the_total_is_cut_though_each_attempt_has_its_own_limit() -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    policy = RetryPolicy(deadline=0.01, attempt_timeout=1000.0)
    with pytest.raises(DeadlineExceededError) as caught:
        await policy.arun(hang)
    assert "general.deadline_exceeded" == caught.value.code


@pytest.mark.subprocess
@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import infra_errors.retry, infra_errors.deadline", "asyncio logging random inspect re"),
        ("import infra_errors.breaker, infra_errors.bulkhead", "asyncio logging random inspect"),
        ("from infra_errors import RetryPolicy; RetryPolicy().run(int)", "asyncio logging random"),
    ],
)
def test_each_module_loads_only_what_it_needs(code: str, absent: str) -> None:
    script = f"import sys; before = set(sys.modules); {code}; print(*(set(sys.modules) - before))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert set() == set(absent.split()) & set(ran.stdout.split())
