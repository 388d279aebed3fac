"""Errors become problem documents, and say no more than they may."""

from __future__ import annotations

import json

import pytest
from starlette.exceptions import HTTPException
from starlette.responses import StreamingResponse

from infra_errors import (
    AuthError,
    ErrorGroup,
    InfraError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    UnavailableError,
    ValidationError,
    Violation,
    register,
)
from infra_http.server import ServerBuilder


def raising(error):
    async def handler(request):
        raise error

    return ServerBuilder("t").route("/", handler).build()


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ValidationError("bad"), 400, "validation.error"),
        (AuthError("who"), 401, "auth.error"),
        (PermissionDeniedError("no"), 403, "general.permission_denied"),
        (NotFoundError("gone"), 404, "general.not_found"),
        (UnavailableError("down"), 503, "general.unavailable"),
        (HTTPException(418, "tea"), 418, "http.exception"),
        (KeyError("secret"), 500, "general.internal"),
        (PermissionError("secret"), 500, "general.internal"),
        (TimeoutError("secret"), 500, "general.internal"),
        (FileNotFoundError("secret"), 500, "general.internal"),
        (ExceptionGroup("secret", [NotFoundError("x")]), 404, "general.not_found"),
        (ExceptionGroup("secret", [NotFoundError("x"), KeyError()]), 500, "general.internal"),
    ],
    ids=lambda it: type(it).__name__ if isinstance(it, BaseException) else str(it),
)
async def test_each_error_has_its_status_and_code(ask, error, status, code):
    response = await ask(raising(error), "GET", "/")
    assert (status, code) == (response.status_code, response.json()["code"])
    assert "application/problem+json" == response.headers["content-type"]
    assert response.headers["x-request-id"] == response.json()["request_id"]
    assert "secret" not in response.text
    assert "Traceback" not in response.text


async def test_a_validation_error_lists_its_fields(ask):
    error = ValidationError("2 problems", violations=[Violation("/name", "is short", "short")])
    found = (await ask(raising(error), "GET", "/")).json()
    assert [{"detail": "is short", "pointer": "#/name", "code": "short"}] == found["errors"]


async def test_from_500_on_the_message_stays_here_and_is_logged(ask, records):
    log = records("infra_http.server")
    response = await ask(raising(InfraError("the password is hunter2")), "GET", "/")
    assert 500 == response.status_code
    assert "hunter2" not in response.text
    assert log[0].exc_info is not None
    assert response.headers["x-request-id"] == log[0].request_id


async def test_what_lacks_room_is_a_warning_without_a_traceback(ask, records):
    log = records("infra_http.server")
    await ask(raising(UnavailableError("full")), "GET", "/")
    assert [("WARNING", None)] == [(record.levelname, record.exc_info) for record in log]


async def test_an_exception_that_was_registered_is_what_it_was_registered_as(ask):
    class ShelfEmpty(Exception):
        pass

    class ShelfEmptyError(NotFoundError):
        code = "test_http_server.shelf_empty"

    register(ShelfEmpty, ShelfEmptyError)
    response = await ask(raising(ShelfEmpty("x")), "GET", "/")
    assert (404, "test_http_server.shelf_empty") == (response.status_code, response.json()["code"])


async def test_a_wait_and_a_challenge_are_headers(ask):
    limited = await ask(raising(RateLimitedError("slow", retry_after=2.2)), "GET", "/")
    assert (429, "3") == (limited.status_code, limited.headers["retry-after"])
    assert (
        "Bearer" == (await ask(raising(AuthError("who")), "GET", "/")).headers["www-authenticate"]
    )
    own = HTTPException(401, headers={"WWW-Authenticate": "Basic"})
    assert "Basic" == (await ask(raising(own), "GET", "/")).headers["www-authenticate"]


async def test_a_problem_of_head_has_no_body(call):
    start, body = await call(raising(NotFoundError("x")), method="HEAD")
    assert (404, b"") == (start["status"], body["body"])


async def test_an_error_in_the_middle_of_a_response_is_logged_and_raised(call, records):
    async def pieces():
        yield b"one"
        raise KeyError("secret")

    async def handler(request):
        return StreamingResponse(pieces())

    log = records("infra_http.server")
    sent = []
    app = ServerBuilder("t").route("/", handler).build()
    with pytest.raises((KeyError, BaseExceptionGroup)):
        sent = await call(app)
    assert [] == sent
    assert ["middle" in record.getMessage() for record in log] == [True]


async def test_problems_carry_the_headers_of_cors_and_security(ask):
    async def handler(request):
        raise NotFoundError("x")

    app = (
        ServerBuilder("t").route("/", handler).cors("https://a.example").security_headers().build()
    )
    response = await ask(app, "GET", "/", headers={"origin": "https://a.example"})
    assert "https://a.example" == response.headers["access-control-allow-origin"]
    assert "nosniff" == response.headers["x-content-type-options"]


async def test_an_error_before_a_web_socket_is_accepted_closes_it(call):
    async def handler(socket):
        raise NotFoundError("x")

    app = ServerBuilder("t").websocket("/", handler).build()
    sent = await call(app, [{"type": "websocket.connect"}], type="websocket")
    assert [{"type": "websocket.close", "code": 1008}] == sent


async def test_an_error_in_a_web_socket_closes_it_with_1011(call, records):
    async def handler(socket):
        await socket.accept()
        raise KeyError("secret")

    log = records("infra_http.server")
    app = ServerBuilder("t").websocket("/", handler).build()
    sent = await call(app, [{"type": "websocket.connect"}], type="websocket")
    assert {"type": "websocket.close", "code": 1011} == sent[-1]
    assert 1 == len(log)


async def test_an_error_group_is_one_problem(ask):
    group = ErrorGroup("two", [NotFoundError("x"), NotFoundError("y")])
    response = await ask(raising(group), "GET", "/")
    assert response.status_code == json.loads(response.content)["status"]
