"""What is under way: the requests and web sockets of a server, to wait for and to cancel."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["InFlight"]


class InFlight:
    """Wraps an application and knows the task of each request; gives each the lifespan's state."""

    def __init__(self, app: ASGIApp, state: dict[str, Any]) -> None:
        self._app = app
        self._state = state
        self._tasks: set[asyncio.Task[Any]] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        task = asyncio.current_task()
        assert task is not None
        scope["state"] = self._state.copy()
        self._tasks.add(task)
        self._idle.clear()
        try:
            await self._app(scope, receive, send)
        finally:
            self._tasks.discard(task)
            if not self._tasks:
                self._idle.set()

    def __len__(self) -> int:
        return len(self._tasks)

    async def wait(self) -> None:
        """Return once nothing is under way."""
        await self._idle.wait()

    async def cancel(self, grace: float) -> tuple[int, int]:
        """Cancel what is under way; return how many that were, and how many went on regardless."""
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=grace)
        left = [task for task in tasks if not task.done()]
        for task in left:  # nobody will ever see its end
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # asyncio has no public name for it
        return len(tasks), len(left)
