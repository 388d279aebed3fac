"""Groups: what they say about their leaves, and that Python's machinery keeps them so."""

from __future__ import annotations

import pytest

from infra_errors import (
    Category,
    ConflictError,
    DatabaseError,
    DeadlineExceededError,
    ErrorGroup,
    InfraError,
    IoError,
    NotFoundError,
    RateLimitedError,
    Status,
    StorageError,
    UnavailableError,
    error_class,
)


def test_a_group_says_what_its_leaves_have_in_common() -> None:
    group = ErrorGroup("two reads failed", [StorageError("a"), StorageError("b")], bucket="b")
    assert ("errors.multiple", Category.STORAGE, Status.INTERNAL) == (
        group.code,
        group.category,
        group.status,
    )
    assert "errors.multiple: two reads failed (bucket='b')" == str(group)
    mixed = ErrorGroup("x", [StorageError("a"), ErrorGroup("y", [NotFoundError()])])
    assert Category.GENERAL is mixed.category


GRAVEST_FIRST = [
    "DATA_LOSS",
    "INTERNAL",
    "UNKNOWN",
    "UNIMPLEMENTED",
    "UNAVAILABLE",
    "DEADLINE_EXCEEDED",
    "RESOURCE_EXHAUSTED",
    "UNAUTHENTICATED",
    "PERMISSION_DENIED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "ALREADY_EXISTS",
    "NOT_FOUND",
    "OUT_OF_RANGE",
    "INVALID_ARGUMENT",
    "CANCELLED",
]


@pytest.mark.parametrize("index", range(16))
def test_the_gravest_status_is_the_groups(index: int) -> None:
    rest = [InfraError("x", status=Status[name]) for name in reversed(GRAVEST_FIRST[index:])]
    group = ErrorGroup("x", rest)
    assert GRAVEST_FIRST[index] == group.status.name
    assert group.status.http_status == group.http_status


def test_a_group_is_retryable_only_if_all_leaves_are_and_waits_for_the_slowest() -> None:
    first = RateLimitedError(retry_after=3)
    second = UnavailableError(retry_after=7)
    assert (True, 7.0) == (
        ErrorGroup("x", [first, second]).retryable,
        ErrorGroup("x", [first, second]).retry_after,
    )
    assert not ErrorGroup("x", [first, NotFoundError()]).retryable


def test_foreign_leaves_are_judged_and_kept() -> None:
    foreign = FileNotFoundError(2, "gone")
    group = ErrorGroup("x", [foreign])
    assert (Category.IO, Status.NOT_FOUND) == (group.category, group.status)
    assert foreign is group.exceptions[0]


def test_keywords_win_over_the_leaves() -> None:
    group = ErrorGroup("x", [NotFoundError()], status=Status.UNAVAILABLE, code="my.code")
    assert ("my.code", 503, True) == (group.code, group.http_status, group.retryable)


def test_split_subgroup_and_derive_keep_class_code_and_context() -> None:
    class SyncError(ErrorGroup):
        code = "test.sync"

    group = SyncError(
        "x", [NotFoundError(), SyncError("y", [DeadlineExceededError()])], retry_after=5, a=1
    )
    group.add_note("n")
    match, rest = group.split(TimeoutError)
    assert match is not None
    assert rest is not None
    for part in (match, rest):
        assert SyncError is type(part)
        assert ("test.sync", {"a": 1}, 5.0) == (part.code, dict(part.context), part.retry_after)
        assert ("n",) == part.notes
    assert Status.NOT_FOUND is rest.status
    assert Status.DEADLINE_EXCEEDED is match.status
    assert isinstance(group.subgroup(NotFoundError), SyncError)


def test_except_star_keeps_the_code() -> None:
    seen = []
    try:
        raise ErrorGroup("x", [NotFoundError(), ValueError("v")], a=1)
    except* NotFoundError as caught:
        seen.append((type(caught), caught.code, dict(caught.context)))  # type: ignore[attr-defined]
    except* ValueError as caught:
        seen.append((type(caught), caught.code, dict(caught.context)))  # type: ignore[attr-defined]
    assert [(ErrorGroup, "errors.multiple", {"a": 1})] * 2 == seen


def test_a_group_is_made_as_python_makes_one() -> None:
    with pytest.raises(ValueError, match="non-empty"):
        ErrorGroup("x", [])
    with pytest.raises(TypeError):
        ErrorGroup("x", [KeyboardInterrupt()])  # type: ignore[list-item]


def test_the_message_is_redacted_also_where_python_keeps_it() -> None:
    group = ErrorGroup("at http://u:hunter2@h/", [IoError("x")])
    assert "hunter2" not in f"{group}{group.args[0]}{group.message}"
    assert "hunter2" not in str(BaseExceptionGroup.message.__get__(group))  # type: ignore[attr-defined]


def test_with_context_works_on_a_group() -> None:
    group = ErrorGroup("x", [ConflictError()]).with_context(a=1)
    assert ({"a": 1}, 1, Status.ABORTED) == (
        dict(group.context),
        len(group.exceptions),
        group.status,
    )


def test_a_python_group_becomes_one_of_ours() -> None:
    python = ExceptionGroup("many", [OSError(2, "gone"), ExceptionGroup("in", [TimeoutError()])])
    group = InfraError.from_exception(python, a=1)
    assert isinstance(group, ErrorGroup)
    assert python.exceptions == group.exceptions
    assert {"a": 1} == dict(group.context)
    assert ErrorGroup is type(DatabaseError.from_exception(python))


def test_a_deadline_leaf_is_no_conflict_of_layouts() -> None:
    leaf = error_class(Category.CACHE, Status.DEADLINE_EXCEEDED)()
    assert Status.DEADLINE_EXCEEDED is ErrorGroup("x", [leaf]).status
