"""CircuitBreaker, Permit: rule 22."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from infra_errors.breaker import BreakerState, CircuitBreaker, CircuitOpenError, Permit
from infra_errors.bulkhead import BulkheadFullError
from infra_errors.errors import (
    DeadlineExceededError,
    InfraError,
    NotFoundError,
    RateLimitedError,
    UnavailableError,
    ValidationError,
)
from infra_errors.status import Status

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> CircuitBreaker:
    """Opens after two failures in a row, for five seconds, then probes twice."""
    return CircuitBreaker("db", consecutive=2, half_open_calls=2, clock=clock)


def fail(breaker: CircuitBreaker, times: int = 1) -> None:
    for _ in range(times):
        breaker.allow().failure()


def succeed(breaker: CircuitBreaker, times: int = 1) -> None:
    for _ in range(times):
        breaker.allow().success()


def half_open(breaker: CircuitBreaker, clock: Clock) -> Permit:
    """Open the breaker, let the time pass, and return the permit of the first probe."""
    fail(breaker, 2)
    clock.now += 5
    return breaker.allow()


# Closed


def test_a_guarded_call_is_counted_by_how_it_ends(breaker: CircuitBreaker) -> None:
    for _ in range(2):
        with pytest.raises(ConnectionError), breaker.allow():
            raise ConnectionError
    assert OPEN is breaker.state


async def test_the_same_with_guards_async_code(breaker: CircuitBreaker) -> None:
    for _ in range(2):
        with pytest.raises(UnavailableError), breaker.allow():
            await asyncio.sleep(0)
            raise UnavailableError
    assert OPEN is breaker.state


def test_it_opens_when_the_share_of_failures_is_reached(clock: Clock) -> None:
    breaker = CircuitBreaker(failure_ratio=0.3, min_calls=10, clock=clock)
    succeed(breaker, 7)
    fail(breaker, 2)
    assert CLOSED is breaker.state
    fail(breaker)
    assert OPEN is breaker.state


def test_a_success_can_be_the_call_that_makes_enough_to_open(clock: Clock) -> None:
    breaker = CircuitBreaker(failure_ratio=0.5, min_calls=4, clock=clock)
    fail(breaker, 2)
    succeed(breaker)
    assert CLOSED is breaker.state
    succeed(breaker)
    assert OPEN is breaker.state


def test_few_calls_say_nothing(clock: Clock) -> None:
    breaker = CircuitBreaker(clock=clock)
    fail(breaker, 19)
    assert CLOSED is breaker.state
    fail(breaker)
    assert OPEN is breaker.state


def test_a_success_ends_a_row_of_failures(breaker: CircuitBreaker) -> None:
    for _ in range(3):
        fail(breaker)
        succeed(breaker)
    assert CLOSED is breaker.state


def test_old_outcomes_leave_the_window(clock: Clock) -> None:
    breaker = CircuitBreaker(failure_ratio=0.5, min_calls=4, window=30, clock=clock)
    fail(breaker, 3)
    clock.now += 30
    fail(breaker, 3)
    assert CLOSED is breaker.state
    fail(breaker)
    assert OPEN is breaker.state


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (UnavailableError(), OPEN),
        (DeadlineExceededError(), OPEN),
        (InfraError("internal", status=Status.INTERNAL), OPEN),
        (InfraError("data_loss", status=Status.DATA_LOSS), OPEN),
        (InfraError("x"), OPEN),
        (ConnectionResetError(), OPEN),
        (TimeoutError(), OPEN),
        (RuntimeError(), OPEN),
        (NotFoundError(), CLOSED),
        (RateLimitedError(), CLOSED),
        (ValidationError("x"), CLOSED),
        (FileNotFoundError(), CLOSED),
        (CircuitOpenError("x"), CLOSED),
        (BulkheadFullError("x"), CLOSED),
        (InfraError("cancelled", status=Status.CANCELLED), CLOSED),
        (asyncio.CancelledError(), CLOSED),
        (KeyboardInterrupt(), CLOSED),
        (GeneratorExit(), CLOSED),
    ],
    ids=repr,
)
def test_only_a_sick_other_side_counts(
    clock: Clock, error: BaseException, state: BreakerState
) -> None:
    breaker = CircuitBreaker(consecutive=1, clock=clock)
    with pytest.raises(type(error)), breaker.allow():
        raise error
    assert state is breaker.state


def test_an_answer_is_a_success_and_a_cancellation_is_nothing(clock: Clock) -> None:
    breaker = CircuitBreaker(consecutive=2, clock=clock)
    fail(breaker)
    breaker.allow().failure(asyncio.CancelledError())  # neither ends the row nor adds to it
    fail(breaker)
    assert OPEN is breaker.state
    breaker.reset()
    fail(breaker)
    breaker.allow().failure(NotFoundError())
    fail(breaker)
    assert CLOSED is breaker.state


def test_counts_is_asked_when_given(clock: Clock) -> None:
    breaker = CircuitBreaker(consecutive=1, counts=lambda e: isinstance(e, KeyError), clock=clock)
    with pytest.raises(UnavailableError), breaker.allow():
        raise UnavailableError
    assert CLOSED is breaker.state
    with pytest.raises(KeyError), breaker.allow():
        raise KeyError
    assert OPEN is breaker.state


@pytest.mark.parametrize("then", [Permit.success, Permit.failure, Permit.ignore])
def test_the_first_answer_counts(clock: Clock, then: Callable[[Permit], None]) -> None:
    breaker = CircuitBreaker(consecutive=1, clock=clock)
    permit = breaker.allow()
    permit.ignore()
    then(permit)
    assert CLOSED is breaker.state
    with breaker.allow() as permit:
        permit.failure()
        then(permit)
    assert OPEN is breaker.state


@pytest.mark.threads
def test_the_closed_path_takes_no_lock_unless_a_bucket_turns(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    succeed(breaker)
    breaker._lock.acquire()
    try:
        succeed(breaker, 100)
        turning = threading.Thread(target=succeed, args=(breaker,))
        clock.now += 3
        turning.start()
        assert turning.is_alive()
    finally:
        breaker._lock.release()
    turning.join()


# Open


def test_an_open_circuit_says_when_to_come_back(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker, 2)
    clock.now += 2
    with pytest.raises(CircuitOpenError, match="'db' is open") as caught:
        breaker.allow()
    assert ("errors.circuit_open", 3.0) == (caught.value.code, caught.value.retry_after)
    assert (Status.UNAVAILABLE, 503, True) == (
        caught.value.status,
        caught.value.http_status,
        caught.value.retryable,
    )


def test_an_answer_from_before_it_opened_is_stale(breaker: CircuitBreaker, clock: Clock) -> None:
    early = [breaker.allow() for _ in range(3)]
    fail(breaker, 2)
    clock.now += 5
    probe = breaker.allow()
    for permit in early:
        permit.success()
    assert HALF_OPEN is breaker.state
    probe.success()
    succeed(breaker)
    assert CLOSED is breaker.state


def test_a_failure_from_before_a_reset_is_stale(breaker: CircuitBreaker) -> None:
    early = [breaker.allow() for _ in range(3)]
    breaker.reset()
    for permit in early:
        permit.failure()
    assert CLOSED is breaker.state


# Half-open


def test_the_first_call_after_the_open_time_is_a_probe(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    fail(breaker, 2)
    clock.now += 5
    assert OPEN is breaker.state
    breaker.allow()
    assert HALF_OPEN is breaker.state


def test_only_so_many_probes_are_admitted(breaker: CircuitBreaker, clock: Clock) -> None:
    probes = [half_open(breaker, clock), breaker.allow()]
    with pytest.raises(CircuitOpenError) as caught:
        breaker.allow()
    assert 1.0 == caught.value.retry_after
    probes[0].success()
    with pytest.raises(CircuitOpenError):
        breaker.allow()
    probes[1].success()
    assert CLOSED is breaker.state


def test_the_first_failed_probe_opens_again(breaker: CircuitBreaker, clock: Clock) -> None:
    first, second = half_open(breaker, clock), breaker.allow()
    first.failure()
    assert OPEN is breaker.state
    second.success()
    assert OPEN is breaker.state


def test_a_second_failed_probe_does_not_prolong_the_open_time(clock: Clock) -> None:
    breaker = CircuitBreaker(consecutive=2, half_open_calls=2, max_open_for=60, clock=clock)
    first, second = half_open(breaker, clock), breaker.allow()
    first.failure()
    clock.now += 9
    second.failure()
    clock.now += 1
    assert isinstance(breaker.allow(), Permit)


def test_it_closes_with_clean_counters(breaker: CircuitBreaker, clock: Clock) -> None:
    half_open(breaker, clock).success()
    succeed(breaker)
    fail(breaker)
    assert CLOSED is breaker.state


def test_a_cancelled_probe_frees_its_place(breaker: CircuitBreaker, clock: Clock) -> None:
    probe = half_open(breaker, clock)
    held = breaker.allow()
    with pytest.raises(asyncio.CancelledError), probe:
        raise asyncio.CancelledError
    succeed(breaker)
    held.success()
    assert CLOSED is breaker.state


def test_a_dropped_probe_frees_its_place(breaker: CircuitBreaker, clock: Clock) -> None:
    half_open(breaker, clock)
    gc.collect()  # for interpreters that do not count references
    succeed(breaker, 2)
    assert CLOSED is breaker.state


def test_a_probe_without_an_answer_counts_as_failed(breaker: CircuitBreaker, clock: Clock) -> None:
    probe = half_open(breaker, clock)
    clock.now += 29.9
    breaker.allow().ignore()
    assert HALF_OPEN is breaker.state
    clock.now += 0.1
    with pytest.raises(CircuitOpenError):
        breaker.allow()
    assert OPEN is breaker.state
    probe.success()
    assert OPEN is breaker.state


def test_an_answer_that_comes_too_late_is_a_failure(breaker: CircuitBreaker, clock: Clock) -> None:
    probe = half_open(breaker, clock)
    clock.now += 30
    probe.success()
    assert OPEN is breaker.state


def test_each_failed_probing_doubles_the_open_time_up_to_a_bound(clock: Clock) -> None:
    breaker = CircuitBreaker(consecutive=1, max_open_for=15, half_open_calls=1, clock=clock)
    fail(breaker)
    for open_for in (5, 10, 15, 15):
        clock.now += open_for - 0.5
        with pytest.raises(CircuitOpenError):
            breaker.allow()
        clock.now += 0.5
        fail(breaker)
    clock.now += 15
    succeed(breaker)
    fail(breaker)
    clock.now += 5
    assert isinstance(breaker.allow(), Permit)


def test_without_a_bound_the_open_time_stays(breaker: CircuitBreaker, clock: Clock) -> None:
    half_open(breaker, clock).failure()
    clock.now += 5
    assert isinstance(breaker.allow(), Permit)


# Changes


def test_each_change_is_told_once_and_outside_the_lock(clock: Clock) -> None:
    told: list[tuple[BreakerState, BreakerState]] = []

    def on_change(breaker: CircuitBreaker, old: BreakerState, new: BreakerState) -> None:
        assert not breaker._lock.locked()
        assert new is breaker.state
        told.append((old, new))

    breaker = CircuitBreaker(consecutive=1, half_open_calls=1, clock=clock, on_change=on_change)
    breaker.reset()
    fail(breaker)
    clock.now += 5
    succeed(breaker)
    fail(breaker)
    breaker.reset()
    assert [(CLOSED, OPEN), (OPEN, HALF_OPEN), (HALF_OPEN, CLOSED), (CLOSED, OPEN)] == told[:4]
    assert [(OPEN, CLOSED)] == told[4:]


def test_two_failures_at_once_open_it_once() -> None:
    told: list[BreakerState] = []
    meanwhile: list[Permit] = []

    def clock() -> float:
        # Read between a failure and its counting: here another thread would come in between.
        while meanwhile:
            meanwhile.pop().failure()
        return 0.0

    breaker = CircuitBreaker(
        consecutive=1, clock=clock, on_change=lambda _, old, new: told.append(new)
    )
    permit = breaker.allow()
    meanwhile.append(breaker.allow())
    permit.failure()
    assert [OPEN] == told


@pytest.mark.threads
def test_failures_of_many_threads_are_all_counted(clock: Clock) -> None:
    breaker = CircuitBreaker(min_calls=400, failure_ratio=1, clock=clock)
    permits = [breaker.allow() for _ in range(399)]

    def work() -> None:
        while permits:
            try:
                permits.pop().failure()
            except IndexError:
                return

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert CLOSED is breaker.state
    fail(breaker)
    assert OPEN is breaker.state


def test_it_shows_its_name_and_state(breaker: CircuitBreaker) -> None:
    assert "<CircuitBreaker 'db': CLOSED>" == repr(breaker)


@pytest.mark.parametrize(
    "options",
    [
        {"failure_ratio": 0},
        {"failure_ratio": 1.1},
        {"failure_ratio": float("nan")},
        {"min_calls": 0},
        {"window": 0},
        {"window": float("nan")},
        {"consecutive": 0},
        {"open_for": -1},
        {"open_for": 5, "max_open_for": 4},
        {"half_open_calls": 0},
        {"failure_ratio": "0.5"},
        {"min_calls": 2.5},
        {"window": "30"},
        {"window": float("inf")},
        {"max_open_for": 0},
        {"max_open_for": float("nan")},
    ],
    ids=repr,
)
def test_a_bad_option_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValidationError) as caught:
        CircuitBreaker(**options)  # type: ignore[arg-type]
    assert "errors.bad_policy" == caught.value.code


class AgainstAModel(RuleBasedStateMachine):
    """The table of the states, written down with lists and no thought for speed."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.breaker = CircuitBreaker(
            failure_ratio=0.5,
            min_calls=4,
            window=10,
            consecutive=3,
            open_for=5,
            max_open_for=12,
            half_open_calls=2,
            clock=self.clock,
        )
        self.permits: list[tuple[Permit, int, float]] = []  # permit, era, admitted at
        self.era = 0
        self.enter(CLOSED)

    def enter(self, state: BreakerState, open_for: float = 5) -> None:
        self.state = state
        self.since = self.clock.now
        self.open_for = open_for
        self.era += 1
        self.outcomes: list[tuple[float, bool]] = []
        self.row = self.ok = 0

    @property
    def pending(self) -> list[float]:
        return [at for _, era, at in self.permits if era == self.era]

    def reopen_if_overdue(self) -> None:
        if self.state is HALF_OPEN and any(at <= self.clock.now - 30 for at in self.pending):
            self.enter(OPEN, min(self.open_for * 2, 12))

    def answer(self, index: int) -> tuple[Permit, bool]:
        """Take a permit; also return whether its answer counts."""
        permit, era, _ = self.permits[index % len(self.permits)]
        if era == self.era:
            self.reopen_if_overdue()
        del self.permits[index % len(self.permits)]
        return permit, era == self.era

    @rule(eighths=st.integers(0, 100))
    def wait(self, eighths: int) -> None:
        self.clock.now += eighths / 8  # exact in binary

    @rule()
    def call(self) -> None:
        if self.state is OPEN and self.clock.now >= self.since + self.open_for:
            self.enter(HALF_OPEN, self.open_for)
        self.reopen_if_overdue()
        admitted = self.state is CLOSED or (
            self.state is HALF_OPEN and len(self.pending) + self.ok < 2
        )
        if admitted:
            self.permits.append((self.breaker.allow(), self.era, self.clock.now))
            return
        left = self.since + self.open_for - self.clock.now if self.state is OPEN else 1.0
        with pytest.raises(CircuitOpenError) as caught:
            self.breaker.allow()
        assert left == caught.value.retry_after

    @precondition(lambda self: self.permits)
    @rule(index=st.integers(0, 9), failed=st.booleans())
    def finish(self, index: int, failed: bool) -> None:
        permit, counts = self.answer(index)
        if failed:
            permit.failure()
        else:
            permit.success()
        if not counts:
            return
        if self.state is HALF_OPEN:
            self.ok += not failed
            if failed:
                self.enter(OPEN, min(self.open_for * 2, 12))
            elif self.ok == 2:
                self.enter(CLOSED)
            return
        # Buckets of one second, counted from when the circuit closed.
        now = int(self.clock.now - self.since)
        self.outcomes.append((now, failed))
        self.row = self.row + 1 if failed else 0
        recent = [bad for when, bad in self.outcomes if when > now - 10]
        if self.row >= 3 or (len(recent) >= 4 and sum(recent) / len(recent) >= 0.5):
            self.enter(OPEN)

    @precondition(lambda self: self.permits)
    @rule(index=st.integers(0, 9), drop=st.booleans())
    def say_nothing(self, index: int, drop: bool) -> None:
        if drop:
            del self.permits[index % len(self.permits)]
            return
        self.answer(index)[0].ignore()

    @rule()
    def reset(self) -> None:
        self.enter(CLOSED)
        self.breaker.reset()

    @invariant()
    def same_state(self) -> None:
        assert self.state is self.breaker.state


TestAgainstAModel = AgainstAModel.TestCase
TestAgainstAModel.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
