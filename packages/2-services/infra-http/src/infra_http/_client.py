"""What both clients do alike: prepare a call, explain it, and look at its redirects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import httpx2

from infra_errors import Deadline, InfraError, Problem, Status
from infra_http import _exchange as exchange
from infra_http._exchange import CALL, NO_OPTIONS, OPTIONS, CallOptions, Propagation, State
from infra_http.errors import (
    BodyNotReplayable,
    HttpConfigError,
    HttpInputError,
    TooManyRedirects,
)
from infra_http.policy import Policy, PolicyEvent
from infra_http.propagation import IDEMPOTENCY_KEY_HEADER, REQUEST_ID_HEADER, TIMEOUT_HEADER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra_errors import CircuitBreaker
    from infra_http._pipeline import Pipeline
    from infra_http.guard import SSRFGuard

__all__ = ["PolicyClient", "check", "follows", "has_no_auth", "may_fall_back", "our_error"]

# What another origin than the one that was asked must not learn from a redirect.
PRIVATE = (
    IDEMPOTENCY_KEY_HEADER,
    REQUEST_ID_HEADER,
    TIMEOUT_HEADER,
    "traceparent",
    "tracestate",
    "baggage",
)
CONNECT_TIMEOUT = 5.0  # seconds, httpx2's own; also to wait for a connection of the pool


def check(response: httpx2.Response) -> httpx2.Response:
    """Return the response, unless it is a 4xx or 5xx.

    Raises:
        HttpStatusError: the leaf for the status, for instance HttpNotFound; `problem` is the
            RFC 9457 problem of the body, if it has been read and is one.
    """
    if response.status_code < 400:
        return response
    error = exchange.status_failure(response)
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type == "application/problem+json" and response.is_closed:
        try:
            error.problem = Problem.parse(response.json())
        except (InfraError, ValueError, httpx2.ResponseNotRead):
            pass  # its status says enough
    raise error


class PolicyClient:
    """The part of a client that knows no await; a client of httpx2 stands beside it."""

    _policy: Policy
    _raise_errors: bool
    _pipeline: Pipeline
    _guard: SSRFGuard | None
    _propagation: Propagation

    def _take(
        self,
        policy: Policy | None,
        guard: SSRFGuard | None,
        raise_errors: bool,
        max_response_bytes: int | None,
        propagate_to: tuple[str, ...] | Literal["all"],
        options: dict[str, Any],
        pipeline: Pipeline,
    ) -> None:
        if max_response_bytes is not None and (
            type(max_response_bytes) is not int or max_response_bytes < 1
        ):
            message = "max_response_bytes must be a number of bytes of at least 1, or None"
            raise HttpInputError(message)
        if isinstance(propagate_to, str) and propagate_to != "all":
            message = 'propagate_to must be "all" or a tuple of host names'
            raise HttpInputError(message)
        if guard is not None:
            for name in ("transport", "proxy", "mounts"):
                if options.get(name) is not None:
                    message = f"guard and {name}= do not go together: the guard pins the address"
                    raise HttpConfigError(message)
            options["trust_env"] = False  # no proxy from the environment
        self._policy = policy or Policy.none()
        self._pipeline = pipeline
        self._guard = guard
        self._raise_errors = raise_errors
        self._max_response_bytes = max_response_bytes
        self._propagation = Propagation(propagate_to)
        if "timeout" not in options:
            options["timeout"] = _socket_timeouts(self._policy)

    @property
    def policy(self) -> Policy:
        """The policy of this client."""
        return self._policy

    @property
    def breakers(self) -> Mapping[str, CircuitBreaker]:
        """The breakers by origin, of the origins that were called."""
        return self._pipeline.lanes.breakers()

    def explain(self, request: httpx2.Request) -> dict[str, Any]:
        """Return what would be done with a request, without sending it."""
        options = _options_of(request)
        policy = options.policy or self._policy
        pipeline = self._pipeline
        if options.policy is not None:
            pipeline = options.policy._pipeline(sync=isinstance(self, httpx2.Client))
        origin = exchange.origin_of(request.url)
        lane = pipeline.lanes.peek(origin)
        mode = exchange.mode_of(request, policy, options)
        replayable = exchange.has_body_at_hand(request) is not False
        if mode == "always" and not replayable:
            mode = "unsent"
        ambient = Deadline.current()
        limits = [policy.total_timeout, None if ambient is None else ambient.remaining()]
        given = options.deadline
        limits.append(given.remaining() if isinstance(given, Deadline) else given)
        breaker = None if lane is None else lane.breaker
        budget = None if lane is None else lane.budget
        verdict = None
        if self._guard is not None:
            verdict = "allowed, if its addresses are"
            try:
                self._guard.check_url(request.url)
            except InfraError as error:
                verdict = error.message
        return {
            "method": request.method,
            "origin": origin,
            "repeated": mode,
            "attempts": 1
            if mode == "never" or policy.retry is None
            else policy.retry.policy.attempts,
            "statuses": sorted(policy.retry.statuses) if policy.retry and mode == "always" else [],
            "replayable": replayable,
            "idempotency_key": exchange.has_key(request, policy, options),
            "deadline": min((limit for limit in limits if limit is not None), default=None),
            "attempt_timeout": policy.attempt_timeout,
            "breaker": "CLOSED"
            if breaker is None and policy.breaker
            else None
            if breaker is None
            else breaker.state.value,
            "budget": None if budget is None else budget.available,
            "hedge_after": None if lane is None else lane.hedge_after(),
            "guard": verdict,
            "propagates": self._propagation.reaches(request.url),
        }

    def _prepare(
        self, request: httpx2.Request, *, whole: bool, follow: bool, single: bool
    ) -> tuple[State, Deadline | None]:
        """Note on the request what its attempts need; return that, and the deadline of all."""
        options = _options_of(request)
        policy = options.policy or self._policy
        headers = request.headers
        if options.idempotency_key is not None:
            headers[IDEMPOTENCY_KEY_HEADER] = _checked_key(options.idempotency_key)
        elif (
            policy.auto_idempotency
            and request.method in exchange.KEYED
            and IDEMPOTENCY_KEY_HEADER not in headers
        ):
            from infra_id import uuid7

            headers[IDEMPOTENCY_KEY_HEADER] = str(uuid7())
        given = options.deadline
        # One exchange keeps its time by its loop; a scope is for what may be several.
        timed = single and given is None and policy.hedge is None
        state = State(policy, options, whole, timed, follow, Deadline.current())
        request.extensions[CALL] = state
        if timed:
            return state, None
        clock = self._pipeline.clock
        if given is not None and not isinstance(given, Deadline):
            given = Deadline.after(given, clock=clock)
        if policy.total_timeout is None:
            return state, given
        own = Deadline.after(policy.total_timeout, clock=clock)
        return state, own if given is None or own.remaining() < given.remaining() else given

    def _build_redirect_request(
        self, request: httpx2.Request, response: httpx2.Response
    ) -> httpx2.Request:
        """Return the request that a redirect asks for: httpx2's, without what stays private."""
        following: httpx2.Request = super()._build_redirect_request(request, response)  # type: ignore[misc]  # of the client beside this class
        state: State | None = request.extensions.get(CALL)
        old, new = request.url, following.url
        if state is not None and state.follow:
            if old.scheme == "https" and new.scheme == "http":
                message = f"the redirect of {exchange.origin_of(old)} leads from https to http"
                raise TooManyRedirects(message)
            if following.stream is request.stream and exchange.has_body_at_hand(request) is False:
                raise BodyNotReplayable("the redirect wants the body again: give bytes")
        if exchange.origin_of(old) != exchange.origin_of(new):
            for name in PRIVATE:
                following.headers.pop(name, None)
        return following

    def _told(self, state: State, request: httpx2.Request, error: BaseException | None) -> None:
        on_event = state.policy.on_event
        if on_event is not None:
            on_event(PolicyEvent("fallback", exchange.origin_of(request.url), error=error))


def _options_of(request: httpx2.Request) -> CallOptions:
    options = request.extensions.get(OPTIONS)
    if options is None:
        return NO_OPTIONS
    if not isinstance(options, CallOptions):
        message = (
            f'extensions={{"{OPTIONS}": ...}} must be CallOptions, not {type(options).__name__}'
        )
        raise HttpInputError(message)
    return options


def _checked_key(key: str) -> str:
    if not key or len(key) > 255 or not key.isascii() or not key.isprintable():
        message = "an idempotency key is 1 to 255 printable ASCII characters"
        raise HttpInputError(message)
    return key


def _socket_timeouts(policy: Policy) -> httpx2.Timeout:
    """Return httpx2's timeouts under a policy: what it bounds as a whole needs no other bound."""
    if policy.attempt_timeout is None and policy.total_timeout is None:
        return httpx2.Timeout(CONNECT_TIMEOUT)
    return httpx2.Timeout(None, connect=CONNECT_TIMEOUT, pool=CONNECT_TIMEOUT)


def follows(client: httpx2.Client | httpx2.AsyncClient, given: Any) -> bool:
    return given if isinstance(given, bool) else client.follow_redirects


def has_no_auth(client: httpx2.Client | httpx2.AsyncClient, given: Any) -> bool:
    """Say whether no auth flow of several exchanges is asked for; httpx2 passes its default on."""
    return client.auth is None and (given is None or given is httpx2.USE_CLIENT_DEFAULT)


def our_error(error: httpx2.HTTPError) -> Exception:
    if isinstance(error, httpx2.TooManyRedirects) and not isinstance(error, InfraError):
        return TooManyRedirects("more redirects than max_redirects allows")
    return error


def may_fall_back(error: Exception) -> bool:
    return isinstance(error, InfraError) and error.status in {
        Status.UNAVAILABLE,
        Status.DEADLINE_EXCEEDED,
    }
