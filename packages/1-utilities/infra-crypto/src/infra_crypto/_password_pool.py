"""
The threads that Argon2 runs in for coroutines: so many at once, so many waiting, no more.

One pool for every bound, shared by the hashers with that bound. A thread that runs cannot be
stopped, so a slot belongs to the work and not to the caller: a cancelled caller leaves at once, and
its slot comes free when the work ends.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from infra_crypto.errors import PasswordPoolFull

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PasswordPool", "default_concurrency", "shared_pool"]

T = TypeVar("T")


def default_concurrency() -> int:
    """Return how many hashes run at once unless told otherwise: one a CPU, four at most."""
    return min(4, os.cpu_count() or 1)


class PasswordPool:
    """*size* threads; the count of what runs and waits is bounded by each call's `max_waiting`."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._threads = ThreadPoolExecutor(size, thread_name_prefix="infra-crypto-password")
        self._lock = threading.Lock()
        self._pending = 0  # running and waiting

    async def run(self, work: Callable[[], T], *, max_waiting: int) -> T:
        """Return what *work* does, done in a thread; PasswordPoolFull when too many wait."""
        with self._lock:
            full = self._pending >= self.size + max_waiting
            self._pending += not full
        if full:
            msg = (
                f"{self.size} password hashes run and {max_waiting} wait: try again in a second, "
                "or raise max_concurrency or max_waiting"
            )
            raise PasswordPoolFull(msg, retry_after=1.0)
        if sys.platform == "emscripten":  # no threads there: the one user waits
            try:
                return work()
            finally:
                self._ended(None)
        try:
            future = self._threads.submit(work)
        except BaseException:
            self._ended(None)
            raise
        future.add_done_callback(self._ended)
        return await asyncio.wrap_future(future)

    def _ended(self, _: Future[T] | None) -> None:
        with self._lock:
            self._pending -= 1


_pools: dict[int, PasswordPool] = {}
_pools_lock = threading.Lock()


def shared_pool(size: int) -> PasswordPool:
    """Return the process's pool of *size* threads."""
    with _pools_lock:
        if size not in _pools:
            _pools[size] = PasswordPool(size)
        return _pools[size]


def _after_fork_in_child() -> None:
    global _pools_lock  # noqa: PLW0603 -- the parent's threads, and its locks, are not here
    _pools_lock = threading.Lock()
    _pools.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
