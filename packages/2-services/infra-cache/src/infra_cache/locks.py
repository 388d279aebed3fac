"""Locks between tasks and processes: a lease with an owner, renewed, with a fencing token.

Not a consensus lock: a holder that sleeps past its ttl, or a server that loses data, may let two in
at once. What is protected must refuse a fencing token below the highest it has seen.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from infra_cache._core import INTERNAL, Core, positive, stamp, to_ms
from infra_cache.errors import LockHeld, LockLost
from infra_errors import CacheError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["Lock", "hold"]

POLL = 0.01  # seconds between looks; grows by half up to
POLL_MOST = 0.25


class Lock:
    """A lock that is held. `lost` is set when it ended before its block did."""

    __slots__ = ("_core", "_key", "_owner", "_ttl", "_until", "fencing_token", "lost", "name")

    def __init__(self, core: Core, key: str, name: str, owner: str, token: int, ttl: int) -> None:
        self._core = core
        self._key = key
        self._owner = owner
        self._ttl = ttl
        self._until = asyncio.get_running_loop().time() + ttl / 1000
        self.name = name
        self.fencing_token = token
        self.lost = asyncio.Event()

    def check(self) -> None:
        """Raise LockLost if the lock has ended."""
        if not self.lost.is_set() and asyncio.get_running_loop().time() >= self._until:
            self.lost.set()
        if self.lost.is_set():
            message = "the lock ended while it was held; undo or refuse what came after"
            raise LockLost(message, lock=self.name)

    async def release(self) -> bool:
        """Give the lock back early; say whether it was still ours."""
        released = await self._core.store.lock_release(self._key, self._owner)
        if not released:
            self.lost.set()
        self._until = 0.0
        return released

    async def renew(self) -> None:
        """Renew at a third of the ttl, until cancelled or lost."""
        loop = asyncio.get_running_loop()
        while not self.lost.is_set():
            await asyncio.sleep(self._ttl / 3000)
            asked = loop.time()
            try:
                if await self._core.store.lock_renew(self._key, self._owner, self._ttl):
                    self._until = asked + self._ttl / 1000
                    continue
                self.lost.set()
            except CacheError as error:
                self._core.seldom(10.0, "a lock could not be renewed: %s", error.code)
                if loop.time() >= self._until:
                    self.lost.set()

    @property
    def is_ours(self) -> bool:
        """Whether there is something to give back."""
        return self._until > 0


@asynccontextmanager
async def hold(
    core: Core, prefix: str, name: str, *, ttl: float, wait: float | None
) -> AsyncIterator[Lock]:
    """Take the lock within `wait` seconds (None: for ever), renew it, give it back."""
    live = to_ms(ttl)
    if wait is not None:
        positive(wait, "wait", zero=True)
    await core.ready()
    key = f"{prefix}{INTERNAL}lock:{name}"
    loop = asyncio.get_running_loop()
    until = None if wait is None else loop.time() + wait
    await _queue(core, key, until)
    try:
        lock = await _acquire(core, key, name, live, until)
        renewal = core.spawn(lock.renew())
        try:
            yield lock
        except BaseException:
            await _give_back(lock, renewal, quietly=True)
            raise
        await _give_back(lock, renewal, quietly=False)
    finally:
        _leave(core, key)


async def _give_back(lock: Lock, renewal: asyncio.Task[None], *, quietly: bool) -> None:
    renewal.cancel()
    if not lock.is_ours:
        return  # released by hand
    was_lost = lock.lost.is_set()
    try:
        released = await lock.release()
    except CacheError:
        if not quietly:
            raise
        return  # its ttl ends it; the block's own error is the one to see
    if not quietly and (was_lost or not released):
        message = "the lock ended while it was held; undo or refuse what came after"
        raise LockLost(message, lock=lock.name)


async def _acquire(core: Core, key: str, name: str, live: int, until: float | None) -> Lock:
    owner, pause = stamp(), POLL
    loop = asyncio.get_running_loop()
    while True:
        try:
            token = await core.store.lock_acquire(key, owner, live)
        except BaseException:
            # It may have been taken just before: nobody would know of it until its ttl ends.
            core.spawn(_forget(core, key, owner))
            raise
        if token is not None:
            return Lock(core, key, name, owner, token, live)
        left = None if until is None else until - loop.time()
        if left is not None and left <= 0:
            raise _held(name)
        nap = pause * (0.5 + core.rng() / 2)
        await asyncio.sleep(nap if left is None else min(nap, left))
        pause = min(pause * 1.5, POLL_MOST)


async def _forget(core: Core, key: str, owner: str) -> None:
    try:
        await core.store.lock_release(key, owner)
    except CacheError as error:
        core.seldom(10.0, "a lock was not given back and runs out: %s", error.code)


def _held(name: str) -> LockHeld:
    message = "somebody else holds the lock"
    return LockHeld(message, lock=name)


# ---- the line in this process: who came first is served first ------------------------------------


async def _queue(core: Core, key: str, until: float | None) -> None:
    """Wait for those of this process who came before; the head of the line asks the store."""
    line = core.queues.get(key)
    if line is None:
        core.queues[key] = []
        return
    loop = asyncio.get_running_loop()
    turn: asyncio.Future[None] = loop.create_future()
    line.append(turn)
    try:
        async with asyncio.timeout_at(until):
            await turn
    except BaseException as error:
        if turn.done() and not turn.cancelled():
            _leave(core, key)  # our turn came in that very moment: pass it on
        elif turn in line:
            line.remove(turn)
        if isinstance(error, TimeoutError):
            raise _held(key.rpartition(f"{INTERNAL}lock:")[2]) from None
        raise


def _leave(core: Core, key: str) -> None:
    line = core.queues[key]
    while line:
        turn = line.pop(0)
        if not turn.done():
            turn.set_result(None)
            return
    del core.queues[key]
