"""Responses: what is made, and what is refused when it is made."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime

import pytest
from httpx2 import ServerSentEvent
from hypothesis import given
from hypothesis.strategies import text as texts

from infra_errors import InfraError, NotFoundError, Problem, ValidationError
from infra_http.responses import (
    bytes_response,
    json_response,
    problem,
    redirect,
    sse,
    stream,
    text,
)
from infra_http.server import ServerBuilder
from infra_http.server.drain import Drain
from infra_http.server.events import encode_event


def test_json_takes_what_infra_json_writes_and_a_status():
    response = json_response({"at": datetime(2026, 1, 2, tzinfo=UTC)}, 201, {"x-a": "b"})
    assert (201, b'{"at":"2026-01-02T00:00:00Z"}') == (response.status_code, response.body)
    assert ("b", "application/json", "29") == (
        response.headers["x-a"],
        response.headers["content-type"],
        response.headers["content-length"],
    )


def test_text_and_bytes_have_their_media_types():
    assert "text/html; charset=utf-8" == text("", media_type="text/html").headers["content-type"]
    assert "application/octet-stream" == bytes_response(b"").headers["content-type"]
    assert "content-length" not in text("", 204).headers


@pytest.mark.parametrize("status", [99, 100, 199, 600, True, "200", 200.0])
def test_a_status_that_is_none_is_refused(status):
    for make in (json_response, text):
        with pytest.raises(ValidationError):
            make("x", status)


@pytest.mark.parametrize(
    ("name", "value"),
    [("a", "b\r\nx: y"), ("a", "b\0"), ("a b", "c"), ("", "c"), ("a\n", "c"), ("a", "\u20ac")],
)
def test_a_header_that_would_split_the_response_is_refused(name, value):
    for make in (text, sse, stream):
        with pytest.raises(ValidationError):
            make("x", headers={name: value})


def test_what_json_cannot_hold_is_our_fault():
    with pytest.raises(InfraError) as caught:
        json_response({"x": object()})
    assert (500, "http.no_json_form") == (caught.value.http_status, caught.value.code)


@pytest.mark.parametrize("url", ["/", "/a/b?c=d#e", "/a//b", "/%2F%2Fevil"])
def test_a_redirect_goes_to_a_path_of_this_site(url):
    response = redirect(url, 303)
    assert (303, url) == (response.status_code, response.headers["location"])


@pytest.mark.parametrize(
    "url",
    [
        "//evil", "/\\evil", "\\\\evil", "https://evil", "javascript:alert(1)", "", "evil", " /a",
        "/a\r\nx: y", "/a\tb", "/a b", "/\u2044evil", "http:/evil", "/\\/evil", "///evil",
    ],
)  # fmt: skip
def test_a_redirect_to_anywhere_else_is_refused(url):
    with pytest.raises(ValidationError):
        redirect(url)


def test_a_redirect_goes_out_only_when_asked_and_only_to_http():
    assert (
        "https://a.example/x" == redirect("https://a.example/x", external=True).headers["location"]
    )
    for url in ("/a", "//evil", "javascript:x", "https://", "https://u@evil/", "ftp://a"):
        with pytest.raises(ValidationError):
            redirect(url, external=True)
    with pytest.raises(ValidationError):
        redirect("/", 200)


def test_a_problem_is_made_of_an_error_a_problem_or_fields():
    for given_, status in [
        (NotFoundError("x"), 404),
        (Problem(status=409, title="y"), 409),
        ({"status": 418, "title": "tea"}, 418),
        (KeyError("secret"), 500),
    ]:
        response = problem(given_, headers={"x-a": "b"}, request_id="r")
        found = json.loads(response.body)
        assert (status, status, "b") == (
            response.status_code,
            found["status"],
            response.headers["x-a"],
        )
        assert "application/problem+json" == response.headers["content-type"]
        assert "secret" not in str(found)
    for wrong in ({"title": "x"}, {"status": 200}, {"status": 400, "colour": "red"}):
        with pytest.raises(ValidationError):
            problem(wrong)


# ---- server-sent events --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "wire"),
    [
        ("a", b"data: a\n\n"),
        ("a\r\nb\rc\nd", b"data: a\ndata: b\ndata: c\ndata: d\n\n"),
        ("", b"data: \n\n"),
        ({"a": [1]}, b'data: {"a":[1]}\n\n'),
        (
            ServerSentEvent(event="tick", data="x", id="7", retry=10),
            b"event: tick\nid: 7\nretry: 10\ndata: x\n\n",
        ),
        (ServerSentEvent(data="x"), b"data: x\n\n"),
    ],
    ids=["text", "lines", "empty", "json", "full", "message"],
)
def test_an_event_is_written_as_the_standard_has_it(event, wire):
    assert wire == encode_event(event)


@pytest.mark.parametrize("event", [{"id": "a\nb"}, {"event": "a\rdata: x"}, {"id": "\0"}])
def test_a_name_or_id_of_two_lines_is_refused(event):
    with pytest.raises(ValidationError):
        encode_event(ServerSentEvent(**event))


@given(texts())
def test_no_text_ends_an_event_early(data):
    wire = encode_event(data).decode("utf-8", "surrogatepass") if data.isascii() else ""
    assert wire.count("\n\n") <= 1


@pytest.mark.parametrize("options", [{"keepalive": 0}, {"keepalive": -1}, {"retry": 0}])
def test_times_of_a_stream_are_above_0(options):
    with pytest.raises(ValidationError):
        sse(iter(()), **options)


class Client:
    """A client of a stream that reads until it has enough, then leaves."""

    def __init__(self, until):
        self.until = until
        self.got = b""
        self.ended = False
        self.gone = asyncio.Event()

    async def receive(self):
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        self.got += message.get("body", b"")
        self.ended = message.get("more_body") is False
        if self.until and self.until in self.got:
            self.gone.set()


async def test_a_stream_ends_with_its_events():
    async def events():
        yield "a"
        yield "b"

    client = Client(b"")
    await sse(events(), retry=2)({"type": "http"}, client.receive, client.send)
    assert (b"retry: 2000\n\ndata: a\n\ndata: b\n\n", True) == (client.got, client.ended)


async def test_while_nothing_happens_comments_are_sent_and_a_client_that_left_ends_it():
    closed = asyncio.Event()

    async def events():
        try:
            await asyncio.sleep(60)
            yield "never"
        finally:
            closed.set()

    client = Client(b": keepalive\n\n: keepalive\n\n")
    await sse(events(), keepalive=0.01)({"type": "http"}, client.receive, client.send)
    assert closed.is_set()
    assert not client.ended


async def test_a_source_that_fails_breaks_the_stream_off():
    async def events():
        yield "a"
        raise FileNotFoundError("x")

    client = Client(b"")
    with pytest.raises(FileNotFoundError):
        await sse(events())({"type": "http"}, client.receive, client.send)
    assert not client.ended


async def test_a_client_that_is_gone_when_an_event_is_sent_closes_the_source():
    closed = asyncio.Event()

    async def events():
        try:
            yield "a"
            yield "b"
        finally:
            closed.set()

    async def send(message):
        if message.get("body"):
            raise OSError("gone")

    await sse(events())({"type": "http"}, Client(b"").receive, send)
    assert closed.is_set()


async def test_a_drain_ends_a_stream_properly():
    drain = Drain()

    async def events():
        yield "a"
        drain.end_streams()
        await asyncio.sleep(60)

    client = Client(b"")
    await sse(events())({"type": "http", "infra.drain": drain}, client.receive, client.send)
    assert (b"data: a\n\n", True) == (client.got, client.ended)
    assert not drain._listeners["stream"]


async def test_a_streamed_response_comes_in_pieces(ask):
    async def pieces():
        yield b"a"
        yield "b"

    async def handler(request):
        return stream(pieces(), media_type="text/plain")

    app = ServerBuilder("t").route("/", handler, timeout=None).build()
    assert "ab" == (await ask(app, "GET", "/")).text
