"""What the views of one cache share: its store, codec and counters, and the tasks it runs."""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from infra_cache import _frames
from infra_cache.codecs import ObjectCodec
from infra_cache.errors import CacheUnavailable, wrong_input
from infra_cache.values import DEFAULT, Counters, Ttl

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from infra_cache._frames import Frame
    from infra_cache.loading import Flight
    from infra_cache.protocol import Codec, Store, StoreContext
    from infra_cache.settings import CacheSettings

__all__ = ["INTERNAL", "Core", "to_ms"]

log = logging.getLogger("infra_cache")

INTERNAL = "\x1f"
"""Begins the names of what a cache keeps for itself: no key of a caller holds a control byte."""

_LONGEST = 3_155_760_000  # a hundred years in seconds
MAX_REFRESHES = 64


class Core:
    """One open cache."""

    def __init__(
        self, store: Store, settings: CacheSettings, codec: Codec, context: StoreContext
    ) -> None:
        self.store = store
        self.settings = settings
        self.codec = codec
        self.shared = isinstance(codec, ObjectCodec)
        self.counters: Counters = context.counters
        self.clock = context.clock
        self.rng = context.rng
        self.flights: dict[str, Flight] = {}
        self.asking: dict[str, int] = {}  # keys of get_or_load calls under way, and how many
        self.flights_done = 0
        self.refreshes: dict[str, asyncio.Task[Any]] = {}
        self.queues: dict[str, list[asyncio.Future[None]]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._said: dict[str, float] = {}
        self._opening: asyncio.Lock | None = None
        self.opened = self.closed = False

    async def ready(self) -> None:
        """Open the store at the first use, once for all who come."""
        if self.closed:
            message = "the cache was closed; connect again"
            raise CacheUnavailable(message, retryable=False)
        if self.opened:
            return
        if self._opening is None:
            self._opening = asyncio.Lock()
        async with self._opening:
            if not self.opened:
                await self.store.open()
                self.opened = True

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run something that ends, at the latest, with the cache."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(retrieve)
        return task

    async def aclose(self) -> None:
        """Cancel what runs, and close the store."""
        if self.closed:
            return
        self.closed = True
        running = [flight.task for flight in self.flights.values()]
        running += [*self.refreshes.values(), *self._tasks]
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)
        await self.store.aclose()

    def seldom(self, every: float, message: str, *args: object) -> None:
        """Log a warning, the same one at most once in so many seconds."""
        now = time.monotonic()
        if now - self._said.get(message, -math.inf) >= every:
            self._said[message] = now
            log.warning(message, *args)

    # ---- values ------------------------------------------------------------------------------

    def encode(self, value: object) -> Any:
        """Encode a value, or raise ValidationError `cache.value_too_large`."""
        data = self.codec.encode(value)
        if not self.shared and len(data) > self.settings.max_value_bytes:
            message = (
                f"the value has {len(data)} bytes, and max_value_bytes is "
                f"{self.settings.max_value_bytes}"
            )
            raise wrong_input("value_too_large", message)
        return data

    def pack(self, data: Any, frame: Frame) -> Any:
        """Put a frame around encoded data."""
        return _frames.pack(data, frame, shared=self.shared)

    def ttl(self, ttl: Ttl) -> int | None:
        """Give milliseconds; ValidationError `cache.invalid_ttl` for what is no time to live."""
        if ttl is DEFAULT:
            ttl = self.settings.default_ttl
        return None if ttl is None else to_ms(ttl)


def to_ms(ttl: float | timedelta, *, what: str = "ttl") -> int:
    """Give whole milliseconds, at least one."""
    seconds = ttl.total_seconds() if isinstance(ttl, timedelta) else ttl
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not 0 < seconds <= _LONGEST:
        message = f"{what} must be seconds above 0, at most a hundred years; None means for ever"
        raise wrong_input("invalid_ttl", message)
    return max(1, round(seconds * 1000))


def stamp() -> str:
    """Make a random stamp: no two are alike, so a tag never comes back to an old one."""
    return secrets.token_hex(8)


def retrieve(task: asyncio.Task[Any]) -> None:
    """Take a task's exception, which somebody else reports."""
    if not task.cancelled():
        task.exception()


def positive(value: float, name: str, *, zero: bool = False) -> float:
    """Check a number of seconds that is no time to live."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not (0 <= value < math.inf) or (value == 0 and not zero):
        message = f"{name} must be a number of seconds {'of at least' if zero else 'above'} 0"
        raise wrong_input("invalid", message)
    return value
