"""The client over its own transport: connections, streams of events, web sockets, TLS, spans."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from pathlib import Path
from typing import Any

import httpx2
import pytest

from infra_errors import RetryPolicy
from infra_http import (
    AsyncClient,
    BreakerRule,
    CallOptions,
    FastTransport,
    Policy,
    PolicyEvent,
    PolicyTransport,
    PoolTimedOut,
    RequestBuilder,
    RetryRule,
    TlsFailed,
)
from infra_http.testing import RawPeer, RawServer, StubRequest, stub_server

OK = (200, {}, b"ok")
QUICK = RetryRule(RetryPolicy(attempts=3, base=0.0001, deadline=None))


async def test_a_hundred_calls_in_a_row_share_one_connection() -> None:
    async with stub_server(OK) as server, AsyncClient() as client:
        for _ in range(100):
            await client.get(server.url)
        assert (100, 1) == (len(server.requests), server.connections)


async def test_the_limit_of_connections_holds_and_waiting_too_long_is_told() -> None:
    running = most = 0

    async def slow(_: StubRequest) -> Any:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1
        return OK

    limits = httpx2.Limits(max_connections=10)
    async with stub_server(slow) as server:
        async with AsyncClient(limits=limits) as client:
            await asyncio.gather(*(client.get(server.url) for _ in range(40)))
            assert 10 == most
            assert 10 >= server.connections
        timeout = httpx2.Timeout(None, pool=0.001)
        policy = Policy(retry=None)
        one = httpx2.Limits(max_connections=1)
        async with AsyncClient(limits=one, timeout=timeout, policy=policy) as client:
            found = await asyncio.gather(
                *(client.get(server.url) for _ in range(3)), return_exceptions=True
            )
            assert 2 == sum(isinstance(it, PoolTimedOut) for it in found)


async def test_server_sent_events_arrive_one_by_one() -> None:
    async def events(peer: RawPeer) -> None:
        await peer.request()
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
        await peer.send(head + b"data: one\n\n")
        await peer.send(b"data: two\nevent: more\n\n")

    async with RawServer(events) as server, AsyncClient() as client:
        async with client.sse(server.url) as source:
            found = [(event.event, event.data) async for event in source]
    assert [("message", "one"), ("more", "two")] == found


async def test_a_web_socket_goes_through_the_policy() -> None:
    wsproto = pytest.importorskip("wsproto")
    uvicorn = pytest.importorskip("uvicorn")
    assert wsproto
    assert uvicorn
    from infra_http import ServerBuilder, serve

    async def echo(socket: Any) -> None:
        await socket.accept()
        await socket.send_text((await socket.receive_text())[::-1])
        await socket.close()

    import socket as sockets

    bound = sockets.create_server(("127.0.0.1", 0))
    url = f"ws://127.0.0.1:{bound.getsockname()[1]}/echo"
    app = ServerBuilder("echo").websocket("/echo", echo).drain(delay=0, timeout=5).build()
    serving = asyncio.create_task(serve(app, sock=bound, server="uvicorn"))
    try:
        async with AsyncClient() as client, client.websocket(url) as session:
            await session.send_text("abc")
            assert "cba" == await session.receive_text()
    finally:
        await app.start_drain()
        await serving


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of nobody's, with its key in the same file."""
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    try:
        key, cert = file.with_name("key.pem"), file.with_name("cert.pem")
        command += ["-keyout", str(key), "-out", str(cert)]
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no openssl to make a certificate")
    file.write_bytes(key.read_bytes() + cert.read_bytes())
    return file


@pytest.mark.subprocess
async def test_a_certificate_of_nobodys_is_refused_and_not_asked_again(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
    async with RawServer(answer, ssl_context=context) as server:
        async with AsyncClient() as client:
            with pytest.raises(TlsFailed) as caught:
                await client.get(server.url)
            assert caught.value.attempts in {None, 1}
            assert isinstance(caught.value, httpx2.ConnectError)
        trusting = ssl.create_default_context(cafile=str(certificate))
        async with AsyncClient(verify=trusting) as client:
            assert "ok" == (await client.get(server.url)).text


async def test_a_policy_transport_serves_any_httpx2_client() -> None:
    transport = PolicyTransport(FastTransport(), Policy(retry=QUICK))
    answers = [(503, {"Retry-After": "0"}, b""), OK]
    async with stub_server(answers) as server:
        async with httpx2.AsyncClient(transport=transport) as client:
            assert "ok" == (await client.get(server.url)).text


async def test_events_are_told_with_their_origin() -> None:
    events: list[PolicyEvent] = []
    policy = Policy(
        retry=QUICK, breaker=BreakerRule(consecutive=2, open_for=3600), on_event=events.append
    )
    async with stub_server((503, {"Retry-After": "0"}, b"")) as server:
        async with AsyncClient(policy=policy) as client:
            with pytest.raises(httpx2.TransportError):
                await client.get(server.url)
        assert {server.url} == {event.origin for event in events}
    assert ["retry", "open", "retry"] == [event.kind for event in events]
    assert 503 == getattr(events[0].error, "status_code", None)


async def test_a_call_may_have_a_policy_of_its_own() -> None:
    own = CallOptions(policy=Policy.none())
    async with stub_server([503, OK]) as server, AsyncClient() as client:
        response = await client.get(server.url, extensions={"infra": own})
        assert 503 == response.status_code


async def test_a_built_request_is_sent_as_it_was_built() -> None:
    async with stub_server(OK) as server, AsyncClient() as client:
        request = (
            RequestBuilder.post(f"{server.url}/a?x=1")
            .query(y=[2, 3], z=None)
            .header("X-Tenant", "t")
            .bearer("secret")
            .json({"a": [1, None]})
            .idempotent("k-1")
            .timeout(5)
            .build()
        )
        await client.send(request)
        (got,) = server.requests
    assert ("POST", "/a?x=1&y=2&y=3", b'{"a":[1,null]}') == (got.method, got.target, got.body)
    assert ("t", "Bearer secret", "k-1", "application/json") == tuple(
        got.headers[name]
        for name in ("X-Tenant", "Authorization", "Idempotency-Key", "Content-Type")
    )


async def test_a_form_with_a_file_is_multipart() -> None:
    async with stub_server(OK) as server, AsyncClient() as client:
        builder = RequestBuilder.post(server.url).form({"a": "1"})
        request = builder.file("f", b"file", filename="f.txt", media_type="text/plain").build()
        await client.send(request)
        (got,) = server.requests
    assert got.headers["Content-Type"].startswith("multipart/form-data")
    assert b'name="a"' in got.body
    assert b'filename="f.txt"' in got.body


async def test_each_attempt_is_a_span_that_counts_and_shows_no_query(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    answers = [(503, {"Retry-After": "0"}, b""), OK]
    async with stub_server(answers) as server:
        async with AsyncClient(policy=Policy(retry=QUICK)) as client:
            options = CallOptions(route="/items/{id}")
            url = server.url.replace("//", "//user:hunter2@") + "/items/7?token=abc"
            await client.get(url, extensions={"infra": options})
        parents = [request.headers["traceparent"] for request in server.requests]
    spans = [span for span in exporter.get_finished_spans() if span.kind is trace.SpanKind.CLIENT]
    assert ["GET /items/{id}"] * 2 == [span.name for span in spans]
    assert [None, 1] == [span.attributes.get("http.request.resend_count") for span in spans]
    assert [503, 200] == [span.attributes["http.response.status_code"] for span in spans]
    ids = [f"{span.context.span_id:016x}" for span in spans]
    assert ids == [parent.split("-")[2] for parent in parents]
    shown = str([dict(span.attributes) for span in spans])
    assert "abc" not in shown
    assert "hunter2" not in shown
