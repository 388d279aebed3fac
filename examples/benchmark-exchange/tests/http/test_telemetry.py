"""What one request leaves behind: a trace from the client to the database, a log, and no secret."""

from __future__ import annotations

import logging

import pytest

from benchmark_exchange import Resources
from benchmark_exchange.resources import admin_token
from infra_http import AsyncClient, request_scope
from infra_otel.testing import Telemetry

URL = "/v1/benchmarks/alpaca-eval-2"


async def test_a_request_is_one_trace_from_the_client_to_the_database(
    telemetry: Telemetry, client: AsyncClient
):
    await client.get(f"{URL}/leaderboard?board=accepted")
    server = telemetry.span("GET /v1/benchmarks/{slug}/leaderboard")
    trace = [span for span in telemetry.spans if span.context.trace_id == server.context.trace_id]
    kinds = {span.kind.name for span in trace}
    assert len(trace) >= 4
    assert {"CLIENT", "SERVER"} <= kinds
    (sent,) = [span for span in trace if span.name == "GET"]
    assert sent.context.span_id == server.parent.span_id
    below = [span for span in trace if "db.system.name" in (span.attributes or {})]
    assert below


async def test_metrics_are_of_the_route_and_nothing_tells_the_token(
    telemetry: Telemetry, client: AsyncClient, resources: Resources, signed: dict[str, str]
):
    await client.post(f"{URL}/submissions", json={"model": "m"}, headers=signed)
    route = "/v1/benchmarks/{slug}/submissions"
    point = telemetry.metric("http.server.request.duration", **{"http.route": route})
    assert point is not None
    assert 1 == point.count
    telemetry.assert_no_values(admin_token(resources.settings).reveal())


async def test_the_callers_request_id_is_in_the_access_log(
    client: AsyncClient, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, "infra_http.access")
    with request_scope(request_id="r1"):
        answer = await client.get(URL)
    told = [record for record in caplog.records if record.name == "infra_http.access"]
    assert [answer.headers["x-request-id"]] == [record.request_id for record in told]
    assert answer.headers["x-request-id"] not in {"", "r1"}  # nobody's own id is believed
