"""The lower half of a connection: its transport, the write side, and one timer for all waits."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

from infra_http.errors import ReadTimedOut, TotalTimedOut, WriteTimedOut

if TYPE_CHECKING:
    from infra_errors import InfraError

__all__ = ["FOREVER", "Wire"]

FOREVER = math.inf

_LATE: dict[type[InfraError], str] = {
    ReadTimedOut: "the upstream sent nothing within the read timeout",
    WriteTimedOut: "the upstream took nothing within the write timeout",
    TotalTimedOut: "the deadline passed before the end of the exchange",
}


class Wire(asyncio.Protocol):
    """A transport that can be written to, waited for with a time limit, and closed."""

    __slots__ = (
        "_deadline_at",
        "_expires",
        "_late",
        "_paused_writing",
        "_timer",
        "_timer_at",
        "_transport",
        "_write_waiter",
        "closed",
        "loop",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.closed = False
        self._transport: asyncio.Transport | None = None
        self._paused_writing = False
        self._write_waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = self._expires = self._deadline_at = FOREVER
        self._late: type[InfraError] = ReadTimedOut

    def _timed_out(self, error: InfraError) -> None:
        """End what waits; the upper half knows what that is."""
        raise error

    def write(self, data: bytes | memoryview) -> None:
        """Hand bytes to the transport; `drained` waits where it is full."""
        transport = self._transport
        if transport is not None:
            transport.write(data)

    def close(self) -> None:
        """Close an idle connection; over TLS this says goodbye first."""
        self._end()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once, also with bytes unsent."""
        self._end()
        if self._transport is not None:
            self._transport.abort()

    def fact(self, name: str) -> Any:
        """Return what the transport knows."""
        return None if self._transport is None else self._transport.get_extra_info(name)

    def _end(self) -> None:
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = FOREVER

    def _arm(self, seconds: float | None, late: type[InfraError]) -> None:
        """Let the wait that begins now end at its timeout or at the deadline.

        A timer stays from wait to wait and from request to request, and looks at `_expires` when
        it rings: a wait costs one comparison, not a timer of its own.
        """
        at = FOREVER if seconds is None else self.loop.time() + seconds
        if self._deadline_at < at:
            at, late = self._deadline_at, TotalTimedOut
        self._expires = at
        self._late = late
        if at < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = at
            self._timer = self.loop.call_at(at, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._timer_at = FOREVER
        at = self._expires
        if at == FOREVER:
            return
        # A loop's clock has steps: what is due within one of them is due.
        if at - self.loop.time() > 0.002:
            self._timer_at = at
            self._timer = self.loop.call_at(at, self._ring)
            return
        self._expires = FOREVER
        self._timed_out(self._late(_LATE[self._late]))

    def pause_writing(self) -> None:
        """The transport is full."""
        self._paused_writing = True

    def resume_writing(self) -> None:
        """The transport takes more."""
        self._paused_writing = False
        self._wake_writer()

    def _wake_writer(self) -> None:
        waiter = self._write_waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
