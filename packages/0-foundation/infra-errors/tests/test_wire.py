"""The wire form: what it looks like, that it comes back, and what is refused."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import math
import uuid
from importlib.resources import files
from typing import Any

import pytest

import infra_errors
from infra_errors import (
    Category,
    DatabaseError,
    ErrorGroup,
    InfraError,
    IoError,
    NotFoundError,
    OpaqueError,
    SerializationError,
    Status,
    StorageError,
    UnavailableError,
    ValidationError,
    Violation,
    error_class,
)


def schema(name: str) -> Any:
    return json.loads(files("infra_errors").joinpath(f"schema/{name}.schema.json").read_bytes())


def full() -> InfraError:
    error = ValidationError(
        "bad user",
        retry_after=1.5,
        violations=[Violation("/a", "no", "range", "file:1", "less"), Violation("", "x")],
        user=7,
    )
    error.add_note("seen")
    error.__dict__["attempts"] = 2
    error.__cause__ = StorageError("disk", disk="sda")
    error.__cause__.__cause__ = KeyError("k")
    return error


def test_the_members_come_in_a_fixed_order_and_empty_ones_are_absent() -> None:
    wire = full().to_dict()
    assert {
        "v": 1,
        "code": "validation.error",
        "category": "validation",
        "status": "INVALID_ARGUMENT",
        "http_status": 400,
        "message": "bad user",
        "retryable": False,
        "retry_after": 1.5,
        "context": {"user": 7},
        "violations": [
            {"path": "/a", "message": "no", "code": "range", "source": "file:1", "hint": "less"},
            {"path": "", "message": "x", "code": "invalid"},
        ],
        "notes": ["seen"],
        "attempts": 2,
        "cause": {
            "v": 1,
            "code": "storage.error",
            "category": "storage",
            "status": "INTERNAL",
            "http_status": 500,
            "message": "disk",
            "retryable": False,
            "context": {"disk": "sda"},
            "cause": {"type": "KeyError", "message": "'k'"},
        },
    } == wire
    assert [
        "v",
        "code",
        "category",
        "status",
        "http_status",
        "message",
        "retryable",
        "retry_after",
        "context",
        "violations",
        "notes",
        "attempts",
        "cause",
    ] == list(wire)
    assert ["v", "code", "category", "status", "http_status", "message", "retryable"] == list(
        IoError("x").to_dict()
    )


def test_it_comes_back_as_what_it_was() -> None:
    error = full()
    back = InfraError.from_dict(json.loads(json.dumps(error.to_dict())))
    assert ValidationError is type(back)
    assert error.to_dict() == back.to_dict()
    assert str(error) == str(back)
    assert StorageError is type(back.__cause__)
    assert OpaqueError is type(back.__cause__.__cause__)


def test_a_group_comes_back_with_its_members() -> None:
    group = ErrorGroup(
        "many", [NotFoundError("a"), ValueError("b"), ErrorGroup("in", [full()])], n=1
    )
    wire = group.to_dict()
    assert "errors" == list(wire)[-1]
    back = InfraError.from_dict(wire)
    assert ErrorGroup is type(back)
    assert wire == back.to_dict()


def test_at_most_64_members_travel_and_the_true_number_with_them() -> None:
    group = ErrorGroup("many", [IoError(str(n)) for n in range(100)])
    wire = group.to_dict()
    assert 64 == len(wire["errors"])  # type: ignore[arg-type]
    assert {"errors_total": 100} == wire["context"]
    assert wire == InfraError.from_dict(wire).to_dict()


@pytest.mark.deep_stack
def test_a_chain_is_cut_after_eight_causes() -> None:
    top = error = IoError("0")
    for n in range(1, 10_000):
        error.__cause__ = IoError(str(n))
        error = error.__cause__
    wire: Any = top.to_dict()
    depth, found = 0, wire
    while "cause" in found:
        depth, found = depth + 1, found["cause"]
    assert 9 == depth
    assert {"type": "…", "message": "chain cut"} == found
    assert wire == InfraError.from_dict(wire).to_dict()


def test_a_circle_and_a_bush_of_groups_end() -> None:
    error = IoError("x")
    error.__cause__ = error
    assert len(json.dumps(error.to_dict())) < 5_000
    group: Exception = ValueError("leaf")
    for _ in range(8):
        group = ErrorGroup("g", [group] * 12)
    assert isinstance(group, InfraError)
    wire = group.to_dict()
    assert len(json.dumps(wire)) < 300_000
    assert wire == InfraError.from_dict(wire).to_dict()


@pytest.mark.parametrize(
    ("value", "json_value"),
    [
        (dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC), "2026-01-02T03:04:05Z"),
        (dt.datetime(2026, 1, 2, 3, 4, 5, 678), "2026-01-02T03:04:05.000678Z"),
        (
            dt.datetime(2026, 1, 2, 3, tzinfo=dt.timezone(dt.timedelta(hours=2))),
            "2026-01-02T01:00:00Z",
        ),
        (dt.date(2026, 1, 2), "2026-01-02"),
        (dt.timedelta(minutes=1.5), 90.0),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (decimal.Decimal("1.50"), "1.50"),
        (2**53 - 1, 2**53 - 1),
        (2**53, "9007199254740992"),
        (-(2**53), "-9007199254740992"),
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        (True, True),
        (None, None),
        ("ä\ud800", "ä\ufffd"),
        ({"a": [1, (2.5,)]}, {"a": [1, [2.5]]}),
    ],
)
def test_values_are_json(value: object, json_value: object) -> None:
    wire = IoError("x", value=value).to_dict()
    assert {"value": json_value} == wire["context"]
    json.dumps(wire, allow_nan=False).encode()
    assert wire == InfraError.from_dict(wire).to_dict()


def test_the_class_of_the_code_comes_back_if_its_category_agrees() -> None:
    class ShelfError(NotFoundError, StorageError):
        code = "test.shelf"

    wire = ShelfError("x").to_dict()
    assert ShelfError is type(InfraError.from_dict(wire))
    other = InfraError.from_dict({**wire, "category": "database"})
    assert error_class(Category.DATABASE, Status.NOT_FOUND) is type(other)
    assert "test.shelf" == other.code
    unknown = InfraError.from_dict({**wire, "code": "elsewhere.shelf", "status": "INTERNAL"})
    assert (StorageError, "elsewhere.shelf", Status.INTERNAL, 404) == (
        type(unknown),
        unknown.code,
        unknown.status,
        unknown.http_status,
    )


def test_our_own_leaves_are_known_before_anything_imported_them() -> None:
    wire = UnavailableError("x", code="errors.circuit_open").to_dict()
    assert infra_errors.CircuitOpenError is type(InfraError.from_dict(wire))


MINIMAL: dict[str, Any] = {
    "v": 1,
    "code": "io.error",
    "category": "io",
    "status": "INTERNAL",
    "message": "x",
}


def test_the_smallest_form_is_enough_and_strangers_are_ignored() -> None:
    error = InfraError.from_dict({**MINIMAL, "traceback": "…", "new": 1})
    assert (IoError, 500, False) == (type(error), error.http_status, error.retryable)
    assert {**MINIMAL, "http_status": 500, "retryable": False} == error.to_dict()


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"v": None},
        {"v": "1"},
        {"v": True},
        {"code": 5},
        {"code": "x"},
        {"code": None},
        {"category": "weather"},
        {"category": 1},
        {"status": "FINE"},
        {"status": 5},
        {"message": None},
        {"message": ["x"]},
        {"http_status": 200},
        {"http_status": "500"},
        {"http_status": 500.0},
        {"retryable": 1},
        {"retry_after": "1"},
        {"retry_after": -1},
        {"retry_after": math.nan},
        {"retry_after": True},
        {"context": []},
        {"violations": {}},
        {"violations": ["x"]},
        {"violations": [{"path": 1, "message": "", "code": ""}]},
        {"violations": [{"path": ""}]},
        {"violations": [{"path": "", "message": "", "code": "", "hint": 1}]},
        {"notes": "x"},
        {"notes": [1]},
        {"attempts": "2"},
        {"attempts": 0},
        {"attempts": True},
        {"cause": "x"},
        {"cause": {}},
        {"cause": {"type": "x"}},
        {"cause": {"code": "x"}},
        {"errors": {}},
        {"errors": [5]},
        {"errors": [{"type": "T", "message": "m"}] * 65},
    ],
    ids=str,
)
def test_what_is_no_wire_form_is_refused(change: dict[str, Any]) -> None:
    if change == {"cause": "x"}:
        change = {"cause": 5}
    obj = {name: value for name, value in {**MINIMAL, **change}.items() if value is not None}
    with pytest.raises(SerializationError) as caught:
        InfraError.from_dict(obj)
    assert "errors.malformed_wire" == caught.value.code


@pytest.mark.parametrize("obj", [{}, [], "x", None, 5, {"type": "x", "message": "y"}], ids=str)
def test_what_is_no_error_at_all_is_refused(obj: Any) -> None:
    with pytest.raises(SerializationError):
        InfraError.from_dict(obj)


def test_a_hostile_depth_is_cut() -> None:
    wire: dict[str, Any] = dict(MINIMAL)
    for _ in range(50_000):
        wire = {**MINIMAL, "cause": wire}
    assert 9 == str(InfraError.from_dict(wire).to_dict()).count("cause")
    while wire:
        wire = wire.pop("cause", {})  # taken apart by hand: freeing it would recurse


def test_what_comes_in_is_redacted_and_bounded() -> None:
    wire = {
        **MINIMAL,
        "message": "password=hunter2" + "x" * 10_000,
        "context": {"token": "hunter2", **{f"k{n}": n for n in range(100)}},
        "notes": ["http://u:hunter2@h/"],
        "violations": [{"path": "", "message": "pwd=hunter2", "code": "x"}] * 150,
        "cause": {"type": "T", "message": "secret: hunter2"},
    }
    error = InfraError.from_dict(wire)
    assert "hunter2" not in json.dumps(error.to_dict())
    assert len(error.message) <= 4096
    assert 100 == len(error.violations)


def test_the_published_schema_accepts_what_is_emitted() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    check = jsonschema.Draft202012Validator(schema("error"))
    group = ErrorGroup("g", [full(), ValueError("x"), DatabaseError("y", at=dt.date(2026, 1, 2))])
    for error in (full(), group, IoError("x")):
        assert [] == list(check.iter_errors(error.to_dict()))
    assert [] != list(check.iter_errors({**MINIMAL, "v": 2}))
    assert [status.name for status in Status] == schema("error")["properties"]["status"]["enum"]
    assert [c.value for c in Category] == schema("error")["properties"]["category"]["enum"]
