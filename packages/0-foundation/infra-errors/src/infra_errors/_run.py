"""One call under a retry policy: its attempts, and what is decided and told after each."""

from __future__ import annotations

from infra_errors._leaves import AttemptTimeoutError
from infra_errors.deadline import Deadline, Scope, exceeded, innermost, tighter
from infra_errors.errors import InfraError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from collections.abc import Awaitable, Callable, Mapping
    from typing import TypeVar

    from infra_errors.errors import DeadlineExceededError
    from infra_errors.retry import RetryPolicy

    T = TypeVar("T")

__all__ = ["Attempt", "GiveUpEvent", "RetryEvent", "Run", "asked_wait", "name_of"]


class RetryEvent:
    """A failed attempt that will be repeated, as `on_retry` is told of it.

    Attributes:
        attempt: the number of the attempt that failed, from 1 on.
        wait: seconds until the next one.
        error: what it failed with.
        elapsed: seconds since the first attempt began.
        name: the qualified name of the function.
    """

    __module__ = "infra_errors.retry"  # where it is public
    __slots__ = ("attempt", "elapsed", "error", "name", "wait")

    def __init__(
        self, attempt: int, wait: float, error: Exception, elapsed: float, name: str
    ) -> None:
        self.attempt = attempt
        self.wait = wait
        self.error = error
        self.elapsed = elapsed
        self.name = name

    def __repr__(self) -> str:
        return (
            f"RetryEvent(attempt={self.attempt}, wait={self.wait:.3f}, "
            f"error={type(self.error).__name__}, elapsed={self.elapsed:.3f}, name={self.name!r})"
        )


class GiveUpEvent:
    """A call that will not be repeated, as `on_give_up` is told of it.

    Attributes:
        attempts: how many attempts were made.
        reason: "attempts", "deadline", "budget", "retry_after" (the other side asks to wait longer
            than allowed), "nested" (a policy further out repeats), or "not_retryable".
        error: the last failure.
        elapsed: seconds since the first attempt began.
        name: the qualified name of the function.
    """

    __module__ = "infra_errors.retry"  # where it is public
    __slots__ = ("attempts", "elapsed", "error", "name", "reason")

    def __init__(
        self, attempts: int, reason: str, error: Exception, elapsed: float, name: str
    ) -> None:
        self.attempts = attempts
        self.reason = reason
        self.error = error
        self.elapsed = elapsed
        self.name = name

    def __repr__(self) -> str:
        return (
            f"GiveUpEvent(attempts={self.attempts}, reason={self.reason!r}, "
            f"error={type(self.error).__name__}, elapsed={self.elapsed:.3f}, name={self.name!r})"
        )


class Attempt(Scope):
    """The scope of one attempt, entered when made. Its deadline is made when asked for."""

    __slots__ = ("policy", "start")

    def __init__(self, policy: RetryPolicy, start: float) -> None:
        self.policy = policy
        self.start = start
        self.enter()

    @property
    def deadline(self) -> Deadline | None:
        return deadline_of(self.policy, self.start)


def deadline_of(policy: RetryPolicy, start: float) -> Deadline | None:
    """Return the policy's own deadline for what began at `start`."""
    return None if policy.deadline is None else Deadline(start + policy.deadline, policy.clock)


class Run:
    """One call of `fn` under `policy`, that began at `start`; a sync one exists once it failed."""

    __slots__ = ("_attempt", "_cut", "_deadline", "_fn", "_policy", "_start", "last")

    def __init__(self, policy: RetryPolicy, fn: Callable[..., object], start: float) -> None:
        own, around = deadline_of(policy, start), Deadline.current()
        self._deadline = around if own is None else tighter(around, own)
        self._policy = policy
        self._fn = fn
        self._start = start
        self._attempt = 0
        self._cut = False
        self.last: Exception | None = None  # failure, as arun keeps it

    async def attempt(
        self,
        fn: Callable[..., Awaitable[T]],
        args: tuple[object, ...],
        kwargs: Mapping[str, object],
    ) -> T:
        """Await `fn` once, cut at the earlier one of the attempt's timeout and the deadline."""
        limit = self._policy.attempt_timeout
        if self._deadline is not None:
            limit = self._deadline.timeout(limit)
        cut = None if limit is None else _Cut(limit)
        scope = Attempt(self._policy, self._start)
        try:
            return await fn(*args, **kwargs)
        except BaseException as error:
            if cut is None or not cut.explains(error):
                raise
            raise self._cut_short(limit) from (self.last if self._cut else None) or error
        finally:
            scope.leave()
            if cut is not None:
                cut.disarm()

    def wait_after(self, error: Exception) -> float | None:
        """Return the seconds to wait after `error`, or None: give up."""
        self._attempt += 1
        give_up, wait = self._decide(error)
        if give_up:
            self._give_up(error, give_up)
            return None
        policy, elapsed = self._policy, self._policy.clock() - self._start
        name = name_of(self._fn)
        if policy.on_retry is not None:
            policy.on_retry(RetryEvent(self._attempt, wait, error, elapsed, name))
        judged = InfraError.from_exception(error)
        _logger().warning(
            "attempt %d of %s failed with %s, the next one in %.2f s",
            *(self._attempt, name, judged.code, wait),
            extra=judged.log_fields(),
        )
        return wait

    def is_late(self, error: Exception) -> bool:
        """Whether the wait after `error` took until the deadline: give up with it then."""
        if self._deadline is None or not self._deadline.expired:
            return False
        self._give_up(error, "deadline")
        return True

    def _decide(self, error: Exception) -> tuple[str, float]:
        """Return why to give up, or "" and the seconds to wait. The first reason counts."""
        policy, deadline = self._policy, self._deadline
        give_up = (
            "deadline"
            if self._cut
            else "not_retryable"
            if not policy._accepts(error)
            else "nested"
            if _is_nested(error)
            else "attempts"
            if self._attempt == policy.attempts
            else "retry_after"
            if (asked_wait(error) or 0.0) > policy.max_retry_after
            else ""
        )
        if give_up:
            return give_up, 0.0
        wait = policy.delay(self._attempt, error)
        if deadline is not None and wait >= deadline.remaining():
            return "deadline", 0.0
        if policy.budget is not None and not policy.budget.allow():
            return "budget", 0.0
        return "", wait

    def _give_up(self, error: Exception, reason: str) -> None:
        count, elapsed = self._attempt, self._policy.clock() - self._start
        if isinstance(error, InfraError):
            error.__dict__["attempts"] = count
        if count > 1 or reason == "budget":
            plural = "s" if count > 1 else ""
            error.add_note(f"gave up after {count} attempt{plural} in {elapsed:.2f} s ({reason})")
        if count > 1:
            judged = InfraError.from_exception(error)
            _logger().error(
                "%s gave up after %d attempts in %.2f s (%s) with %s",
                *(name_of(self._fn), count, elapsed, reason, judged.code),
                extra=judged.log_fields(),
            )
        if self._policy.on_give_up is not None:
            name = name_of(self._fn)
            self._policy.on_give_up(GiveUpEvent(count, reason, error, elapsed, name))

    def _cut_short(self, limit: float | None) -> DeadlineExceededError:
        """Return the error of the attempt that `limit` has just cut."""
        name, number = name_of(self._fn), self._attempt + 1
        if limit == self._policy.attempt_timeout:
            message = f"attempt {number} of {name} took longer than {limit} s"
            return AttemptTimeoutError(message)
        self._cut = True
        return exceeded(f"attempt {number} of {name}")


def _logger() -> logging.Logger:
    import logging

    return logging.getLogger("infra_errors.retry")


class _Cut:
    """Cancels the running task after `limit` seconds: asyncio.timeout at half its price.

    As there, each cancel() of ours is undone by an uncancel(), and what is left over is a
    cancellation from outside, which goes on.
    """

    __slots__ = ("_cancelling", "_fired", "_task", "_timer")

    def __init__(self, limit: float) -> None:
        import asyncio

        task = asyncio.current_task()
        assert task is not None, "asyncio awaits only in tasks"
        loop = task.get_loop()
        self._task = task
        self._cancelling = task.cancelling()
        self._fired = False
        self._timer = loop.call_at(loop.time() + limit, self._fire)

    def _fire(self) -> None:
        self._fired = True
        self._task.cancel()

    def explains(self, error: BaseException) -> bool:
        """Whether `error` is this cut's doing: not the task's own, nor a cancellation besides."""
        from asyncio import CancelledError

        ours_alone = self._fired and self._task.cancelling() - 1 <= self._cancelling
        return ours_alone and isinstance(error, CancelledError)

    def disarm(self) -> None:
        self._timer.cancel()
        if self._fired:
            self._task.uncancel()


def _is_nested(error: Exception) -> bool:
    """Whether an attempt further out, of a policy that repeats at all, will repeat for `error`."""
    scope = innermost()
    while scope is not None:
        if isinstance(scope, Attempt) and scope.active:
            policy = scope.policy
            if policy.attempts != 1 and policy._accepts(error):
                return True
        scope = scope.parent
    return False


def asked_wait(error: BaseException | None) -> float | None:
    """Return the seconds that the other side asked to wait, or None."""
    if not isinstance(error, Exception):
        return None
    return InfraError.from_exception(error).retry_after


def name_of(fn: Callable[..., object]) -> str:
    """Return the qualified name of a function, or of the class of another callable."""
    name = getattr(fn, "__qualname__", None) or type(fn).__qualname__
    return str(name)
