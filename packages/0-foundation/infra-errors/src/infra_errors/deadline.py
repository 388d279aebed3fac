"""The moment by which all of a piece of work must be done, handed down without a parameter.

`with Deadline.after(2).scope():` sets the deadline that everything called below can read with
`Deadline.current()`; `async with` also cuts the work off. Retries, bulkheads and clients bound
their own waits by it.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from contextvars import ContextVar

from infra_errors._options import demand
from infra_errors._options import seconds as duration
from infra_errors.errors import DeadlineExceededError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import Timeout
    from collections.abc import Callable
    from datetime import timedelta
    from types import TracebackType

__all__ = ["Deadline"]

_FOREVER = float("inf")


class Deadline:
    """A moment on a clock. Immutable; made by `Deadline.after`."""

    __slots__ = ("_at", "_clock")

    def __init__(self, at: float, clock: Callable[[], float]) -> None:
        self._at = at
        self._clock = clock

    @classmethod
    def after(
        cls, seconds: float | timedelta, *, clock: Callable[[], float] = time.monotonic
    ) -> Deadline:
        """Return the deadline `seconds` from now; 0 has expired already.

        Raises:
            ValidationError: `errors.bad_policy`, `seconds` is negative or NaN.
        """
        return cls(clock() + duration("seconds", seconds), clock)

    @staticmethod
    def current() -> Deadline | None:
        """Return the tightest deadline in force here, or None."""
        scope = innermost()
        tightest = None
        while scope is not None:
            if scope.active and (deadline := scope.deadline) is not None:
                tightest = tighter(tightest, deadline)
            scope = scope.parent
        return tightest

    def remaining(self) -> float:
        """Return the seconds left, never below 0."""
        return max(0.0, self._at - self._clock())

    @property
    def expired(self) -> bool:
        """Whether nothing is left."""
        return self._clock() >= self._at

    def timeout(self, limit: float | None = None) -> float | None:
        """Return the seconds a single step may take: what is left, at most `limit`.

        None stands for "no bound", and is returned only for an infinite deadline without `limit`.
        """
        left = self._at - self._clock()
        if limit is not None and limit < left:
            return limit
        if left < 0:
            return 0.0
        return None if left == _FOREVER else left

    def check(self, what: str = "") -> None:
        """Return if there is time left.

        Raises:
            DeadlineExceededError: `general.deadline_exceeded`, not retryable, naming `what`.
        """
        if self.expired:
            raise exceeded(what)

    def scope(self) -> DeadlineScope:
        """Return a context manager that makes this the current deadline, unless a tighter one is.

        `with` sets it; `async with` also cancels the body at the deadline and turns that
        cancellation, and no other, into DeadlineExceededError. In async code a plain `with`
        does not cut. The scope ends with its body, also for tasks that the body left behind.
        """
        return DeadlineScope(self)

    def __repr__(self) -> str:
        return f"<Deadline in {self.remaining():.3f} s>"


def exceeded(what: str = "") -> DeadlineExceededError:
    """Return the error of a deadline that has passed: asking again would not help."""
    message = f"the deadline passed before the end of {what}" if what else "the deadline passed"
    return DeadlineExceededError(message, retryable=False)


def tighter(one: Deadline | None, other: Deadline) -> Deadline:
    """Return the deadline that comes first; they may be on different clocks."""
    if one is None:
        return other
    if one._clock is other._clock:
        return one if one._at <= other._at else other
    return one if one.remaining() <= other.remaining() else other


class Scope:
    """A stretch of code in this context, and what it is inside of.

    A task started in it copies the context and would inherit it for ever: hence `active`, which
    ends for every copy at once.
    """

    __slots__ = ("active", "parent")
    active: bool
    parent: Scope | None

    @property
    @abstractmethod
    def deadline(self) -> Deadline | None:
        """The deadline of this scope alone."""

    def enter(self) -> None:
        parent = _scope.get()
        self.parent = parent if parent is None or parent.active else innermost()
        self.active = True
        _scope.set(self)

    def leave(self) -> None:
        self.active = False
        # A body that leaves in another context (a generator's) must not change that one.
        if _scope.get() is self:
            _scope.set(self.parent)


class DeadlineScope(Scope):
    """A stretch of code with a deadline, as `with` or `async with`."""

    __slots__ = ("_cut", "_deadline")

    def __init__(self, deadline: Deadline) -> None:
        self.active = False
        self._deadline = deadline
        self._cut: Timeout | None = None

    @property
    def deadline(self) -> Deadline:
        return self._deadline

    def __enter__(self) -> Deadline:
        current = self._effective()
        self.enter()
        return current

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.leave()

    async def __aenter__(self) -> Deadline:
        import asyncio

        current = self._effective()
        self._cut = asyncio.timeout(current.timeout())
        await self._cut.__aenter__()
        self.enter()
        return current

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.leave()
        assert self._cut is not None
        try:
            await self._cut.__aexit__(exc_type, exc, traceback)
        except TimeoutError as cut:
            # asyncio.timeout raises only for its own expiry; the body's errors pass through it.
            raise exceeded() from cut

    def _effective(self) -> Deadline:
        demand(not self.active, "this scope is in use: call Deadline.scope() for each `with`")
        return tighter(Deadline.current(), self._deadline)


_scope: ContextVar[Scope | None] = ContextVar("infra_errors.scope", default=None)


def innermost() -> Scope | None:
    """Return the innermost scope that has not ended."""
    scope = _scope.get()
    while scope is not None and not scope.active:
        scope = scope.parent
    return scope
