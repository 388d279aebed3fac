"""The same key twice: one effect, and an answer that is given again."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from hypothesis.strategies import integers, sampled_from

from infra_errors import NotFoundError, UnavailableError, ValidationError
from infra_http.errors import IdempotencyMismatch, IdempotencyRunning
from infra_http.middleware import MemoryIdempotencyStore, StoredResponse
from infra_http.responses import bytes_response, json_response
from infra_http.server import ServerBuilder

KEY = {"idempotency-key": "k1"}


def app_of(handler, store=None, identity=None):
    async def hook(request):
        return request.headers.get("who", "me")

    builder = ServerBuilder("t").idempotency(store)
    for path in ("/", "/other"):
        builder.route(path, handler, methods=["POST", "PATCH", "GET"])
    return builder.auth(hook).build()


class Counting:
    """A handler that says how often it ran."""

    def __init__(self, answer=None):
        self.runs = 0
        self.answer = answer

    async def __call__(self, request):
        self.runs += 1
        body = await request.body()
        if self.answer is not None:
            return await self.answer(request)
        return json_response({"run": self.runs, "body": body.decode()}, 201, {"x-own": "1"})


async def test_the_first_answer_is_given_again_and_the_effect_is_not(ask):
    app = app_of(handler := Counting())
    first = await ask(app, "POST", "/", content=b"b", headers=KEY)
    again = await ask(app, "POST", "/", content=b"b", headers=KEY)
    assert (201, {"run": 1, "body": "b"}, "1") == (
        again.status_code,
        again.json(),
        again.headers["x-own"],
    )
    assert (None, "true") == tuple(
        response.headers.get("idempotent-replayed") for response in (first, again)
    )
    assert first.headers["x-request-id"] != again.headers["x-request-id"]
    assert 1 == handler.runs


@pytest.mark.parametrize(
    "change",
    [{"content": b"c"}, {"path": "/other"}, {"method": "PATCH"}, {"path": "/?q=1"}],
    ids=["body", "path", "method", "query"],
)
async def test_the_key_of_another_request_is_422(ask, change):
    app = app_of(handler := Counting())
    await ask(app, "POST", "/", content=b"b", headers=KEY)
    other = {"method": "POST", "path": "/", "content": b"b", **change}
    response = await ask(app, other.pop("method"), other.pop("path"), headers=KEY, **other)
    assert (422, "http.idempotency_mismatch") == (response.status_code, response.json()["code"])
    assert 1 == handler.runs


async def test_the_keys_of_two_callers_do_not_meet(ask):
    app = app_of(handler := Counting())
    for who in ("a", "b"):
        response = await ask(app, "POST", "/", content=b"b", headers={**KEY, "who": who})
        assert 201 == response.status_code
    assert 2 == handler.runs


async def test_while_the_first_runs_the_second_is_409_with_a_wait(ask):
    entered, leave = asyncio.Event(), asyncio.Event()

    async def slow(request):
        entered.set()
        await leave.wait()
        return "ok"

    app = app_of(Counting(slow))
    first = asyncio.create_task(ask(app, "POST", "/", headers=KEY))
    await entered.wait()
    second = await ask(app, "POST", "/", headers=KEY)
    assert (409, "1") == (second.status_code, second.headers["retry-after"])
    leave.set()
    assert 200 == (await first).status_code


@pytest.mark.parametrize(
    ("error", "runs"),
    [
        (ValidationError("bad"), 1),
        (NotFoundError("x"), 1),
        (UnavailableError("down"), 2),
        (KeyError("bug"), 2),
    ],
    ids=lambda it: type(it).__name__ if isinstance(it, Exception) else str(it),
)
async def test_a_refusal_is_kept_and_a_failure_frees_the_key(ask, error, runs):
    async def fails(request):
        raise error

    app = app_of(handler := Counting(fails))
    first = await ask(app, "POST", "/", headers=KEY)
    again = await ask(app, "POST", "/", headers=KEY)
    assert (first.status_code, runs) == (again.status_code, handler.runs)


@pytest.mark.parametrize(("status", "runs"), [(200, 1), (404, 1), (429, 2), (401, 2), (503, 2)])
async def test_a_returned_answer_is_kept_only_if_it_is_final(ask, status, runs):
    async def answer(request):
        return json_response({}, status)

    app = app_of(handler := Counting(answer))
    for _ in range(2):
        assert status == (await ask(app, "POST", "/", headers=KEY)).status_code
    assert runs == handler.runs


async def test_a_body_over_a_mebibyte_is_not_kept_but_passed_on_whole(ask):
    async def large(request):
        return bytes_response(b"x" * ((1 << 20) + 1))

    app = app_of(handler := Counting(large))
    for _ in range(2):
        assert (1 << 20) + 1 == len((await ask(app, "POST", "/", headers=KEY)).content)
    assert 2 == handler.runs


async def test_a_cancelled_request_frees_its_key(ask):
    entered = asyncio.Event()

    async def slow(request):
        entered.set()
        await asyncio.sleep(60)

    app = app_of(handler := Counting(slow))
    first = asyncio.create_task(ask(app, "POST", "/", headers=KEY))
    await entered.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    handler.answer = None
    assert 201 == (await ask(app, "POST", "/", headers=KEY)).status_code


async def test_other_methods_and_requests_without_a_key_always_run(ask):
    app = app_of(handler := Counting())
    for _ in range(2):
        await ask(app, "GET", "/", headers=KEY)
        await ask(app, "POST", "/")
    assert 4 == handler.runs


@pytest.mark.parametrize("key", ["", "x" * 256, "\xe9"], ids=["empty", "long", "latin"])
async def test_a_key_that_is_none_is_400(ask, key):
    response = await ask(
        app_of(Counting()), "POST", "/", headers={"idempotency-key": key.encode("latin-1")}
    )
    assert (400, "http.bad_idempotency_key") == (response.status_code, response.json()["code"])


# ---- the store in this process -------------------------------------------------------------------


def response(size=0):
    return StoredResponse(status=200, headers=(), body=b"x" * size)


async def test_an_answer_ends_with_its_ttl():
    now = [0.0]
    store = MemoryIdempotencyStore(clock=lambda: now[0])
    await store.begin("k", "f", 10)
    await store.commit("k", response())
    now[0] = 9.9
    assert response() == await store.begin("k", "f", 10)
    now[0] = 10
    assert await store.begin("k", "f", 10) is None


async def test_bytes_are_bounded_and_the_oldest_goes():
    store = MemoryIdempotencyStore(max_bytes=5000)
    for key in "abc":
        await store.begin(key, "f", 10)
        await store.commit(key, response(1500))
    assert await store.begin("a", "f", 10) is None
    assert response(1500) == await store.begin("c", "f", 10)


async def test_running_keys_alone_fill_it_up_to_503():
    store = MemoryIdempotencyStore(max_items=2)
    for key in "ab":
        await store.begin(key, "f", 10)
    with pytest.raises(UnavailableError):
        await store.begin("c", "f", 10)


class Store(RuleBasedStateMachine):
    """The store against a dict that says what is right."""

    keys = sampled_from("abcd")
    prints = sampled_from("fg")

    @initialize()
    def start(self):
        self.now = 0.0
        self.store = MemoryIdempotencyStore(max_items=100, clock=lambda: self.now)
        self.running: dict[str, str] = {}
        self.done: dict[str, tuple[str, float, StoredResponse]] = {}
        self.ttl: dict[str, float] = {}

    @rule(key=keys, fingerprint=prints, ttl=integers(1, 5))
    def begin(self, key, fingerprint, ttl):
        call = self.store.begin(key, fingerprint, float(ttl))
        done = self.done.get(key)
        if done and done[1] <= self.now:
            del self.done[key]
            done = None
        taken = self.running.get(key) or (done and done[0])
        if taken and taken != fingerprint:
            with pytest.raises(IdempotencyMismatch):
                asyncio.run(call)
        elif key in self.running:
            with pytest.raises(IdempotencyRunning):
                asyncio.run(call)
        elif done:
            assert done[2] == asyncio.run(call)
        else:
            assert asyncio.run(call) is None
            self.running[key] = fingerprint
            self.ttl[key] = self.now + ttl

    @rule(key=keys, size=integers(0, 9))
    def commit(self, key, size):
        asyncio.run(self.store.commit(key, response(size)))
        if key in self.running:
            self.done[key] = (self.running.pop(key), self.ttl[key], response(size))

    @rule(key=keys)
    def abort(self, key):
        asyncio.run(self.store.abort(key))
        self.running.pop(key, None)

    @rule(seconds=integers(0, 3))
    def wait(self, seconds):
        self.now += seconds

    @invariant()
    def counts_what_it_keeps(self):
        if hasattr(self, "store"):
            sizes = [entry.size for entry in self.store._done.values()]
            assert self.store._bytes == sum(sizes)


TestStore = Store.TestCase
TestStore.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
