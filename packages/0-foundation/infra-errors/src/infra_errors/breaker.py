"""A circuit breaker: stop calling what keeps failing, and probe it now and then.

`with breaker.allow():` guards a call, in sync and in async code; while the circuit is open it
raises CircuitOpenError and nothing is called.
"""

from __future__ import annotations

import threading
import time
from enum import Enum

from infra_errors._circuit import Closed, HalfOpen, Open
from infra_errors._leaves import BulkheadFullError, CircuitOpenError
from infra_errors._options import count, demand, number, seconds
from infra_errors.errors import InfraError
from infra_errors.status import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

__all__ = ["BreakerState", "CircuitBreaker", "CircuitOpenError", "Permit"]

PATIENCE = 30.0  # seconds a probe may stay unanswered, at least
TURNED_AWAY = 1.0  # seconds that HALF_OPEN asks a surplus call to wait, at most


class BreakerState(Enum):
    """What a circuit breaker does with a call: admit it, refuse it, or admit it as a probe."""

    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"


class CircuitBreaker:
    """Counts the outcomes of calls, and refuses calls while too many fail. Thread-safe.

    Args:
        name: shown in errors.
        failure_ratio: opens when this share of the calls in the window failed, in (0, 1] …
        min_calls: … and there were at least so many.
        window: seconds an outcome is remembered; they leave in tenths of it.
        consecutive: opens after so many failures in a row, too.
        open_for: seconds it stays open before it probes.
        max_open_for: when given, each failed probing doubles `open_for` up to this.
        half_open_calls: probes, all of which must succeed to close it.
        counts: says of an error whether it is a failure (True), a success (False: the other side
            has answered) or neither (None); None stands for `counts_by_status`.
        clock: seconds that never go back.
        on_change: called with the breaker, the old and the new state after each change; what it
            raises propagates to the caller whose call caused the change.

    Raises:
        ValidationError: `errors.bad_policy`, an option is out of its range.
    """

    __slots__ = (
        "_clock",
        "_consecutive",
        "_counts",
        "_era",
        "_failure_ratio",
        "_half_open_calls",
        "_lock",
        "_max_open_for",
        "_min_calls",
        "_on_change",
        "_open_for",
        "_window",
        "name",
    )

    def __init__(
        self,
        name: str = "",
        *,
        failure_ratio: float = 0.5,
        min_calls: int = 20,
        window: float = 30.0,
        consecutive: int | None = None,
        open_for: float = 5.0,
        max_open_for: float | None = None,
        half_open_calls: int = 3,
        counts: Callable[[BaseException], bool | None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        on_change: Callable[[CircuitBreaker, BreakerState, BreakerState], object] | None = None,
    ) -> None:
        self.name = name
        self._failure_ratio = number("failure_ratio", failure_ratio, most=1.0)
        demand(failure_ratio > 0, "failure_ratio must be above 0")
        self._min_calls = count("min_calls", min_calls)
        self._window = seconds("window", window)
        demand(
            0 < self._window < float("inf"), f"window must be finite and above 0, not {window!r}"
        )
        self._consecutive = None if consecutive is None else count("consecutive", consecutive)
        self._open_for = seconds("open_for", open_for)
        self._max_open_for = seconds(
            "max_open_for", open_for if max_open_for is None else max_open_for
        )
        demand(self._max_open_for >= self._open_for, "max_open_for must not be below open_for")
        self._half_open_calls = count("half_open_calls", half_open_calls)
        self._counts = counts_by_status if counts is None else counts
        self._clock = clock
        self._on_change = on_change
        self._lock = threading.Lock()
        self._era: Closed | Open | HalfOpen = Closed(self._window, clock())

    @property
    def state(self) -> BreakerState:
        """The state as of the last call; an open circuit half-opens at the next call in time."""
        return _STATES[type(self._era)]

    def allow(self) -> Permit:
        """Admit a call: use the permit as `with`, or answer it by one of its methods.

        Raises:
            CircuitOpenError: `errors.circuit_open`, with `retry_after`; nothing was counted.
        """
        era = self._era
        if type(era) is Closed:
            return Permit(self, era)
        if type(era) is Open and (left := era.until - self._clock()) > 0:
            raise self._refusal(left)
        return self._probe()

    def reset(self) -> None:
        """Close the circuit with clean counters."""
        with self._lock:
            old = self.state
            self._era = Closed(self._window, self._clock())
        self._tell(old, BreakerState.CLOSED)

    def __repr__(self) -> str:
        return f"<CircuitBreaker {self.name!r}: {self.state.value}>"

    def _count(self, era: Closed, failed: bool) -> None:
        """Count an outcome of a closed circuit.

        A success takes no lock: should two threads lose one between them, the ratio is off by a
        call until the bucket turns, while a lock would cost every call.
        """
        window, now = era.window, self._clock()
        if now >= window.turns_at:
            with self._lock:
                window.turn(now)
        if not failed:
            era.row = 0
            window.count_good()
            if window.bad == 0 or not self._trips(era):
                return
        with self._lock:
            if failed:
                era.row += 1
                window.count_bad()
            opens = era is self._era and self._trips(era)
            if opens:
                self._era = Open(now, self._open_for)
        if opens:
            self._tell(BreakerState.CLOSED, BreakerState.OPEN)

    def _trips(self, era: Closed) -> bool:
        failed = era.window.bad
        calls = failed + era.window.good
        return (calls >= self._min_calls and failed / calls >= self._failure_ratio) or (
            self._consecutive is not None and era.row >= self._consecutive
        )

    def _probe(self) -> Permit:
        """Admit a call while the circuit is not closed, or refuse it."""
        with self._lock:
            before = self.state
            admitted = self._admit(self._clock())
            after = self.state
        self._tell(before, after)
        if isinstance(admitted, Permit):
            return admitted
        raise self._refusal(admitted)

    def _admit(self, now: float) -> Permit | float:
        """Return a permit, or the seconds after which to ask again. The lock is held."""
        era = self._era
        if isinstance(era, Open) and now >= era.until:
            era = self._era = HalfOpen(self._half_open_calls, era.open_for)
        if isinstance(era, HalfOpen):
            era.take_back_dropped()
            if era.is_overdue(now - max(self._open_for, PATIENCE)):
                era = self._era = self._reopened(era, now)
            elif era.places:
                return _Probe(self, era, era.take_place(now))
            else:
                return min(TURNED_AWAY, self._open_for)
        return era.until - now if isinstance(era, Open) else Permit(self, era)

    def _judge(self, era: HalfOpen, number: int, failed: bool | None) -> None:
        """Take the answer of a probe; None gives its place back."""
        with self._lock:
            if era is not self._era:
                return
            now = self._clock()
            era.take_back_dropped()
            if failed or era.is_overdue(now - max(self._open_for, PATIENCE)):
                self._era = self._reopened(era, now)
            elif era.answer(number, counts=failed is not None) == self._half_open_calls:
                self._era = Closed(self._window, now)
            after = self.state
        self._tell(BreakerState.HALF_OPEN, after)

    def _reopened(self, era: HalfOpen, now: float) -> Open:
        return Open(now, min(era.open_for * 2, self._max_open_for))

    def _tell(self, old: BreakerState, new: BreakerState) -> None:
        if old is not new and self._on_change is not None:
            self._on_change(self, old, new)

    def _refusal(self, left: float) -> CircuitOpenError:
        name = f"circuit breaker {self.name!r}" if self.name else "the circuit breaker"
        return CircuitOpenError(f"{name} is open", retry_after=left, breaker=self.name)


class Permit:
    """Leave for one call. The first answer counts, the rest are no-ops.

    As `with`, the outcome of the body is the answer. A permit that outlives a change of the
    breaker's state is stale, and its answer ignored.
    """

    __slots__ = ("_breaker", "_era")

    def __init__(self, breaker: CircuitBreaker, era: Closed | HalfOpen) -> None:
        self._breaker = breaker
        self._era: Closed | HalfOpen | None = era

    def success(self) -> None:
        """The call succeeded."""
        self._answer(False)

    def failure(self, error: BaseException | None = None) -> None:
        """The call failed; with an `error`, as the breaker's `counts` judges it."""
        self._answer(True if error is None else self._breaker._counts(error))

    def ignore(self) -> None:
        """The call says nothing about the other side."""
        self._answer(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._answer(False if exc is None else self._breaker._counts(exc))

    def _answer(self, failed: bool | None) -> None:
        era, self._era = self._era, None
        if failed is not None and isinstance(era, Closed) and era is self._breaker._era:
            self._breaker._count(era, failed)


class _Probe(Permit):
    """A permit of a half-open circuit; one that is dropped gives its place back."""

    __slots__ = ("_number",)

    def __init__(self, breaker: CircuitBreaker, era: HalfOpen, number: int) -> None:
        super().__init__(breaker, era)
        self._number = number

    def _answer(self, failed: bool | None) -> None:
        era, self._era = self._era, None
        if isinstance(era, HalfOpen):
            self._breaker._judge(era, self._number, failed)

    def __del__(self) -> None:
        # No lock here: the garbage collector may run while this very thread holds it.
        if isinstance(self._era, HalfOpen):
            self._era.dropped.append(self._number)


_STATES = {
    Closed: BreakerState.CLOSED,
    Open: BreakerState.OPEN,
    HalfOpen: BreakerState.HALF_OPEN,
}
_FAILURES = frozenset(
    {
        Status.UNAVAILABLE,
        Status.DEADLINE_EXCEEDED,
        Status.INTERNAL,
        Status.UNKNOWN,
        Status.DATA_LOSS,
    }
)


def counts_by_status(error: BaseException) -> bool | None:
    """Judge an error by its status: whoever says "not found" is in good health.

    Cancellation, an open circuit and a full bulkhead further in say nothing: None.
    """
    if not isinstance(error, Exception) or isinstance(error, (CircuitOpenError, BulkheadFullError)):
        return None
    status = InfraError.from_exception(error).status
    return None if status is Status.CANCELLED else status in _FAILURES
