"""httpx2's async client, under a policy.

Every keyword, method and type of `httpx2.AsyncClient` keeps its meaning; what is added is
keyword-only.
"""

from __future__ import annotations

import inspect
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
from infra_http._exchange import CallOptions
from infra_http._pipeline import Pipeline
from infra_http.errors import HttpConfigError
from infra_http.policy import Policy
from infra_http.transport import PolicyTransport

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra_http.guard import SSRFGuard

__all__ = ["AsyncClient", "CallOptions", "check"]


class AsyncClient(PolicyClient, httpx2.AsyncClient):
    """`httpx2.AsyncClient` under a policy, over a transport that is several times faster.

    Args:
        policy: what holds for every request; None is httpx2's own behaviour.
        guard: refuses addresses that a request must not reach; proxies are off with it.
        transport: sends the requests; None is FastTransport, or httpx2's for `http2=True`.
        raise_errors: raise an HttpStatusError for 4xx and 5xx, as `check` does.
        max_response_bytes: of a body that is read whole, as sent and once decompressed.
        propagate_to: hosts that are told the request id, the time left and the trace: "all", or
            names, `.example.com` for all below it.
        clock, sleep, rng: seconds that never go back, an async sleep, a float in [0, 1).
        httpx2_kwargs: those of `httpx2.AsyncClient`. Without `timeout`, the policy's times hold.

    Raises:
        HttpConfigError: `http.config`, options that do not go together.
    """

    def __init__(
        self,
        *,
        policy: Policy | None = Policy(),  # noqa: B008  # a frozen value
        guard: SSRFGuard | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        raise_errors: bool = False,
        max_response_bytes: int | None = None,
        propagate_to: tuple[str, ...] | Literal["all"] = "all",
        clock: Callable[[], float] = time.monotonic,
        rng: Callable[[], float] = random.random,
        sleep: Callable[[float], Any] | None = None,
        **httpx2_kwargs: Any,
    ) -> None:
        if guard is not None and (httpx2_kwargs.get("http2") or not httpx2_kwargs.get("http1", 1)):
            message = "guard and http2= do not go together: the guard pins HTTP/1.1's address"
            raise HttpConfigError(message)
        options: dict[str, Any] = {"transport": transport, **httpx2_kwargs}
        self._take(
            policy,
            guard,
            raise_errors,
            max_response_bytes,
            propagate_to,
            options,
            Pipeline(policy or Policy.none(), clock=clock, rng=rng, sleep=sleep),
        )
        if options.get("mounts") is not None:
            options["mounts"] = {
                pattern: None if inner is None else self._under_policy(inner)
                for pattern, inner in options["mounts"].items()
            }
        super().__init__(**options)

    def _under_policy(self, inner: httpx2.AsyncBaseTransport) -> httpx2.AsyncBaseTransport:
        return PolicyTransport(
            inner,
            max_response_bytes=self._max_response_bytes,
            propagation=self._propagation,
            pipeline=self._pipeline,
        )

    def _init_transport(self, **options: Any) -> httpx2.AsyncBaseTransport:  # type: ignore[override]  # called with keywords
        """Return the transport that httpx2's client is made with."""
        transport = options.get("transport")
        if transport is None and options.get("http1", True) and not options.get("http2"):
            from infra_http.fast import FastTransport

            transport = FastTransport(
                limits=_pool_limits(options.get("limits")),
                verify=options.get("verify", True),
                cert=options.get("cert"),
                guard=self._guard,
                trust_env=options.get("trust_env", True),
            )
        elif transport is None:
            transport = super()._init_transport(**options)
        return self._under_policy(transport)

    def _init_proxy_transport(self, *args: Any, **options: Any) -> httpx2.AsyncBaseTransport:
        return self._under_policy(super()._init_proxy_transport(*args, **options))

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send a request as `httpx2.AsyncClient.send` does, under the policy.

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
        try:
            if deadline is None:
                response = await super().send(request, **options)
            else:
                with deadline.scope():
                    response = await super().send(request, **options)
        except httpx2.HTTPError as error:
            found = our_error(error)
            fallback = state.policy.fallback
            if fallback is None or not may_fall_back(found):
                if found is error:
                    raise
                raise found from error
            self._told(state, request, found)
            return cast("httpx2.Response", await _awaited(fallback(found)))
        if response.status_code >= 500 and state.policy.fallback is not None:
            self._told(state, request, None)
            fallen = await _awaited(state.policy.fallback(response))
            if fallen is not response:
                await response.aclose()
            response = fallen
        if self._raise_errors and isinstance(response, httpx2.Response):
            await _raise_if_error(response)
        return response


def _pool_limits(limits: httpx2.Limits | None) -> httpx2.Limits:
    return (
        httpx2.Limits(max_connections=100, max_keepalive_connections=20)
        if limits is None
        else limits
    )


async def _awaited(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


async def _raise_if_error(response: httpx2.Response) -> None:
    try:
        check(response)
    except InfraError:
        await response.aclose()
        raise
