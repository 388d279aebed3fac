"""The sync twin of client.py: httpx2's sync client, under a policy."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, Literal, cast

import httpx2

from infra_errors import InfraError
from infra_http._client import (
    PolicyClient,
    check,
    follows,
    has_no_auth,
    may_fall_back,
    our_error,
)
from infra_http._pipeline import Pipeline
from infra_http.policy import Policy
from infra_http.sync_transport import SyncPolicyTransport, demand_sync

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra_http.guard import SSRFGuard

__all__ = ["Client"]


class Client(PolicyClient, httpx2.Client):
    """`httpx2.Client` under a policy: the sync twin of AsyncClient. Thread-safe.

    Its arguments are AsyncClient's, `sleep` is sync, and a policy has no hedge. A sync call cannot
    be cut from outside: an attempt's time bounds each step of its socket.

    Raises:
        HttpConfigError: `http.config`, `http.hedge_needs_async`.
    """

    def __init__(
        self,
        *,
        policy: Policy | None = Policy(),  # noqa: B008  # a frozen value
        guard: SSRFGuard | None = None,
        transport: httpx2.BaseTransport | None = None,
        raise_errors: bool = False,
        max_response_bytes: int | None = None,
        propagate_to: tuple[str, ...] | Literal["all"] = "all",
        clock: Callable[[], float] = time.monotonic,
        rng: Callable[[], float] = random.random,
        sleep: Callable[[float], object] | None = None,
        **httpx2_kwargs: Any,
    ) -> None:
        if policy is not None:
            demand_sync(policy)
        options: dict[str, Any] = {"transport": transport, **httpx2_kwargs}
        self._take(
            policy,
            guard,
            raise_errors,
            max_response_bytes,
            propagate_to,
            options,
            Pipeline(policy or Policy.none(), clock=clock, rng=rng, sleep=sleep, sync=True),
        )
        if options.get("mounts") is not None:
            options["mounts"] = {
                pattern: None if inner is None else self._under_policy(inner)
                for pattern, inner in options["mounts"].items()
            }
        super().__init__(**options)

    def _under_policy(self, inner: httpx2.BaseTransport) -> httpx2.BaseTransport:
        return SyncPolicyTransport(
            inner,
            max_response_bytes=self._max_response_bytes,
            propagation=self._propagation,
            pipeline=self._pipeline,
        )

    def _init_transport(self, **options: Any) -> httpx2.BaseTransport:  # type: ignore[override]  # called with keywords
        """Return the transport that httpx2's client is made with."""
        transport = super()._init_transport(**options)
        if self._guard is not None:
            from infra_http._sync_guard import SyncGuardTransport

            transport = SyncGuardTransport(transport, self._guard)
        return self._under_policy(transport)

    def _init_proxy_transport(self, *args: Any, **options: Any) -> httpx2.BaseTransport:
        return self._under_policy(super()._init_proxy_transport(*args, **options))

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send a request as `httpx2.Client.send` does, under the policy.

        Raises:
            HttpError: one of the leaves in `infra_http.errors`.
        """
        follow = follows(self, options.get("follow_redirects"))
        state, deadline = self._prepare(
            request,
            whole=not options.get("stream", False),
            follow=follow,
            single=not follow and has_no_auth(self, options.get("auth")),
        )
        if state.options.policy is not None:
            demand_sync(state.options.policy)
        try:
            if deadline is None:
                response = super().send(request, **options)
            else:
                with deadline.scope():
                    response = super().send(request, **options)
        except httpx2.HTTPError as error:
            found = our_error(error)
            fallback = state.policy.fallback
            if fallback is None or not may_fall_back(found):
                if found is error:
                    raise
                raise found from error
            self._told(state, request, found)
            return cast("httpx2.Response", fallback(found))
        if response.status_code >= 500 and state.policy.fallback is not None:
            self._told(state, request, None)
            fallen = state.policy.fallback(response)
            if fallen is not response:
                response.close()
            response = fallen
        if self._raise_errors and isinstance(response, httpx2.Response):
            try:
                check(response)
            except InfraError:
                response.close()
                raise
        return response
