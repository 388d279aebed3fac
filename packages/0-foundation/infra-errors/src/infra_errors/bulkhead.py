"""A bulkhead: at most so many calls at once, a bounded queue before it, and no call beyond.

What is slow then fills its own slots and not the whole service.
"""

from __future__ import annotations

import threading
import time
from collections import deque

from infra_errors._leaves import BulkheadFullError
from infra_errors._options import count, demand, seconds
from infra_errors.deadline import Deadline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["Bulkhead", "BulkheadFullError"]


class Bulkhead:
    """`limit` slots, and a first-in-first-out queue that tasks and threads share.

    Args:
        limit: calls at once, from 1 on.
        queue: calls that may wait for a slot, from 0 on.
        max_wait: seconds a call waits at most; `Deadline.current()` bounds it too.
        name: shown in errors.
        clock: seconds that never go back; tells how long a refused call has waited.

    Raises:
        ValidationError: `errors.bad_policy`, an option is out of its range.
    """

    __slots__ = ("_clock", "_in_use", "_limit", "_lock", "_max_wait", "_queue", "_waiters", "name")

    def __init__(
        self,
        limit: int,
        *,
        queue: int = 0,
        max_wait: float | None = None,
        name: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._limit = count("limit", limit)
        self._queue = count("queue", queue, least=0)
        self._max_wait = None if max_wait is None else seconds("max_wait", max_wait)
        self._clock = clock
        self._lock = threading.Lock()
        self._in_use = 0
        self._waiters: deque[_Waiter] = deque()

    def slot(self) -> _Slot:
        """Return a context manager that holds a slot, for one `with` or `async with`.

        A plain `with` in async code would block the event loop while it waits.

        Raises (on entering):
            BulkheadFullError: `errors.bulkhead_full`, retryable: slots and queue are full, or
                `max_wait` or the deadline passed.
        """
        return _Slot(self)

    @property
    def in_use(self) -> int:
        """How many slots are taken."""
        return self._in_use

    @property
    def waiting(self) -> int:
        """How many calls wait for a slot."""
        return len(self._waiters)

    def __repr__(self) -> str:
        return f"<Bulkhead {self.name!r}: {self._in_use} of {self._limit}, {self.waiting} waiting>"

    def _patience(self) -> float | None:
        """Return the seconds that a call may wait; None for no bound."""
        deadline, limit = Deadline.current(), self._max_wait
        if deadline is not None:
            return deadline.timeout(limit)
        return None if limit == float("inf") else limit

    def _try(self) -> bool:
        with self._lock:
            free = self._in_use < self._limit
            self._in_use += free
            return free

    def _join(self, waiter: _Waiter) -> None:
        """Enter the queue, or be granted the slot that came free meanwhile, or be refused."""
        with self._lock:
            if self._in_use < self._limit:
                self._in_use += 1
                waiter.granted = True
                waiter.wake()
                return
            room = len(self._waiters) < self._queue
            if room:
                self._waiters.append(waiter)
        if not room:
            raise self._refusal("its queue is full")

    def _leave_queue(self, waiter: _Waiter) -> bool:
        """Wait no longer; return whether the slot was granted meanwhile."""
        with self._lock:
            if not waiter.granted and waiter in self._waiters:
                self._waiters.remove(waiter)
            return waiter.granted

    def _release(self) -> None:
        """Hand the slot to the longest waiter, or free it."""
        with self._lock:
            while self._waiters:
                waiter = self._waiters.popleft()
                try:
                    waiter.wake()
                except RuntimeError:  # its event loop is closed: nobody is there to use a slot
                    continue
                waiter.granted = True
                return
            self._in_use -= 1

    def _refusal(self, reason: str) -> BulkheadFullError:
        name = f"bulkhead {self.name!r}" if self.name else "the bulkhead"
        message = f"all slots of {name} are taken and {reason}"
        return BulkheadFullError(message, bulkhead=self.name, limit=self._limit)


class _Waiter:
    """Somebody in the queue: how to wake them, and whether a slot is theirs."""

    __slots__ = ("granted", "since", "wake")

    def __init__(self, wake: Callable[[], object], since: float) -> None:
        self.wake = wake
        self.since = since
        self.granted = False


class _Slot:
    """A slot of a bulkhead, held by the body of `with` or `async with`."""

    __slots__ = ("_bulkhead", "_held")

    def __init__(self, bulkhead: Bulkhead) -> None:
        self._bulkhead = bulkhead
        self._held = False

    def __enter__(self) -> None:
        demand(not self._held, "this slot is in use: call Bulkhead.slot() for each `with`")
        bulkhead = self._bulkhead
        if not bulkhead._try():
            event = threading.Event()
            patience, waiter = self._queue(event.set)
            try:
                event.wait(patience)
            except BaseException:
                self._abandon(waiter)
                raise
            self._claim(waiter)
        self._held = True

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._held = False
        self._bulkhead._release()

    async def __aenter__(self) -> None:
        demand(not self._held, "this slot is in use: call Bulkhead.slot() for each `with`")
        bulkhead = self._bulkhead
        if not bulkhead._try():
            import asyncio

            loop = asyncio.get_running_loop()
            future: Future[None] = loop.create_future()
            patience, waiter = self._queue(lambda: loop.call_soon_threadsafe(_finish, future))
            timer = None if patience is None else loop.call_later(patience, _finish, future)
            try:
                await future
            except BaseException:
                self._abandon(waiter)
                raise
            finally:
                if timer is not None:
                    timer.cancel()
            self._claim(waiter)
        self._held = True

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._held = False
        self._bulkhead._release()

    def _queue(self, wake: Callable[[], object]) -> tuple[float | None, _Waiter]:
        bulkhead = self._bulkhead
        patience = bulkhead._patience()
        if patience == 0:
            raise bulkhead._refusal("there is no time to wait")
        waiter = _Waiter(wake, bulkhead._clock())
        bulkhead._join(waiter)
        return patience, waiter

    def _abandon(self, waiter: _Waiter) -> None:
        """Leave without the slot; one that was granted meanwhile passes to the next."""
        if self._bulkhead._leave_queue(waiter):
            self._bulkhead._release()

    def _claim(self, waiter: _Waiter) -> None:
        bulkhead = self._bulkhead
        if not bulkhead._leave_queue(waiter):
            waited = bulkhead._clock() - waiter.since
            raise bulkhead._refusal(f"none came free in {waited:.2f} s")


def _finish(future: Future[None]) -> None:
    if not future.done():
        future.set_result(None)
