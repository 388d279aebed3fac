"""Typed loading: what goes out comes back, and nothing is guessed."""

from __future__ import annotations

import contextlib
import dataclasses
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from ipaddress import IPv4Address, IPv6Address
from itertools import count
from pathlib import Path, PurePosixPath
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    TypedDict,
    TypeVar,
)

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra_json import (
    JsonValue,
    StructureError,
    TooDeep,
    TypeNotSupported,
    dumps,
    loads,
    structure,
    to_json_value,
)


class Color(Enum):
    RED = "red"
    NONE = None


class Level(IntEnum):
    LOW = 1


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    y: float = 0.0
    _cache: int = 0
    tags: list[str] = dataclasses.field(default_factory=list)
    norm: float = dataclasses.field(init=False, default=1.0)


@dataclasses.dataclass
class Tree:
    name: str
    children: list[Tree] = dataclasses.field(default_factory=list)
    parent: Tree | None = None


@dataclasses.dataclass
class Circle:
    kind: Literal["circle"]
    radius: float


@dataclasses.dataclass
class Square:
    kind: Literal["square", "box"]
    side: float


class Pair(NamedTuple):
    left: int
    right: str


class Movie(TypedDict):
    title: str
    year: NotRequired[int]


T = TypeVar("T")
V = TypeVar("V")


@dataclasses.dataclass
class Page(Generic[T]):
    items: list[T]
    next: Page[T] | None = None
    by_name: dict[str, T] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Numbered(Page[V], Generic[V]):
    number: int = 0


@dataclasses.dataclass
class Dates(Numbered[date]):
    pass


class Both(NamedTuple, Generic[T]):
    left: T
    right: T


class Answer(TypedDict, Generic[T]):
    data: T


@dataclasses.dataclass
class Endless(Generic[T]):
    inner: Endless[list[T]] | None = None


class Code:
    """A type with a canonical text, as ULIDs have one."""

    def __init__(self, number: int) -> None:
        self.number = number

    @classmethod
    def from_str(cls, text: str) -> Code:
        return cls(int(text, 16))

    def __str__(self) -> str:
        return f"{self.number:04x}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Code) and other.number == self.number

    __hash__ = None  # type: ignore[assignment]  # a value for tests only


UserId = NewType("UserId", int)


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (int, 2**70),
        (float, 1.5),
        (bool, True),
        (str, "é"),
        (type(None), None),
        (None, None),
        (Any, {"a": [1]}),
        (JsonValue, {"a": [1]}),
        (datetime, datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)),
        (date, date(2026, 1, 2)),
        (time, time(3, 4, 5, 6)),
        (timedelta, timedelta(days=3, microseconds=7)),
        (uuid.UUID, uuid.UUID(int=7)),
        (Decimal, Decimal("-1.10")),
        (Decimal, Decimal("1E+3")),
        (bytes, b"\x00\xff"),
        (Color, Color.RED),
        (Color, Color.NONE),
        (Level, Level.LOW),
        (PurePosixPath, PurePosixPath("/a/b")),
        (Path, Path("a/b")),
        (IPv4Address, IPv4Address("127.0.0.1")),
        (IPv6Address, IPv6Address("::1")),
        (Code, Code(255)),
        (list[int], [1, 2]),
        (list, [1, "a"]),
        (tuple[int, str], (1, "a")),
        (tuple[int, ...], (1, 2, 3)),
        (tuple[()], ()),
        (set[str], {"a", "b"}),
        (frozenset[int], frozenset({1, 2})),
        (dict[str, list[date]], {"a": [date(2026, 1, 2)]}),
        (Pair, Pair(1, "a")),
        (Movie, {"title": "x"}),
        (Movie, {"title": "x", "year": 1}),
        (Point, Point(1)),
        (Point, Point(1, 2.5, 0, ["a"])),
        (Tree, Tree("a", [Tree("b", [Tree("c")], Tree("d"))])),
        (int | None, None),
        (int | str, "5"),
        (int | float, 5),
        (int | float, 5.5),
        (float | None, 2.5),
        (list[int] | dict[str, int], {"a": 1}),
        (Circle | Square, Circle("circle", 1.0)),
        (list[Circle | Square | None], [Square("box", 2.0), None]),
        (Literal["a", 1, True], 1),
        (Annotated[int, ["no hash"]], 1),
        (UserId, UserId(1)),
    ],
    ids=map(str, count()),
)
def test_what_goes_out_comes_back(hint: Any, value: Any):
    found = loads(dumps(value), type=hint)
    assert value == found
    assert type(value) is type(found)
    assert value == structure(to_json_value(value), hint)


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (Page[date], Page([date(2026, 1, 2)], Page([]), {"a": date(2026, 1, 3)})),
        (Page[Page[int]], Page([Page([1])])),
        (Page[int | None], Page([1, None])),
        (Numbered[UserId], Numbered([1], number=2)),
        (Dates, Dates([date(2026, 1, 2)], number=2)),
        (Both[Point], Both(Point(1), Point(2))),
        (Answer[list[Decimal]], {"data": [Decimal(1)]}),
        (Page, Page([1, "a"])),
    ],
    ids=str,
)
def test_generic_classes_come_back(hint: Any, value: Any):
    assert value == loads(dumps(value), type=hint)


def test_a_generic_class_holds_its_members_to_its_argument():
    with pytest.raises(StructureError) as caught:
        loads('{"items": [1, "2"], "next": {"items": [true]}}', type=Page[int])
    assert ["/items/1", "/next/items/0"] == [it.path for it in caught.value.violations]
    with pytest.raises(StructureError):
        loads('{"items": ["never"]}', type=Dates)


def test_a_type_that_grows_without_end_is_refused():
    with pytest.raises(TypeNotSupported, match="contains itself"):
        loads("{}", type=Endless[int])


def test_attrs_classes_come_back():
    attrs = pytest.importorskip("attrs")

    @attrs.frozen
    class Order:
        id: int
        items: list[str] = attrs.field(factory=list)
        note: str | None = None

    order = Order(1, ["a"])
    Order.__annotations__ = {"id": int, "items": list[str], "note": str | None}
    assert order == loads(dumps(order), type=Order)
    assert Order(2) == loads('{"id": 2}', type=Order)


@given(
    st.datetimes(timezones=st.just(UTC)),
    st.timedeltas(),
    st.binary(),
    st.decimals(allow_nan=False, allow_infinity=False),
)
def test_extended_values_come_back(moment: datetime, span: timedelta, raw: bytes, number: Decimal):
    assert moment == loads(dumps(moment), type=datetime)
    assert raw == loads(dumps(raw), type=bytes)
    assert str(number) == str(loads(dumps(number), type=Decimal))
    # seconds are a double, exact to the microsecond for 285 years
    if abs(span) < timedelta(days=100_000):
        assert span == loads(dumps(span), type=timedelta)


@pytest.mark.parametrize(
    ("hint", "text", "why"),
    [
        (int, "true", "must be integer, not boolean"),
        (int, "5.0", "must be integer, not number"),
        (int, '"5"', "must be integer, not string"),
        (bool, "1", "must be boolean, not integer"),
        (float, "true", "must be number, not boolean"),
        (float, "1" + "0" * 400, "too large for a double"),
        (str, "null", "must be string, not null"),
        (datetime, '"2026-01-02T03:04:05"', "not an RFC 3339 time"),
        (datetime, '"2026-13-02T03:04:05Z"', "not an RFC 3339 time"),
        (datetime, "0", "as a string, not integer"),
        (date, '"20260102"', "not an ISO date"),
        (uuid.UUID, '"{00000000-0000-0000-0000-000000000007}"', "not a UUID"),
        (Decimal, '"NaN"', "not a decimal"),
        (Decimal, '"1_0"', "not a decimal"),
        (bytes, '"AP8"', "not padded base64"),
        (bytes, '"AP9="', "not padded base64"),
        (IPv4Address, '"::1"', "not an IPv4 address"),
        (Code, '"FF"', "not Code"),
        (Color, '"blue"', "must be one of: red, None"),
        (Level, "true", "must be one of: 1"),
        (Literal[1], "true", "must be one of: 1"),
        (list[int], "{}", "must be an array, not object"),
        (tuple[int, str], "[1]", "must be an array of 2 elements"),
        (set[int], "[1, 1]", "stands twice"),
        (dict[str, int], "[]", "must be an object, not array"),
        (int | None, '"a"', "must be one of: integer, null"),
        (Circle | Square, '{"kind": "line"}', "must be one of: box, circle, square"),
        (timedelta, "1e300", "too long"),
    ],
)
def test_nothing_else_is_coerced(hint: Any, text: str, why: str):
    with pytest.raises(StructureError) as caught:
        loads(text, type=hint)
    (violation,) = caught.value.violations
    assert why in violation.message
    assert "json.wrong_shape" == caught.value.code


def test_all_problems_are_told_at_once_with_their_places():
    text = '{"a/b": {"x": "1", "z": 0, "tags": [1, "a", null]}, "c": {}, "d": 5}'
    with pytest.raises(StructureError, match="6 problems") as caught:
        loads(text, type=dict[str, Point])
    assert {
        "/a~1b/z": "no such member is known",
        "/a~1b/x": "must be integer, not string",
        "/a~1b/tags/0": "must be string, not integer",
        "/a~1b/tags/2": "must be string, not null",
        "/c/x": "is required",
        "/d": "must be an object, not integer",
    } == {violation.path: violation.message for violation in caught.value.violations}


def test_unknown_members_are_refused_or_ignored():
    with pytest.raises(StructureError, match="/z: no such member"):
        loads('{"x": 1, "z": 2}', type=Point)
    assert Point(1) == loads('{"x": 1, "z": 2}', type=Point, extra="ignore")


def test_private_fields_are_never_read():
    with pytest.raises(StructureError, match="/_cache: no such member"):
        loads('{"x": 1, "_cache": 2}', type=Point)


def test_what_a_constructor_refuses_is_a_problem_at_its_place():
    @dataclasses.dataclass
    class Positive:
        n: int

        def __post_init__(self) -> None:
            if self.n < 0:
                msg = "must be positive"
                raise ValueError(msg)

    Positive.__annotations__ = {"n": int}
    with pytest.raises(StructureError, match="/1: refused: must be positive"):
        loads('[{"n": 1}, {"n": -1}]', type=list[Positive])


class Opaque:
    pass


@pytest.mark.parametrize(
    "hint",
    [Opaque, int | Level, str | datetime, Circle | Point, dict[int, str], complex, list[Opaque]],
    ids=map(str, count()),
)
def test_a_type_that_would_need_a_guess_is_refused_at_first_use(hint: Any):
    with pytest.raises(TypeNotSupported) as caught:
        structure([], hint)
    assert "json.unsupported_type" == caught.value.code


def test_exact_decimals_are_taken_where_numbers_are_read_so():
    assert [Decimal("0.10")] == loads("[0.10]", type=list[Decimal], decimals=True)
    assert [0.1] == loads("[0.10]", type=list[float], decimals=True)


def test_depth_is_bounded(nested: Callable[[int], Any], levels: list[Any]):
    def chain(depth: int) -> Any:
        levels.append({"name": "end"})
        for _ in range(depth):
            levels.append({"name": "x", "parent": levels[-1]})
        return levels[-1]

    assert "x" == structure(chain(900), Tree).name
    with pytest.raises(TooDeep):
        structure(chain(100_000), Tree)


def test_a_problem_shows_at_most_forty_characters_of_the_document():
    with pytest.raises(StructureError) as caught:
        loads('"' + "k" * 500 + '"', type=uuid.UUID)
    assert "k" * 41 not in str(caught.value)


@dataclasses.dataclass
class Hidden:
    _needed: int


@dataclasses.dataclass
class Unresolved:
    other: Nowhere  # type: ignore[name-defined]  # noqa: F821  # that is the point


@pytest.mark.parametrize(("hint", "why"), [(Hidden, "is private"), (Unresolved, "Nowhere")])
def test_a_class_that_cannot_be_made_from_json_says_why(hint: Any, why: str):
    with pytest.raises(TypeNotSupported, match=why):
        structure({}, hint)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
def test_any_value_has_the_shape_or_a_problem(value: Any):
    for hint in (Point, list[int], Circle | Square | None, dict[str, Tree], tuple[int, ...], date):
        with contextlib.suppress(StructureError):
            structure(value, hint)
