"""Capacity, timeouts, the deadline and limits: what ends a request that asks for too much."""

from __future__ import annotations

import asyncio
import threading

import pytest

from infra_errors import Deadline
from infra_http.middleware import Problems, RequestId, Timeout
from infra_http.middleware.timeout import _Queue
from infra_http.server import ServerBuilder


async def ok(request):
    return "ok"


def app_with(configure=lambda builder: builder, handler=ok, **options):
    return configure(ServerBuilder("t").route("/", handler, **options)).build()


# ---- capacity ------------------------------------------------------------------------------------


async def test_over_the_concurrency_it_is_503_at_once_and_health_still_answers(ask):
    entered, leave = asyncio.Event(), asyncio.Event()

    async def handler(request):
        entered.set()
        await leave.wait()
        return "ok"

    app = app_with(lambda b: b.limits(max_concurrency=1).health(), handler)
    first = asyncio.create_task(ask(app, "GET", "/"))
    await entered.wait()
    second = await ask(app, "GET", "/")
    assert (503, "1", "http.server_busy") == (
        second.status_code,
        second.headers["retry-after"],
        second.json()["code"],
    )
    assert 200 == (await ask(app, "GET", "/health/live")).status_code
    leave.set()
    assert 200 == (await first).status_code
    assert 200 == (await ask(app, "GET", "/")).status_code


# ---- timeouts and the deadline -------------------------------------------------------------------


async def test_a_handler_that_outlives_its_timeout_is_cancelled(ask):
    ended = []

    async def handler(request):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    response = await ask(app_with(handler=handler, timeout=0.01), "GET", "/")
    assert (504, "http.request_timed_out") == (response.status_code, response.json()["code"])
    assert ["cancelled"] == ended


async def test_a_handler_that_answers_its_cancellation_with_an_error_is_a_504_too(ask):
    async def handler(request):
        try:
            await asyncio.sleep(60)
        finally:
            raise KeyError("clean-up")

    assert 504 == (await ask(app_with(handler=handler, timeout=0.01), "GET", "/")).status_code


async def test_a_handler_that_swallows_its_cancellation_and_answers_has_answered(ask):
    async def handler(request):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "late"

    async def whole():
        response = await ask(app_with(handler=handler, timeout=0.01), "GET", "/")
        assert 0 == asyncio.current_task().cancelling()
        return response

    assert (200, "late") == ((found := await whole()).status_code, found.text)


async def test_a_handler_that_ignores_its_cancellation_does_not_keep_the_client(call, records):
    log = records("infra_http.server")
    release = asyncio.Event()

    async def stubborn(scope, receive, send):
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"late"})

    app = RequestId(Problems(Timeout(stubborn, limit=0.01, grace=0.01)))
    answered = asyncio.Event()
    sent = []

    async def send(message):
        sent.append(message)
        if message["type"] == "http.response.body":
            answered.set()

    async def receive():
        await asyncio.sleep(60)

    scope = {
        "type": "http", "method": "GET", "path": "/", "headers": [], "http_version": "1.1",
        "scheme": "http",
    }  # fmt: skip
    task = asyncio.create_task(app(scope, receive, send))
    await asyncio.wait_for(answered.wait(), 30)
    assert 504 == sent[0]["status"]
    assert {b"connection", b"x-request-id"} <= {name for name, _ in sent[0]["headers"]}
    assert "ignores" in log[0].getMessage()
    release.set()
    await task
    assert 2 == len(sent)


async def test_a_cancellation_from_outside_is_not_taken_for_a_timeout():
    entered = asyncio.Event()

    async def app(scope, receive, send):
        entered.set()
        await asyncio.sleep(60)

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "http_version": "1.1"}
    task = asyncio.create_task(Timeout(app, limit=60)(scope, None, None))
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    ("asked", "seconds", "low", "high"),
    [
        (None, 20.0, 10, 20),
        (b"5000", 20.0, 2, 5),
        (b"50000", 20.0, 10, 20),
        (b"5000", None, 2, 5),
        (b"abc", 20.0, 10, 20),
        (b"-1", 20.0, 10, 20),
    ],
)
async def test_the_deadline_is_the_callers_or_ours_whichever_is_first(
    ask, asked, seconds, low, high
):
    async def handler(request):
        return {"left": Deadline.current().remaining()}

    headers = {} if asked is None else {"x-request-timeout-ms": asked}
    app = app_with(handler=handler, timeout=seconds)
    assert low <= (await ask(app, "GET", "/", headers=headers)).json()["left"] <= high
    assert Deadline.current() is None


async def test_a_callers_deadline_cuts_the_handler_off_and_none_is_none(ask):
    async def handler(request):
        if "x-request-timeout-ms" not in request.headers:
            return str(Deadline.current())
        return await asyncio.sleep(60)

    app = app_with(handler=handler, timeout=None)
    cut = await ask(app, "GET", "/", headers={"x-request-timeout-ms": "10"})
    assert 504 == cut.status_code
    assert "None" == (await ask(app, "GET", "/")).text


# ---- limits --------------------------------------------------------------------------------------


async def read(request):
    return {"size": len(await request.body())}


async def pieces(*parts):
    for part in parts:
        yield part


async def test_a_body_over_the_limit_is_413_before_it_is_read(call):
    async def never(request):
        raise AssertionError("reached")

    app = ServerBuilder("t").route("/", never, methods=["POST"]).limits(max_body=10).build()
    start, *_ = await call(app, method="POST", headers=[(b"content-length", b"11")])
    assert 413 == start["status"]
    assert (b"connection", b"close") in start["headers"]


async def test_a_body_over_the_limit_is_413_by_count_when_its_length_is_not_said(ask):
    app = (
        ServerBuilder("t")
        .route("/", read, methods=["POST"])
        .route("/big", read, methods=["POST"], max_body=20)
        .limits(max_body=10)
        .build()
    )
    assert {"size": 10} == (await ask(app, "POST", "/", content=pieces(b"12345", b"67890"))).json()
    over = await ask(app, "POST", "/", content=pieces(b"12345", b"678901"))
    assert (413, "http.body_too_large") == (over.status_code, over.json()["code"])
    assert {"size": 11} == (await ask(app, "POST", "/big", content=b"x" * 11)).json()
    assert 413 == (await ask(app, "POST", "/big", content=b"x" * 21)).status_code


async def test_too_many_or_too_long_headers_are_431_and_a_long_target_is_414(ask):
    limits = {"max_headers": 20, "max_header_bytes": 1000, "max_target": 100}
    app = app_with(lambda b: b.limits(**limits))
    many = await ask(app, "GET", "/", headers={f"x-{n}": "1" for n in range(20)})
    long = await ask(app, "GET", "/", headers={"x": "1" * 1000})
    target = await ask(app, "GET", "/?" + "q" * 100)
    assert [431, 431, 414] == [r.status_code for r in (many, long, target)]
    assert 200 == (await ask(app, "GET", "/?" + "q" * 98)).status_code


async def test_a_body_that_stops_coming_is_408(call):
    app = ServerBuilder("t").route("/", read, methods=["POST"]).limits(body_timeout=0.01).build()
    first = {"type": "http.request", "body": b"1", "more_body": True}
    start, *_ = await call(app, [first], method="POST", headers=[(b"content-length", b"5")])
    assert 408 == start["status"]


async def test_after_the_body_the_wait_for_a_disconnect_has_no_timeout(call):
    async def handler(request):
        await request.body()
        task = asyncio.create_task(request.receive())
        await asyncio.sleep(0.1)
        assert not task.done()
        task.cancel()
        return "ok"

    app = ServerBuilder("t").route("/", handler, methods=["POST"]).limits(body_timeout=0.01).build()
    start, *_ = await call(app, method="POST", headers=[(b"content-length", b"1")])
    assert 200 == start["status"]


@pytest.mark.threads
async def test_a_plain_function_that_outlives_its_timeout_is_left_behind(ask):
    gate = threading.Event()

    def handler(request):
        gate.wait(60)

    response = await ask(app_with(handler=handler, timeout=0.01), "GET", "/")
    assert 504 == response.status_code
    gate.set()


def test_one_timer_ends_each_request_at_its_own_time():
    class Loop:
        def __init__(self):
            self.now, self.timers = 0.0, []

        def time(self):
            return self.now

        def call_at(self, due, call):
            self.timers.append((due, call))

    class Cut:
        def __init__(self, name):
            self.name = name

        def fire(self):
            fired.append((self.name, loop.now))

    fired, loop = [], Loop()
    queue = _Queue(loop, 10.0)
    for now, name in ((0.0, "a"), (4.0, "b"), (5.0, "c")):
        loop.now = now
        queue.add(cut := Cut(name))
        if name == "b":
            ended = cut
    del queue.live[ended]
    while loop.timers:
        loop.now, call = loop.timers.pop(0)
        call()
    assert [("a", 10.0), ("c", 15.0)] == fired
    loop.now = 20.0
    queue.add(Cut("d"))
    assert 30.0 == loop.timers[0][0]
