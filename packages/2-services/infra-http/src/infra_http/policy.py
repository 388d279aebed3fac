"""One policy for calls to others: how long, how often, how many at once, and when not at all.

>>> import asyncio
>>> from infra_http import Policy
>>> async def call(attempt):
...     if attempt.number == 1:
...         raise ConnectionResetError
...     return f"answer {attempt.number}"
>>> asyncio.run(Policy(total_timeout=5).execute(call, key="billing"))
'answer 2'
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

import attrs

from infra_errors import Bulkhead, Deadline, RetryBudget, RetryPolicy
from infra_http.errors import HttpConfigError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx2

    from infra_http._pipeline import Pipeline

__all__ = [
    "Attempt",
    "BreakerRule",
    "Hedge",
    "Policy",
    "PolicyEvent",
    "RateRule",
    "RetryRule",
]

T = TypeVar("T")

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "QUERY"})
STATUSES = frozenset({408, 429, 502, 503, 504})


def _refuse(name: str, what: str) -> HttpConfigError:
    message = f"policy option {name}: {what}"
    return HttpConfigError(message, option=name)


def _is_seconds(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise _refuse(field.name, "must be a number of seconds above 0, or None for no limit")


def _is_seconds_or_none(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
    if value is not None:
        _is_seconds(_, field, value)


def _is_retry_policy(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, RetryPolicy):
        raise _refuse(field.name, "must be an infra_errors.RetryPolicy")


def _is_budget(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
    if value is not None and value != "origin" and not isinstance(value, RetryBudget):
        raise _refuse(field.name, 'must be "origin", None or an infra_errors.RetryBudget')


def _numbers(values: Any) -> frozenset[int]:
    return frozenset(values)


def _methods(values: Any) -> frozenset[str]:
    if isinstance(values, str):
        message = "must be a collection of methods, not one string"
        raise _refuse("methods", message)
    return frozenset(str(value).upper() for value in values)


@attrs.frozen
class RetryRule:
    """Which failures are repeated, and how.

    Connect errors and pool timeouts are repeated for any method, for nothing was sent. Other
    transport errors and `statuses` are repeated for `methods`, for requests with an idempotency
    key, and where the call says so.

    Args:
        policy: attempts, waits and the longest Retry-After that is obeyed.
        statuses: answers that are repeated.
        methods: what may be sent twice (RFC 9110 section 9.2.2, and QUERY).
        budget: "origin" keeps one for each origin, a RetryBudget is shared, None is no bound.
    """

    policy: RetryPolicy = attrs.field(
        default=RetryPolicy(attempts=3, base=0.05, cap=20.0, deadline=None, max_retry_after=60.0),
        validator=_is_retry_policy,
    )
    statuses: frozenset[int] = attrs.field(default=STATUSES, converter=_numbers)
    methods: frozenset[str] = attrs.field(default=IDEMPOTENT, converter=_methods)
    budget: RetryBudget | Literal["origin"] | None = attrs.field(
        default="origin", validator=_is_budget
    )


@attrs.frozen
class BreakerRule:
    """When an origin is left alone: the parameters of `infra_errors.CircuitBreaker`.

    Transport errors, timeouts and 5xx but 501 are failures; 4xx are successes; cancellation is
    neither.
    """

    failure_ratio: float = 0.5
    min_calls: int = 20
    window: float = 30.0
    consecutive: int | None = None
    open_for: float = 5.0
    half_open_calls: int = 3

    def __attrs_post_init__(self) -> None:
        """Let the breaker itself judge its parameters."""
        from infra_errors import CircuitBreaker

        CircuitBreaker(**attrs.asdict(self))


@attrs.frozen
class RateRule:
    """At most `rate` requests in `per` seconds, `burst` of them at once; the rest wait in line.

    Args:
        rate: requests, above 0.
        per: seconds.
        burst: requests that may go at once after a pause; None is what `rate` allows in `per`.
        max_wait: seconds to wait at most; 0 refuses at once.
    """

    rate: float
    per: float = attrs.field(default=1.0, validator=_is_seconds)
    burst: int | None = None
    max_wait: float = 5.0

    def __attrs_post_init__(self) -> None:
        """Check what belongs together."""
        if not 0 < self.rate < math.inf:
            raise _refuse("rate", "must be a number of requests above 0")
        if self.burst is not None and self.burst < 1:
            raise _refuse("burst", "must be at least 1, or None")
        if not 0 <= self.max_wait < math.inf:
            raise _refuse("max_wait", "must be 0 or a number of seconds")


@attrs.frozen
class Hedge:
    """A second attempt beside one that takes long; the first good answer wins.

    Args:
        after: seconds, or "p95" of the origin's last 128 latencies, at least 10 ms.
    """

    after: float | Literal["p95"] = "p95"

    def __attrs_post_init__(self) -> None:
        """Check the time."""
        if self.after != "p95" and not (
            isinstance(self.after, int | float) and 0 < self.after < math.inf
        ):
            raise _refuse("hedge.after", 'must be a number of seconds above 0, or "p95"')


class Attempt(NamedTuple):
    """One attempt of a call: its number, from 1 on, and the failure before it."""

    number: int
    previous: Exception | None

    @property
    def deadline(self) -> Deadline | None:
        """The tightest deadline in force: that of the call, or one around it."""
        return Deadline.current()


@attrs.frozen
class PolicyEvent:
    """What a policy did.

    `kind` is "retry", "open", "close", "hedge", "fallback" or "budget" (a retry that the budget
    refused); `wait` is in seconds.
    """

    kind: Literal["retry", "open", "close", "hedge", "fallback", "budget"]
    origin: str
    attempt: int = 0
    wait: float = 0.0
    error: BaseException | None = None


def _to_bulkhead(value: Any) -> Any:
    if value is None or isinstance(value, Bulkhead):
        return value
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _refuse("bulkhead", "must be a number of calls of at least 1, or a Bulkhead")
    return value


@attrs.frozen(kw_only=True)
class Policy:
    """What holds for every call to another service. A value: share it, change it by `with_`.

    From the outside in: total deadline, fallback, hedge, retry, rate limit, bulkhead, breaker,
    attempt timeout, the call.

    Args:
        total_timeout: seconds for everything: waits, repetitions, redirects and the body; for a
            stream up to its headers.
        attempt_timeout: seconds for one attempt.
        stream_idle_timeout: seconds between two chunks of a stream.
        retry: what is repeated; None is nothing.
        breaker: when an origin is left alone; None is never.
        bulkhead: calls at once: a number for each client, or a Bulkhead that is shared.
        rate: requests a second, for each client.
        hedge: a second attempt when the first is slow. Async clients only.
        fallback: is given the final error (UNAVAILABLE or DEADLINE_EXCEEDED) or the final 5xx
            response; what it returns is the result. May be async, with an async client.
        auto_idempotency: give POST and PATCH an `Idempotency-Key` where they have none, which
            makes them repeatable.
        on_event: is told of each PolicyEvent; must not block.

    Raises:
        HttpConfigError: `http.config`, an option cannot work.
    """

    total_timeout: float | None = attrs.field(default=30.0, validator=_is_seconds_or_none)
    attempt_timeout: float | None = attrs.field(default=10.0, validator=_is_seconds_or_none)
    stream_idle_timeout: float | None = attrs.field(default=60.0, validator=_is_seconds_or_none)
    retry: RetryRule | None = RetryRule()
    breaker: BreakerRule | None = BreakerRule()
    bulkhead: Bulkhead | int | None = attrs.field(default=None, converter=_to_bulkhead)
    rate: RateRule | None = None
    hedge: Hedge | None = None
    fallback: Callable[[BaseException | httpx2.Response], Any] | None = None
    auto_idempotency: bool = False
    on_event: Callable[[PolicyEvent], object] | None = None
    _state: dict[str, Pipeline] = attrs.field(init=False, eq=False, repr=False, factory=dict)

    @classmethod
    def none(cls) -> Policy:
        """Return the policy that lets every call through as it is."""
        return cls(
            total_timeout=None,
            attempt_timeout=None,
            stream_idle_timeout=None,
            retry=None,
            breaker=None,
        )

    @classmethod
    def llm(cls) -> Policy:
        """Return a policy for language models.

        Answers take minutes, 529 means overloaded, and a POST is repeated under a key of its own.
        """
        return cls(
            total_timeout=600.0,
            attempt_timeout=120.0,
            stream_idle_timeout=120.0,
            retry=RetryRule(statuses=STATUSES | {529}),
            auto_idempotency=True,
        )

    def with_(self, **changes: Any) -> Policy:
        """Return a policy with some options replaced; it starts with breakers of its own.

        Raises:
            HttpConfigError: `http.config`, there is no such option, or it cannot work.
        """
        known = {field.name for field in attrs.fields(Policy) if field.init}
        if unknown := changes.keys() - known:
            raise _refuse(min(unknown), "there is no such option")
        return attrs.evolve(self, **changes)

    async def execute(
        self,
        fn: Callable[[Attempt], Awaitable[T]],
        *,
        key: str = "",
        idempotent: bool = True,
        classify: Callable[[T], Exception | None] | None = None,
        deadline: Deadline | float | None = None,
    ) -> T:
        """Await `fn` under this policy and return what it returned.

        Args:
            fn: is given the Attempt.
            key: whose breaker and budget count, for instance the origin.
            idempotent: whether it may be repeated once something was sent; if not, only failures
                to connect are.
            classify: says of a result what failure it stands for, or None. The last such result
                is returned when repeating it did not help.
            deadline: a Deadline, or seconds from now; the tightest one holds.

        Raises:
            TotalTimedOut: the deadline passed, or the next wait would end after it.
            CircuitOpen, BulkheadFull, RateLimitHit: it was not called.
            Exception: the last attempt's own.
        """
        judge = None if classify is None else _judge_by(classify)
        call = self._pipeline().call(fn, key, idempotent=idempotent, judge=judge)
        return await call.run(deadline)  # type: ignore[no-any-return]  # what fn returned

    def _pipeline(self, *, sync: bool = False) -> Pipeline:
        """Return this policy's own moving parts, made at the first use."""
        name = "sync" if sync else "async"
        found = self._state.get(name)
        if found is None:
            from infra_http._pipeline import Pipeline

            found = self._state.setdefault(name, Pipeline(self, sync=sync))
        return found


def _judge_by(
    classify: Callable[[Any], Exception | None],
) -> Callable[[Any], tuple[bool | None, Exception | None]]:
    from infra_http._lanes import counts

    def judge(result: Any) -> tuple[bool | None, Exception | None]:
        error = classify(result)
        return (False, None) if error is None else (counts(error), error)

    return judge
