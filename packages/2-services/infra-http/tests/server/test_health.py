"""Health: what is up, asked rarely, told without details."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import httpx2
import pytest
from starlette.testclient import TestClient

from infra_errors import ConfigError, UnavailableError
from infra_http.health import Health, HealthReport
from infra_http.server import ServerBuilder


async def up():
    pass


async def down():
    message = "redis://user:hunter2@cache.internal refused"
    raise UnavailableError(message)


async def test_all_up_is_200_and_one_down_503_with_names_alone(ask):
    app = ServerBuilder("t").health({"db": up}).build()
    response = await ask(app, "GET", "/health/ready")
    assert (200, {"status": "up", "checks": {"db": "up"}}) == (
        response.status_code,
        response.json(),
    )
    app = ServerBuilder("t").health({"db": up, "redis": down}).build()
    response = await ask(app, "GET", "/health/ready")
    assert (503, {"status": "down", "checks": {"db": "up", "redis": "down"}}) == (
        response.status_code,
        response.json(),
    )
    assert (200, {"status": "up", "checks": {}}) == (
        (live := await ask(app, "GET", "/health/live")).status_code,
        live.json(),
    )


async def test_an_optional_check_is_shown_and_makes_nothing_down(ask):
    app = ServerBuilder("t").health({"mail": down}, optional=["mail"]).build()
    response = await ask(app, "GET", "/health/ready")
    assert (200, "down") == (response.status_code, response.json()["checks"]["mail"])


async def test_a_live_check_decides_over_live(ask):
    app = ServerBuilder("t").health(live={"loop": down}, paths=("/livez", "/readyz")).build()
    assert 503 == (await ask(app, "GET", "/livez")).status_code
    assert 200 == (await ask(app, "GET", "/readyz")).status_code


async def test_while_draining_or_starting_ready_is_503_and_live_200(ask):
    app = ServerBuilder("t").health({"db": up}).build()
    app.starting = True
    assert 503 == (await ask(app, "GET", "/health/ready")).status_code
    app.starting = False
    assert not app.draining
    await app.start_drain()
    assert app.draining
    ready = await ask(app, "GET", "/health/ready")
    assert (503, "close") == (ready.status_code, ready.headers["connection"])
    assert 200 == (await ask(app, "GET", "/health/live")).status_code


def test_ready_is_503_until_the_lifespan_has_started_and_200_from_then_on():
    seen = []

    @asynccontextmanager
    async def slow_start(app):
        async with httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app), base_url="http://t"
        ) as client:
            seen.append((await client.get("/health/ready")).status_code)
            seen.append((await client.get("/health/live")).status_code)
        yield

    app = ServerBuilder("t").health({"db": up}).lifespan(slow_start).build()
    with TestClient(app) as client:
        seen.append(client.get("/health/ready").status_code)
    assert [503, 200, 200] == seen


async def test_a_check_that_hangs_is_down_after_the_timeout_even_if_it_will_not_stop():
    release = asyncio.Event()

    async def stubborn():
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                pass

    health = Health({"a": stubborn, "b": up}, timeout=0.01)
    assert HealthReport("down", {"a": "down", "b": "up"}) == await health.report()
    release.set()
    await asyncio.sleep(0)


async def test_checks_run_together_once_for_all_who_ask_and_hold_for_a_second():
    runs, now, leave, entered = [], [0.0], asyncio.Event(), asyncio.Event()

    async def first():
        runs.append("a")
        await leave.wait()

    async def second():
        runs.append("b")
        entered.set()

    health = Health({"a": first, "b": second}, timeout=30, clock=lambda: now[0])
    asked = [asyncio.create_task(health.report()) for _ in range(5)]
    await entered.wait()
    asked[0].cancel()  # one prober leaves; the others get their answer
    leave.set()
    assert 4 == len(
        [
            r
            for r in await asyncio.gather(*asked, return_exceptions=True)
            if isinstance(r, HealthReport)
        ]
    )
    now[0] = 0.9
    await health.report()
    assert ["a", "b"] == runs
    now[0] = 1.0
    await health.report()
    assert 4 == len(runs)


def test_options_that_cannot_work_are_refused():
    for options in ({"optional": ["x"]}, {"timeout": 0}, {"timeout": -1}):
        with pytest.raises(ConfigError):
            Health({"db": up}, **options)
