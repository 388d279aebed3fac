"""A running server, uvicorn and granian: what reaches it, and the faults of its clients."""

from __future__ import annotations

import asyncio
import json
import socket

import httpx2
import pytest
from starlette.responses import StreamingResponse

from infra_errors import NotFoundError
from infra_http.responses import json_response, sse
from infra_http.server import ServerBuilder, ServerSettings, serve

WAIT = 30.0


def builder(**limits):
    return ServerBuilder("t").limits(**limits).drain(delay=0, timeout=20)


async def read(request):
    return {"size": len(await request.body())}


async def test_a_request_is_answered_over_a_socket_and_the_end_is_0(served):
    async def handler(request):
        return {"client": request.client.host, "path": request.url.path}

    app = builder().route("/a", handler).build()
    async with served(app) as server, httpx2.AsyncClient(base_url=server.url) as client:
        response = await client.get("/a")
        assert {"client": "127.0.0.1", "path": "/a"} == response.json()
        assert response.headers["x-request-id"]
        await client.aclose()
        assert 0 == await server.end()


async def test_keep_alive_serves_many_requests_on_one_connection(served):
    ports = set()

    async def handler(request):
        ports.add(request.client.port)
        return "x"

    app = builder().route("/", handler).build()
    async with served(app) as server, httpx2.AsyncClient(base_url=server.url) as client:
        for _ in range(20):
            await client.get("/")
    assert 1 == len(ports)


async def test_a_trusted_proxys_word_reaches_the_handler(served):
    async def handler(request):
        return [request.client.host, str(request.url)]

    settings = ServerSettings(trusted_proxies=("127.0.0.0/8",))
    app = ServerBuilder("t", settings=settings).drain(0, 5).route("/", handler).build()
    headers = {
        "x-forwarded-for": "6.6.6.6, 192.0.2.1",
        "x-forwarded-proto": "https",
        "x-forwarded-host": "app.example",
    }
    async with served(app) as server, httpx2.AsyncClient(base_url=server.url) as client:
        found = (await client.get("/", headers=headers)).json()
    assert ["192.0.2.1", "https://app.example/"] == found


async def test_nobodys_word_is_believed_by_default(served):
    app = builder().route("/", lambda r: [r.client.host, r.url.scheme]).build()
    headers = {"x-forwarded-for": "192.0.2.1", "x-forwarded-proto": "https"}
    async with served(app) as server, httpx2.AsyncClient(base_url=server.url) as client:
        assert ["127.0.0.1", "http"] == (await client.get("/", headers=headers)).json()


async def test_a_large_body_is_refused_by_length_while_the_client_still_sends_it(served):
    app = builder(max_body=1000).route("/", read, methods=["POST"]).build()
    async with served(app) as server:
        reader, writer = await server.connect()
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 500000\r\n\r\n")
        writer.write(b"x" * 500_000)
        async with asyncio.timeout(WAIT):
            answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"http.body_too_large" in answer


async def test_a_large_body_is_refused_by_count_while_the_client_still_sends_it(served):
    app = builder(max_body=1000).route("/", read, methods=["POST"]).build()
    async with served(app) as server:
        answer = await server.raw(
            b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
             b"1000\r\n" + b"x" * 4096 + b"\r\n" + b"1000\r\n" + b"x" * 4096 + b"\r\n0\r\n\r\n"
        )  # fmt: skip
    assert answer.startswith(b"HTTP/1.1 413")


async def test_a_client_that_waits_for_100_continue_is_refused_without_it(served):
    app = builder(max_body=1000).route("/", read, methods=["POST"]).build()
    async with served(app) as server:
        answer = await server.raw(
            b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 5000\r\n\r\n"
        )
    assert answer.startswith(b"HTTP/1.1 413")


async def test_headers_that_are_too_large_are_431(served):
    app = builder(max_header_bytes=4000).route("/", lambda r: "x").build()
    async with served(app) as server:
        few = b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"1" * 4000 + b"\r\n\r\n"
        assert (await server.raw(few)).startswith(b"HTTP/1.1 431")
        many = b"GET / HTTP/1.1\r\nhost: x\r\n" + b"x: 1\r\n" * 150 + b"\r\n"
        assert b" 431 " in (await server.raw(many)).split(b"\r\n")[0]


async def test_headers_that_never_end_are_cut_off(served):
    app = builder(max_header_bytes=4000).route("/", lambda r: "x").build()
    async with served(app) as server:
        reader, writer = await server.connect()
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n")
        try:
            async with asyncio.timeout(WAIT):
                while not reader.at_eof():
                    for _ in range(50):
                        writer.write(b"x-a: " + b"1" * 1000 + b"\r\n")
                    await writer.drain()
                    await asyncio.sleep(0)
                answer = await reader.read()
                assert answer == b"" or b" 431 " in answer
        except ConnectionError:
            pass
        finally:
            writer.close()


async def test_a_slow_loris_is_cut_off_and_others_are_served(served):
    app = builder(body_timeout=0.3).route("/", lambda r: "x").build()
    async with served(app) as server:
        lorises = [await server.connect() for _ in range(20)]
        for number, (_, writer) in enumerate(lorises):
            if number % 2:  # the others say nothing at all
                writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nx-a")
        async with httpx2.AsyncClient(base_url=server.url) as client:
            assert "x" == (await client.get("/")).text
        async with asyncio.timeout(WAIT):
            for reader, writer in lorises:
                try:
                    await reader.read()
                except ConnectionError:
                    pass
                writer.close()


async def test_a_body_that_stops_coming_is_408_and_the_connection_closed(served):
    app = builder(body_timeout=0.2).route("/", read, methods=["POST"]).build()
    async with served(app) as server:
        answer = await server.raw(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nab")
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"http.body_timed_out" in answer


async def test_a_handler_notices_that_its_client_left_in_the_middle_of_a_stream(served):
    left = asyncio.Event()

    async def pieces():
        try:
            while True:
                yield b"x" * 1000
                await asyncio.sleep(0.01)
        finally:
            left.set()

    async def handler(request):
        return StreamingResponse(pieces())

    app = builder().route("/", handler, timeout=None).build()
    async with served(app) as server:
        reader, writer = await server.connect()
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        await reader.read(2000)
        writer.transport.abort()
        await asyncio.wait_for(left.wait(), WAIT)


async def test_a_handler_hears_of_a_disconnect_through_receive(served):
    entered, heard = asyncio.Event(), asyncio.Event()

    async def handler(request):
        await request.body()
        entered.set()
        assert "http.disconnect" == (await request.receive())["type"]
        heard.set()
        return "x"

    async def hook(request):
        return "me"

    app = builder().route("/", handler, methods=["POST"]).auth(hook).idempotency().build()
    async with served(app) as server:
        _, writer = await server.connect()
        writer.write(
            b"POST / HTTP/1.1\r\nhost: x\r\nidempotency-key: k\r\ncontent-length: 1\r\n\r\na"
        )
        await asyncio.wait_for(entered.wait(), WAIT)
        writer.transport.abort()
        await asyncio.wait_for(heard.wait(), WAIT)


async def test_an_error_in_the_middle_of_a_response_breaks_the_connection(served):
    async def pieces():
        yield b"one"
        raise NotFoundError("late")

    async def handler(request):
        return StreamingResponse(pieces())

    app = builder().route("/", handler).build()
    async with served(app) as server, httpx2.AsyncClient(base_url=server.url) as client:
        with pytest.raises(httpx2.HTTPError):
            await client.get("/")


async def test_events_arrive_as_they_happen_and_end_with_the_drain(served):
    async def events():
        number = 0
        while True:
            yield {"n": number}
            number += 1
            await asyncio.sleep(0.01)

    async def handler(request):
        return sse(events())

    app = ServerBuilder("t").drain(0, 0.4).route("/", handler, timeout=None).build()
    async with served(app) as server, httpx2.AsyncClient(base_url=server.url) as client:
        async with client.stream("GET", "/", timeout=WAIT) as response:
            assert "text/event-stream" == response.headers["content-type"].split(";")[0]
            lines = response.aiter_lines()
            assert {"n": 0} == json.loads((await anext(lines)).removeprefix("data: "))
            ending = asyncio.create_task(server.end())
            async for _ in lines:  # to a proper end: a broken stream would raise
                pass
        assert 0 == await ending


async def test_a_web_socket_echoes_and_is_closed_with_1001_by_the_drain(served):
    wsproto = pytest.importorskip("wsproto")
    from wsproto.events import AcceptConnection, CloseConnection, Request, TextMessage

    async def handler(websocket):
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_text(text * 2)

    app = ServerBuilder("t").drain(0, 0.4).websocket("/ws", handler).build()
    async with served(app) as server:
        reader, writer = await server.connect()
        peer = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        seen = []

        async def until(kind):
            async with asyncio.timeout(WAIT):
                while True:
                    for event in peer.events():
                        seen.append(event)
                        if isinstance(event, kind):
                            return event
                    peer.receive_data(await reader.read(4096) or None)

        writer.write(peer.send(Request(host="x", target="/ws")))
        await until(AcceptConnection)
        writer.write(peer.send(TextMessage("ab")))
        assert "abab" == (await until(TextMessage)).data
        ending = asyncio.create_task(server.end())
        close = await until(CloseConnection)
        assert 1001 == close.code
        writer.write(peer.send(close.response()))
        assert 0 == await ending
        writer.close()


async def test_during_the_delay_it_still_accepts_and_says_close(served):
    app = ServerBuilder("t").drain(60, 1).route("/", lambda r: "x").health().build()
    async with served(app) as server:
        reader, writer = await server.connect()
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        first = await asyncio.wait_for(reader.readuntil(b"\r\n\r\nx"), WAIT)
        assert b"connection: close" not in first.lower()
        await app.start_drain()
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        async with asyncio.timeout(WAIT):
            assert b"connection: close" in (await reader.read()).lower()
        writer.close()
        answer = await server.raw(b"GET /health/ready HTTP/1.1\r\nhost: x\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 503")
        server.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await server.task


async def test_a_request_in_flight_is_finished_and_one_too_long_is_cancelled_with_503(served):
    entered = asyncio.Semaphore(0)

    async def short(request):
        entered.release()
        await asyncio.sleep(0.2)
        return "done"

    async def long(request):
        entered.release()
        await asyncio.sleep(600)

    app = (
        ServerBuilder("t")
        .drain(0, 2)
        .limits(request_timeout=None)
        .route("/short", short)
        .route("/long", long)
        .build()
    )
    async with served(app) as server, httpx2.AsyncClient(base_url=server.url, timeout=WAIT) as c:
        asked = [asyncio.create_task(c.get(path)) for path in ("/short", "/long")]
        for _ in asked:
            await entered.acquire()
        code = await server.end()
        finished, cancelled = await asyncio.gather(*asked)
    assert (200, "done", 503, 1) == (
        finished.status_code,
        finished.text,
        cancelled.status_code,
        code,
    )
    assert "http.server_draining" == cancelled.json()["code"]


async def test_a_unix_socket_is_served_and_removed(server_name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # paths of sockets are short
    stale = socket.socket(socket.AF_UNIX)
    stale.bind("s.sock")
    stale.close()
    app = builder().route("/", lambda r: "x").build()
    task = asyncio.create_task(serve(app, uds="s.sock", server=server_name))
    transport = httpx2.AsyncHTTPTransport(uds="s.sock")
    async with httpx2.AsyncClient(transport=transport, base_url="http://x") as client:
        async with asyncio.timeout(WAIT):
            while True:
                try:
                    assert "x" == (await client.get("/")).text
                except httpx2.TransportError:
                    await asyncio.sleep(0.01)
                else:
                    break
    await app.start_drain()
    assert 0 == await asyncio.wait_for(task, WAIT)
    assert not (tmp_path / "s.sock").exists()


async def test_a_lifespan_that_fails_is_1_and_nothing_was_served(server_name, records):
    async def fails(app):
        raise AssertionError("unreachable")

    class Bad:
        async def __aenter__(self):
            raise RuntimeError("no database")

        async def __aexit__(self, *_):
            pass

    log = records("infra_http.server")
    app = builder().lifespan(Bad()).build()
    assert 1 == await serve(app, port=0, server=server_name)
    assert any("start" in record.getMessage() for record in log)


async def test_any_asgi_application_is_served_with_its_lifespan(server_name):
    order = []

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            while (message := await receive())["type"]:
                order.append(message["type"])
                await send({"type": message["type"] + ".complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        response = json_response(order)
        await response(scope, receive, send)

    bound = socket.create_server(("127.0.0.1", 0))
    bound.setblocking(False)
    url = f"http://127.0.0.1:{bound.getsockname()[1]}"
    task = asyncio.create_task(serve(app, sock=bound, server=server_name))
    async with httpx2.AsyncClient(timeout=WAIT) as client:
        assert ["lifespan.startup"] == (await client.get(url)).json()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ["lifespan.startup", "lifespan.shutdown"] == order
