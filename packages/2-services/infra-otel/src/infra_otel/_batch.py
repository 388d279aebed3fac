"""A bounded queue and the thread that exports from it.

OpenTelemetry's own batch processor drops the oldest item of a full queue without counting it for
the application, and cannot be flushed or shut down in a given time; this one does what
`configure` promises.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Batch"]


class Batch:
    """Items wait until a batch is full or `delay` is over; a full queue drops the newest.

    Args:
        export: takes a list of items; whether it could send them.
        name: of the thread.
        limit: items that wait at most.
        size: items of one batch.
        delay: seconds an item waits at most.
        lost: called with the number of items that were dropped.
    """

    def __init__(
        self,
        export: Callable[[list[Any]], bool],
        *,
        name: str,
        limit: int,
        size: int,
        delay: float,
        lost: Callable[[int], None],
    ) -> None:
        self._export = export
        self._name = name
        self._limit = limit
        self._size = size
        self._delay = delay
        self._lost = lost
        self._queue: deque[Any] = deque()
        self._closed = False
        self._given_up = False
        self._begin()
        if hasattr(os, "register_at_fork"):
            anew = weakref.WeakMethod(self._after_fork)

            def in_child() -> None:
                if (method := anew()) is not None:
                    method()

            os.register_at_fork(after_in_child=in_child)

    def put(self, item: Any) -> None:
        """Queue an item; never blocks on an export."""
        if self._closed or len(self._queue) >= self._limit:
            self._lost(1)
            return
        self._queue.append(item)
        if len(self._queue) == self._size:
            with self._changed:
                self._changed.notify_all()

    def flush(self, deadline: float) -> bool:
        """Export what waits now, until `deadline` of `time.monotonic`; whether all was sent."""
        with self._changed:
            if self._closed:
                return not self._queue
            self._asked += 1
            ticket = self._asked
            self._changed.notify_all()
            done = self._changed.wait_for(
                lambda: self._answered >= ticket, max(0.0, deadline - time.monotonic())
            )
            return done and self._sent

    def stop(self) -> None:
        """Take no more; the thread exports what waits and ends."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def join(self, deadline: float) -> bool:
        """Wait for the end until `deadline`, then give up what waits; whether all was sent."""
        self._thread.join(max(0.0, deadline - time.monotonic()))
        with self._changed:
            self._given_up = True
            left = len(self._queue) + self._sending
            self._queue.clear()
        if left:
            self._lost(left)
        return not left and self._sent

    def _begin(self) -> None:
        self._changed = threading.Condition()
        self._asked = self._answered = self._sending = 0
        self._sent = True
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def _after_fork(self) -> None:
        # what the parent queued is the parent's to send
        self._queue.clear()
        if not self._closed:
            self._begin()

    def _run(self) -> None:
        # an item is never older than `delay`: the wait is cut, not restarted, by a full batch
        while not self._given_up:
            with self._changed:
                self._changed.wait_for(self._is_due, self._delay)
                asked, closed = self._asked, self._closed
            sent = self._drain()
            with self._changed:
                self._sent = sent
                self._answered = asked
                self._changed.notify_all()
            if closed and not self._queue:
                return

    def _is_due(self) -> bool:
        return self._closed or self._asked > self._answered or len(self._queue) >= self._size

    def _drain(self) -> bool:
        sent = True
        left = len(self._queue)
        while left > 0 and not self._given_up:
            batch = [self._queue.popleft() for _ in range(min(left, self._size, len(self._queue)))]
            if not batch:
                break
            left -= len(batch)
            sent = self._send(batch) and sent
        return sent

    def _send(self, batch: list[Any]) -> bool:
        self._sending = len(batch)
        sent = self._export(batch)
        with self._changed:
            self._sending = 0
            # what `join` has given up is counted already
            if not sent and not self._given_up:
                self._lost(len(batch))
        return sent
