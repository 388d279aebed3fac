"""The end of a request that takes too long: the handler is cancelled and the client told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from infra_http.errors import RequestTimedOut
from infra_http.middleware._answers import log, problem_answer
from infra_http.middleware._exchange import exchange_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from infra_http.middleware._exchange import Exchange

__all__ = ["Timeout"]

_QUEUES = 64
GRACE = 1.0  # seconds that a cancelled handler has to clean up before the client is told anyway


class Timeout:
    """Cancels a handler that outlives its time; the client gets 504.

    A handler that ignores its cancellation does not keep the client waiting: `grace` later it is
    answered over the handler's head, what the handler sends is dropped, and an error is logged.

    Args:
        app: the application.
        limit: seconds; None for none. A route, and `DeadlineHeader` above, may say otherwise.
        grace: seconds between the cancellation and the answer over the handler's head.
    """

    def __init__(self, app: ASGIApp, *, limit: float | None = 30.0, grace: float = GRACE) -> None:
        self._app = app
        self._limit = limit
        self._grace = grace
        self._queues: dict[float, _Queue] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = scope.get("infra.seconds", self._limit)
        if limit is None:
            await self._app(scope, receive, send)
            return
        exchange, send = exchange_of(scope, send)
        cut = _Cut(scope, exchange, limit, self._grace)
        queue = self._queues.get(limit)
        if queue is None or queue.loop is not cut.loop:
            queue = _Queue(cut.loop, limit)
            if len(self._queues) < _QUEUES:  # callers choose times too: there is no end of them
                self._queues[limit] = queue
        queue.add(cut)
        try:
            await self._app(scope, receive, send)
        except (asyncio.CancelledError, Exception) as exc:
            # an exception: what the handler raised on its way out of the cancellation
            if not cut.is_ours():
                raise
            if not cut.answered:
                raise cut.error() from exc
            log.debug("%s after the answer of a timeout", type(exc).__name__)
        finally:
            queue.live.pop(cut, None)
            cut.stop()
            if cut.writer is not None:
                await cut.writer


class _Queue:
    """Requests with the same limit, which therefore end in the order they came: one timer for all.

    A timer a request costs more than all the rest of this middleware.
    """

    __slots__ = ("_limit", "_timer", "live", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop, limit: float) -> None:
        self.loop = loop
        self._limit = limit
        self._timer: asyncio.TimerHandle | None = None
        self.live: dict[_Cut, float] = {}  # to the moment each is due

    def add(self, cut: _Cut) -> None:
        self.live[cut] = due = self.loop.time() + self._limit
        if self._timer is None:
            self._timer = self.loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        now = self.loop.time() + 0.001  # a loop's clock may wake a little early
        while self.live:
            cut, due = next(iter(self.live.items()))
            if due > now:
                self._timer = self.loop.call_at(due, self._tick)
                return
            del self.live[cut]
            cut.fire()


class _Cut:
    """The end of one request. `asyncio.timeout`, and a second step for who does not listen."""

    __slots__ = (
        "_cancelling",
        "_exchange",
        "_fired",
        "_grace",
        "_limit",
        "_scope",
        "_task",
        "_timer",
        "answered",
        "loop",
        "writer",
    )

    def __init__(self, scope: Scope, exchange: Exchange, limit: float, grace: float) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._cancelling = task.cancelling()
        self._scope = scope
        self._exchange = exchange
        self._limit = limit
        self._grace = grace
        self.writer: asyncio.Task[None] | None = None
        self._fired = self.answered = False
        self.loop = task.get_loop()
        self._timer: asyncio.TimerHandle | None = None

    def fire(self) -> None:
        """Cancel the handler."""
        self._fired = True
        self._task.cancel()
        self._timer = self.loop.call_later(self._grace, self._give_up)

    def _give_up(self) -> None:
        log.error(
            "a handler ignores its cancellation after %.3g s",
            self._limit,
            extra={"request_id": self._scope.get("infra.request_id")},
        )
        if not self._exchange.started:
            self.answered = True
            self.writer = self.loop.create_task(self._answer())

    async def _answer(self) -> None:
        exchange = self._exchange
        send = exchange.cut()
        exchange.started = exchange.closes = exchange.complete = True
        exchange.status, headers, body = problem_answer(self.error(), self._scope)
        await send(
            {
                "type": "http.response.start",
                "status": exchange.status,
                "headers": exchange.merged(headers),
            }
        )
        await send({"type": "http.response.body", "body": body})

    def is_ours(self) -> bool:
        """Take the cancellation back; tell whether it was this timer's and nobody else's."""
        if not self._fired:
            return False
        self._fired = False
        return self._task.uncancel() <= self._cancelling

    def error(self) -> RequestTimedOut:
        message = f"the request took longer than {self._limit:.3g} s"
        return RequestTimedOut(message)

    def stop(self) -> None:
        """End the timer, and take a cancellation back that the handler swallowed."""
        if self._timer is not None:
            self._timer.cancel()
            self.is_ours()
