"""Loading: one load a key and process, which survives the caller that began it.

The loader runs in a task of the cache, with a copy of the first caller's context. Whoever is
cancelled leaves; when nobody waits any more, the load is cancelled.
"""

from __future__ import annotations

import asyncio
import logging
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import attrs

from infra_cache._core import INTERNAL, MAX_REFRESHES, Core, positive, retrieve, stamp
from infra_cache._frames import Frame
from infra_cache.errors import CacheUnavailable, LoadTimeout, RecursiveLoad, wrong_input
from infra_cache.tags import Entry, judge, new_stamps, tag_keys
from infra_errors import CacheError, InfraError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from infra_cache.values import Ttl

__all__ = ["Flight", "LoadOptions", "get_or_load"]

log = logging.getLogger("infra_cache")

LEASE_POLL = 0.02  # seconds; grows by half with each look, up to
LEASE_POLL_MOST = 0.25
LEASE_ENDLESS = 30.0  # a lease where load_timeout is None


@attrs.frozen(kw_only=True)
class LoadOptions:
    """How to load and keep; see `Cache.get_or_load`."""

    ttl: Ttl
    stale: float
    negative_ttl: float | None
    tags: tuple[str, ...]
    jitter: float
    across: bool
    load_timeout: float | None
    cache_if: Callable[[Any], bool] | None
    on_error: Literal["load", "raise"]


class _Loaded(NamedTuple):
    """What a load gave: the value, and its encoded form where a waiter may decode its own."""

    value: Any
    data: Any


class Flight:
    """A load under way."""

    __slots__ = ("task",)
    task: asyncio.Task[_Loaded]


_inside: ContextVar[tuple[tuple[Core, str, list[bool]], ...]] = ContextVar("_inside", default=())


async def get_or_load(
    core: Core, prefix: str, key: str, loader: Callable[[], Awaitable[Any]], options: LoadOptions
) -> Any:
    """Return the entry, or its value loaded once for all who ask."""
    load = _Load(core, prefix, prefix + key, loader, options)
    for whose, name, running in _inside.get():
        if whose is core and name == load.key and running:
            message = "the loader asks the cache for the key it is loading; load it another way"
            raise RecursiveLoad(message)
    asking = core.asking
    asking[load.key] = asking.get(load.key, 0) + 1
    try:
        return await load.value()
    finally:
        left = asking[load.key] - 1
        if left:
            asking[load.key] = left
        else:
            del asking[load.key]
            if (flight := core.flights.pop(load.key, None)) is not None:
                flight.task.cancel()  # nobody wants it any more; who comes now begins anew


class _Load:
    """One caller's wish for a key."""

    __slots__ = (
        "_stamps",
        "_tag_keys",
        "core",
        "is_blind",
        "key",
        "loader",
        "options",
        "prefix",
        "ttl",
    )

    def __init__(
        self,
        core: Core,
        prefix: str,
        key: str,
        loader: Callable[[], Awaitable[Any]],
        options: LoadOptions,
    ) -> None:
        self.core = core
        self.prefix = prefix
        self.key = key
        self.loader = loader
        self.options = options
        self.ttl = core.ttl(options.ttl)
        positive(options.stale, "stale", zero=True)
        if options.negative_ttl is not None:
            core.ttl(options.negative_ttl)
        if options.load_timeout is not None:
            positive(options.load_timeout, "load_timeout")
        if not 0 <= options.jitter < 1:
            message = "jitter is the share of the ttl it may differ by: at least 0, below 1"
            raise wrong_input("invalid", message)
        if options.on_error not in {"load", "raise"}:
            message = "on_error must be 'load' or 'raise'"
            raise wrong_input("invalid", message)
        self._tag_keys = tag_keys(prefix, options.tags)
        self._stamps: dict[str, str | None] = {}
        self.is_blind = False  # the cache is down: nothing was read, nothing will be stored

    async def value(self) -> Any:
        """Return the entry's value, that of a load under way, or that of a load begun here."""
        core = self.core
        for attempt in range(2):
            if (flight := core.flights.get(self.key)) is not None:
                return await self.join(flight, first=False)
            seen = core.flights_done
            entry = await self.look()
            if entry is not None:
                return self.answer(entry)
            # A load that ended while we looked may have stored what we did not see: look again.
            if core.flights_done == seen or attempt or self.is_blind:
                break
        if (flight := core.flights.get(self.key)) is not None:
            return await self.join(flight, first=False)
        return await self.join(self.start(), first=True)

    # ---- reading -------------------------------------------------------------------------------

    async def look(self) -> Entry | None:
        """Read the entry and the tags' stamps, those that are absent made anew."""
        core = self.core
        try:
            if not core.opened:
                await core.ready()
            found = await core.store.fetch(
                self.key,
                self._tag_keys,
                fresh=new_stamps(self._tag_keys),
                keep=self._kept_for(),
            )
            self._stamps = dict(zip(self.options.tags, found.stamps, strict=True))
            entry = await judge(core, self.prefix, found, self._stamps)
        except CacheError as error:
            if self.options.on_error == "raise" or core.closed:
                raise
            core.counters.errors += 1
            core.seldom(10.0, "the cache is down, so values are loaded: %s", error.code)
            self.is_blind = True
            return None
        if entry is None:
            core.counters.misses += 1
        return entry

    def _kept_for(self) -> int | None:
        """Say how long, in ms, a new stamp is needed at most: for the load, then for its entry."""
        if self.ttl is None:
            return None
        options = self.options
        patience = (options.load_timeout or LEASE_ENDLESS) * (2 if options.across else 1)
        return int(self.ttl * (1 + options.jitter) + (options.stale + patience) * 1000) + 1000

    def answer(self, entry: Entry) -> Any:
        """Give what an entry holds; a stale one is refreshed behind the caller's back."""
        counters = self.core.counters
        if entry.is_stale:
            counters.stale_hits += 1
            self._refresh()
        counters.hits += 1
        if entry.frame.error is not None:
            counters.negative_hits += 1
            raise InfraError.from_dict(entry.frame.error)
        if entry.frame.negative:
            counters.negative_hits += 1
        return entry.value

    # ---- who waits -----------------------------------------------------------------------------

    def start(self) -> Flight:
        """Begin the load, in a task of the cache."""
        core, key, flight = self.core, self.key, Flight()

        def ended(task: asyncio.Task[_Loaded]) -> None:
            core.flights_done += 1
            if core.flights.get(key) is flight:
                del core.flights[key]
            retrieve(task)

        loop = asyncio.get_running_loop()
        flight.task = loop.create_task(self._lead(), context=copy_context())
        flight.task.add_done_callback(ended)
        core.flights[key] = flight
        return flight

    async def join(self, flight: Flight, *, first: bool) -> Any:
        """Wait for a load."""
        core, task = self.core, flight.task
        await asyncio.wait((task,))
        if task.cancelled():
            message = (
                "the cache was closed while it loaded"
                if core.closed
                else ("the loader was cancelled from within")
            )
            raise CacheUnavailable(message, retryable=not core.closed)
        loaded = task.result()
        if first or loaded.data is None or core.shared:
            return loaded.value
        return core.codec.decode(loaded.data)  # its own copy: nobody changes another's value

    def _refresh(self) -> None:
        core, key = self.core, self.key
        if key in core.refreshes or key in core.flights:
            return
        if len(core.refreshes) >= MAX_REFRESHES:
            core.counters.background_dropped += 1
            return

        def ended(task: asyncio.Task[Any]) -> None:
            del core.refreshes[key]
            if not task.cancelled() and (error := task.exception()) is not None:
                name = getattr(error, "code", type(error).__name__)
                log.warning("a refresh failed, and the stale value stays: %s", name)

        loop = asyncio.get_running_loop()
        task = loop.create_task(self._lead(is_refresh=True), context=copy_context())
        core.refreshes[key] = task
        task.add_done_callback(ended)

    # ---- the load itself -----------------------------------------------------------------------

    async def _lead(self, *, is_refresh: bool = False) -> _Loaded:
        running = [True]  # emptied at the end: a task that outlives the load may ask for the key
        _inside.set((*_inside.get(), (self.core, self.key, running)))
        try:
            if self.options.across and not self.is_blind:
                return await self._lead_across(is_refresh=is_refresh)
            return await self._load()
        finally:
            running.clear()

    async def _lead_across(self, *, is_refresh: bool) -> _Loaded:
        """Load under a lease that one process holds; the others wait for the value."""
        core, options = self.core, self.options
        lease = f"{self.prefix}{INTERNAL}lease:{self.key[len(self.prefix) :]}"
        owner, patience = stamp(), options.load_timeout or LEASE_ENDLESS
        loop = asyncio.get_running_loop()
        until, pause = loop.time() + patience, LEASE_POLL
        while not self.is_blind:
            try:
                held = await core.store.lock_acquire(lease, owner, int(patience * 1000) + 1000)
            except CacheError:
                if options.on_error == "raise":
                    raise
                break
            try:
                entry = await self.look()
                if entry is not None and not entry.is_stale:
                    return _Loaded(self.answer(entry), None)
                if held is not None:
                    return await self._load()
            finally:
                if held is not None:
                    core.spawn(self._give_back(lease, owner))
            if is_refresh and entry is not None:
                return _Loaded(entry.value, None)  # another process refreshes it
            if loop.time() >= until:
                break
            await asyncio.sleep(pause * (0.5 + core.rng() / 2))
            pause = min(pause * 1.5, LEASE_POLL_MOST)
        return await self._load()

    async def _give_back(self, lease: str, owner: str) -> None:
        try:
            await self.core.store.lock_release(lease, owner)
        except CacheError as error:
            self.core.seldom(10.0, "a lease was not given back and runs out: %s", error.code)

    async def _load(self) -> _Loaded:
        core, options = self.core, self.options
        core.counters.loads += 1
        try:
            value = await self._call()
        except NotFoundError as error:
            core.counters.load_errors += 1
            if options.negative_ttl is not None:
                await self._keep(None, options.negative_ttl, error=error.to_dict())
            raise
        except BaseException:
            core.counters.load_errors += 1
            raise
        if options.cache_if is not None and not options.cache_if(value):
            return _Loaded(value, None)
        if value is None and options.negative_ttl is not None:
            return _Loaded(value, await self._keep(None, options.negative_ttl, negative=True))
        return _Loaded(value, await self._keep(value, options.ttl, stale=options.stale))

    async def _call(self) -> Any:
        try:
            async with asyncio.timeout(self.options.load_timeout) as limit:
                return await self.loader()
        except TimeoutError as error:
            if not limit.expired():
                raise
            message = f"the loader took longer than {self.options.load_timeout:g} s"
            raise LoadTimeout(message) from error

    async def _keep(
        self,
        value: Any,
        ttl: Ttl,
        *,
        stale: float = 0.0,
        negative: bool = False,
        error: dict[str, Any] | None = None,
    ) -> Any:
        """Store what was loaded and return its encoded form; a write that is lost is logged."""
        core, options = self.core, self.options
        data = core.encode(value)
        live = core.ttl(ttl)
        if self.is_blind or None in self._stamps.values():
            return data
        if live is not None and options.jitter:
            live = max(1, int(live * (1 + options.jitter * (2 * core.rng() - 1))))
        past = int(stale * 1000) if live is not None else 0
        stamps = {tag: stamp for tag, stamp in self._stamps.items() if stamp is not None}
        frame = Frame(stale=past, tags=stamps, error=error, negative=negative)
        try:
            whole = None if live is None else live + past
            await core.store.set(self.key, core.pack(data, frame), whole, tags=self._tag_keys)
        except CacheError as failure:
            core.counters.errors += 1
            core.seldom(10.0, "a loaded value could not be stored: %s", failure.code)
        return data
