"""Bulkhead: rule 23."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from infra_errors.bulkhead import Bulkhead, BulkheadFullError
from infra_errors.deadline import Deadline
from infra_errors.errors import ValidationError
from infra_errors.status import Status

PATIENCE = 30.0  # seconds after which a test that hangs fails


async def turn_the_loop() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def hold(bulkhead: Bulkhead, leave: asyncio.Event, order: list[int], number: int) -> None:
    async with bulkhead.slot():
        order.append(number)
        await leave.wait()


def test_a_slot_is_held_by_the_body_and_no_longer() -> None:
    bulkhead = Bulkhead(2)
    with bulkhead.slot(), bulkhead.slot():
        assert 2 == bulkhead.in_use
    with pytest.raises(KeyError), bulkhead.slot():
        raise KeyError
    assert 0 == bulkhead.in_use


async def test_tasks_hold_slots_too() -> None:
    bulkhead = Bulkhead(1)
    async with bulkhead.slot():
        assert 1 == bulkhead.in_use
    assert 0 == bulkhead.in_use


async def test_without_a_queue_the_surplus_call_is_refused_at_once() -> None:
    bulkhead = Bulkhead(1, name="db")
    with bulkhead.slot():
        with pytest.raises(BulkheadFullError, match="'db'") as caught, bulkhead.slot():
            pass
        with pytest.raises(BulkheadFullError):
            async with bulkhead.slot():
                pass
    assert "errors.bulkhead_full" == caught.value.code
    assert (Status.UNAVAILABLE, 503, True) == (
        caught.value.status,
        caught.value.http_status,
        caught.value.retryable,
    )


async def test_waiters_come_in_the_order_they_came() -> None:
    bulkhead, order = Bulkhead(1, queue=3), list[int]()
    leave = [asyncio.Event() for _ in range(4)]
    tasks = [asyncio.create_task(hold(bulkhead, leave[n], order, n)) for n in range(4)]
    await turn_the_loop()
    assert (1, 3) == (bulkhead.in_use, bulkhead.waiting)
    with pytest.raises(BulkheadFullError, match="queue"):
        async with bulkhead.slot():
            pass
    for event in leave:
        event.set()
        await turn_the_loop()
    await asyncio.gather(*tasks)
    assert [0, 1, 2, 3] == order
    assert (0, 0) == (bulkhead.in_use, bulkhead.waiting)


async def test_a_newcomer_does_not_overtake_the_queue() -> None:
    bulkhead, order = Bulkhead(1, queue=1), list[int]()
    leave = asyncio.Event()
    async with bulkhead.slot():
        task = asyncio.create_task(hold(bulkhead, leave, order, 1))
        await turn_the_loop()
    # The slot is the waiter's already, though its task has not run: this one has to queue.
    newcomer = asyncio.create_task(hold(bulkhead, leave, order, 2))
    leave.set()
    await asyncio.gather(task, newcomer)
    assert [1, 2] == order


@pytest.mark.threads
async def test_tasks_and_threads_share_one_queue() -> None:
    bulkhead, order = Bulkhead(1, queue=3), list[str]()

    def in_thread(name: str) -> None:
        with bulkhead.slot():
            order.append(name)

    async def in_task(name: str) -> None:
        async with bulkhead.slot():
            order.append(name)

    jobs: list[asyncio.Future[None]] = []
    async with bulkhead.slot():
        for number, job in enumerate((asyncio.to_thread(in_thread, "thread 1"), in_task("task"))):
            jobs.append(asyncio.ensure_future(job))
            while bulkhead.waiting <= number:  # noqa: ASYNC110 - a thread enters when it likes
                await asyncio.sleep(0.001)
        jobs.append(asyncio.ensure_future(asyncio.to_thread(in_thread, "thread 2")))
        while bulkhead.waiting < 3:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.001)
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*jobs)
    assert ["thread 1", "task", "thread 2"] == order
    assert 0 == bulkhead.in_use


async def test_a_task_that_waited_out_is_refused() -> None:
    bulkhead = Bulkhead(1, queue=1, max_wait=0.001)
    async with bulkhead.slot():
        with pytest.raises(BulkheadFullError, match="none came free in"):
            async with bulkhead.slot():
                pass
        assert (1, 0) == (bulkhead.in_use, bulkhead.waiting)


@pytest.mark.threads
def test_a_thread_that_waited_out_is_refused() -> None:
    bulkhead = Bulkhead(1, queue=1, max_wait=0.001)
    with bulkhead.slot():
        with pytest.raises(BulkheadFullError, match="none came free in"), bulkhead.slot():
            pass
        assert (1, 0) == (bulkhead.in_use, bulkhead.waiting)


@pytest.mark.threads
def test_the_clock_tells_how_long_a_refused_call_has_waited() -> None:
    ticks = iter([10.0, 12.5])
    bulkhead = Bulkhead(1, queue=1, max_wait=0.001, clock=lambda: next(ticks))
    with bulkhead.slot(), pytest.raises(BulkheadFullError, match=r"2\.50 s"), bulkhead.slot():
        pass


@pytest.mark.parametrize("max_wait", [None, 1000.0])
async def test_nobody_waits_past_the_deadline(max_wait: float | None) -> None:
    bulkhead = Bulkhead(1, queue=1, max_wait=max_wait)
    async with bulkhead.slot():
        with Deadline.after(0.001).scope(), pytest.raises(BulkheadFullError):
            async with bulkhead.slot():
                pass


def test_a_deadline_that_passed_leaves_no_time_to_wait() -> None:
    bulkhead = Bulkhead(1, queue=1)
    with (
        bulkhead.slot(),
        Deadline.after(0).scope(),
        pytest.raises(BulkheadFullError, match="no time"),
        bulkhead.slot(),
    ):
        pass


async def test_a_free_slot_is_given_even_when_there_is_no_time_to_wait() -> None:
    bulkhead = Bulkhead(1, queue=1, max_wait=0)
    with bulkhead.slot():
        assert 1 == bulkhead.in_use


async def test_a_cancelled_waiter_leaves_the_queue() -> None:
    bulkhead, order = Bulkhead(1, queue=1), list[int]()
    async with bulkhead.slot():
        task = asyncio.create_task(hold(bulkhead, asyncio.Event(), order, 1))
        await turn_the_loop()
        assert 1 == bulkhead.waiting
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert 0 == bulkhead.waiting
    assert (0, []) == (bulkhead.in_use, order)


async def test_a_waiter_cancelled_after_it_was_granted_passes_the_slot_on() -> None:
    bulkhead, order = Bulkhead(1, queue=2), list[int]()
    leave = asyncio.Event()
    async with bulkhead.slot():
        first = asyncio.create_task(hold(bulkhead, leave, order, 1))
        second = asyncio.create_task(hold(bulkhead, leave, order, 2))
        await turn_the_loop()
    assert (1, 1) == (bulkhead.in_use, bulkhead.waiting)  # granted, and not yet running
    first.cancel()
    first.cancel()
    await turn_the_loop()
    assert [2] == order
    leave.set()
    await asyncio.gather(first, second, return_exceptions=True)
    assert 0 == bulkhead.in_use


async def test_cancelling_a_holder_twice_loses_no_slot() -> None:
    bulkhead, order = Bulkhead(1), list[int]()
    task = asyncio.create_task(hold(bulkhead, asyncio.Event(), order, 1))
    await turn_the_loop()
    task.cancel()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert 0 == bulkhead.in_use


@pytest.mark.threads
async def test_a_waiter_whose_event_loop_is_gone_is_passed_over() -> None:
    bulkhead, order = Bulkhead(1, queue=2), list[int]()
    leave = asyncio.Event()
    leave.set()
    gone = asyncio.new_event_loop()
    waiting = bulkhead.slot().__aenter__()

    def wait_in_a_loop_that_closes() -> None:
        task = gone.create_task(waiting)
        task.set_name("left in the queue")
        gone.run_until_complete(asyncio.sleep(0))
        gone.close()
        abandoned.append(task)

    abandoned: list[asyncio.Task[None]] = []
    async with bulkhead.slot():
        await asyncio.to_thread(wait_in_a_loop_that_closes)
        task = asyncio.create_task(hold(bulkhead, leave, order, 2))
        await turn_the_loop()
        assert 2 == bulkhead.waiting
    await task
    assert ([2], 0) == (order, bulkhead.in_use)
    abandoned[0]._log_destroy_pending = False  # type: ignore[attr-defined]  # it is meant to be
    waiting.close()
    assert 0 == bulkhead.in_use


def test_an_interrupted_thread_passes_its_slot_on(monkeypatch: pytest.MonkeyPatch) -> None:
    bulkhead = Bulkhead(1, queue=1)
    holder = bulkhead.slot()
    holder.__enter__()

    class Interrupted(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            holder.__exit__(None, None, None)
            raise KeyboardInterrupt

    monkeypatch.setattr(threading, "Event", Interrupted)
    with pytest.raises(KeyboardInterrupt), bulkhead.slot():
        pass
    assert (0, 0) == (bulkhead.in_use, bulkhead.waiting)


async def test_a_slot_that_comes_free_on_the_way_to_the_queue_is_taken() -> None:
    class Raced(Bulkhead):
        def _try(self) -> bool:
            free = super()._try()
            if not free:
                holder.__exit__(None, None, None)
            return free

    bulkhead = Raced(1, queue=1)
    (holder := bulkhead.slot()).__enter__()
    with bulkhead.slot():
        assert 1 == bulkhead.in_use
    (holder := bulkhead.slot()).__enter__()
    async with asyncio.timeout(PATIENCE), bulkhead.slot():
        assert 1 == bulkhead.in_use
    assert (0, 0) == (bulkhead.in_use, bulkhead.waiting)


def test_a_slot_is_for_one_body() -> None:
    slot = Bulkhead(2).slot()
    with slot, pytest.raises(ValidationError, match="in use"), slot:
        pass


@pytest.mark.threads
def test_threads_never_exceed_the_limit() -> None:
    bulkhead, peak = Bulkhead(3, queue=20), list[int]()

    def work() -> None:
        for _ in range(50):
            with bulkhead.slot():
                peak.append(bulkhead.in_use)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert (400, 0) == (len(peak), bulkhead.in_use)
    assert max(peak) <= 3


@pytest.mark.parametrize(
    ("limit", "options"),
    [
        (0, {}),
        (-1, {}),
        (1, {"queue": -1}),
        (1, {"max_wait": -1}),
        (1, {"max_wait": float("nan")}),
        (2.5, {}),
        ("3", {}),
        (True, {}),
        (1, {"max_wait": "1"}),
    ],
    ids=repr,
)
def test_a_bad_option_is_refused(limit: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        Bulkhead(limit, **options)
    assert "errors.bad_policy" == caught.value.code


def test_it_shows_its_name_and_load() -> None:
    assert "<Bulkhead 'db': 0 of 2, 0 waiting>" == repr(Bulkhead(2, name="db"))


class AgainstAModel(RuleBasedStateMachine):
    """Tasks that come, leave, give up and wait out on a loop whose time is ours."""

    LIMIT, QUEUE, MAX_WAIT = 2, 3, 10

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.loop = asyncio.new_event_loop()
        self.loop.time = lambda: self.now  # type: ignore[method-assign]
        self.bulkhead = Bulkhead(
            self.LIMIT, queue=self.QUEUE, max_wait=self.MAX_WAIT, clock=lambda: self.now
        )
        self.tasks: dict[int, asyncio.Task[None]] = {}
        self.leave: dict[int, asyncio.Event] = {}
        self.actual: list[int] = []  # who holds a slot
        self.inside: list[int] = []  # who should
        self.queue: list[tuple[int, float]] = []
        self.last = 0

    async def hold(self, number: int) -> None:
        with contextlib.suppress(BulkheadFullError):
            async with self.bulkhead.slot():
                self.actual.append(number)
                try:
                    await self.leave[number].wait()
                finally:
                    self.actual.remove(number)

    def settle(self) -> None:
        """Let the model fill free slots from the queue, and the loop do what it has to do."""
        while self.queue and len(self.inside) < self.LIMIT:
            self.inside.append(self.queue.pop(0)[0])
        self.loop.run_until_complete(turn_the_loop())

    @rule()
    def come(self) -> None:
        self.last += 1
        self.leave[self.last] = asyncio.Event()
        self.tasks[self.last] = self.loop.create_task(self.hold(self.last))
        if len(self.inside) < self.LIMIT or len(self.queue) < self.QUEUE:
            self.queue.append((self.last, self.now))
        self.settle()

    @precondition(lambda self: self.inside)
    @rule(index=st.integers(0, 9))
    def go(self, index: int) -> None:
        number = self.inside.pop(index % len(self.inside))
        self.leave[number].set()
        self.settle()

    @precondition(lambda self: self.queue)
    @rule(index=st.integers(0, 9), times=st.integers(1, 2))
    def give_up(self, index: int, times: int) -> None:
        number, _ = self.queue.pop(index % len(self.queue))
        for _ in range(times):
            self.tasks[number].cancel()
        self.settle()

    @precondition(lambda self: self.inside and self.queue)
    @rule(index=st.integers(0, 9))
    def give_up_when_granted(self, index: int) -> None:
        """The holder leaves and the granted task is cancelled before it runs."""
        leaver = self.inside.pop(index % len(self.inside))
        number, _ = self.queue.pop(0)
        self.tasks[leaver].add_done_callback(lambda _: self.tasks[number].cancel())
        self.leave[leaver].set()
        self.settle()
        self.settle()

    @rule(seconds=st.integers(1, 12))
    def wait(self, seconds: int) -> None:
        self.now += seconds
        self.queue = [(n, since) for n, since in self.queue if self.now - since < self.MAX_WAIT]
        self.settle()

    @invariant()
    def same_holders(self) -> None:
        assert sorted(self.inside) == sorted(self.actual)
        assert (len(self.inside), len(self.queue)) == (self.bulkhead.in_use, self.bulkhead.waiting)

    def teardown(self) -> None:
        for task in self.tasks.values():
            task.cancel()
        self.loop.run_until_complete(turn_the_loop())
        self.loop.close()
        assert (0, 0) == (self.bulkhead.in_use, self.bulkhead.waiting)


TestAgainstAModel = AgainstAModel.TestCase
TestAgainstAModel.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
