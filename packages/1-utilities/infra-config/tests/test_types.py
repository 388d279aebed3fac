"""Types: what each reads from text, what from a file, and what it refuses."""

from __future__ import annotations

import enum
import ipaddress
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Annotated, Any, Literal, NewType
from uuid import UUID

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from infra_config import (
    BadSetting,
    ConfigLoadError,
    EnvSource,
    FileSource,
    MemorySource,
    Range,
    Seconds,
    Size,
    load,
    setting,
)
from infra_errors import Secret, SecretUrl


class Color(enum.Enum):
    RED = "red"
    BLUE = 2


@attrs.frozen
class Nested:
    a: int = 0


UserName = NewType("UserName", str)
AN_ID = UUID("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")


def one(kind: Any, **options: Any) -> type:
    """Return a class with one setting of a type."""
    return attrs.make_class("One", {"x": attrs.field(type=kind, **options)}, frozen=True)


def text(kind: Any, given: str, **options: Any) -> Any:
    return load(one(kind, **options), EnvSource("T_", environ={"T_X": given})).value.x


def native(kind: Any, given: object, **options: Any) -> Any:
    return load(one(kind, **options), MemorySource({"x": given})).value.x


def refusal(read: Any, kind: Any, given: Any, **options: Any) -> str:
    with pytest.raises(ConfigLoadError) as caught:
        read(kind, given, **options)
    (found,) = caught.value.violations
    return found.message


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        (str, " x ", " x "),
        (str, '{"a": 1}', '{"a": 1}'),
        (UserName, "x", "x"),
        (Any, "1", "1"),
        (bool, "TRUE", True),
        (bool, "on", True),
        (bool, " yes", True),
        (bool, "false", False),
        (bool, "Off", False),
        (bool, "0", False),
        (int, " +5 ", 5),
        (int, "-12", -12),
        (int, "9" * 64, int("9" * 64)),
        (float, "1.5e-3", 0.0015),
        (float, "5", 5.0),
        (float, ".5", 0.5),
        (Decimal, "0.10", Decimal("0.10")),
        (Path, " /etc/x ", Path("/etc/x")),
        (UUID, str(AN_ID), AN_ID),
        (datetime, "2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (date, "2026-01-02", date(2026, 1, 2)),
        (time, "03:04", time(3, 4)),
        (timedelta, "1h30m", timedelta(minutes=90)),
        (Color, "red", Color.RED),
        (Color, "2", Color.BLUE),
        (Color, "BLUE", Color.BLUE),
        (Literal["a", 1, True], "a", "a"),
        (Literal["a", 1, True], "1", 1),
        (Literal["a", 1, True], "true", True),
        (ipaddress.IPv4Address, "127.0.0.1", ipaddress.IPv4Address("127.0.0.1")),
        (ipaddress.IPv6Network, "fd00::/8", ipaddress.IPv6Network("fd00::/8")),
        (Secret[str], " x ", Secret(" x ")),
        (Secret, "x", Secret("x")),
        (Secret[bytes], "é", Secret("é".encode())),
        (SecretUrl, "db://u:p@h", SecretUrl("db://u:p@h")),
        (list[int], "1, 2,3", [1, 2, 3]),
        (list[int], "[1, 2]", [1, 2]),
        (list[str], "", []),
        (list, "a,b", ["a", "b"]),
        (Sequence[str], "a", ("a",)),
        (tuple[int, ...], "1,2", (1, 2)),
        (tuple[str, int], "a,2", ("a", 2)),
        (set[int], "1,1", {1}),
        (frozenset[str], "a,b", frozenset("ab")),
        (dict[str, int], "a=1,b=2", {"a": 1, "b": 2}),
        (dict[str, list[int]], '{"a": [1]}', {"a": [1]}),
        (Mapping[str, str], "", {}),
        (dict, "a=1", {"a": "1"}),
        (list[Nested], '[{"a": 1}, {}]', [Nested(1), Nested()]),
        (Nested, '{"a": 1}', Nested(1)),
        (Nested | None, "a=1", Nested(1)),
        (int | None, "6", 6),
        (int | str, "5", 5),
        (int | str, "x", "x"),
        (Annotated[int, "a remark"], "5", 5),
    ],
)
def test_from_text(kind: Any, given: str, expected: object):
    found = text(kind, given)
    assert expected == found
    assert type(expected) is type(found)


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        (bool, "y", "expected true or false, got text"),
        (int, "1.0", "expected an integer, got text"),
        (int, "0x10", "expected an integer, got text"),
        (int, "1_000", "expected an integer, got text"),
        (int, "٣", "expected an integer, got text"),
        (int, "9" * 65, "expected an integer, got text"),
        (int, "", "expected an integer, got empty text"),
        (int | None, "", "expected an integer, got empty text"),
        (float, "nan", "expected a number, got text"),
        (float, "inf", "expected a number, got text"),
        (float, "1e999", "expected a number, got text"),
        (Decimal, "NaN", "expected a decimal number, got text"),
        (Path, " ", "expected a path, got empty text"),
        (UUID, "x", "expected a UUID, got text"),
        (datetime, "yesterday", "expected a date and time, got text"),
        (date, "2026-02-30", "expected a date like 2026-01-31, got text"),
        (Color, "green", "expected one of red, 2, got text"),
        (Literal["a", 1], "b", "expected one of a, 1, got text"),
        (ipaddress.IPv4Address, "1.2.3", "expected an IPv4Address, got text"),
        (list[int], "[1", "expected a list of int, got text"),
        (tuple[str, int], "a", "expected a list of 2 items, got text"),
        (dict[str, int], "a", "expected a table of int, got text"),
        (dict[str, int], '{"a": 1, "a": 2}', "expected a table of int, got text"),
        (Nested, "x", "expected a table, got text"),
        (int | bool, "x", "expected an integer or true or false, got text"),
        (Annotated[int, Range(min=1)] | None, "x", "expected an integer at least 1, got text"),
    ],
)
def test_refused_from_text(kind: Any, given: str, message: str):
    assert message == refusal(text, kind, given)


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        (int, 5, 5),
        (float, 5, 5.0),
        (bool, True, True),
        (Decimal, 0.1, Decimal("0.1")),
        (Decimal, 2, Decimal(2)),
        (Decimal, "0.10", Decimal("0.10")),
        (Path, "x", Path("x")),
        (Path, Path("x"), Path("x")),
        (UUID, str(AN_ID), AN_ID),
        (date, date(2026, 1, 2), date(2026, 1, 2)),
        (timedelta, 90, timedelta(seconds=90)),
        (timedelta, "PT90S", timedelta(seconds=90)),
        (Color, 2, Color.BLUE),
        (Color, "BLUE", Color.BLUE),
        (Color, Color.RED, Color.RED),
        (Literal[1, True], True, True),
        (Secret[str], "x", Secret("x")),
        (Secret[str], Secret("x"), Secret("x")),
        (SecretUrl, Secret("db://h"), SecretUrl("db://h")),
        (Secret[bytes], b"x", Secret(b"x")),
        (set[int], [1, 1], {1}),
        (Nested, Nested(5), Nested(5)),
        (list[Nested], [{"a": 1}], [Nested(1)]),
        (int | None, None, None),
        (Any, {"a": [1]}, {"a": [1]}),
        (int | str, "5", "5"),
    ],
)
def test_from_native(kind: Any, given: object, expected: object):
    found = native(kind, given)
    assert expected == found
    assert type(expected) is type(found)


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        (int, True, "expected an integer, got a boolean"),
        (int, 1.0, "expected an integer, got a number"),
        (int, "5", "expected an integer, got text"),
        (float, False, "expected a number, got a boolean"),
        (float, 10**400, "expected a number, got an integer"),
        (bool, 1, "expected true or false, got an integer"),
        (bool, "true", "expected true or false, got text"),
        (str, 5, "expected text, got an integer"),
        (Literal[1], True, "expected one of 1, got a boolean"),
        (Color, 2.0, "expected one of red, 2, got a number"),
        (
            date,
            datetime(2026, 1, 2, tzinfo=UTC),
            "expected a date like 2026-01-31, got a date or time",
        ),
        (list[int], "1,2", "expected a list of int, got text"),
        (list[int], {"a": 1}, "expected a list of int, got a table"),
        (dict[str, int], [1], "expected a table of int, got a list"),
        (Secret[str], 5, "expected a secret text, got an integer"),
        (Secret[str], Secret(b"x"), "expected a secret text, got a secret"),
        (Nested, object(), "expected a table, got an object of type object"),
        (timedelta, -1, "expected a duration like 30s, got an integer"),
        (timedelta, 1e300, "expected a duration like 30s, got a number"),
    ],
)
def test_refused_from_native(kind: Any, given: object, message: str):
    assert message == refusal(native, kind, given)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("30s", 30), ("5m", 300), ("1h30m", 5400), ("250ms", 0.25), ("2d", 172_800),
        ("1w", 604_800), ("PT5M", 300), ("P1DT1.5S", 86_401.5), ("5", 5), ("1.5", 1.5), ("0", 0),
        ("1.5h", 5400),
    ],
)  # fmt: skip
def test_seconds(given: str, expected: float):
    assert expected == text(Seconds, given)
    assert expected == native(Seconds, given)
    assert expected == text(float, given, metadata={"unit": "s"})
    assert expected == text(float | None, given, metadata={"unit": "s"})


@pytest.mark.parametrize(
    "given", ["-1", "5x", "P", "PT", "1h 30m", "s", "", "nan", "1h30", "9" * 99]
)
def test_no_seconds(given: str):
    what = "text" if given else "empty text"
    assert f"expected a duration like 30s, got {what}" == refusal(text, Seconds, given)


def test_native_seconds_are_numbers_and_durations():
    assert (5.0, 90.0) == (native(Seconds, 5), native(Seconds, timedelta(seconds=90)))
    for wrong in (-1, True, float("nan"), float("inf"), [1]):
        assert refusal(native, Seconds, wrong).startswith("expected a duration")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("10MiB", 10 * 1024**2), ("10MB", 10**7), ("512k", 512_000), ("1024", 1024),
        ("1 GiB", 1024**3), ("1.5KiB", 1536), ("5B", 5), ("0", 0), ("2t", 2 * 10**12),
    ],
)  # fmt: skip
def test_size(given: str, expected: int):
    assert expected == text(Size, given)
    assert expected == native(Size, given)
    assert expected == text(int, given, metadata={"unit": "B"})


@pytest.mark.parametrize("given", ["-1", "1.5", "5i", "5iB", "5X", "", "1e3", "0.0001k"])
def test_no_size(given: str):
    assert refusal(text, Size, given).startswith("expected a size like 10MiB")


def test_every_item_that_is_wrong_is_named():
    with pytest.raises(ConfigLoadError) as caught:
        text(list[int], "1,x,3,y")
    assert ["x[1]", "x[3]"] == [found.path for found in caught.value.violations]


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (complex, "complex"),
        (dict[int, str], "its names are not str"),
        (list[complex], "complex"),
        (list[int] | str, "only scalar types can be alternatives"),
        (Nested | str, "only scalar types can be alternatives"),
        (type[int], "type"),
    ],
    ids=map(str, count()),
)
def test_a_type_that_cannot_be_read_is_refused_naming_the_field(kind: Any, why: str):
    with pytest.raises(BadSetting, match=r"One\.x has the type") as caught:
        load(one(kind))
    assert why in str(caught.value)


def test_a_field_of_any_type_may_be_left_to_the_code():
    kind = one(complex, default=1j, metadata={"bind": False})
    assert 1j == load(kind).value.x
    with pytest.raises(BadSetting, match="needs a default"):
        load(one(complex, metadata={"bind": False}))


@attrs.frozen
class Endless:
    inner: Endless


@attrs.frozen
class Unknown:
    x: Nowhere  # noqa: F821 - that it is unknown is the matter


@attrs.frozen
class Private:
    _x: int = 1
    renamed: int = attrs.field(default=2, alias="other")
    made: int = attrs.field(init=False, default=3)
    here: int = attrs.Factory(lambda self: self._x + 1, takes_self=True)


def test_a_class_that_holds_itself_and_an_unknown_name_are_refused():
    with pytest.raises(BadSetting, match="Endless holds itself"):
        load(Endless)
    with pytest.raises(BadSetting, match="Nowhere"):
        load(Unknown)


def test_settings_are_called_as_the_constructor_calls_them():
    loaded = load(Private, MemorySource({"x": 5, "other": 6}))
    assert (5, 6, 3, 6) == attrs.astuple(loaded.value)
    assert {"x": 5, "other": 6, "here": 6} == loaded.redacted()
    assert () == loaded.explain("here").layers


def test_a_default_and_a_factory_at_once_are_refused():
    with pytest.raises(BadSetting):
        setting(1, factory=list)


SCALARS = attrs.make_class(
    "Scalars",
    {
        "number": attrs.field(type=int),
        "ratio": attrs.field(type=float),
        "flag": attrs.field(type=bool),
        "word": attrs.field(type=str),
        "words": attrs.field(type=tuple[str, ...]),
        "limits": attrs.field(type=dict[str, int]),
    },
    frozen=True,
)
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
VALUES = st.builds(
    SCALARS,
    number=st.integers(-(2**63), 2**63 - 1),
    ratio=st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: abs(x) < 1e300),
    flag=st.booleans(),
    word=WORDS,
    words=st.lists(WORDS, max_size=3).map(tuple),
    limits=st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.integers(0, 99)),
)


@given(VALUES)
@example(SCALARS(0, -0.0, False, '"', ("\n",), {}))
def test_what_is_written_to_the_environment_and_to_json_is_read_back(value: Any):
    table = json.loads(json.dumps(attrs.asdict(value)))
    variables = {
        f"T_{key.upper()}": item if isinstance(item, str) else json.dumps(item)
        for key, item in table.items()
    }
    assert value == load(SCALARS, EnvSource("T_", environ=variables)).value
    assert value == load(SCALARS, MemorySource(json.loads(json.dumps(table)))).value


def test_a_wide_file_is_read(tmp_path: Path):
    file = tmp_path / "wide.json"
    file.write_text(json.dumps({"x": {f"k{i}": i for i in range(5000)}}))
    assert 5000 == len(load(one(dict[str, int]), FileSource(file)).value.x)


@pytest.mark.subprocess
def test_importing_loads_nothing_slow():
    code = "import sys, infra_config; print({'asyncio', 'yaml', 'email'} & set(sys.modules))"
    import subprocess

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "set()" == done.stdout.strip()
