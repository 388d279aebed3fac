"""What a policy keeps of each origin: its breaker, its retry budget, its latencies."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any

import attrs

from infra_errors import (
    BreakerState,
    BulkheadFullError,
    CircuitBreaker,
    CircuitOpenError,
    GiveUpEvent,
    InfraError,
    RetryBudget,
    RetryEvent,
    RetryPolicy,
    Status,
)
from infra_http.errors import (
    AddressBlocked,
    BulkheadFull,
    CircuitOpen,
    ConnectFailed,
    ConnectTimedOut,
    PoolTimedOut,
    RateLimitHit,
    TlsFailed,
    TotalTimedOut,
)
from infra_http.policy import PolicyEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from infra_http.policy import Policy

__all__ = ["Lane", "Lanes", "Rejected", "counts"]

MOST_ORIGINS = 1024
LATENCIES = 128
FEWEST_LATENCIES = 8  # a percentile of fewer says nothing
SOONEST_HEDGE = 0.010  # seconds

UNSENT = (ConnectFailed, ConnectTimedOut, PoolTimedOut)
# What this side refused, or what would fail again.
FINAL = (CircuitOpen, BulkheadFull, RateLimitHit, AddressBlocked, TlsFailed)
# Says nothing about the other side.
OURS = (AddressBlocked, RateLimitHit, PoolTimedOut, CircuitOpenError, BulkheadFullError)
FAILURES = frozenset(
    {
        Status.UNAVAILABLE,
        Status.DEADLINE_EXCEEDED,
        Status.INTERNAL,
        Status.UNKNOWN,
        Status.DATA_LOSS,
    }
)


class Rejected(InfraError):
    """A result that is to be repeated, on its way through the retry loop."""

    code = "http.rejected"

    def __init__(self, result: Any, error: Exception) -> None:
        judged = InfraError.from_exception(error)
        message = "the result is to be repeated"
        super().__init__(message, code=judged.code, retry_after=judged.retry_after)
        self.result = result
        self.error = error


def counts(error: BaseException) -> bool | None:
    """Say whether an error is a failure of the other side; None is neither."""
    if not isinstance(error, Exception) or isinstance(error, OURS):
        return None
    status = InfraError.from_exception(error).status
    return None if status is Status.CANCELLED else status in FAILURES


class Lane:
    """One origin under one policy."""

    __slots__ = (
        "_latencies",
        "_policies",
        "_policy",
        "_setup",
        "breaker",
        "budget",
        "hedges",
        "key",
    )

    def __init__(self, key: str, policy: Policy, setup: Mapping[str, Any]) -> None:
        self.key = key
        self._policy = policy
        self._setup = setup
        self._policies: dict[tuple[str, bool], RetryPolicy] = {}
        self._latencies: deque[float] = deque(maxlen=LATENCIES)
        self.hedges = policy.hedge is not None
        self.budget: RetryBudget | None = None
        if policy.retry is not None:
            budget = policy.retry.budget
            self.budget = RetryBudget(clock=setup["clock"]) if budget == "origin" else budget
        self.breaker: CircuitBreaker | None = None
        if policy.breaker is not None:
            rule = {
                field.name: getattr(policy.breaker, field.name)
                for field in attrs.fields(type(policy.breaker))
            }
            changed = None if policy.on_event is None else self._breaker_changed
            self.breaker = CircuitBreaker(
                key, **rule, counts=counts, clock=setup["clock"], on_change=changed
            )

    def retrying(self, mode: str, *, timed: bool = False) -> RetryPolicy:
        """Return the loop for calls that may be repeated "always", "unsent" or "never".

        A `timed` one keeps the policy's total time as well.
        """
        found = self._policies.get((mode, timed))
        if found is None:
            found = self._policies[mode, timed] = self._make(mode, timed)
        return found

    def _make(self, mode: str, timed: bool) -> RetryPolicy:
        rule = self._policy.retry
        own = RetryPolicy(attempts=1, deadline=None) if rule is None else rule.policy
        limits = [own.deadline, self._policy.total_timeout if timed else None]
        return own.with_(
            attempts=1 if mode == "never" or rule is None else own.attempts,
            deadline=min((limit for limit in limits if limit is not None), default=None),
            attempt_timeout=self._setup["attempt_timeout"],
            on=self._is_unsent if mode == "unsent" else self._is_repeatable,
            budget=self.budget,
            clock=self._setup["clock"],
            sleep=self._setup["sleep"],
            rng=self._setup["rng"],
            on_retry=self._retries,
            on_give_up=self._gives_up,
        )

    def is_repeatable(self, error: Exception, mode: str) -> bool:
        """Say whether a call of this mode would be repeated for this error."""
        return self._is_unsent(error) if mode == "unsent" else self._is_repeatable(error)

    @staticmethod
    def _is_unsent(error: Exception) -> bool:
        return isinstance(error, UNSENT)

    def _is_repeatable(self, error: Exception) -> bool:
        if isinstance(error, Rejected):
            return True
        if isinstance(error, FINAL):
            return False
        wanted = None if self._policy.retry is None else self._policy.retry.policy.on
        if wanted is None:
            return InfraError.from_exception(error).retryable
        if isinstance(wanted, type | tuple):
            return isinstance(error, wanted)
        return bool(wanted(error))

    # ---- what is told ----------------------------------------------------------------------------

    def tell(
        self, kind: Any, attempt: int = 0, wait: float = 0.0, error: BaseException | None = None
    ) -> None:
        """Tell the policy's `on_event`."""
        if self._policy.on_event is not None:
            told = error.error if isinstance(error, Rejected) else error
            self._policy.on_event(PolicyEvent(kind, self.key, attempt, wait, told))

    def _breaker_changed(self, _: CircuitBreaker, old: BreakerState, new: BreakerState) -> None:
        if new is BreakerState.OPEN:
            self.tell("open")
        elif new is BreakerState.CLOSED:
            self.tell("close")

    def _retries(self, event: RetryEvent) -> None:
        self.tell("retry", event.attempt, event.wait, event.error)
        rule = self._policy.retry
        if rule is not None and rule.policy.on_retry is not None:
            rule.policy.on_retry(event)

    def _gives_up(self, event: GiveUpEvent) -> None:
        if event.reason == "budget":
            self.tell("budget", event.attempts, error=event.error)
        rule = self._policy.retry
        if rule is not None and rule.policy.on_give_up is not None:
            rule.policy.on_give_up(event)
        if event.reason == "deadline":
            raise timed_out(event.error, event.attempts) from cause_of(event.error)

    # ---- latencies -------------------------------------------------------------------------------

    def took(self, seconds: float) -> None:
        """Remember how long a good answer took."""
        self._latencies.append(seconds)

    def hedge_after(self) -> float | None:
        """Return the seconds after which to hedge; None while too little is known."""
        hedge = self._policy.hedge
        if hedge is None:
            return None
        if hedge.after != "p95":
            return hedge.after
        known = sorted(self._latencies)
        if len(known) < FEWEST_LATENCIES:
            return None
        return max(SOONEST_HEDGE, known[int(0.95 * (len(known) - 1))])


def timed_out(error: Exception | None, attempts: int) -> TotalTimedOut:
    """Return the error of a deadline that passed, or would during the next wait."""
    plural = "" if attempts == 1 else "s"
    message = f"the deadline does not allow another attempt after {attempts} attempt{plural}"
    if isinstance(error, InfraError) and error.code == "general.deadline_exceeded":
        message = f"the deadline passed during attempt {attempts}"
    found = TotalTimedOut(message)
    found.__dict__["attempts"] = attempts
    return found


def cause_of(error: Exception) -> BaseException | None:
    """Return the failure that a deadline's error stands for."""
    if isinstance(error, Rejected):
        return error.error
    if isinstance(error, InfraError) and error.code == "general.deadline_exceeded":
        return error.__cause__
    return error


class Lanes:
    """The origins in use, at most 1,024: the least recently used one is forgotten. Thread-safe."""

    __slots__ = ("_lanes", "_last", "_lock", "_make")

    def __init__(self, make: Callable[[str], Lane]) -> None:
        self._make = make
        self._lanes: OrderedDict[str, Lane] = OrderedDict()
        self._last: Lane | None = None  # the most recently used one needs no move
        self._lock = threading.Lock()

    def get(self, key: str) -> Lane:
        """Return the lane of an origin."""
        last = self._last
        if last is not None and last.key == key:
            return last
        with self._lock:
            lane = self._lanes.get(key)
            if lane is None:
                lane = self._lanes[key] = self._make(key)
                if len(self._lanes) > MOST_ORIGINS:
                    self._lanes.popitem(last=False)
            else:
                self._lanes.move_to_end(key)
            self._last = lane
            return lane

    def peek(self, key: str) -> Lane | None:
        """Return the lane of an origin, if it was called."""
        return self._lanes.get(key)

    def breakers(self) -> dict[str, CircuitBreaker]:
        """Return the breakers by origin."""
        with self._lock:
            lanes = list(self._lanes.values())
        return {lane.key: lane.breaker for lane in lanes if lane.breaker is not None}
