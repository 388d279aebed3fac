"""An asyncio loop for an interpreter without sockets and threads: time and callbacks only."""

from __future__ import annotations

import asyncio
import time
import warnings
from typing import Any

__all__ = ["NoIOLoop", "install"]


class _NoSelector:
    """Waits for time to pass; there is nothing else to wait for."""

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            msg = "the loop would wait for ever: no timer, no callback, and no I/O here"
            raise RuntimeError(msg)
        if timeout > 0:
            time.sleep(timeout)
        return []

    def close(self) -> None:
        """There is nothing to close."""


class NoIOLoop(asyncio.base_events.BaseEventLoop):
    """`TaskGroup`, `timeout`, `Runner` and `sleep` work on it; sockets and executors do not."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = _NoSelector()

    def _process_events(self, events: list[Any]) -> None:
        """No events come."""

    def _write_to_self(self) -> None:
        """No other thread could wake it."""


def install() -> None:
    """Make it the loop of `asyncio.run` and of pytest-asyncio, beside the browser's own loop."""
    warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*event_loop_policy.*")
    asyncio.events._set_running_loop(None)
    base = asyncio.get_event_loop_policy().__class__
    policy = type("NoIOPolicy", (base,), {"new_event_loop": lambda self: NoIOLoop()})
    asyncio.set_event_loop_policy(policy())
