"""How many connections there may be, who waits for one, and which of them are idle.

One `Slots` is shared by the pools of a transport, so that a limit is one over all origins. All of
it is synchronous: a slot cannot be lost between two awaits, and no second cancellation can
interrupt its return.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from infra_http.errors import HttpConfigError, PoolTimedOut

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from attrs import Attribute

    from infra_errors import InfraError
    from infra_http._h1 import Connection

    class Owner(Protocol):
        """A pool, as its slots see it."""

        held: int
        parked: list[Connection]


__all__ = ["PoolLimits", "PoolStats", "Slots"]

# Between two steps of a burst most connections are idle for a moment: closing the surplus at once
# would make as many new ones in the next step.
_GRACE = 0.5  # seconds


def _at_least(least: float, *, none: bool = False) -> Callable[[object, Attribute[Any], Any], None]:
    def check(_: object, attribute: Attribute[Any], value: Any) -> None:
        if none and value is None:
            return
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= least:
            message = f"{attribute.name} of PoolLimits must be a number of at least {least:g}"
            raise HttpConfigError(message)

    return check


@frozen(kw_only=True)
class PoolLimits:
    """What a pool may take.

    Args:
        max_connections: open at the same time.
        max_keepalive: of these, idle ones that are kept; the surplus of a burst goes after half a
            second, with 0 no connection is used twice.
        keepalive_expiry: seconds after which an idle connection is closed; None is never.
        max_requests_per_connection: after which it is closed; None is any number.
        max_header_bytes: of a response's header section, also of its trailers.
        max_headers: lines of the header section, also of the trailers.
        read_high_water: bytes of a body that wait to be read before the socket is paused.
        acquire_timeout: seconds to wait for a free connection; None is for ever.
    """

    max_connections: int = field(default=100, validator=_at_least(1))
    max_keepalive: int = field(default=20, validator=_at_least(0))
    keepalive_expiry: float | None = field(default=30.0, validator=_at_least(0, none=True))
    max_requests_per_connection: int | None = field(default=None, validator=_at_least(1, none=True))
    max_header_bytes: int = field(default=65536, validator=_at_least(1))
    max_headers: int = field(default=256, validator=_at_least(1))
    read_high_water: int = field(default=262144, validator=_at_least(1))
    acquire_timeout: float | None = field(default=5.0, validator=_at_least(0, none=True))


@frozen(kw_only=True)
class PoolStats:
    """A pool at one moment: connections that serve a call, idle ones, callers that wait."""

    in_use: int
    idle: int
    waiting: int
    opened: int  # since the pool was made


class Slots:
    """The right to have a connection, given out in the order in which it was asked for."""

    __slots__ = ("_at", "_timer", "idle", "in_use", "limits", "waiters")

    def __init__(self, limits: PoolLimits) -> None:
        self.limits = limits
        self.in_use = 0
        self.idle: dict[Connection, None] = {}  # the longest idle first
        self.waiters: OrderedDict[asyncio.Future[Connection | None], Owner] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None
        self._at = math.inf

    def take(self, owner: Owner, *, fresh: bool = False) -> Connection | None:
        """Take a slot without waiting: with the owner's idle connection, or None for a new one.

        Raises:
            LookupError: there is no free slot.
        """
        if not fresh and (conn := self.take_idle(owner)) is not None:
            return conn
        if self.in_use + len(self.idle) >= self.limits.max_connections:
            if not self.idle:
                raise LookupError
            self.drop(next(iter(self.idle)))
        self.in_use += 1
        owner.held += 1
        return None

    def take_idle(self, owner: Owner) -> Connection | None:
        """Take a slot with the owner's idle connection that was used last; None: it has none."""
        parked = owner.parked
        while parked:
            conn = parked.pop()
            del self.idle[conn]
            if conn.usable():
                self.in_use += 1
                owner.held += 1
                return conn
            conn.close()
        return None

    async def wait(
        self, owner: Owner, seconds: float | None, late: type[InfraError] = PoolTimedOut
    ) -> Connection | None:
        """Wait for a slot; return the idle connection that comes with it, or None.

        Raises:
            PoolTimedOut: none became free in time; or what `late` says.
        """
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Connection | None] = loop.create_future()
        self.waiters[waiter] = owner
        timer = None if seconds is None else loop.call_later(seconds, _give_up, waiter, late)
        try:
            return await waiter
        except BaseException:
            # The slot may have been handed over in the moment of the cancellation: pass it on.
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                conn = waiter.result()
                self.give(owner, conn, clean=conn is not None and conn.usable())
            raise
        finally:
            self.waiters.pop(waiter, None)
            if timer is not None:
                timer.cancel()

    def give(self, owner: Owner, conn: Connection | None, *, clean: bool) -> None:
        """Give a slot back; a clean connection goes to who waits for its origin, or is parked."""
        owner.held -= 1
        while self.waiters:
            waiter, other = self.waiters.popitem(last=False)
            if waiter.done():
                continue
            other.held += 1
            if clean and other is owner:
                waiter.set_result(conn)
                return
            if clean and conn is not None:
                conn.close()
            waiter.set_result(None)
            return
        self.in_use -= 1
        if conn is None or not clean:
            return
        if self.limits.max_keepalive == 0 or self.limits.keepalive_expiry == 0:
            conn.close()
            return
        self.idle[conn] = None
        owner.parked.append(conn)
        if len(self.idle) > self.limits.max_keepalive:
            self._sweep_in(_GRACE, conn.loop)
        elif self._at == math.inf and (expiry := self.limits.keepalive_expiry) is not None:
            self._sweep_in(expiry, conn.loop)

    def drop(self, conn: Connection) -> None:
        """Close an idle connection."""
        if conn in self.idle:
            del self.idle[conn]
            conn.pool.parked.remove(conn)
        conn.close()

    def forget(self, owner: Owner) -> None:
        """Drop all that an owner had in a loop that has ended."""
        for conn in owner.parked:
            self.idle.pop(conn, None)
        owner.parked.clear()
        for waiter in [waiter for waiter, other in self.waiters.items() if other is owner]:
            del self.waiters[waiter]
        self.in_use -= owner.held
        owner.held = 0
        self._timer = None
        self._at = math.inf

    def stop(self) -> None:
        """Stop the timer that looks for idle connections."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._at = math.inf

    def _sweep_in(self, seconds: float, loop: asyncio.AbstractEventLoop) -> None:
        at = loop.time() + seconds
        if at < self._at:
            if self._timer is not None:
                self._timer.cancel()
            self._at = at
            self._timer = loop.call_at(at, self._sweep)

    def _sweep(self) -> None:
        """Close what has been idle for too long, and what is more than may stay."""
        self._timer = None
        self._at = math.inf
        expiry = self.limits.keepalive_expiry
        for conn in list(self.idle):
            may_stay = math.inf if expiry is None else expiry
            if len(self.idle) > self.limits.max_keepalive:
                may_stay = min(may_stay, _GRACE)
            left = conn.idle_since + may_stay - conn.loop.time()
            if left > 0.001:
                if left < math.inf:
                    self._sweep_in(left, conn.loop)
                return
            self.drop(conn)


def _give_up(waiter: asyncio.Future[Connection | None], late: type[InfraError]) -> None:
    if not waiter.done():
        waiter.set_exception(late("no connection of the pool became free in time"))
