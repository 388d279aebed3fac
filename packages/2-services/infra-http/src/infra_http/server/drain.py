"""The end of a server without the loss of a request: when to say no, to end streams, to cancel."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

from infra_http.errors import HttpConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Drain"]


class Drain:
    """What the parts of a server know of its end.

    `draining` is True from the signal on: not ready, and responses say `Connection: close`.
    `cancelled`: from now on everything has to end.

    Args:
        delay: seconds that connections are still accepted, until the balancer has noticed.
        timeout: seconds that requests in flight have then.

    Raises:
        ConfigError: `http.config`, a negative time.
    """

    def __init__(self, *, delay: float = 5.0, timeout: float = 30.0) -> None:
        for name, value in (("delay", delay), ("timeout", timeout)):
            if not 0 <= value < float("inf"):
                message = f"drain: {name} is a number of seconds, 0 or more"
                raise HttpConfigError(message)
        self.delay = delay
        self.timeout = timeout
        self.draining = False
        self.cancelled = False
        self._started = asyncio.Event()
        self._ending = {"stream": False, "socket": False}
        self._listeners: dict[str, set[Callable[[], object]]] = {"stream": set(), "socket": set()}

    def start(self) -> None:
        """Begin; a second time does nothing."""
        self.draining = True
        self._started.set()

    async def started(self) -> None:
        """Wait for the begin."""
        await self._started.wait()

    async def end_sockets(self, seconds: float) -> None:
        """Tell all web sockets to end, and give them a moment to do it."""
        self._end("socket")
        loop = asyncio.get_running_loop()
        ends = loop.time() + seconds
        while self._listeners["socket"] and loop.time() < ends:  # noqa: ASYNC110 - rare, and short
            await asyncio.sleep(0.01)

    def end_streams(self) -> None:
        """Tell everything that lives long to end."""
        self._end("socket")
        self._end("stream")

    def cancel(self) -> None:
        """Say that what is still under way is being cancelled."""
        self.cancelled = True
        self.end_streams()

    def on_end(
        self, kind: Literal["stream", "socket"], listener: Callable[[], object]
    ) -> Callable[[], None]:
        """Call the listener when it must end; returns a function that forgets it."""
        self._listeners[kind].add(listener)
        if self._ending[kind]:
            listener()
        return lambda: self._listeners[kind].discard(listener)

    def _end(self, kind: Literal["stream", "socket"]) -> None:
        if not self._ending[kind]:
            self._ending[kind] = True
            for listener in tuple(self._listeners[kind]):
                listener()
