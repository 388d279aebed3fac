"""Problem details: both directions, what a 5xx hides, and what a stranger may send."""

from __future__ import annotations

import asyncio
import json
from importlib.resources import files
from typing import Any

import pytest

from infra_errors import (
    ConfigError,
    DatabaseError,
    DeadlineExceededError,
    HttpError,
    InfraError,
    NotFoundError,
    Problem,
    RateLimitedError,
    SerializationError,
    Status,
    StorageError,
    UnavailableError,
    ValidationError,
    Violation,
)

BAD_USER = ValidationError(
    "bad user",
    violations=[Violation("/age", "must be positive", "range"), Violation("/a b/ü", "no")],
    user=7,
)


def test_a_4xx_says_what_is_wrong() -> None:
    problem = Problem.from_error(BAD_USER, instance="/users", request_id="r1")
    assert {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "bad user",
        "instance": "/users",
        "code": "validation.error",
        "canonical": "INVALID_ARGUMENT",
        "retryable": False,
        "request_id": "r1",
        "errors": [
            {"detail": "must be positive", "pointer": "#/age", "code": "range"},
            {"detail": "no", "pointer": "#/a%20b/%C3%BC", "code": "invalid"},
        ],
    } == problem.to_dict()
    assert {"Content-Type": "application/problem+json"} == problem.headers()


def test_a_5xx_says_nothing() -> None:
    error = DatabaseError("table orders is gone", violations=[Violation("", "inner")], row=5)
    problem = Problem.from_error(error)
    assert {
        "type": "about:blank",
        "title": "Internal Server Error",
        "status": 500,
        "code": "database.error",
        "canonical": "INTERNAL",
        "retryable": False,
    } == problem.to_dict()
    assert "orders" not in repr(problem)


def test_expose_shows_the_text_and_the_context_redacted() -> None:
    problem = Problem.from_error(
        ConfigError("password=hunter2 is weak", token="x", a=1), expose=True
    )
    assert "password=*** is weak" == problem.detail
    assert {"context": {"token": "***", "a": 1}} == problem.extensions
    assert {} == Problem.from_error(BAD_USER).extensions


def test_a_type_base_gives_each_code_its_page() -> None:
    problem = Problem.from_error(NotFoundError(), type_base="https://errors.example/")
    assert ("https://errors.example/general.not_found", "Not found") == (
        problem.type,
        problem.title,
    )


@pytest.mark.parametrize(
    ("wait", "header"), [(0, "1"), (0.2, "1"), (1.0, "1"), (1.1, "2"), (60, "60")]
)
def test_a_wait_is_a_header_in_whole_seconds(wait: float, header: str) -> None:
    problem = Problem.from_error(RateLimitedError(retry_after=wait))
    assert header == problem.headers()["Retry-After"]
    assert wait == problem.retry_after


def test_a_foreign_exception_is_judged() -> None:
    assert 404 == Problem.from_error(FileNotFoundError(2, "x")).status
    assert 500 == Problem.from_error(ValueError("secret text")).status
    with pytest.raises(asyncio.CancelledError):
        Problem.from_error(asyncio.CancelledError())


def test_a_cancelled_status_has_a_phrase() -> None:
    assert (
        "Client Closed Request"
        == Problem.from_error(InfraError("x", status=Status.CANCELLED)).title
    )
    assert "Invalid argument" == Problem.from_error(InfraError("x", http_status=499 - 1)).title


@pytest.mark.parametrize(
    "error",
    [
        BAD_USER,
        NotFoundError(),
        RateLimitedError(retry_after=2),
        DatabaseError("x"),
        DeadlineExceededError(),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("expose", [False, True])
def test_a_problem_parses_back(error: InfraError, expose: bool) -> None:
    problem = Problem.from_error(error, expose=expose)
    assert problem == Problem.parse(problem.to_dict())
    assert problem == Problem.parse(json.dumps(problem.to_dict()).encode())


# RFC 9457 section 3, figures 1 and 2 with their response status, and appendix A
RFC_OUT_OF_CREDIT = {
    "type": "https://example.com/probs/out-of-credit",
    "title": "You do not have enough credit.",
    "detail": "Your current balance is 30, but that costs 50.",
    "instance": "/account/12345/msgs/abc",
    "balance": 30,
    "accounts": ["/account/12345", "/account/67890"],
}
RFC_VALIDATION = {
    "type": "https://example.net/validation-error",
    "title": "Your request is not valid.",
    "errors": [
        {"detail": "must be a positive integer", "pointer": "#/age"},
        {"detail": "must be 'green', 'red' or 'blue'", "pointer": "#/profile/color"},
    ],
}


def test_the_examples_of_the_rfc_parse() -> None:
    credit = Problem.parse(RFC_OUT_OF_CREDIT, http_status=403)
    assert (403, "/account/12345/msgs/abc") == (credit.status, credit.instance)
    assert {"balance": 30, "accounts": ["/account/12345", "/account/67890"]} == credit.extensions
    error = credit.to_error()
    assert (Status.PERMISSION_DENIED, 502, 403) == (
        error.status,
        error.http_status,
        error.context["status_code"],
    )
    assert "https://example.com/probs/out-of-credit" == error.context["problem_type"]
    violations = Problem.parse(RFC_VALIDATION, http_status=422).to_error().violations
    assert [
        ("/age", "must be a positive integer"),
        ("/profile/color", "must be 'green', 'red' or 'blue'"),
    ] == [(violation.path, violation.message) for violation in violations]


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("type", 5),
        ("title", []),
        ("status", "404"),
        ("status", 999),
        ("status", True),
        ("detail", {}),
        ("instance", 1),
        ("code", "NOT A CODE"),
        ("code", 5),
        ("canonical", "FINE"),
        ("retryable", "yes"),
        ("retry_after", -1),
        ("retry_after", "5"),
        ("retry_after", True),
        ("request_id", 5),
        ("errors", "x"),
        ("errors", [1, "x"]),
    ],
)
def test_a_member_of_the_wrong_type_is_as_good_as_absent(member: str, value: Any) -> None:
    assert Problem.parse({}, http_status=404) == Problem.parse({member: value}, http_status=404)


def test_the_status_comes_from_the_body_then_the_response_then_the_canonical_name() -> None:
    assert 404 == Problem.parse({"status": 404}, http_status=500).status
    assert 418 == Problem.parse({}, http_status=418).status
    assert 429 == Problem.parse({"canonical": "RESOURCE_EXHAUSTED"}).status
    assert 500 == Problem.parse({}).status


@pytest.mark.parametrize(
    "body",
    [
        "[]",
        "5",
        "",
        "{",
        b"\xff",
        "null",
        [],
        5,
        None,
        '{"a": NaN}',
        "x" * 300_000,
        "[" * 200_000,
        '{"a":' * 40 + "1" + "}" * 40,
        {"a": "x" * 300_000},
    ],
    ids=range(14),
)
def test_what_is_no_problem_or_over_the_bounds_is_refused(body: Any) -> None:
    with pytest.raises(SerializationError) as caught:
        Problem.parse(body)
    assert "errors.malformed_problem" == caught.value.code


def test_a_circle_is_too_deep() -> None:
    loop: dict[str, Any] = {}
    loop["a"] = loop
    with pytest.raises(SerializationError, match="deeper than 32"):
        Problem.parse(loop)
    bush: Any = {"x": 1}
    for _ in range(30):
        bush = {"l": bush, "r": bush}
    with pytest.raises(SerializationError, match="over"):
        Problem.parse(bush)


def test_a_known_code_gives_its_class() -> None:
    class ShelfMissingError(NotFoundError, StorageError):
        code = "test.shelf_missing"

    sent = Problem.from_error(ShelfMissingError("no shelf 5"), request_id="r1")
    error = Problem.parse(sent.to_dict()).to_error()
    assert ShelfMissingError is type(error)
    assert ("no shelf 5", 404, {"request_id": "r1"}) == (
        error.message,
        error.http_status,
        dict(error.context),
    )


@pytest.mark.parametrize(
    ("body", "status", "answer", "retryable"),
    [
        ({"status": 404}, Status.NOT_FOUND, 502, False),
        ({"status": 503}, Status.UNAVAILABLE, 503, True),
        ({"status": 504}, Status.DEADLINE_EXCEEDED, 504, True),
        ({"status": 503, "retryable": False}, Status.UNAVAILABLE, 503, False),
        ({"status": 400, "canonical": "OUT_OF_RANGE"}, Status.OUT_OF_RANGE, 502, False),
        ({"status": 404, "code": "other.shelf"}, Status.NOT_FOUND, 502, False),
    ],
)
def test_an_unknown_code_is_an_upstreams_answer(
    body: dict[str, Any], status: Status, answer: int, retryable: bool
) -> None:
    error = Problem.parse({**body, "detail": "no"}).to_error()
    assert isinstance(error, HttpError)
    assert (status, answer, retryable, body["status"]) == (
        error.status,
        error.http_status,
        error.retryable,
        error.status_code,
    )
    if "code" in body:
        assert body["code"] == error.code


def test_the_remote_text_is_redacted() -> None:
    body = {
        "detail": "password=hunter2",
        "errors": [{"detail": "pwd=hunter2"}],
        "context": {"pin": 5},
    }
    error = Problem.parse(body, http_status=400).to_error()
    assert "hunter2" not in str(error)
    assert "***" == error.context["pin"]


def test_without_a_detail_the_title_or_the_number_speaks() -> None:
    assert "T" == Problem.parse({"title": "T"}, http_status=404).to_error().message
    assert "HTTP 404" == Problem.parse({}, http_status=404).to_error().message


def test_it_is_immutable_and_equal_by_its_members() -> None:
    problem = Problem(status=404, extensions={"a": 1})
    with pytest.raises(AttributeError, match="immutable"):
        problem.status = 500
    with pytest.raises(TypeError):
        hash(problem)
    assert problem == Problem(status=404, extensions={"a": 1})
    assert problem != Problem(status=404)
    assert problem != 404


def test_the_published_schema_accepts_what_is_emitted() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(files("infra_errors").joinpath("schema/problem.schema.json").read_bytes())
    check = jsonschema.Draft202012Validator(schema)
    for error in (BAD_USER, UnavailableError(retry_after=3), DatabaseError("x", a=1)):
        for expose in (False, True):
            assert [] == list(check.iter_errors(Problem.from_error(error, expose=expose).to_dict()))
