"""The two axes and their tables."""

from __future__ import annotations

import pytest

from infra_errors import Category, Status

# google/rpc/code.proto and its HTTP mapping
CODES = {
    "CANCELLED": (1, 499),
    "UNKNOWN": (2, 500),
    "INVALID_ARGUMENT": (3, 400),
    "DEADLINE_EXCEEDED": (4, 504),
    "NOT_FOUND": (5, 404),
    "ALREADY_EXISTS": (6, 409),
    "PERMISSION_DENIED": (7, 403),
    "RESOURCE_EXHAUSTED": (8, 429),
    "FAILED_PRECONDITION": (9, 400),
    "ABORTED": (10, 409),
    "OUT_OF_RANGE": (11, 400),
    "UNIMPLEMENTED": (12, 501),
    "INTERNAL": (13, 500),
    "UNAVAILABLE": (14, 503),
    "DATA_LOSS": (15, 500),
    "UNAUTHENTICATED": (16, 401),
}


def test_the_codes_are_those_of_google_rpc() -> None:
    assert {status.name: (status.grpc_code, status.http_status) for status in Status} == CODES


def test_the_codes_agree_with_google_api_core() -> None:
    exceptions = pytest.importorskip("google.api_core.exceptions")
    for name, (_, http) in CODES.items():
        camel = {"INVALID_ARGUMENT": "InvalidArgument", "NOT_FOUND": "NotFound"}.get(name)
        if camel:
            assert http == getattr(exceptions, camel).code


def test_three_statuses_are_worth_a_retry() -> None:
    assert {"DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "UNAVAILABLE"} == {
        status.name for status in Status if status.retryable
    }


def test_the_value_is_the_name_and_the_title_is_for_people() -> None:
    assert all(status.value == status.name for status in Status)
    assert Status.NOT_FOUND.title == "Not found"
    assert Status("DATA_LOSS") is Status.DATA_LOSS


@pytest.mark.parametrize(
    ("http", "name"),
    [
        *[(n, "INVALID_ARGUMENT") for n in (400, 402, 406, 411, 413, 414, 415, 418, 422, 431)],
        (401, "UNAUTHENTICATED"),
        (403, "PERMISSION_DENIED"),
        (451, "PERMISSION_DENIED"),
        (404, "NOT_FOUND"),
        (410, "NOT_FOUND"),
        (405, "UNIMPLEMENTED"),
        (501, "UNIMPLEMENTED"),
        (505, "UNIMPLEMENTED"),
        (408, "DEADLINE_EXCEEDED"),
        (504, "DEADLINE_EXCEEDED"),
        (409, "ABORTED"),
        (412, "FAILED_PRECONDITION"),
        (428, "FAILED_PRECONDITION"),
        (416, "OUT_OF_RANGE"),
        (425, "UNAVAILABLE"),
        (502, "UNAVAILABLE"),
        (503, "UNAVAILABLE"),
        (429, "RESOURCE_EXHAUSTED"),
        (507, "RESOURCE_EXHAUSTED"),
        (499, "CANCELLED"),
        (500, "INTERNAL"),
        (599, "INTERNAL"),
        (200, "UNKNOWN"),
        (302, "UNKNOWN"),
        (0, "UNKNOWN"),
        (600, "UNKNOWN"),
        (-404, "UNKNOWN"),
    ],
)
def test_an_http_number_has_one_status(http: int, name: str) -> None:
    assert name == Status.from_http(http).name


def test_a_grpc_number_has_one_status() -> None:
    assert all(Status.from_grpc(status.grpc_code) is status for status in Status)
    assert Status.from_grpc(0) is Status.UNKNOWN
    assert Status.from_grpc(99) is Status.UNKNOWN


def test_the_categories_are_a_closed_list_of_fourteen_and_general() -> None:
    assert 15 == len(Category)
    assert Category("message_queue") is Category.MESSAGE_QUEUE
    assert Category.VALIDATION.default_status is Status.INVALID_ARGUMENT
