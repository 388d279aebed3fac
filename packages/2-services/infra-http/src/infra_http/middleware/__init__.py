"""The server's middleware, one file each, raw ASGI: they work around any application.

`ServerBuilder` puts them in order. Alone, each is `Middleware(app, **options)`, as Starlette takes
it too; none of them buffers a body (but `Idempotency`, within bounds) or hides a disconnect.
"""

from __future__ import annotations

from infra_http.middleware.access_log import AccessLog
from infra_http.middleware.auth import Auth
from infra_http.middleware.capacity import Capacity
from infra_http.middleware.cors import Cors
from infra_http.middleware.deadline import DeadlineHeader
from infra_http.middleware.idempotency import Idempotency
from infra_http.middleware.idempotency_store import (
    IdempotencyStore,
    MemoryIdempotencyStore,
    StoredResponse,
)
from infra_http.middleware.limits import Limits
from infra_http.middleware.problems import Problems
from infra_http.middleware.proxies import TrustedProxies
from infra_http.middleware.rate_limit import RateDecision, RateLimit
from infra_http.middleware.request_id import RequestId
from infra_http.middleware.security_headers import SecurityHeaders
from infra_http.middleware.timeout import Timeout

__all__ = [
    "AccessLog",
    "Auth",
    "Capacity",
    "Cors",
    "DeadlineHeader",
    "Idempotency",
    "IdempotencyStore",
    "Limits",
    "MemoryIdempotencyStore",
    "Problems",
    "RateDecision",
    "RateLimit",
    "RequestId",
    "SecurityHeaders",
    "StoredResponse",
    "Timeout",
    "TrustedProxies",
]
