"""The builder: routes, handlers, what they return, and what is refused."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager

import attrs
import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route
from starlette.staticfiles import StaticFiles
from starlette.testclient import TestClient

from infra_errors import ConfigError
from infra_http import current_request_id
from infra_http.responses import json_response
from infra_http.server import Request, ServerBuilder


@attrs.frozen
class Item:
    name: str
    size: int = 1


async def echo(request):
    return await request.json()


async def test_a_handler_answers_with_json_of_what_it_returns(ask):
    app = (
        ServerBuilder("t")
        .route("/items/{id:int}", lambda r: Item(str(r.path_params["id"])))
        .build()
    )
    response = await ask(app, "GET", "/items/7")
    assert {"name": "7", "size": 1} == response.json()
    assert "application/json" == response.headers["content-type"]


@pytest.mark.parametrize(
    ("returned", "body", "kind"),
    [
        ({"a": 1}, b'{"a":1}', "application/json"),
        ([1], b"[1]", "application/json"),
        ("text", b"text", "text/plain; charset=utf-8"),
        (Item("x"), b'{"name":"x","size":1}', "application/json"),
        (HTMLResponse("<p>"), b"<p>", "text/html; charset=utf-8"),
    ],
    ids=["dict", "list", "str", "attrs", "response"],
)
async def test_what_a_handler_returns_becomes_a_response(ask, returned, body, kind):
    async def handler(request):
        return returned

    response = await ask(ServerBuilder("t").route("/", handler).build(), "GET", "/")
    assert (200, body, kind) == (
        response.status_code,
        response.content,
        response.headers["content-type"],
    )


async def test_a_handler_that_returns_none_is_a_500_and_one_logged_error(ask, records):
    async def handler(request):
        pass

    log = records("infra_http.server")
    response = await ask(ServerBuilder("t").route("/", handler).build(), "GET", "/")
    assert (500, "http.handler_returned_none") == (response.status_code, response.json()["code"])
    assert 1 == len(log)


async def test_what_has_no_json_form_is_a_500_and_not_the_clients_fault(ask):
    async def handler(request):
        return {"x": float("nan")}

    response = await ask(ServerBuilder("t").route("/", handler).build(), "GET", "/")
    assert (500, "http.no_json_form") == (response.status_code, response.json()["code"])


async def test_decorators_add_a_route_a_method_and_leave_the_function(ask):
    builder = ServerBuilder("t")
    for method in ("get", "post", "put", "patch", "delete"):

        async def handler(request):
            return request.method

        assert handler is getattr(builder, method)("/it")(handler)
    app = builder.build()
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        assert method == (await ask(app, method, "/it")).text


async def test_head_is_answered_by_get_and_has_no_body(call):
    app = ServerBuilder("t").route("/", lambda r: "hello").build()
    start, body = await call(app, method="HEAD")
    assert (200, b"") == (start["status"], body["body"])
    assert (b"content-length", b"5") in start["headers"]


async def test_an_unknown_path_is_404_and_a_wrong_method_405_with_allow(ask):
    app = ServerBuilder("t").route("/a/{b}", echo, methods=["PUT", "GET"]).build()
    missing, wrong = await ask(app, "GET", "/x"), await ask(app, "POST", "/a/1")
    assert (404, "http.route_not_found") == (missing.status_code, missing.json()["code"])
    assert (405, "GET, HEAD, PUT") == (wrong.status_code, wrong.headers["allow"])


async def test_a_path_without_parameters_wins_over_one_with_them(ask):
    app = (
        ServerBuilder("t")
        .route("/a/{b}", lambda r: "dynamic")
        .route("/a/fixed", lambda r: "static")
        .route("/a/{b}", lambda r: "posted", methods=["POST"])
        .build()
    )
    assert "static" == (await ask(app, "GET", "/a/fixed")).text
    assert "dynamic" == (await ask(app, "GET", "/a/else")).text
    assert "posted" == (await ask(app, "POST", "/a/fixed")).text


@pytest.mark.threads
async def test_a_plain_function_runs_in_a_thread_with_the_requests_context(ask):
    seen = []

    def handler(request):
        seen.append((threading.current_thread() is threading.main_thread(), current_request_id()))
        return "ok"

    response = await ask(ServerBuilder("t").route("/", handler).build(), "GET", "/")
    assert [(False, response.headers["x-request-id"])] == seen


async def test_json_of_a_type_is_read_strictly_and_each_wrong_field_told(ask):
    async def make(request: Request):
        return json_response(await request.json(Item), 201)

    app = ServerBuilder("t").route("/", make, methods=["POST"]).build()
    assert 201 == (await ask(app, "POST", "/", json={"name": "a"})).status_code
    wrong = await ask(app, "POST", "/", json={"name": 1, "size": "x"})
    assert 400 == wrong.status_code
    assert {"#/name", "#/size"} == {error["pointer"] for error in wrong.json()["errors"]}
    broken = await ask(app, "POST", "/", content=b'{"name": NaN}')
    assert (400, "json.invalid") == (broken.status_code, broken.json()["code"])


async def test_a_mounted_application_gets_what_no_route_takes(ask, tmp_path):
    (tmp_path / "a.txt").write_text("file")
    inner = Starlette(routes=[Route("/x", lambda r: PlainTextResponse(r.scope["root_path"]))])
    app = (
        ServerBuilder("t")
        .route("/in/y", lambda r: "ours")
        .mount("/in", inner)
        .mount("/static", StaticFiles(directory=tmp_path))
        .build()
    )
    assert "/in" == (await ask(app, "GET", "/in/x")).text
    assert "ours" == (await ask(app, "GET", "/in/y")).text
    assert "file" == (await ask(app, "GET", "/static/a.txt")).text
    missing = await ask(app, "GET", "/static/none")
    assert (404, "application/problem+json") == (
        missing.status_code,
        missing.headers["content-type"],
    )
    assert 404 == (await ask(app, "GET", "/inner")).status_code


async def test_a_server_app_works_below_a_mount_of_another(ask):
    inner = ServerBuilder("inner").route("/x/{n:int}", lambda r: str(r.url_for("x", n=2))).build()
    inner_named = ServerBuilder("i").route("/x", lambda r: "in", name="x").build()
    outer = ServerBuilder("outer").mount("/a", inner_named).build()
    response = await ask(outer, "GET", "/a/x")
    assert "in" == response.text
    assert 1 == len(response.headers.get_list("x-request-id"))
    assert 500 == (await ask(inner, "GET", "/x/1")).status_code  # no route is called x


async def test_url_for_makes_the_url_of_a_named_route(ask):
    async def handler(request):
        return str(request.url_for("item", id=3))

    app = ServerBuilder("t").route("/items/{id:int}", handler, name="item").build()
    assert "http://testserver/items/3" == (await ask(app, "GET", "/items/1")).text


async def test_middleware_is_outermost_first_and_sees_the_route(ask):
    order = []

    def named(app, *, name):
        async def middleware(scope, receive, send):
            order.append((name, scope["infra.route"].path))
            await app(scope, receive, send)

        return middleware

    app = (
        ServerBuilder("t")
        .route("/a/{b}", lambda r: "x")
        .middleware(named, name="one")
        .middleware(named, name="two")
        .build()
    )
    await ask(app, "GET", "/a/1")
    assert [("one", "/a/{b}"), ("two", "/a/{b}")] == order


async def test_an_error_handler_answers_for_its_class_and_those_below(ask):
    async def handler(request):
        raise FileNotFoundError("x")

    async def gone(request, exc):
        return HTMLResponse(f"<p>{type(exc).__name__}", 410)

    app = ServerBuilder("t").route("/", handler).on_error(OSError, gone).build()
    response = await ask(app, "GET", "/")
    assert (410, "<p>FileNotFoundError") == (response.status_code, response.text)


async def test_an_error_handler_that_fails_is_a_500(ask):
    async def handler(request):
        raise KeyError("secret")

    def broken(request, exc):
        raise ValueError("worse")

    app = ServerBuilder("t").route("/", handler).on_error(KeyError, broken).build()
    response = await ask(app, "GET", "/")
    assert 500 == response.status_code
    assert "worse" not in response.text


def test_the_lifespan_is_entered_before_and_left_after_and_its_state_is_the_requests():
    order = []

    @asynccontextmanager
    async def resources(app):
        order.append(f"open {app.name}")
        yield {"db": "db"}
        order.append("close")

    app = ServerBuilder("t").route("/", lambda r: r.state.db).lifespan(resources).build()
    with TestClient(app) as client:
        assert "db" == client.get("/").text
        assert ["open t"] == order
    assert ["open t", "close"] == order


def test_a_lifespan_that_fails_stops_the_start_and_closes_what_was_open():
    order = []

    @asynccontextmanager
    async def good(app):
        try:
            yield
        finally:
            order.append("closed")

    @asynccontextmanager
    async def bad(app):
        raise RuntimeError("no database")
        yield

    app = ServerBuilder("t").lifespan(good, bad).build()
    with pytest.raises(RuntimeError, match="no database"), TestClient(app):
        raise AssertionError("started")
    assert ["closed"] == order


def test_a_web_socket_talks_until_it_is_closed():
    async def handler(socket):
        await socket.accept()
        await socket.send_text(socket.path_params["name"] + await socket.receive_text())
        await socket.close()

    app = ServerBuilder("t").websocket("/ws/{name}", handler).build()
    with TestClient(app).websocket_connect("/ws/a") as socket:
        socket.send_text("b")
        assert "ab" == socket.receive_text()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda b: b.route("a", echo),
        lambda b: b.route("/", echo, methods=[]),
        lambda b: b.route("/", echo, methods=["FETCH"]),
        lambda b: b.route("/", echo, timeout=0),
        lambda b: b.route("/{a}/{a}", echo).build(),
        lambda b: b.route("/", echo).route("/", echo).build(),
        lambda b: b.mount("a", echo),
        lambda b: b.limits(max_body=0),
        lambda b: b.drain(delay=-1),
        lambda b: b.health(optional=["x"]),
        lambda b: b.health(timeout=0),
        lambda b: b.cors("*", credentials=True),
        lambda b: b.cors("app.example"),
        lambda b: b.security_headers(csp="a\nb"),
        lambda b: (b.build(), b.build()),
    ],
    ids=[
        "path", "no method", "method", "timeout", "parameter twice", "route twice", "prefix",
        "limit", "drain", "optional", "health timeout", "cors", "origin", "header", "build twice",
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_before_it_runs(wrong):
    with pytest.raises(ConfigError):
        wrong(ServerBuilder("t"))


async def test_the_reference_shape_of_a_service_works(ask, tmp_path):
    """HTML pages with a policy of their own, an API, static files and a health check."""
    (tmp_path / "app.css").write_text("p{}")

    class Site:
        async def page(self, request):
            return HTMLResponse("<p>", headers={"content-security-policy": "default-src 'self'"})

    app = (
        ServerBuilder("t")
        .route("/", Site().page)
        .route("/v1/things", lambda r: [])
        .mount("/static", StaticFiles(directory=tmp_path))
        .security_headers()
        .health({"db": lambda: asyncio.sleep(0)})
        .build()
    )
    page = await ask(app, "GET", "/")
    assert ["default-src 'self'"] == page.headers.get_list("content-security-policy")
    api = await ask(app, "GET", "/v1/things")
    assert "default-src 'none'" == api.headers["content-security-policy"]
    assert "p{}" == (await ask(app, "GET", "/static/app.css")).text
