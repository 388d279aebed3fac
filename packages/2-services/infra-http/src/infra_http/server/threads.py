"""Threads for handlers that are not asynchronous."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Threads"]

_Job = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Any]", contextvars.Context, Any, Any]


class Threads:
    """Runs functions in at most `limit` threads; who comes later waits.

    Unlike the executors of the standard library its threads never keep the process from ending,
    and a caller that is cancelled does not wait: the function runs on, its result is dropped.
    """

    def __init__(self, limit: int = 40) -> None:
        self._limit = limit
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._waiting = 0  # threads that have nothing to do, less the jobs that wait for one

    async def run(self, function: Callable[[Any], Any], argument: Any) -> Any:
        """Return what the function returns, called in a thread with the caller's context."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        with self._lock:
            self._waiting -= 1
            if self._waiting < 0 and self._threads < self._limit:
                self._threads += 1
                self._waiting += 1
                name = f"infra-http-handler-{self._threads}"
                threading.Thread(target=self._work, name=name, daemon=True).start()
        self._jobs.put((loop, future, contextvars.copy_context(), function, argument))
        return await future

    def close(self) -> None:
        """Let the threads end once they have nothing to do."""
        with self._lock:
            for _ in range(self._threads):
                self._jobs.put(None)
            self._threads = self._waiting = 0

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            loop, future, context, function, argument = job
            result = error = None
            if not future.cancelled():
                try:
                    result = context.run(function, argument)
                except BaseException as exc:  # noqa: BLE001 - the awaiting handler raises it
                    error = exc
            with self._lock:
                self._waiting += 1
            try:
                loop.call_soon_threadsafe(_settle, future, result, error)
            except RuntimeError:  # the loop is closed: nobody waits any more
                pass
            del job, loop, future, context, function, argument, result, error


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if isinstance(error, StopIteration):  # a future cannot hold one
        error = RuntimeError("the handler raised StopIteration")
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
