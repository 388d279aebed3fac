"""An HTTP client and server with the safety that every service otherwise writes by hand.

>>> import asyncio
>>> from infra_http import AsyncClient, Policy
>>> from infra_http.testing import stub_server
>>> async def main():
...     async with stub_server([503, (200, {}, b"hello")]) as server:
...         async with AsyncClient(policy=Policy(total_timeout=10)) as client:
...             return (await client.get(server.url)).text
>>> asyncio.run(main())
'hello'

Importing this package loads none of its modules: each name is fetched at its first use (PEP 562).
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from infra_http.client import AsyncClient, CallOptions, check
    from infra_http.errors import (
        AddressBlocked,
        AttemptTimedOut,
        BodyNotReplayable,
        BodyTimedOut,
        BodyTooLarge,
        BulkheadFull,
        CircuitOpen,
        ConnectFailed,
        ConnectTimedOut,
        HandlerReturnedNone,
        HeadersTooLarge,
        HttpConfigError,
        HttpConflict,
        HttpDeadlineExceeded,
        HttpInputError,
        HttpNotFound,
        HttpPermissionDenied,
        HttpRateLimited,
        HttpStatusError,
        HttpUnauthenticated,
        HttpUnavailable,
        IdempotencyMismatch,
        IdempotencyRunning,
        MethodNotAllowed,
        PoolTimedOut,
        ProtocolFailed,
        RateLimitHit,
        ReadFailed,
        ReadTimedOut,
        RequestRefused,
        RequestTimedOut,
        ResponseTooLarge,
        RouteNotFound,
        ServerBusy,
        ServerDraining,
        TargetTooLong,
        TlsFailed,
        TooManyRedirects,
        TotalTimedOut,
        UnsupportedScheme,
        WriteFailed,
        WriteTimedOut,
    )
    from infra_http.fast import FastTransport
    from infra_http.guard import Address, SSRFGuard
    from infra_http.health import Check
    from infra_http.middleware.idempotency_store import IdempotencyStore, StoredResponse
    from infra_http.middleware.rate_limit import RateDecision
    from infra_http.policy import (
        Attempt,
        BreakerRule,
        Hedge,
        Policy,
        PolicyEvent,
        RateRule,
        RetryRule,
    )
    from infra_http.pool import PoolLimits, PoolStats, UpstreamPool, UpstreamResponse
    from infra_http.propagation import current_idempotency_key, current_request_id, request_scope
    from infra_http.requests import RequestBuilder
    from infra_http.responses import (
        bytes_response,
        json_response,
        problem,
        redirect,
        sse,
        stream,
        text,
    )
    from infra_http.server import Request, ServerApp, ServerBuilder, ServerSettings
    from infra_http.server.run import run, serve
    from infra_http.sync_client import Client
    from infra_http.sync_transport import SyncPolicyTransport
    from infra_http.transport import PolicyTransport

__all__ = [
    "Address",
    "AddressBlocked",
    "AsyncClient",
    "Attempt",
    "AttemptTimedOut",
    "BodyNotReplayable",
    "BodyTimedOut",
    "BodyTooLarge",
    "BreakerRule",
    "BulkheadFull",
    "CallOptions",
    "Check",
    "CircuitOpen",
    "Client",
    "ConnectFailed",
    "ConnectTimedOut",
    "FastTransport",
    "HandlerReturnedNone",
    "HeadersTooLarge",
    "Hedge",
    "HttpConfigError",
    "HttpConflict",
    "HttpDeadlineExceeded",
    "HttpInputError",
    "HttpNotFound",
    "HttpPermissionDenied",
    "HttpRateLimited",
    "HttpStatusError",
    "HttpUnauthenticated",
    "HttpUnavailable",
    "IdempotencyMismatch",
    "IdempotencyRunning",
    "IdempotencyStore",
    "MethodNotAllowed",
    "Policy",
    "PolicyEvent",
    "PolicyTransport",
    "PoolLimits",
    "PoolStats",
    "PoolTimedOut",
    "ProtocolFailed",
    "RateDecision",
    "RateLimitHit",
    "RateRule",
    "ReadFailed",
    "ReadTimedOut",
    "Request",
    "RequestBuilder",
    "RequestRefused",
    "RequestTimedOut",
    "ResponseTooLarge",
    "RetryRule",
    "RouteNotFound",
    "SSRFGuard",
    "ServerApp",
    "ServerBuilder",
    "ServerBusy",
    "ServerDraining",
    "ServerSettings",
    "StoredResponse",
    "SyncPolicyTransport",
    "TargetTooLong",
    "TlsFailed",
    "TooManyRedirects",
    "TotalTimedOut",
    "UnsupportedScheme",
    "UpstreamPool",
    "UpstreamResponse",
    "WriteFailed",
    "WriteTimedOut",
    "bytes_response",
    "check",
    "current_idempotency_key",
    "current_request_id",
    "json_response",
    "problem",
    "redirect",
    "request_scope",
    "run",
    "serve",
    "sse",
    "stream",
    "text",
]

_MODULES = {
    "health": "Check",
    "middleware.idempotency_store": "IdempotencyStore StoredResponse",
    "middleware.rate_limit": "RateDecision",
    "client": "AsyncClient CallOptions check",
    "fast": "FastTransport",
    "guard": "Address SSRFGuard",
    "policy": "Attempt BreakerRule Hedge Policy PolicyEvent RateRule RetryRule",
    "pool": "PoolLimits PoolStats UpstreamPool UpstreamResponse",
    "propagation": "current_idempotency_key current_request_id request_scope",
    "requests": "RequestBuilder",
    "responses": "bytes_response json_response problem redirect sse stream text",
    "server": "Request ServerApp ServerBuilder ServerSettings",
    "server.run": "run serve",
    "sync_client": "Client",
    "sync_transport": "SyncPolicyTransport",
    "transport": "PolicyTransport",
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names.split()}

if not TYPE_CHECKING:

    def __getattr__(name):
        if name not in __all__:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        # not importlib.import_module, which need not be loaded yet
        module = f"{__name__}.{_MODULE_OF.get(name, 'errors')}"
        __import__(module)
        value = globals()[name] = getattr(sys.modules[module], name)
        return value

    def __dir__():
        return sorted({*globals(), *__all__})
