"""Trying again: how often, how long apart, until when, and for which errors.

`RetryPolicy` is a value; `run` and `arun` apply it to one call, `@retry()` to a function. Whether
an operation may be repeated at all is the caller's claim. Composed with the rest, outermost first:
deadline, retry, bulkhead, breaker, a timeout of the attempt, the call.
"""

from __future__ import annotations

import functools
import sys
import time
from types import CoroutineType

from infra_errors._options import count, demand, number, seconds
from infra_errors._run import Attempt, GiveUpEvent, RetryEvent, Run, asked_wait, name_of
from infra_errors.errors import InfraError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from datetime import timedelta
    from typing import Any, NoReturn, ParamSpec, TypedDict, TypeVar, Unpack

    from infra_errors.budget import RetryBudget

    P = ParamSpec("P")
    T = TypeVar("T")
    F = TypeVar("F", bound=Callable[..., Any])
    On = type[Exception] | tuple[type[Exception], ...] | Callable[[Exception], bool] | None

    class Options(TypedDict, total=False):
        """The options of RetryPolicy, so that a type checker knows those of `retry` and `with_`."""

        attempts: int | None
        base: float
        factor: float
        cap: float
        jitter: float
        deadline: float | timedelta | None
        attempt_timeout: float | timedelta | None
        max_retry_after: float
        on: On
        budget: RetryBudget | None
        clock: Callable[[], float]
        sleep: Callable[[float], object] | None
        rng: Callable[[], float]
        on_retry: Callable[[RetryEvent], object] | None
        on_give_up: Callable[[GiveUpEvent], object] | None


__all__ = ["GiveUpEvent", "RetryEvent", "RetryPolicy", "retry"]


def retry(policy: RetryPolicy | None = None, /, **options: Unpack[Options]) -> Callable[[F], F]:
    """Return a decorator that calls a function, sync or async, under a policy.

    Args:
        policy: the policy; None stands for `RetryPolicy()`.
        options: options of RetryPolicy that replace the policy's.

    Raises:
        ValidationError: `errors.bad_policy`, an option is bad, or the function is a generator
            or, with `attempt_timeout`, not async.
    """
    demand(policy is None or isinstance(policy, RetryPolicy), "write @retry(), not @retry")
    chosen = (policy or RetryPolicy()).with_(**options)

    def decorate(fn: F) -> F:
        import inspect

        demand(callable(fn), f"@retry cannot decorate {fn!r}: put it below @classmethod")
        demand(
            not (inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn)),
            f"{name_of(fn)} is a generator function, whose call cannot fail: retry what it calls",
        )
        call: Any
        if inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(type(fn).__call__):

            @functools.wraps(fn)
            async def call(*args: Any, **kwargs: Any) -> Any:
                return await chosen.arun(fn, *args, **kwargs)
        else:
            chosen._demand_sync()

            @functools.wraps(fn)
            def call(*args: Any, **kwargs: Any) -> Any:
                return chosen.run(fn, *args, **kwargs)

        return call  # type: ignore[no-any-return]  # the wrapper has fn's signature

    return decorate


def _random() -> float:
    """Return `random.random()`; its module is loaded with the first wait."""
    import random

    return random.random()  # noqa: S311 - spreads load, guards nothing


class RetryPolicy:
    """How often, how long apart, until when and for which errors to try again. Immutable.

    Args:
        attempts: calls in all, the first included; None for no bound but the deadline.
        base, factor, cap: retry n waits up to `min(cap, base * factor ** (n - 1))` seconds.
        jitter: the share of that wait that chance takes away: 1 full jitter, 0 none.
        deadline: seconds for everything; the tighter one of it and `Deadline.current()` holds.
        attempt_timeout: seconds after which `arun` cuts one attempt.
        max_retry_after: a server that asks to wait longer than this is not asked again.
        on: the errors to repeat: types, or a predicate; None asks
            `InfraError.from_exception(error).retryable`.
        budget: refuses retries when too many are under way.
        clock: seconds that never go back. sleep: of seconds; None is time.sleep, asyncio.sleep.
        rng: a float in [0, 1). on_retry: called before each wait; what it raises propagates.
        on_give_up: called once before the last failure is raised, with the reason; what it raises
            replaces that failure.

    Raises:
        ValidationError: `errors.bad_policy`, an option is out of its range.
    """

    __slots__ = (
        "attempt_timeout",
        "attempts",
        "base",
        "budget",
        "cap",
        "clock",
        "deadline",
        "factor",
        "jitter",
        "max_retry_after",
        "on",
        "on_give_up",
        "on_retry",
        "rng",
        "sleep",
    )
    attempts: int | None
    base: float
    factor: float
    cap: float
    jitter: float
    deadline: float | None
    attempt_timeout: float | None
    max_retry_after: float
    on: On
    budget: RetryBudget | None
    clock: Callable[[], float]
    sleep: Callable[[float], object] | None
    rng: Callable[[], float]
    on_retry: Callable[[RetryEvent], object] | None
    on_give_up: Callable[[GiveUpEvent], object] | None

    def __init__(
        self,
        *,
        attempts: int | None = 4,
        base: float = 0.1,
        factor: float = 2.0,
        cap: float = 10.0,
        jitter: float = 1.0,
        deadline: float | timedelta | None = 60.0,
        attempt_timeout: float | timedelta | None = None,
        max_retry_after: float = 30.0,
        on: On = None,
        budget: RetryBudget | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
        rng: Callable[[], float] = _random,
        on_retry: Callable[[RetryEvent], object] | None = None,
        on_give_up: Callable[[GiveUpEvent], object] | None = None,
    ) -> None:
        demand(
            attempts is not None or deadline is not None,
            "attempts and deadline are both None: give one, or a failing call repeats for ever",
        )
        types = on if isinstance(on, tuple) else (on,)
        demand(
            on is None
            or all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in types)
            or (callable(on) and not isinstance(on, type)),
            f"on must be exception types or a predicate, not {on!r}",
        )
        values: dict[str, object] = {
            "attempts": None if attempts is None else count("attempts", attempts),
            "base": seconds("base", base),
            "factor": number("factor", factor, least=1.0, most=sys.float_info.max),
            "cap": seconds("cap", cap),
            "jitter": number("jitter", jitter, most=1.0),
            "deadline": None if deadline is None else seconds("deadline", deadline),
            "attempt_timeout": (
                None if attempt_timeout is None else seconds("attempt_timeout", attempt_timeout)
            ),
            "max_retry_after": seconds("max_retry_after", max_retry_after),
            "on": on,
            "budget": budget,
            "clock": clock,
            "sleep": sleep,
            "rng": rng,
            "on_retry": on_retry,
            "on_give_up": on_give_up,
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def with_(self, **changes: Unpack[Options]) -> RetryPolicy:
        """Return a policy with some options replaced."""
        return _rebuild(self._options() | dict(changes)) if changes else self

    def delay(self, n: int, error: BaseException | None = None) -> float:
        """Return the seconds to wait before retry `n`, from 1 on.

        `error.retry_after` is a floor, on top of which at most `base` seconds of jitter go.
        """
        demand(n >= 1, f"retries count from 1 on, not {n!r}")
        try:
            most = min(self.cap, self.base * self.factor ** (n - 1))
        except OverflowError:
            most = self.cap if self.base else 0.0
        wait = most * (1 - self.jitter * self.rng()) if self.jitter else most
        asked = asked_wait(error)
        if asked is None:
            return wait
        return max(wait, asked + (self.jitter * self.base * self.rng() if self.jitter else 0.0))

    def delays(self) -> Iterator[float]:
        """Yield the waits of a run that always fails: `attempts - 1` of them."""
        n = 1
        while self.attempts is None or n < self.attempts:
            yield self.delay(n)
            n += 1

    def run(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `fn` until it succeeds or the policy gives up; return what it returned.

        An attempt cannot be cut: the deadline is checked between attempts.

        Raises:
            ValidationError: `errors.bad_policy`, the policy has an `attempt_timeout`, or `fn` is
                async.
            Exception: the last attempt's own, with a note when it was not the first. An
                InfraError tells `.attempts`.
        """
        if self.attempt_timeout is not None:
            self._demand_sync()
        start, run = self.clock(), None
        while True:
            attempt = Attempt(self, start)
            try:
                try:
                    result = fn(*args, **kwargs)
                finally:
                    attempt.leave()
            except Exception as error:
                run = run or Run(self, fn, start)
                wait = run.wait_after(error)
                if wait is None:
                    raise
                paused = (self.sleep or time.sleep)(wait)
                demand(not hasattr(paused, "__await__"), "sleep is async: use arun, or a sync one")
                if run.is_late(error):
                    raise
            else:
                if type(result) is CoroutineType:
                    lost: Any = result
                    lost.close()
                    demand(False, f"{name_of(fn)} is async: use arun, for run cannot await it")
                if self.budget is not None:
                    self.budget.success()
                return result

    async def arun(self, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Await `fn(...)` until it succeeds or the policy gives up; return what it returned.

        An attempt is cut at the earlier one of `attempt_timeout` and the deadline. Cancellation
        from outside leaves at once and is never repeated. A breaker inside `fn` sees that cut as
        a cancellation, which it does not count: give such a call its own timeout.

        Raises:
            DeadlineExceededError: the deadline cut the attempt, `general.deadline_exceeded`, its
                cause is the last failure; `errors.attempt_timeout` when the last one was cut.
            Exception: as `run`.
        """
        run = Run(self, fn, self.clock())
        try:
            while True:
                try:
                    result = await run.attempt(fn, args, kwargs)
                except Exception as error:
                    run.last = error
                    wait = run.wait_after(error)
                    if wait is None:
                        raise
                    await _pause(self.sleep, wait)
                    if run.is_late(error):
                        raise
                else:
                    if self.budget is not None:
                        self.budget.success()
                    return result
        finally:
            run.last = None  # else error, traceback, frame and run keep each other alive

    def _accepts(self, error: Exception) -> bool:
        """Whether the policy repeats a call that failed with `error`, if nothing else forbids."""
        on = self.on
        if on is None:
            return InfraError.from_exception(error).retryable
        if isinstance(on, (type, tuple)):
            return isinstance(error, on)
        return bool(on(error))

    def _demand_sync(self) -> None:
        """Raise ValidationError when the policy cannot be used without asyncio."""
        if self.attempt_timeout is not None:
            demand(False, "attempt_timeout needs an async function: a sync call cannot be cut")

    def _options(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    def __setattr__(self, name: str, value: object) -> NoReturn:
        message = f"RetryPolicy is immutable: use policy.with_({name}=…)"
        raise AttributeError(message)

    def __delattr__(self, name: str) -> NoReturn:
        message = f"RetryPolicy is immutable: {name} cannot be deleted"
        raise AttributeError(message)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RetryPolicy):
            return NotImplemented
        return self._options() == other._options()

    def __hash__(self) -> int:
        return hash(tuple(self._options().values()))

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (self._options(),)

    def __repr__(self) -> str:
        shown = [
            f"{name}={value!r}"
            for name, value in self._options().items()
            if value != getattr(_DEFAULT, name)
        ]
        return f"RetryPolicy({', '.join(shown)})"


async def _pause(sleep: Callable[[float], object] | None, wait: float) -> None:
    """Wait with the given sleep, async or not, or with asyncio's."""
    if sleep is None:
        import asyncio

        await asyncio.sleep(wait)
        return
    paused = sleep(wait)
    if hasattr(paused, "__await__"):
        await paused


def _rebuild(options: dict[str, Any]) -> RetryPolicy:
    return RetryPolicy(**options)


_DEFAULT = RetryPolicy()
