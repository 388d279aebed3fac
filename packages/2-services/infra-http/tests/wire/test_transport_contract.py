"""Our transport and httpx2's pass the same contract."""

from __future__ import annotations

from typing import Any

import httpx2

from infra_http.fast import FastTransport
from infra_http.transport_contract import TransportContract


class TestFastTransport(TransportContract):
    async def make_transport(self, **options: Any) -> FastTransport:
        return FastTransport(**options)


class TestHttpx2Transport(TransportContract):
    async def make_transport(self, **options: Any) -> httpx2.AsyncHTTPTransport:
        return httpx2.AsyncHTTPTransport(**options)
