"""Deadline: rule 21."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Iterator
from datetime import timedelta

import pytest

from infra_errors.deadline import Deadline
from infra_errors.errors import DeadlineExceededError, ValidationError


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_time_runs_out(clock: Clock) -> None:
    deadline = Deadline.after(2, clock=clock)
    assert (2.0, False) == (deadline.remaining(), deadline.expired)
    clock.now += 1.5
    assert (0.5, False) == (deadline.remaining(), deadline.expired)
    clock.now += 1.5
    assert (0.0, True) == (deadline.remaining(), deadline.expired)
    assert "<Deadline in 0.000 s>" == repr(deadline)


def test_nothing_is_left_of_zero_seconds(clock: Clock) -> None:
    assert Deadline.after(0, clock=clock).expired


def test_the_time_may_be_a_timedelta(clock: Clock) -> None:
    assert 90.0 == Deadline.after(timedelta(minutes=1.5), clock=clock).remaining()


@pytest.mark.parametrize("seconds", [-1, float("nan"), timedelta(-1), "1", None, True])
def test_a_time_in_the_past_is_refused(seconds: float) -> None:
    with pytest.raises(ValidationError, match="seconds"):
        Deadline.after(seconds)


def test_a_deadline_cannot_be_changed(clock: Clock) -> None:
    with pytest.raises(AttributeError):
        Deadline.after(1, clock=clock).expired = True  # type: ignore[misc]


def test_a_step_may_take_what_is_left_at_most(clock: Clock) -> None:
    deadline = Deadline.after(3, clock=clock)
    assert [3, 2, 3] == [deadline.timeout(), deadline.timeout(2), deadline.timeout(4)]


def test_without_limit_and_end_there_is_no_timeout(clock: Clock) -> None:
    forever = Deadline.after(float("inf"), clock=clock)
    assert (None, 2) == (forever.timeout(), forever.timeout(2))


def test_check_raises_what_another_try_would_not_help(clock: Clock) -> None:
    deadline = Deadline.after(1, clock=clock)
    deadline.check("the export")
    clock.now += 1
    with pytest.raises(DeadlineExceededError, match="the export") as caught:
        deadline.check("the export")
    assert ("general.deadline_exceeded", False) == (caught.value.code, caught.value.retryable)


def test_there_is_no_deadline_unless_one_is_set() -> None:
    assert Deadline.current() is None


def test_scopes_nest_and_the_tighter_one_holds(clock: Clock) -> None:
    short, long = Deadline.after(1, clock=clock), Deadline.after(2, clock=clock)
    with long.scope() as outer:
        assert long is outer is Deadline.current()
        with short.scope() as inner:
            assert short is inner is Deadline.current()
        assert long is Deadline.current()
    with short.scope(), long.scope() as inner:
        assert short is inner is Deadline.current()
    assert Deadline.current() is None


def test_deadlines_of_different_clocks_are_compared_by_what_is_left(clock: Clock) -> None:
    other = Clock()
    other.now = 0
    short, long = Deadline.after(5, clock=clock), Deadline.after(50, clock=other)
    with short.scope(), long.scope():
        assert short is Deadline.current()


def test_a_scope_ends_when_its_body_fails(clock: Clock) -> None:
    with pytest.raises(KeyError), Deadline.after(1, clock=clock).scope():
        raise KeyError
    assert Deadline.current() is None


def test_a_deadline_has_as_many_scopes_as_one_likes_but_a_scope_one_body(clock: Clock) -> None:
    scope = Deadline.after(1, clock=clock).scope()
    with scope, pytest.raises(ValidationError, match="in use"), scope:
        pass
    with scope:
        assert Deadline.current() is not None


def test_a_scope_left_in_another_context_leaves_that_one_alone(clock: Clock) -> None:
    short, long = Deadline.after(1, clock=clock), Deadline.after(2, clock=clock)

    def body() -> Iterator[None]:
        with short.scope():
            yield

    steps = body()
    contextvars.copy_context().run(next, steps)
    with long.scope():
        next(steps, None)
        assert long is Deadline.current()


async def test_a_plain_with_does_not_cut_async_code(clock: Clock) -> None:
    with Deadline.after(0, clock=clock).scope():
        await asyncio.sleep(0)


async def test_an_async_scope_cuts_its_body(clock: Clock) -> None:
    with pytest.raises(DeadlineExceededError) as caught:
        async with Deadline.after(0, clock=clock).scope():
            await asyncio.Event().wait()
    assert ("general.deadline_exceeded", False) == (caught.value.code, caught.value.retryable)
    assert Deadline.current() is None
    task = asyncio.current_task()
    assert task is not None
    assert 0 == task.cancelling()


async def test_an_async_scope_sets_the_current_deadline() -> None:
    async with (deadline := Deadline.after(1000)).scope() as current:
        assert deadline is current is Deadline.current()


async def test_an_async_scope_cuts_at_a_tighter_deadline_further_out(clock: Clock) -> None:
    with Deadline.after(0, clock=clock).scope(), pytest.raises(DeadlineExceededError):
        async with Deadline.after(1000).scope():
            await asyncio.Event().wait()


async def test_a_timeout_error_of_the_body_is_its_own() -> None:
    own = TimeoutError("mine")
    with pytest.raises(TimeoutError) as caught:
        async with Deadline.after(1000).scope():
            raise own
    assert own is caught.value


async def test_cancellation_from_outside_stays_cancellation() -> None:
    async def work() -> None:
        async with Deadline.after(1000).scope():
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_cancellation_from_outside_wins_over_the_deadline() -> None:
    async def work() -> None:
        async with Deadline.after(0).scope():
            asyncio.get_running_loop().call_soon(task.cancel)
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_task_left_behind_does_not_inherit_a_deadline_that_ended() -> None:
    done = asyncio.Event()

    async def background() -> tuple[Deadline | None, Deadline | None]:
        before = Deadline.current()
        await done.wait()
        return before, Deadline.current()

    async with (deadline := Deadline.after(1000)).scope():
        task = asyncio.create_task(background())
        await asyncio.sleep(0)
    done.set()
    assert (deadline, None) == await task


async def test_a_scope_inside_a_task_outlives_the_one_around_its_start(clock: Clock) -> None:
    short, long = Deadline.after(1, clock=clock), Deadline.after(2, clock=clock)
    done = asyncio.Event()

    async def background() -> Deadline | None:
        with long.scope():
            await done.wait()
            return Deadline.current()

    with short.scope():
        task = asyncio.create_task(background())
        await asyncio.sleep(0)
    done.set()
    assert long is await task


def test_an_async_scope_needs_a_task() -> None:
    async def enter() -> None:
        await Deadline.after(1).scope().__aenter__()

    steps = enter()
    with pytest.raises(RuntimeError):
        steps.send(None)
    assert Deadline.current() is None
