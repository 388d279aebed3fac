"""Crossing borders: from_exception, register, boundary, import_extra, parse_retry_after."""

from __future__ import annotations

import asyncio
import errno
import json
import socket
import ssl
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from infra_errors import (
    CacheError,
    ConfigError,
    DatabaseError,
    DeadlineExceededError,
    ErrorGroup,
    ExternalError,
    HttpError,
    InfraError,
    IoError,
    NotFoundError,
    Status,
    StorageError,
    ValidationError,
    boundary,
    convert,
    import_extra,
    parse_retry_after,
    register,
)


@pytest.fixture(autouse=True)
def _registrations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert, "_registered", {})


def os_error(number: int) -> OSError:
    return OSError(number, "text", "/some/path")


# (exception, code, status, retryable)
BUILTIN = [
    (FileNotFoundError(2, "x"), "io.not_found", "NOT_FOUND", False),
    (FileExistsError(17, "x"), "io.exists", "ALREADY_EXISTS", False),
    (PermissionError(13, "x"), "io.permission_denied", "PERMISSION_DENIED", False),
    (IsADirectoryError(21, "x"), "io.wrong_kind", "FAILED_PRECONDITION", False),
    (NotADirectoryError(20, "x"), "io.wrong_kind", "FAILED_PRECONDITION", False),
    (TimeoutError(), "io.timeout", "DEADLINE_EXCEEDED", True),
    (os_error(errno.ETIMEDOUT), "io.timeout", "DEADLINE_EXCEEDED", True),
    (ConnectionRefusedError(111, "x"), "io.connection", "UNAVAILABLE", True),
    (BrokenPipeError(32, "x"), "io.connection", "UNAVAILABLE", True),
    (EOFError(), "io.connection", "UNAVAILABLE", True),
    (asyncio.IncompleteReadError(b"", 4), "io.connection", "UNAVAILABLE", True),
    (socket.gaierror(socket.EAI_AGAIN, "x"), "io.connection", "UNAVAILABLE", True),
    (socket.gaierror(socket.EAI_NONAME, "x"), "io.name_resolution", "UNAVAILABLE", False),
    (ssl.SSLError(1, "x"), "io.tls", "UNAVAILABLE", False),
    (ssl.SSLCertVerificationError(1, "x"), "io.tls", "UNAVAILABLE", False),
    (InterruptedError(4, "x"), "io.busy", "UNAVAILABLE", True),
    (BlockingIOError(11, "x"), "io.busy", "UNAVAILABLE", True),
    (os_error(errno.EMFILE), "io.too_many_files", "RESOURCE_EXHAUSTED", True),
    (os_error(errno.ENFILE), "io.too_many_files", "RESOURCE_EXHAUSTED", True),
    (os_error(errno.ENOSPC), "io.no_space", "RESOURCE_EXHAUSTED", False),
    (os_error(errno.EDQUOT), "io.no_space", "RESOURCE_EXHAUSTED", False),
    (os_error(errno.EIO), "io.error", "INTERNAL", False),
    (OSError("odd"), "io.error", "INTERNAL", False),
    (json.JSONDecodeError("x", "{", 1), "serialization.invalid_json", "INVALID_ARGUMENT", False),
    (
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
        "serialization.undecodable",
        "INVALID_ARGUMENT",
        False,
    ),
    (NotImplementedError("x"), "general.unimplemented", "UNIMPLEMENTED", False),
    (MemoryError(), "general.out_of_memory", "RESOURCE_EXHAUSTED", False),
    (ValueError("x"), "general.internal", "INTERNAL", False),
    (KeyError("x"), "general.internal", "INTERNAL", False),
    (ExceptionGroup("x", [ValueError()]), "errors.multiple", "INTERNAL", False),
]


@pytest.mark.parametrize(("exc", "code", "status", "retryable"), BUILTIN)
def test_the_standard_librarys_exceptions_are_known(
    exc: Exception, code: str, status: str, retryable: bool
) -> None:
    error = InfraError.from_exception(exc)
    assert (code, status, retryable) == (error.code, error.status.name, error.retryable)
    assert exc is error.__cause__


def test_path_and_errno_are_kept() -> None:
    try:
        open("/no/such/file")  # noqa: PTH123, SIM115
    except OSError as exc:
        error = InfraError.from_exception(exc, op="read")
    assert isinstance(error, IoError)
    assert isinstance(error, NotFoundError)
    assert {"path": "/no/such/file", "errno": errno.ENOENT, "op": "read"} == dict(error.context)


def test_json_errors_say_where() -> None:
    try:
        json.loads('{"a":')
    except ValueError as exc:
        error = InfraError.from_exception(exc)
    assert {"line": 1, "column": 6} == dict(error.context)


def test_undecodable_bytes_are_not_shown() -> None:
    with pytest.raises(UnicodeError) as caught:
        b"hunter2\xff".decode()
    assert "hunter2" not in str(InfraError.from_exception(caught.value))


def test_an_unknown_exception_is_internal_and_its_text_is_redacted_and_cut() -> None:
    error = InfraError.from_exception(ValueError("password=hunter2 " + "x" * 1000))
    assert error.message.startswith("ValueError: password=*** xxx")
    assert len(error.message) <= 500


def test_an_error_of_ours_is_the_same_object() -> None:
    error = NotFoundError()
    assert error is InfraError.from_exception(error)
    assert error is DatabaseError.from_exception(error)


@pytest.mark.parametrize(
    "exc",
    [
        asyncio.CancelledError(),
        KeyboardInterrupt(),
        SystemExit(1),
        GeneratorExit(),
        BaseExceptionGroup("x", [ValueError(), KeyboardInterrupt()]),
    ],
)
def test_what_is_no_exception_is_raised_again(exc: BaseException) -> None:
    with pytest.raises(type(exc)) as caught:
        InfraError.from_exception(exc)
    assert exc is caught.value


@pytest.mark.parametrize(
    ("exc", "category", "code"),
    [
        (ConnectionRefusedError(111, "x"), DatabaseError, "database.connection"),
        (TimeoutError(), CacheError, "cache.timeout"),
        (FileNotFoundError(2, "x"), StorageError, "storage.not_found"),
        (ValueError("x"), ExternalError, "external.internal"),
        (ssl.SSLError(1, "x"), HttpError, "http.tls"),
    ],
)
def test_a_category_class_rehomes(exc: Exception, category: type[InfraError], code: str) -> None:
    plain, error = InfraError.from_exception(exc), category.from_exception(exc)
    assert isinstance(error, category)
    assert code == error.code
    assert (plain.status, plain.retryable, plain.http_status, dict(plain.context)) == (
        error.status,
        error.retryable,
        error.http_status,
        dict(error.context),
    )
    assert isinstance(DatabaseError.from_exception(TimeoutError()), DeadlineExceededError)


def test_serialization_is_not_rehomed() -> None:
    error = DatabaseError.from_exception(json.JSONDecodeError("x", "", 0))
    assert "serialization.invalid_json" == error.code


def test_notes_come_along() -> None:
    exc = ValueError("x")
    exc.add_note("while saving, password=hunter2")
    assert ("while saving, password=***",) == InfraError.from_exception(exc).notes
    assert ("while saving, password=***",) == DatabaseError.from_exception(exc).notes


# -- register


class LibraryError(Exception):
    pass


class LibraryTimeoutError(LibraryError):
    pass


def test_the_most_derived_registration_wins() -> None:
    register(LibraryError, ExternalError)
    register(
        f"{__name__}:LibraryTimeoutError",
        lambda exc: DeadlineExceededError(str(exc), code="lib.timeout"),
    )
    assert ExternalError is type(InfraError.from_exception(LibraryError("x")))
    error = InfraError.from_exception(LibraryTimeoutError("slow"))
    assert ("lib.timeout", "slow") == (error.code, error.message)
    assert isinstance(error.__cause__, LibraryTimeoutError)


def test_a_registration_comes_before_the_built_in_table() -> None:
    register(OSError, StorageError)
    assert StorageError is type(InfraError.from_exception(FileNotFoundError(2, "x")))


def test_registering_twice_needs_replace() -> None:
    register(LibraryError, ExternalError)
    with pytest.raises(ConfigError) as caught:
        register(LibraryError, CacheError)
    assert "errors.already_registered" == caught.value.code
    register(LibraryError, CacheError, replace=True)
    assert CacheError is type(InfraError.from_exception(LibraryError("x")))


@pytest.mark.parametrize("what", ["no colon", 5, int, "a:b:c"])
def test_only_an_exception_can_be_registered(what: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        register(what, IoError)
    assert "errors.bad_registration" == caught.value.code


@pytest.mark.parametrize(
    "converter",
    [lambda exc: 1 / 0, lambda exc: None, lambda exc: exc],
    ids=["raises", "gives nothing", "gives a foreign exception"],
)
def test_a_converter_that_fails_leaves_a_note(converter: Any) -> None:
    register(LibraryError, converter)
    error = InfraError.from_exception(LibraryError("x"))
    assert "general.internal" == error.code
    assert "the converter registered for" in error.notes[0]


# -- boundary


def test_a_foreign_exception_leaves_as_ours() -> None:
    with pytest.raises(DatabaseError) as caught, boundary(DatabaseError, table="users"):
        raise ConnectionResetError(104, "reset")
    assert "database.connection" == caught.value.code
    assert "users" == caught.value.context["table"]
    assert isinstance(caught.value.__cause__, ConnectionResetError)


def test_an_error_of_ours_passes_and_gains_the_missing_fields() -> None:
    original = NotFoundError("x", a=1)
    with pytest.raises(NotFoundError) as caught, boundary(DatabaseError, a=2, b=3):
        raise original
    assert {"a": 1, "b": 3} == dict(caught.value.context)
    assert {"a": 1} == dict(original.context)
    with pytest.raises(NotFoundError) as caught, boundary(DatabaseError, a=2):
        raise original
    assert original is caught.value


@pytest.mark.parametrize(
    "kind",
    [StopIteration, StopAsyncIteration, KeyboardInterrupt, asyncio.CancelledError, SystemExit],
)
def test_control_flow_passes(kind: type[BaseException]) -> None:
    with pytest.raises(kind), boundary(DatabaseError):
        raise kind


async def test_it_decorates_functions_of_both_kinds() -> None:
    @boundary(CacheError, op="get")
    def read(n: int) -> float:
        """Doc."""
        return 1 / n

    @boundary(CacheError, op="get")
    async def aread(n: int) -> float:
        await asyncio.sleep(0)
        return 1 / n

    assert (0.5, 0.5) == (read(2), await aread(2))
    assert ("read", "Doc.") == (read.__name__, read.__doc__)
    with pytest.raises(CacheError):
        read(0)
    with pytest.raises(CacheError) as caught:
        await aread(0)
    assert {"op": "get"} == dict(caught.value.context)
    with pytest.raises(CacheError):
        await boundary(CacheError)(partial(aread, 0))()


def test_it_refuses_generators_whose_body_runs_later() -> None:
    def numbers() -> Iterator[int]:
        yield 1

    with pytest.raises(ConfigError) as caught:
        boundary()(numbers)
    assert "errors.bad_boundary" == caught.value.code


def test_it_refuses_what_cannot_be_called() -> None:
    with pytest.raises(ConfigError, match="below @classmethod"):
        boundary()(classmethod(lambda cls: cls))  # type: ignore[arg-type]


# -- import_extra


def test_a_missing_extra_says_what_to_install() -> None:
    with pytest.raises(ConfigError) as caught:
        import_extra("no_such_module.sub", package="infra-mq", extra="rabbitmq")
    assert "mq.missing_extra" == caught.value.code
    assert "infra-mq needs no-such-module: pip install 'infra-mq[rabbitmq]'" == caught.value.message
    assert isinstance(caught.value.__cause__, ImportError)


def test_an_extra_that_is_there_is_imported() -> None:
    assert json is import_extra("json", package="infra-mq", extra="x")


# -- parse_retry_after


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (b" 5 ", 5.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("-1", None),
        ("soon", None),
        ("", None),
        ("9" * 100, None),
        ("١", None),
        ("nan", None),
        ("1e5", None),
        ("Fri, 02 Jan 2026 00:00:10 GMT", 10.0),
        ("Friday, 02-Jan-26 00:00:10 GMT", 10.0),
        ("Fri Jan  2 00:00:10 2026", 10.0),
        ("Thu, 01 Jan 2026 00:00:00 GMT", 0.0),
        ("Fri, 99 Jan 2026 00:00:10 GMT", None),
        (b"\xff\xff", None),
        (".", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(value: str | bytes, seconds: float | None) -> None:
    assert seconds == parse_retry_after(value, clock=lambda: 1767312000.0)


def test_a_validation_error_with_a_group_stays_itself() -> None:
    error = ErrorGroup("x", [ValidationError("y")])
    assert error is ValidationError.from_exception(error)
    assert Status.INVALID_ARGUMENT is error.status
