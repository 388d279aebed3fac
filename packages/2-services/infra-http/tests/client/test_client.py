"""AsyncClient and Client against servers on the loopback."""

from __future__ import annotations

import asyncio
import gzip
import io
import pickle
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Self

import httpx2
import pytest

from infra_errors import Deadline, HttpError, NotFoundError, RetryPolicy, UnavailableError
from infra_http import (
    AddressBlocked,
    AsyncClient,
    AttemptTimedOut,
    BodyNotReplayable,
    BreakerRule,
    CallOptions,
    CircuitOpen,
    Client,
    ConnectFailed,
    Hedge,
    HttpConfigError,
    HttpInputError,
    HttpNotFound,
    HttpStatusError,
    HttpUnavailable,
    Policy,
    PolicyEvent,
    ProtocolFailed,
    ReadFailed,
    ReadTimedOut,
    ResponseTooLarge,
    RetryRule,
    SSRFGuard,
    SyncPolicyTransport,
    TooManyRedirects,
    TotalTimedOut,
    check,
    request_scope,
)
from infra_http.testing import RawPeer, RawServer, StubRequest, stub_server

QUICK = RetryRule(
    RetryPolicy(attempts=3, base=0.001, deadline=None, max_retry_after=60, sleep=lambda _: None)
)


async def no_wait(seconds: float) -> None:
    waits.append(seconds)


waits: list[float] = []


@pytest.fixture(autouse=True)
def _no_waits() -> None:
    waits.clear()


def quick(**options: Any) -> AsyncClient:
    """Make a client whose waits take no time and are written down."""
    return AsyncClient(sleep=no_wait, **options)


def ok(body: bytes = b"ok", **headers: str) -> tuple[int, dict[str, str], bytes]:
    return 200, {name.replace("_", "-"): value for name, value in headers.items()}, body


# ---- retry ---------------------------------------------------------------------------------------


async def test_unavailable_twice_and_then_there() -> None:
    async with stub_server([503, 503, ok()]) as server, quick() as client:
        assert "ok" == (await client.get(server.url)).text
        assert 3 == len(server.requests)
        assert 1 == server.connections
        assert [1, 2] == [len(waits) // 2, len(waits)]
        assert all(wait >= 1 for wait in waits)  # a 503 without Retry-After asks for a second


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504])
async def test_the_statuses_that_are_repeated(status: int) -> None:
    async with stub_server([status, ok()]) as server, quick() as client:
        assert 200 == (await client.get(server.url)).status_code


@pytest.mark.parametrize("status", [400, 404, 409, 500, 501])
async def test_the_statuses_that_are_not(status: int) -> None:
    async with stub_server([status, ok()]) as server, quick() as client:
        assert status == (await client.get(server.url)).status_code
        assert [] == waits


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "QUERY"])
async def test_the_methods_that_are_repeated(method: str) -> None:
    async with stub_server([503, ok()]) as server, quick() as client:
        assert 200 == (await client.request(method, server.url)).status_code


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_a_method_that_is_not_idempotent_needs_a_key_or_a_word(method: str) -> None:
    async with stub_server(lambda _: 503) as server, quick() as client:
        await client.request(method, server.url, json={})
        assert 1 == len(server.requests)
        await client.request(method, server.url, json={}, headers={"Idempotency-Key": "k"})
        assert 4 == len(server.requests)
        extensions = {"infra": CallOptions(retry=True)}
        await client.request(method, server.url, json={}, extensions=extensions)
        assert 7 == len(server.requests)
        extensions = {"infra": CallOptions(retry=False)}
        await client.get(server.url, extensions=extensions)
        assert 8 == len(server.requests)


async def test_the_last_response_is_returned_unless_errors_are_wanted() -> None:
    async with stub_server((503, {}, b"busy")) as server:
        async with quick() as client:
            assert b"busy" == (await client.get(server.url)).content
        async with quick(raise_errors=True) as client:
            with pytest.raises(HttpUnavailable) as caught:
                await client.get(server.url + "/a?secret=1")
            assert "secret" not in str(caught.value)
            assert (503, 503) == (caught.value.status_code, caught.value.http_status)
            assert 503 == caught.value.response.status_code


async def test_retry_after_is_a_floor_and_too_long_ends_it() -> None:
    async with stub_server([(503, {"Retry-After": "7"}, b""), ok()]) as server, quick() as client:
        await client.get(server.url)
        assert 7 <= waits[0] < 8
    async with stub_server([(503, {"Retry-After": "61"}, b""), ok()]) as server:
        async with quick(policy=Policy(total_timeout=None)) as client:
            assert 503 == (await client.get(server.url)).status_code


async def test_a_retry_after_beyond_the_deadline_is_told_at_once() -> None:
    async with stub_server([(503, {"Retry-After": "50"}, b""), ok()]) as server, quick() as client:
        with pytest.raises(TotalTimedOut) as caught:
            await client.get(server.url)
        assert isinstance(caught.value.__cause__, HttpUnavailable)
        assert [] == waits


async def test_a_refused_connection_is_repeated_for_any_method(unused_tcp_port: int) -> None:
    events: list[PolicyEvent] = []
    policy = Policy(on_event=events.append)
    async with quick(policy=policy) as client:
        with pytest.raises(ConnectFailed) as caught:
            await client.post(f"http://127.0.0.1:{unused_tcp_port}", json={})
    assert 3 == caught.value.attempts
    assert isinstance(caught.value, httpx2.ConnectError | UnavailableError)
    assert ["retry", "retry"] == [event.kind for event in events]


@pytest.fixture
def unused_tcp_port() -> int:
    import socket

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


async def cut(peer: RawPeer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
    peer.reset()


ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def test_a_body_that_breaks_off_is_fetched_again() -> None:
    async with RawServer([cut, ANSWER]) as server, quick() as client:
        assert "ok" == (await client.get(server.url)).text


async def test_a_stream_that_breaks_off_is_our_error_and_not_repeated() -> None:
    async with RawServer([cut, ANSWER]) as server, quick() as client:
        async with client.stream("GET", server.url) as response:
            with pytest.raises(httpx2.TransportError) as caught:
                await response.aread()
        assert isinstance(caught.value, ReadFailed | ProtocolFailed)


async def test_what_is_no_http_is_our_error() -> None:
    async with RawServer(b"SSH-2.0-OpenSSH_9.9\r\n") as server, quick() as client:
        with pytest.raises(ProtocolFailed):
            await client.get(server.url)


async def test_a_streamed_response_that_is_repeated_is_closed() -> None:
    async with stub_server([(503, {}, b"x" * 1000), ok()]) as server, quick() as client:
        async with client.stream("GET", server.url) as response:
            assert b"ok" == await response.aread()
        assert (2, 1) == (len(server.requests), server.connections)


async def test_a_large_unwanted_body_is_not_read_to_its_end() -> None:
    async with stub_server([(503, {}, b"x" * 4_000_000), ok()]) as server, quick() as client:
        async with client.stream("GET", server.url) as response:
            assert b"ok" == await response.aread()
        assert 2 == server.connections


# ---- replay --------------------------------------------------------------------------------------


async def pieces() -> AsyncIterator[bytes]:
    yield b"first"
    yield b"second"


async def test_a_body_is_sent_again_whole() -> None:
    async with stub_server(lambda _: 503) as server, quick() as client:
        await client.put(server.url, json={"a": 1})
        await client.put(server.url, data={"a": "1"})
        await client.put(server.url, files={"f": io.BytesIO(b"file")})
        bodies = [request.body for request in server.requests]
        assert 9 == len(bodies)
        for number in (0, 3, 6):
            assert 1 == len({*bodies[number : number + 3]})
            assert bodies[number]


async def test_an_iterator_is_sent_once_and_never_cut_short() -> None:
    async with stub_server([503, ok()]) as server, quick() as client:
        response = await client.put(server.url, content=pieces())
        assert 503 == response.status_code
        assert [b"firstsecond"] == [request.body for request in server.requests]


async def test_a_failure_that_an_iterator_forbids_to_repeat_says_so() -> None:
    async def reset(peer: RawPeer) -> None:
        await peer.request()
        peer.reset()

    async with RawServer([reset, ANSWER]) as server, quick() as client:
        with pytest.raises(httpx2.TransportError) as caught:
            await client.put(server.url, content=pieces())
    assert "the body is sent once" in "".join(caught.value.__notes__)


def test_a_file_is_sent_again_by_the_sync_client(server_thread: Any) -> None:
    with server_thread(lambda _: 503) as server, Client(policy=Policy(retry=QUICK)) as client:
        client.put(server.url, content=io.BytesIO(b"abc"))
        assert [b"abc"] * 3 == [request.body for request in server.requests]


# ---- idempotency ---------------------------------------------------------------------------------


async def test_a_key_is_the_same_on_every_attempt_and_another_in_the_next_call() -> None:
    policy = Policy.llm()
    async with stub_server([529, ok(), 529, ok()]) as server, quick(policy=policy) as client:
        await client.post(server.url, json={})
        await client.post(server.url, json={})
        keys = [request.headers["Idempotency-Key"] for request in server.requests]
        assert keys[0] == keys[1]
        assert keys[2] == keys[3]
        assert 2 == len({*keys})


async def test_a_given_key_is_sent_and_a_bad_one_refused() -> None:
    async with stub_server(ok()) as server, quick() as client:
        options = CallOptions(idempotency_key="order-7")
        await client.post(server.url, json={}, extensions={"infra": options})
        assert "order-7" == server.requests[0].headers["Idempotency-Key"]
        for key in ("", "a\r\nb", "ä", "x" * 256):
            options = CallOptions(idempotency_key=key)
            with pytest.raises(HttpInputError):
                await client.post(server.url, json={}, extensions={"infra": options})
        assert 1 == len(server.requests)


# ---- breaker, hedge, fallback --------------------------------------------------------------------


async def test_five_failures_and_the_sixth_is_not_sent() -> None:
    policy = Policy(retry=None, breaker=BreakerRule(consecutive=5))
    async with stub_server(500) as server, quick(policy=policy) as client:
        for _ in range(5):
            await client.get(server.url)
        with pytest.raises(CircuitOpen) as caught:
            await client.get(server.url)
        assert 5 == len(server.requests)
        assert caught.value.retry_after is not None
        assert ["OPEN"] == [breaker.state.value for breaker in client.breakers.values()]


@pytest.mark.parametrize("status", [404, 429, 501])
async def test_what_is_an_answer_does_not_open_the_breaker(status: int) -> None:
    policy = Policy(retry=None, breaker=BreakerRule(consecutive=1))
    async with stub_server(status) as server, quick(policy=policy) as client:
        for _ in range(3):
            await client.get(server.url)


async def test_a_hedge_wins_and_the_loser_leaves_no_connection_in_use() -> None:
    calls = 0

    async def answer(_: StubRequest) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            await asyncio.sleep(60)
        return ok()

    async with stub_server(answer) as server:
        async with AsyncClient(policy=Policy(hedge=Hedge(0.02))) as client:
            assert "ok" == (await client.get(server.url)).text
        assert 2 == calls


async def test_a_fallback_stands_in_for_a_5xx_and_for_a_failure(unused_tcp_port: int) -> None:
    def instead(what: Any) -> httpx2.Response:
        return httpx2.Response(200, text=type(what).__name__)

    policy = Policy(retry=None, fallback=instead)
    async with stub_server([503, 404]) as server, quick(policy=policy) as client:
        assert "Response" == (await client.get(server.url)).text
        assert 404 == (await client.get(server.url)).status_code
        response = await client.get(f"http://127.0.0.1:{unused_tcp_port}")
        assert "ConnectFailed" == response.text


# ---- time ----------------------------------------------------------------------------------------


async def hang(peer: RawPeer) -> None:
    await peer.request()
    await asyncio.sleep(3600)


async def drip(peer: RawPeer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
    for _ in range(1000):
        await peer.send(b".")
        await asyncio.sleep(0.02)


async def test_a_server_that_never_answers() -> None:
    async with RawServer(hang) as server:
        async with AsyncClient(policy=Policy(attempt_timeout=0.05, retry=None)) as client:
            with pytest.raises(AttemptTimedOut) as caught:
                await client.get(server.url)
            assert isinstance(caught.value, httpx2.TimeoutException)
        async with AsyncClient(policy=Policy(total_timeout=0.05)) as client:
            with pytest.raises(TotalTimedOut):
                await client.get(server.url)


async def test_a_body_that_drips_is_within_the_total_time() -> None:
    async with RawServer(drip) as server:
        async with AsyncClient(policy=Policy(total_timeout=0.2)) as client:
            with pytest.raises(TotalTimedOut):
                await client.get(server.url)


async def test_a_stream_may_be_long_and_not_idle() -> None:
    async def stop(peer: RawPeer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nfirst")
        await asyncio.sleep(3600)

    policy = Policy(total_timeout=0.5, stream_idle_timeout=0.1)
    async with RawServer([stop, stop]) as server, AsyncClient(policy=policy) as client:
        async with client.stream("GET", server.url) as response:
            chunks = response.aiter_raw()
            assert b"first" == await anext(chunks)
            with pytest.raises(ReadTimedOut, match=r"0\.1 s"):
                await anext(chunks)


async def test_an_ambient_deadline_bounds_a_stream_too() -> None:
    async with RawServer(drip) as server, AsyncClient() as client:
        with Deadline.after(0.15).scope():
            async with client.stream("GET", server.url) as response:
                with pytest.raises(TotalTimedOut):
                    await response.aread()


async def test_a_deadline_of_the_call_holds() -> None:
    async with RawServer(hang) as server, AsyncClient() as client:
        with pytest.raises(TotalTimedOut):
            await client.get(server.url, extensions={"infra": CallOptions(deadline=0.05)})


# ---- redirects and propagation -------------------------------------------------------------------


async def test_redirects_are_off_and_bounded() -> None:
    async with stub_server((302, {"Location": "/again"}, b"")) as server, quick() as client:
        assert 302 == (await client.get(server.url)).status_code
        with pytest.raises(TooManyRedirects) as caught:
            await client.get(server.url, follow_redirects=True)
        assert isinstance(caught.value, httpx2.TooManyRedirects)
        assert 1 + 21 == len(server.requests)


async def test_another_origin_learns_nothing_of_this_one() -> None:
    async with stub_server(ok()) as other:
        location = {"Location": other.url.replace("127.0.0.1", "localhost")}
        async with stub_server((307, location, b"")) as server, quick() as client:
            with request_scope(request_id="r1", deadline=20):
                await client.post(
                    server.url,
                    json={},
                    headers={"Authorization": "Bearer x", "Idempotency-Key": "k", "Cookie": "a=b"},
                    follow_redirects=True,
                )
            sent = server.requests[0].headers
            assert "r1" == sent["X-Request-Id"]
            assert 0 < int(sent["X-Request-Timeout-Ms"]) <= 20_000
            left = {"authorization", "idempotency-key", "cookie"} & {*other.requests[0].headers}
            assert set() == left


async def test_a_redirect_that_needs_a_body_twice_says_so() -> None:
    async with stub_server([(307, {"Location": "/b"}, b""), ok()]) as server, quick() as client:
        with pytest.raises(BodyNotReplayable):
            await client.post(server.url, content=pieces(), follow_redirects=True)


async def test_https_to_http_is_refused() -> None:
    transport = httpx2.MockTransport(
        lambda _: httpx2.Response(302, headers={"Location": "http://b/"})
    )
    async with quick(transport=transport) as client:
        with pytest.raises(TooManyRedirects, match="https to http"):
            await client.get("https://a/", follow_redirects=True)
        assert 302 == (await client.get("https://a/")).status_code


async def test_only_hosts_that_are_named_are_told() -> None:
    async with stub_server(ok()) as server:
        for names, told in [((), False), (("127.0.0.1",), True), ((".0.0.1",), True)]:
            async with quick(propagate_to=names) as client:
                with request_scope(request_id="r1"):
                    await client.get(server.url)
            assert told == ("X-Request-Id" in server.requests[-1].headers)
    with pytest.raises(HttpInputError):
        AsyncClient(propagate_to="example.com")  # type: ignore[arg-type]  # the case


async def test_without_an_ambient_deadline_no_time_is_sent() -> None:
    async with stub_server(ok()) as server, quick() as client:
        await client.get(server.url)
        assert "X-Request-Timeout-Ms" not in server.requests[0].headers


# ---- limits and the guard ------------------------------------------------------------------------


@pytest.mark.parametrize("encoded", [False, True], ids=["plain", "gzip"])
async def test_a_body_over_the_limit_is_refused(encoded: bool) -> None:
    body = b"x" * 100_000
    headers = {"content-encoding": "gzip"} if encoded else {}
    answer = (200, headers, gzip.compress(body) if encoded else body)
    async with stub_server(answer) as server:
        async with quick(max_response_bytes=99_999) as client:
            with pytest.raises(ResponseTooLarge):
                await client.get(server.url)
        async with quick(max_response_bytes=100_000) as client:
            assert body == (await client.get(server.url)).content


async def test_the_guard_holds_before_and_after_a_redirect() -> None:
    async with stub_server((302, {"Location": "http://169.254.169.254/"}, b"")) as server:
        async with quick(guard=SSRFGuard(ports=None)) as client:
            with pytest.raises(AddressBlocked):
                await client.get(server.url)
        async with quick(guard=SSRFGuard(ports=None, allow_private=True)) as client:
            with pytest.raises(AddressBlocked):
                await client.get(server.url, follow_redirects=True)
        assert 1 == len(server.requests)


@pytest.mark.parametrize(
    "options",
    [{"proxy": "http://p:1"}, {"http2": True}, {"transport": httpx2.MockTransport(lambda _: None)}],
    ids=["proxy", "http2", "transport"],
)
def test_what_the_guard_cannot_hold_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(HttpConfigError):
        AsyncClient(guard=SSRFGuard(), **options)


def test_the_guard_ignores_the_environments_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    assert AsyncClient(guard=SSRFGuard()).trust_env is False


# ---- errors --------------------------------------------------------------------------------------


async def test_check_raises_the_leaf_with_the_problem() -> None:
    problem = b'{"type":"about:blank","status":404,"title":"Not Found","code":"users.absent"}'
    answer = (404, {"content-type": "application/problem+json"}, problem)
    async with stub_server([answer, ok()]) as server, quick() as client:
        with pytest.raises(HttpNotFound) as caught:
            check(await client.get(server.url))
        assert "users.absent" == caught.value.problem.code
        assert isinstance(caught.value, NotFoundError | HttpError)
        assert (404, 502) == (caught.value.status_code, caught.value.http_status)
        assert 200 == check(await client.get(server.url)).status_code


async def test_an_error_survives_pickling(unused_tcp_port: int) -> None:
    async with quick() as client:
        with pytest.raises(ConnectFailed) as caught:
            await client.get(f"http://127.0.0.1:{unused_tcp_port}")
    assert caught.value.request.method == "GET"
    again = pickle.loads(pickle.dumps(caught.value))
    assert (ConnectFailed, 3) == (type(again), again.attempts)


async def test_raise_for_status_stays_httpx2s() -> None:
    async with stub_server(404) as server, quick() as client:
        with pytest.raises(httpx2.HTTPStatusError) as caught:
            (await client.get(server.url)).raise_for_status()
        assert not isinstance(caught.value, HttpStatusError)


async def test_options_of_another_type_are_refused() -> None:
    async with quick() as client:
        with pytest.raises(HttpInputError, match="CallOptions"):
            await client.get("http://127.0.0.1:1", extensions={"infra": {"retry": True}})


# ---- explain -------------------------------------------------------------------------------------


async def test_explain_says_what_would_be_done_and_sends_nothing() -> None:
    async with stub_server(ok()) as server, quick(guard=SSRFGuard()) as client:
        found = client.explain(client.build_request("POST", server.url, content=pieces()))
        assert ("unsent", False, "CLOSED") == (
            found["repeated"],
            found["replayable"],
            found["breaker"],
        )
        assert 30 == found["deadline"]
        assert "127.0.0.1" not in found["guard"] or found["guard"]
        assert [] == server.requests
        options = CallOptions(retry=False, deadline=3)
        request = client.build_request("GET", server.url, extensions={"infra": options})
        found = client.explain(request)
        assert ("never", 1, 3) == (found["repeated"], found["attempts"], found["deadline"])


# ---- it is httpx2's client -----------------------------------------------------------------------


def test_sdks_take_it_for_httpx2s() -> None:
    assert isinstance(AsyncClient(), httpx2.AsyncClient)
    assert isinstance(Client(), httpx2.Client)


async def test_policy_none_is_httpx2s_own_behaviour() -> None:
    async with stub_server([503, ok()]) as server, AsyncClient(policy=None) as client:
        assert 503 == (await client.get(server.url)).status_code
        assert httpx2.Timeout(5.0) == client.timeout


async def test_base_url_hooks_cookies_and_auth_keep_their_meaning() -> None:
    seen: list[str] = []

    async def hook(response: httpx2.Response) -> None:
        seen.append(str(response.status_code))

    answers = [(200, {"Set-Cookie": "a=b"}, b""), ok()]
    async with stub_server(answers) as server:
        async with AsyncClient(
            base_url=server.url, auth=("u", "p"), event_hooks={"response": [hook]}
        ) as client:
            await client.get("/one")
            await client.get("/two", params={"x": "1"})
        assert ["200", "200"] == seen
        assert ["/one", "/two?x=1"] == [request.target for request in server.requests]
        assert "a=b" == server.requests[1].headers["Cookie"]
        assert server.requests[0].headers["Authorization"].startswith("Basic ")


async def test_an_unused_and_a_closed_client_leave_no_warning() -> None:
    AsyncClient()
    async with stub_server(ok()) as server:
        client = AsyncClient()
        await client.get(server.url)
        await client.aclose()
        await client.aclose()


# ---- the sync twin -------------------------------------------------------------------------------


class _Thread:
    """A stub server on a loop of its own, for sync tests."""

    def __init__(self, answers: Any) -> None:
        import threading

        self._answers = answers
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        if isinstance(self._answers, RawServer):
            async with self._answers:
                self.url = self._answers.url
                self._ready.set()
                await self._stop.wait()
            return
        async with stub_server(self._answers) as server:
            self.url, self.requests = server.url, server.requests
            self._ready.set()
            await self._stop.wait()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()


@pytest.fixture
def server_thread() -> Callable[[Any], _Thread]:
    return _Thread


@pytest.mark.threads
def test_sync_unavailable_twice_and_then_there(server_thread: Any) -> None:
    with server_thread([503, 503, ok()]) as server, Client(sleep=waits.append) as client:
        assert "ok" == client.get(server.url).text
        assert 3 == len(server.requests)
        assert 2 == len(waits)


@pytest.mark.threads
def test_sync_times_and_errors_are_the_same(server_thread: Any, unused_tcp_port: int) -> None:
    with server_thread(RawServer(hang)) as server:
        with Client(policy=Policy(attempt_timeout=0.05, retry=None)) as client:
            with pytest.raises(ReadTimedOut):
                client.get(server.url)
        with Client(policy=Policy(total_timeout=0.05)) as client:
            with pytest.raises(TotalTimedOut):
                client.get(server.url)
    with server_thread(RawServer(drip)) as server:
        with Client(policy=Policy(total_timeout=0.2)) as client, pytest.raises(TotalTimedOut):
            client.get(server.url)
    with Client(sleep=waits.append) as client, pytest.raises(ConnectFailed) as caught:
        client.post(f"http://127.0.0.1:{unused_tcp_port}")
    assert 3 == caught.value.attempts


@pytest.mark.parametrize("alone", [True, False], ids=["transport", "client"])
def test_sync_steps_of_the_socket_are_bounded_by_what_is_left_of_all(alone: bool) -> None:
    seen: list[dict[str, float]] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.extensions["timeout"])
        return httpx2.Response(200)

    policy, inner = Policy(total_timeout=3, attempt_timeout=None), httpx2.MockTransport(answer)
    if alone:
        httpx2.Client(transport=SyncPolicyTransport(inner, policy), timeout=60).get("http://a/")
    else:
        Client(transport=inner, policy=policy, timeout=60).get("http://a/")
    ((read, connect),) = [(found["read"], found["connect"]) for found in seen]
    assert 0 < read <= 3
    assert 0 < connect <= 3


@pytest.mark.parametrize("client", [AsyncClient, Client], ids=["async", "sync"])
@pytest.mark.parametrize(
    ("how", "alone"),
    [({}, True), ({"follow_redirects": True}, False), ({"auth": ("u", "p")}, False)],
    ids=["plain", "redirects", "auth"],
)
def test_only_what_may_be_several_exchanges_needs_a_scope_for_its_time(
    client: Any, how: dict[str, Any], alone: bool
) -> None:
    seen: list[bool] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.extensions["infra.call"].timed)
        return httpx2.Response(200)

    used = client(transport=httpx2.MockTransport(answer))
    found = used.get("http://a/", **how)
    if client is AsyncClient:
        asyncio.run(found)
    assert [alone] == seen


@pytest.mark.threads
def test_sync_breaker_stream_limit_and_fallback(server_thread: Any) -> None:
    policy = Policy(retry=None, breaker=BreakerRule(consecutive=2))
    with server_thread(500) as server, Client(policy=policy, raise_errors=True) as client:
        for _ in range(2):
            with pytest.raises(HttpStatusError):
                client.get(server.url)
        with pytest.raises(CircuitOpen):
            client.get(server.url)
    with server_thread([503, ok(b"x" * 1000)]) as server:
        with Client(sleep=waits.append) as client, client.stream("GET", server.url) as response:
            assert b"x" * 1000 == response.read()
        with Client(max_response_bytes=999) as client, pytest.raises(ResponseTooLarge):
            client.get(server.url)
    fallen = Policy(retry=None, fallback=lambda _: httpx2.Response(200, text="instead"))
    with server_thread(503) as server, Client(policy=fallen) as client:
        assert "instead" == client.get(server.url).text


@pytest.mark.threads
def test_sync_guard_pins_and_refuses(server_thread: Any) -> None:
    with server_thread(ok()) as server:
        with Client(guard=SSRFGuard(ports=None)) as client, pytest.raises(AddressBlocked):
            client.get(server.url)
        with Client(guard=SSRFGuard(ports=None, allow_private=True)) as client:
            assert "ok" == client.get(server.url.replace("127.0.0.1", "localhost")).text


def test_a_hedge_needs_the_async_client() -> None:
    with pytest.raises(HttpConfigError) as caught:
        Client(policy=Policy(hedge=Hedge()))
    assert "http.hedge_needs_async" == caught.value.code


@pytest.mark.threads
def test_threads_share_a_sync_client(server_thread: Any) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with server_thread(ok()) as server, Client() as client, ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: client.get(server.url).status_code, range(100)))
    assert [200] * 100 == found


# ---- faults --------------------------------------------------------------------------------------


async def test_cancelling_at_any_moment_under_a_full_pool_loses_no_slot() -> None:
    async def slow(_: StubRequest) -> Any:
        await asyncio.sleep(0.005)
        return ok()

    limits = httpx2.Limits(max_connections=3)
    async with stub_server(slow) as server, quick(limits=limits) as client:

        async def one(number: int) -> None:
            task = asyncio.ensure_future(client.get(server.url))
            await asyncio.sleep(0.0005 * (number % 40))
            task.cancel()
            await asyncio.wait([task])

        await asyncio.gather(*(one(number) for number in range(200)))
        found = await asyncio.gather(*(client.get(server.url) for _ in range(6)))
        assert [200] * 6 == [response.status_code for response in found]


async def test_a_storm_of_503_is_not_made_worse_than_the_budget_allows() -> None:
    retry = RetryRule(RetryPolicy(attempts=10, base=0.0001, deadline=None))
    policy = Policy(retry=retry, breaker=None)
    async with stub_server((503, {"Retry-After": "0"}, b"")) as server:
        async with quick(policy=policy) as client:
            await asyncio.gather(*(client.get(server.url) for _ in range(200)))
        # 200 calls, and 10 tokens a second of a window of 10 s
        assert 200 < len(server.requests) <= 200 + 100 + 50


async def test_a_call_is_quick_to_refuse_when_the_breaker_is_open() -> None:
    policy = Policy(retry=None, breaker=BreakerRule(consecutive=1, open_for=3600))
    async with stub_server(500) as server, quick(policy=policy) as client:
        await client.get(server.url)
        started = time.perf_counter()
        for _ in range(100):
            with pytest.raises(CircuitOpen):
                await client.get(server.url)
        assert 1 == len(server.requests)
        assert time.perf_counter() - started < 10
