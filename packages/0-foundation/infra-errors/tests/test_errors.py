"""The error itself: resolution of its axes, codes, constructor, context, text."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import gc
import importlib
import math
import sys
import traceback
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import infra_errors
from infra_errors import (
    Category,
    ConfigError,
    ConflictError,
    DatabaseError,
    DeadlineExceededError,
    ExternalError,
    HttpError,
    InfraError,
    IoError,
    NotFoundError,
    OpaqueError,
    RateLimitedError,
    Secret,
    Status,
    StorageError,
    UnavailableError,
    ValidationError,
    Violation,
    error_class,
)

# -- how it is used


def test_a_leaf_is_caught_both_ways() -> None:
    class RowMissingError(NotFoundError, DatabaseError):
        code = "shop.row_missing"

    for catcher in (NotFoundError, DatabaseError, InfraError):
        with pytest.raises(catcher):
            raise RowMissingError("no row 7 in orders")
    error = RowMissingError("no row 7 in orders", table="orders", row=7)
    assert Category.DATABASE is error.category
    assert Status.NOT_FOUND is error.status
    assert 404 == error.http_status
    assert not error.retryable
    assert {"table": "orders", "row": 7} == error.context
    assert "shop.row_missing: no row 7 in orders (table='orders', row=7)" == str(error)
    assert (
        "RowMissingError('no row 7 in orders', code='shop.row_missing', "
        "context={'table': 'orders', 'row': 7})"
    ) == repr(error)


@pytest.mark.parametrize(
    ("name", "category", "http", "code"),
    [
        ("InfraError", "general", 500, "general.error"),
        ("ConfigError", "config", 500, "config.error"),
        ("ValidationError", "validation", 400, "validation.error"),
        ("IoError", "io", 500, "io.error"),
        ("HttpError", "http", 502, "http.error"),
        ("AuthError", "auth", 401, "auth.error"),
        ("ExternalError", "external", 502, "external.error"),
        ("CryptoError", "crypto", 500, "crypto.error"),
        ("SerializationError", "serialization", 400, "serialization.error"),
        ("MessageQueueError", "message_queue", 500, "message_queue.error"),
        ("VectorError", "vector", 400, "vector.error"),
        ("SchemaError", "schema", 400, "schema.error"),
        ("DatabaseError", "database", 500, "database.error"),
        ("CacheError", "cache", 500, "cache.error"),
        ("StorageError", "storage", 500, "storage.error"),
    ],
)
def test_a_category_has_its_defaults(name: str, category: str, http: int, code: str) -> None:
    cls = getattr(infra_errors, name)
    assert (category, http, code, False) == (
        cls.category.value,
        cls.http_status,
        cls.code,
        cls.retryable,
    )


@pytest.mark.parametrize(
    ("name", "http", "code", "retryable", "message"),
    [
        ("NotFoundError", 404, "general.not_found", False, "not found"),
        ("ConflictError", 409, "general.conflict", False, "conflict"),
        ("UnauthenticatedError", 401, "general.unauthenticated", False, "not authenticated"),
        ("PermissionDeniedError", 403, "general.permission_denied", False, "permission denied"),
        ("RateLimitedError", 429, "general.rate_limited", True, "rate limited"),
        ("DeadlineExceededError", 504, "general.deadline_exceeded", True, "deadline exceeded"),
        ("UnavailableError", 503, "general.unavailable", True, "unavailable"),
    ],
)
def test_a_trait_has_its_defaults(
    name: str, http: int, code: str, retryable: bool, message: str
) -> None:
    error = getattr(infra_errors, name)()
    assert (http, code, retryable, message, "general") == (
        error.http_status,
        error.code,
        error.retryable,
        error.message,
        error.category.value,
    )


def test_two_classes_are_also_builtins() -> None:
    assert isinstance(ValidationError("x"), ValueError)
    assert isinstance(DeadlineExceededError(), TimeoutError)


# -- rule 1: resolution


def test_the_first_class_in_the_mro_that_states_an_axis_wins() -> None:
    class SlugTakenError(ConflictError, DatabaseError):
        status = Status.ALREADY_EXISTS

    class QuotaError(RateLimitedError, StorageError):
        http_status = 507
        retryable = False

    class SmallQuotaError(QuotaError):
        pass

    assert (Status.ALREADY_EXISTS, 409) == (SlugTakenError.status, SlugTakenError.http_status)
    assert (507, False) == (SmallQuotaError.http_status, SmallQuotaError.retryable)
    assert Category.STORAGE is SmallQuotaError.category


def test_a_category_in_the_body_wins() -> None:
    class OddError(NotFoundError):
        category = Category.VECTOR

    class StillOddError(OddError):
        pass

    assert Category.VECTOR is OddError.category is StillOddError.category


@pytest.mark.parametrize("parent", [HttpError, ExternalError])
def test_an_upstream_without_a_known_status_answers_bad_gateway(parent: type[InfraError]) -> None:
    class PlainError(parent):  # type: ignore[misc, valid-type]
        pass

    class MissingError(NotFoundError, parent):  # type: ignore[misc, valid-type]
        pass

    assert 502 == PlainError.http_status
    assert 404 == MissingError.http_status
    assert 500 == PlainError("x", status=Status.INTERNAL).http_status


def test_a_status_given_to_an_instance_derives_the_rest_unless_given_too() -> None:
    error = ConfigError("x", status=Status.UNAVAILABLE)
    assert (503, True) == (error.http_status, error.retryable)
    error = ConfigError("x", status=Status.UNAVAILABLE, http_status=500, retryable=False)
    assert (503 - 3, False) == (error.http_status, error.retryable)
    assert (500, False) == (ConfigError.http_status, ConfigError.retryable)


@pytest.mark.parametrize(
    ("number", "status", "answer", "retryable"),
    [
        (401, Status.UNAUTHENTICATED, 502, False),
        (404, Status.NOT_FOUND, 502, False),
        (429, Status.RESOURCE_EXHAUSTED, 503, True),
        (500, Status.INTERNAL, 502, False),
        (503, Status.UNAVAILABLE, 503, True),
        (504, Status.DEADLINE_EXCEEDED, 504, True),
    ],
)
def test_an_upstreams_answer_is_not_ours(
    number: int, status: Status, answer: int, retryable: bool
) -> None:
    error = HttpError("the upstream refused", status_code=number)
    assert (number, status, answer, retryable) == (
        error.status_code,
        error.status,
        error.http_status,
        error.retryable,
    )
    assert number == error.context["status_code"]


def test_a_stated_status_stands_over_an_upstreams_number() -> None:
    error = HttpError("x", status_code=404, status=Status.UNAVAILABLE)
    assert (Status.UNAVAILABLE, 503) == (error.status, error.http_status)
    assert 418 == HttpError("x", status_code=404, http_status=418).http_status
    assert HttpError("x").status_code is None


@pytest.mark.parametrize(
    "body",
    [
        {"status": 404},
        {"http_status": 200},
        {"retryable": "yes"},
        {"category": "io"},
        {"code": "nodots"},
        {"code": "Upper.case"},
        {"code": "a." + "b" * 62},
        {"code": 7},
        {"code": "a..b"},
        {"code": "a.b\n"},
        {"code": "1a.b"},
        {"code": "ä.b"},
    ],
)
def test_a_malformed_class_body_is_refused_at_once(body: dict[str, object]) -> None:
    with pytest.raises(TypeError, match="BrokenError"):
        type("BrokenError", (InfraError,), body)


# -- rule 2: codes


def test_a_code_is_derived_from_the_name() -> None:
    for name, code in {
        "RowMissingError": "database.row_missing",
        "HTTPTooOldError": "database.http_too_old",
        "S3AccessDenied": "database.s3_access_denied",
        "_PrivateError": "database.private",
        "Error": "database.error",
        "Ünïcode": "database.error",
        "VeryLong" * 20: ("database." + "very_long_" * 20)[:63].rstrip("_") + "_",
    }.items():
        derived = type(name, (DatabaseError,), {}).code
        assert code.rstrip("_") == derived.rstrip("_")
        assert len(derived) <= 63


def test_a_stated_code_belongs_to_one_class() -> None:
    class FirstError(InfraError):
        code = "test.owned"

    with pytest.raises(TypeError, match=r"'test.owned' .* belongs to .*FirstError"):

        class SecondError(InfraError):
            code = "test.owned"

    assert "test.owned" == FirstError.code


def test_a_derived_code_gives_way_and_a_derived_duplicate_keeps_the_first() -> None:
    first = type("TwinError", (StorageError,), {"__qualname__": "a.TwinError"})
    second = type("TwinError", (StorageError,), {"__qualname__": "b.TwinError"})
    assert "storage.twin" == first.code == second.code
    wire = {**first("x").to_dict()}
    assert first is type(InfraError.from_dict(wire))

    class Owner(StorageError):
        code = "storage.twin"

    assert Owner is type(InfraError.from_dict(wire))


def test_a_subclass_of_a_leaf_does_not_inherit_its_code() -> None:
    class LeafError(StorageError):
        code = "test.leaf"

    class TwigError(LeafError):
        pass

    assert "storage.twig" == TwigError.code


def test_a_class_that_is_gone_frees_its_code() -> None:
    def make(qualname: str) -> None:
        type("GoneError", (InfraError,), {"code": "test.gone", "__qualname__": qualname})

    make("first.GoneError")
    gc.collect()
    make("second.GoneError")


def test_a_module_with_error_classes_can_be_reloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "reloaded_errors.py").write_text(
        "from infra_errors import InfraError\n"
        "class AgainError(InfraError):\n    code = 'test.again'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module("reloaded_errors")
    old = module.AgainError
    again = importlib.reload(module).AgainError
    monkeypatch.delitem(sys.modules, "reloaded_errors")
    assert again is not old
    assert again is type(InfraError.from_dict(again("x").to_dict()))


def test_a_bad_code_keyword_falls_back_to_the_class() -> None:
    assert "io.error" == IoError("x", code="NOT A CODE").code
    assert "io.fine" == IoError("x", code="io.fine").code


# -- rule 3: constructor


def test_a_message_is_needed_where_the_class_has_none() -> None:
    with pytest.raises(TypeError, match="ValidationError needs a message"):
        ValidationError()


class Hostile:
    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__

    def __bool__(self) -> bool:
        raise RuntimeError("no")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no")

    def __hash__(self) -> int:
        raise RuntimeError("no")


class HostileText(str):
    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no")

    def __hash__(self) -> int:
        raise RuntimeError("no")


class HostileMapping(dict[str, object]):
    def keys(self) -> Any:
        raise RuntimeError("no")


def failing() -> Iterator[Any]:
    yield ("/a", "b")
    raise ZeroDivisionError


@pytest.mark.parametrize(
    "options",
    [
        {"status": "NOT_FOUND"},
        {"http_status": "404"},
        {"http_status": 200},
        {"http_status": True},
        {"retry_after": "soon"},
        {"retry_after": math.nan},
        {"retry_after": math.inf},
        {"violations": 7},
        {"violations": ["text", ("/a", "b"), Hostile()]},
        {"context": 5},
        {"context": [1]},
        {"code": 5},
        {"thing": Hostile()},
        {"retryable": 0},
        {"context": {5: 6}},
        {"context": HostileMapping(a=1)},
        {"violations": failing()},
        {"violations": Hostile()},
        {"violations": None},
        {"retryable": Hostile()},
        {"retry_after": Hostile()},
        {"status": Hostile()},
        {"http_status": Hostile()},
        {"code": HostileText("io.mine")},
        {"self": 1, "cls": 2, "message": 3, "options": 4},
    ],
)
def test_the_constructor_raises_for_nothing_else(options: dict[str, Any]) -> None:
    error = IoError("x", **options)
    assert str(error).startswith("io.error: x")
    assert "io.error" == error.to_dict()["code"]
    assert 500 == error.http_status


def test_what_is_no_text_becomes_text() -> None:
    assert "5" == IoError(5).message  # type: ignore[arg-type]
    assert "<unprintable" in IoError(Hostile()).message  # type: ignore[arg-type]
    assert "secret" not in IoError(HostileText("password=secret")).message
    assert IoError("").message == ""


@pytest.mark.parametrize(
    "number", ["404", None, 404.0, Hostile()], ids=lambda number: type(number).__name__
)
def test_an_upstreams_answer_that_is_no_number_says_nothing(number: Any) -> None:
    error = HttpError("x", status_code=number)
    assert (Status.UNKNOWN, 502, None) == (error.status, error.http_status, error.status_code)


def test_violations_that_end_in_an_error_say_so() -> None:
    error = IoError("x", violations=failing())
    assert "b" == error.violations[0].message
    assert "ZeroDivision" in error.violations[1].message or "" == error.violations[1].message


@pytest.mark.parametrize(
    ("given_", "seconds"),
    [
        (3, 3.0),
        (-1, 0.0),
        (dt.timedelta(minutes=1), 60.0),
        (math.nan, None),
        (math.inf, None),
        (10**400, None),
    ],
)
def test_retry_after_is_seconds(given_: Any, seconds: float | None) -> None:
    assert seconds == UnavailableError(retry_after=given_).retry_after


def test_a_long_message_is_cut_and_says_by_how_much() -> None:
    message = IoError("x" * 10_000).message
    assert len(message) <= 4096
    assert message.endswith("… (+5920)")


def test_fields_win_over_context() -> None:
    assert {"a": 2, "b": 1} == dict(IoError("x", context={"a": 1, "b": 1}, a=2).context)


@pytest.mark.parametrize(
    "name",
    [
        "message",
        "category",
        "code",
        "status",
        "http_status",
        "retryable",
        "retry_after",
        "context",
        "violations",
        "notes",
        "attempts",
    ],
)
def test_the_attributes_are_read_only(name: str) -> None:
    with pytest.raises(AttributeError, match="read-only"):
        setattr(IoError("x"), name, None)
    with pytest.raises(AttributeError, match="read-only"):
        delattr(IoError("x", code="io.mine"), name)


def test_other_attributes_may_be_set() -> None:
    error = IoError("x")
    error.request = "GET /"  # type: ignore[attr-defined]
    error.args = ("password=hunter2", 5)
    assert ("password=***", 5) == error.args
    error.args = ["password=hunter2"]  # type: ignore[assignment]
    assert ("password=***",) == error.args
    assert "GET /" == error.request  # type: ignore[attr-defined]


# -- rule 4: context


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError("no")


class BrokenMapping(Mapping[str, int]):
    def __getitem__(self, key: str) -> int:
        raise RuntimeError("no")

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("no")

    def __len__(self) -> int:
        return 1


NOW = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ("text", "text"),
        (5, 5),
        (1.5, 1.5),
        (True, True),
        (None, None),
        (NOW, NOW),
        (NOW.date(), NOW.date()),
        (dt.timedelta(1), dt.timedelta(1)),
        (uuid.UUID(int=5), uuid.UUID(int=5)),
        (decimal.Decimal("1.5"), decimal.Decimal("1.5")),
        (Path("a/b"), "a/b"),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (b"abc", "<bytes: 3>"),
        (bytearray(2), "<bytes: 2>"),
        (Secret("x"), "***"),
        ((1, [2, {3}]), [1, [2, [3]]]),
        ({"a": {"password": "x", "b": 1}}, {"a": {"password": "***", "b": 1}}),
        (10**400, "<int>"),
        (Text("abc"), "abc"),
        ([[[[["deep"]]]]], [[[["…"]]]]),
        (list(range(40)), [*range(31), "… (+9)"]),
        ("y" * 2000, "y" * 1008 + "… (+992)"),
        ("see http://u:hunter2@h/", "see http://***@h/"),
    ],
)
def test_a_context_value_is_plain(value: object, plain: object) -> None:
    found = IoError("x", value=value).context["value"]
    assert plain == found
    assert type(plain) is type(found)


@pytest.mark.parametrize("value", [Hostile(), BrokenMapping(), object(), IoError, print])
def test_any_other_object_is_named_and_its_repr_never_called(value: object) -> None:
    kind = type(value)
    error = IoError("x", value=value)
    assert f"<{kind.__module__}.{kind.__qualname__}>" == error.context["value"]
    assert kind.__qualname__ in str(error)


def test_a_foreign_time_zone_becomes_its_offset() -> None:
    class Berlin(dt.tzinfo):
        def utcoffset(self, when: dt.datetime | None) -> dt.timedelta:
            return dt.timedelta(hours=1)

        def dst(self, when: dt.datetime | None) -> None:
            return None

    found = IoError("x", at=NOW.replace(tzinfo=Berlin())).context["at"]
    assert isinstance(found, dt.datetime)
    assert type(found.tzinfo) is dt.timezone
    assert dt.timedelta(hours=1) == found.utcoffset()


def test_a_context_has_at_most_64_keys_and_cannot_be_changed() -> None:
    context = IoError("x", context={f"k{n}": n for n in range(100)}).context
    assert 64 == len(context)
    assert "(+37)" == context["…"]
    with pytest.raises(TypeError):
        context["a"] = 1  # type: ignore[index]


def test_a_cyclic_context_ends() -> None:
    loop: dict[str, object] = {}
    loop["again"] = loop
    assert "…" in str(IoError("x", loop=loop))


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.datetimes(timezones=st.just(dt.UTC))
    | st.uuids(),
    lambda children: (
        st.lists(children, max_size=40) | st.dictionaries(st.text(), children, max_size=40)
    ),
    max_leaves=60,
)


@given(st.dictionaries(st.text(), VALUES, max_size=40))
def test_a_context_of_a_context_is_the_same(raw: dict[str, Any]) -> None:
    context = dict(IoError("x", context=raw).context)
    assert context == dict(IoError("x", context=context).context)


# -- rule 5: with_context, chains


def test_with_context_makes_a_new_error_and_prints_one_chain() -> None:
    try:
        try:
            raise OSError("disk")
        except OSError as exc:
            raise IoError("write failed", a=1) from exc
    except IoError as exc:
        first = exc
    first.add_note("a note")
    second = first.with_context(b=2)
    assert {"a": 1} == dict(first.context)
    assert {"a": 1, "b": 2} == dict(second.context)
    assert type(second) is IoError
    assert ("a note",) == second.notes
    assert second.__cause__ is first.__cause__
    assert second.__traceback__ is first.__traceback__
    assert second.__suppress_context__
    text = "".join(traceback.format_exception(second))
    assert 1 == text.count("OSError: disk")
    second.add_note("only here")
    assert ("a note",) == first.notes


def test_with_context_keeps_an_unsuppressed_context_as_the_cause() -> None:
    try:
        try:
            raise KeyError("k")
        except KeyError:
            raise IoError("x")  # noqa: B904 - the implicit context is what is tested
    except IoError as exc:
        new = exc.with_context(a=1)
    assert isinstance(new.__cause__, KeyError)


def test_root_cause_walks_to_the_end_and_out_of_a_circle() -> None:
    bottom = OSError("disk")
    error = IoError("a")
    error.__cause__ = DatabaseError("b")
    error.__cause__.__cause__ = bottom
    assert bottom is error.root_cause()
    assert IoError("alone").root_cause().__class__ is IoError
    bottom.__context__ = error
    assert isinstance(error.root_cause(), InfraError)


def test_a_suppressed_context_is_no_root_cause() -> None:
    error = IoError("a")
    error.__context__ = KeyError("k")
    assert isinstance(error.root_cause(), KeyError)
    error.__suppress_context__ = True
    assert error is error.root_cause()


# -- rules 6 and 7: text, violations


def test_violations_are_printed_below_the_message() -> None:
    error = ValidationError(
        "bad user",
        violations=[
            Violation("/age", "must be positive", source="user.json:3", hint="write 1 or more"),
            Violation("", "too large"),
        ],
    )
    assert (
        "validation.error: bad user\n"
        "  /age: must be positive (user.json:3); write 1 or more\n"
        "  : too large"
    ) == str(error)


def test_a_hundred_violations_are_kept_twenty_are_printed() -> None:
    error = ValidationError("bad", violations=[Violation(f"/{n}", "no") for n in range(150)])
    assert 100 == len(error.violations)
    assert 150 == error.context["violations_total"]
    assert 21 == len(str(error).splitlines())


def test_a_violation_is_a_tuple_with_names() -> None:
    violation = Violation("/a", "no")
    assert ("/a", "no", "invalid", None, None) == violation
    assert ("/a", "no", "invalid", None, None) == (
        violation.path,
        violation.message,
        violation.code,
        violation.source,
        violation.hint,
    )
    assert "Violation('/a', 'no', code='invalid', source=None, hint=None)" == repr(violation)


# -- rule 9: error_class


@pytest.mark.parametrize("category", list(Category))
@pytest.mark.parametrize("status", list(Status))
def test_error_class_is_caught_both_ways(category: Category, status: Status) -> None:
    cls = error_class(category, status)
    assert cls is error_class(category, status)
    assert category is cls.category
    if cls.status is status and status is not category.default_status:
        assert cls.code.startswith(f"{category.value}.")
        assert isinstance(cls(), InfraError)


def test_error_class_has_a_name_and_a_code() -> None:
    cls = error_class(Category.STORAGE, Status.NOT_FOUND)
    assert ("StorageNotFoundError", "storage.not_found") == (cls.__name__, cls.code)
    assert issubclass(cls, NotFoundError)
    assert issubclass(cls, StorageError)
    assert StorageError is error_class(Category.STORAGE, Status.DATA_LOSS)
    assert NotFoundError is error_class(Category.GENERAL, Status.NOT_FOUND)
    assert InfraError is error_class(Category.GENERAL, Status.INTERNAL)


# -- rule 25: logs


def test_log_fields_are_flat() -> None:
    assert {
        "error.type": "storage.error",
        "error.category": "storage",
        "error.status": "INTERNAL",
        "error.retryable": False,
        "error.message": "x",
        "error.context": {"a": 1},
    } == StorageError("x", a=1).log_fields()


def test_an_opaque_error_says_what_it_stands_for() -> None:
    assert "redis.Boom: no" == str(OpaqueError("redis.Boom", "no"))
