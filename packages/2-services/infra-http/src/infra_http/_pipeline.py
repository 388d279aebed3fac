"""A policy at work: its moving parts, and one async call on its way through them.

From the outside in: deadline, fallback, hedge, retry, rate limit, bulkhead, breaker, attempt
timeout, the call. The loop, its waits and its timer are RetryPolicy's.
"""

from __future__ import annotations

import asyncio
import inspect
import random
import time
from typing import TYPE_CHECKING, Any

from infra_errors import (
    BreakerState,
    Bulkhead,
    BulkheadFullError,
    CircuitOpenError,
    Deadline,
    DeadlineExceededError,
    InfraError,
    Status,
)
from infra_http._lanes import Lane, Lanes, Rejected, cause_of, timed_out
from infra_http._rate import Line
from infra_http.errors import AttemptTimedOut, BulkheadFull, CircuitOpen, TotalTimedOut
from infra_http.policy import Attempt

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from infra_errors import Permit
    from infra_http.policy import Policy

    Judge = Callable[[Any], tuple[bool | None, Exception | None]]

__all__ = ["Call", "Pipeline", "bulkhead_full", "refusal", "translated"]

QUEUE = 1024  # calls that wait before a bulkhead given as a number
BULKHEAD_WAIT = 5.0  # seconds they wait at most


class Pipeline:
    """The moving parts of one policy: a client has its own, and so has `Policy.execute`."""

    __slots__ = ("bulkhead", "clock", "lanes", "line", "policy", "sleep")

    def __init__(
        self,
        policy: Policy,
        *,
        clock: Callable[[], float] | None = None,
        sleep: Callable[[float], Any] | None = None,
        rng: Callable[[], float] | None = None,
        sync: bool = False,
    ) -> None:
        self.policy = policy
        rule = policy.retry
        self.clock = clock or (time.monotonic if rule is None else rule.policy.clock)
        self.sleep = sleep or (None if rule is None else rule.policy.sleep)
        setup: dict[str, Any] = {
            "clock": self.clock,
            "sleep": self.sleep,
            # a sync attempt cannot be cut: its socket's timeouts bound it
            "attempt_timeout": None if sync else policy.attempt_timeout,
            "rng": rng or (random.random if rule is None else rule.policy.rng),
        }
        self.lanes = Lanes(lambda key: Lane(key, policy, setup))
        self.line = None if policy.rate is None else Line(policy.rate, self.clock)
        bulkhead = policy.bulkhead
        self.bulkhead = (
            Bulkhead(bulkhead, queue=QUEUE, max_wait=BULKHEAD_WAIT, clock=self.clock)
            if isinstance(bulkhead, int)
            else bulkhead
        )

    def call(
        self,
        fn: Callable[[Attempt], Awaitable[Any]],
        key: str,
        *,
        idempotent: bool = True,
        mode: str | None = None,
        judge: Judge | None = None,
        discard: Callable[[Any], Awaitable[None]] | None = None,
    ) -> Call:
        """Return a call of `fn`: `mode` says when it may be repeated."""
        lane = self.lanes.get(key)
        return Call(self, lane, fn, mode or ("always" if idempotent else "unsent"), judge, discard)


class Call:
    """One call; calling it makes one attempt."""

    # Defaults on the class: a call that goes well never sets them.
    _number = 0
    _previous: Exception | None = None
    _permit: Permit | None = None  # of the attempt under way
    _early: Permit | None = None  # of an attempt to come
    _failed: bool | None = False  # what the last result says
    _rejected: Any = None  # the last result, when it is to be repeated

    def __init__(
        self,
        pipeline: Pipeline,
        lane: Lane,
        fn: Callable[[Attempt], Awaitable[Any]],
        mode: str,
        judge: Judge | None,
        discard: Callable[[Any], Awaitable[None]] | None,
    ) -> None:
        self._pipeline = pipeline
        self._lane = lane
        self._fn = fn
        self._mode = mode
        self._judge = judge
        self._discard = discard

    def __getattr__(self, name: str) -> Any:
        if name == "__qualname__":  # what the retry loop calls this in its log
            return self._lane.key or "the call"
        raise AttributeError(name)

    async def run(self, deadline: Deadline | float | None = None) -> Any:
        """Make the call under the whole policy.

        Raises:
            TotalTimedOut, CircuitOpen, BulkheadFull, RateLimitHit, or what the call raised.
        """
        policy = self._pipeline.policy
        # Without a deadline of the call's own, the loop keeps the policy's: a scope costs more.
        own = self._tightest(deadline) if deadline is not None or self._lane.hedges else None
        try:
            if own is None:
                result = await self.repeated(timed=True)
            else:
                with own.scope():
                    result = await self.repeated()
        except Exception as error:
            if policy.fallback is None or not _may_fall_back(error):
                raise
            return await self._fall_back(error)
        if self._failed and policy.fallback is not None:
            fallen = await self._fall_back(result)
            if fallen is not result and self._discard is not None:
                await self._discard(result)
            return fallen
        return result

    def would_repeat(self, error: Exception) -> bool:
        """Say whether this error would be worth another attempt, if the call allowed one."""
        return self._lane.is_repeatable(error, "always")

    def _tightest(self, given: Deadline | float | None) -> Deadline | None:
        """Return the tighter one of the policy's deadline and the given one."""
        total = self._pipeline.policy.total_timeout
        if given is None:
            return None if total is None else Deadline.after(total, clock=self._pipeline.clock)
        clock = self._pipeline.clock
        if not isinstance(given, Deadline):
            given = Deadline.after(given, clock=clock)
        own = None if total is None else Deadline.after(total, clock=clock)
        return own if own is not None and own.remaining() < given.remaining() else given

    async def _fall_back(self, what: Any) -> Any:
        fallback = self._pipeline.policy.fallback
        assert fallback is not None, "asked for only where there is one"
        error = what if isinstance(what, BaseException) else None
        self._lane.tell("fallback", self._number, error=error)
        found = fallback(what)
        return await found if inspect.isawaitable(found) else found

    async def repeated(self, *, timed: bool = False) -> Any:
        """Make the call without the outermost parts: fallback, and unless `timed` the deadline."""
        lane = self._lane
        breaker = lane.breaker
        if breaker is not None and breaker.state is not BreakerState.CLOSED:
            try:  # before any other machinery: a refusal takes microseconds
                self._early = breaker.allow()
            except CircuitOpenError as error:
                raise refusal(error, lane.key) from None
        loop = lane.retrying(self._mode, timed=timed)
        try:
            if lane.hedges and (after := lane.hedge_after()) is not None and self._mode == "always":
                return await self._hedged(after)
            return await loop.arun(self)
        except Rejected as rejected:
            self._rejected = None
            return rejected.result
        except DeadlineExceededError as error:
            if self._permit is not None:  # the timer cut the last attempt
                self._permit.failure()
                self._permit = None
            found = translated(error, self._number)
            if found is error:
                raise
            raise found from cause_of(error)
        finally:
            if self._permit is not None or self._early is not None:
                self._settle()
            if self._rejected is not None:
                await self._throw_away()

    # ---- one attempt -----------------------------------------------------------------------------

    async def __call__(self) -> Any:
        """Make one attempt; the loop calls this."""
        if self._permit is not None:  # its timer cut the attempt before this one
            self._permit.failure()
            self._permit = None
        if self._rejected is not None:
            await self._throw_away()
        self._number += 1
        pipeline = self._pipeline
        if pipeline.line is not None:
            await self._stand_in_line(pipeline.line)
        if pipeline.bulkhead is None:
            return await self._guarded()
        slot = pipeline.bulkhead.slot()
        try:
            await slot.__aenter__()
        except BulkheadFullError as error:
            raise bulkhead_full(error) from None
        try:
            return await self._guarded()
        finally:
            await slot.__aexit__(None, None, None)

    async def _stand_in_line(self, line: Line) -> None:
        wait, turn = line.enter()
        if wait <= 0:
            return
        try:
            paused = (self._pipeline.sleep or asyncio.sleep)(wait)
            if inspect.isawaitable(paused):
                await paused
        except BaseException:
            line.leave(turn)
            raise

    async def _guarded(self) -> Any:
        lane = self._lane
        permit = self._early
        self._early = None
        if permit is None and lane.breaker is not None:
            try:
                permit = lane.breaker.allow()
            except CircuitOpenError as error:
                raise refusal(error, lane.key) from None
        self._permit = permit
        started = self._pipeline.clock() if lane.hedges else 0.0
        try:
            result = await self._fn(Attempt(self._number, self._previous))
        except Exception as error:
            self._previous = error
            self._permit = None
            if permit is not None:
                permit.failure(error)
            raise
        # A cancellation leaves the permit: what the loop makes of it says whether its timer did it.
        self._permit = None
        failed: bool | None = False
        reason: Exception | None = None
        if self._judge is not None:
            failed, reason = self._judge(result)
            self._failed = failed
        if permit is not None:
            _answer(permit, failed)
        if reason is not None:
            self._previous = reason
            self._rejected = result
            raise Rejected(result, reason)
        if lane.hedges:
            lane.took(self._pipeline.clock() - started)
        return result

    async def _throw_away(self) -> None:
        """Let go of a result that nobody takes."""
        rejected, self._rejected = self._rejected, None
        if rejected is not None and self._discard is not None:
            await self._discard(rejected)

    def _settle(self) -> None:
        """Answer what is left open: a cancellation says nothing about the other side."""
        for permit in (self._permit, self._early):
            if permit is not None:
                permit.ignore()
        self._permit = self._early = None

    # ---- hedging ---------------------------------------------------------------------------------

    async def _hedged(self, after: float) -> Any:
        lane = self._lane
        twin = Call(self._pipeline, lane, self._fn, "never", self._judge, self._discard)
        running: dict[asyncio.Task[Any], Call] = {}
        running[asyncio.ensure_future(lane.retrying(self._mode).arun(self))] = self
        winner = None
        try:
            done, _ = await asyncio.wait(running, timeout=after)
            if not done and (lane.budget is None or lane.budget.allow()):
                lane.tell("hedge", self._number)
                twin._number = self._number
                running[asyncio.ensure_future(lane.retrying("never").arun(twin))] = twin
            winner = await _first_good(running)
            self._failed = running[winner]._failed
            return winner.result()
        finally:
            for task, call in running.items():
                if task is not winner:
                    await call._withdraw(task)

    async def _withdraw(self, task: asyncio.Task[Any]) -> None:
        """End a task whose result nobody takes, and throw away what it got."""
        task.cancel()
        await asyncio.wait([task])
        self._settle()
        if task.cancelled():
            await self._throw_away()
        elif (error := task.exception()) is None:
            self._rejected = task.result()
            await self._throw_away()
        elif isinstance(error, Rejected):
            await self._throw_away()


async def _first_good(running: dict[asyncio.Task[Any], Call]) -> asyncio.Task[Any]:
    """Return the first task that ends with a good answer; the first of all when none does."""
    waiting = set(running)
    while waiting:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task, call in running.items():
            if task in done and task.exception() is None and not call._failed:
                return task
    return next(iter(running))


def _answer(permit: Permit, failed: bool | None) -> None:
    if failed:
        permit.failure()
    elif failed is None:
        permit.ignore()
    else:
        permit.success()


def _may_fall_back(error: Exception) -> bool:
    status = InfraError.from_exception(error).status
    return status in {Status.UNAVAILABLE, Status.DEADLINE_EXCEEDED}


def refusal(error: CircuitOpenError, key: str) -> CircuitOpen:
    """Return the error of a call that an open breaker refuses."""
    return CircuitOpen("the breaker is open", retry_after=error.retry_after, origin=key)


def bulkhead_full(error: BulkheadFullError) -> BulkheadFull:
    """Return the error of a call that a full bulkhead refuses."""
    return BulkheadFull(error.message, context=error.context)


def translated(error: DeadlineExceededError, attempts: int) -> DeadlineExceededError:
    """Return our leaf for the loop's own errors of time; others as they are."""
    found: TotalTimedOut | AttemptTimedOut
    if error.code == "general.deadline_exceeded":
        found = timed_out(error, attempts)
    elif error.code == "errors.attempt_timeout":
        found = AttemptTimedOut(error.message)
    else:
        return error
    found.__dict__["attempts"] = attempts
    return found
