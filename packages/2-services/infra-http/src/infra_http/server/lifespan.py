"""The server's side of an application's lifespan (ASGI), the same for every server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from infra_http.middleware._answers import log

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message

__all__ = ["Lifespan"]


class Lifespan:
    """Starts and ends an application; one that knows no lifespan is served without."""

    def __init__(self, app: ASGIApp) -> None:
        self.state: dict[str, Any] = {}
        self._app = app
        self._said: asyncio.Queue[Message] = asyncio.Queue()
        self._heard: asyncio.Queue[Message | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> bool:
        """Return whether the application has started."""
        self._task = asyncio.create_task(self._run())
        return await self._tell("lifespan.startup")

    async def stop(self) -> bool:
        """Return whether the application has ended without an error."""
        if self._task is None or self._task.done():
            return True
        well = await self._tell("lifespan.shutdown")
        await self._task
        return well

    async def _tell(self, what: str) -> bool:
        self._said.put_nowait({"type": what})
        answer = await self._heard.get()
        if answer is None:  # it raised or returned without a word, and so has none
            return True
        if answer["type"].endswith(".failed"):
            log.error("%s failed: %s", what, answer.get("message", ""))
            return False
        return True

    async def _run(self) -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        try:
            await self._app(scope, self._said.get, self._heard.put)
        except Exception as exc:  # noqa: BLE001 - many applications raise on an unknown scope
            log.debug("no lifespan: %s", type(exc).__name__)
        finally:
            self._heard.put_nowait(None)
