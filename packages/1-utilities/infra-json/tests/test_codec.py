"""Strict in, strict out: use first, then everything that is refused and where."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import struct
import sys
import uuid
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from ipaddress import ip_address
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra_errors import Secret
from infra_errors import ValidationError as InfraValidationError
from infra_json import (
    DecodeError,
    EncodeError,
    TooDeep,
    TooLarge,
    canonicalize,
    dump_bytes,
    dumps,
    loads,
    to_json_value,
)

pytestmark = pytest.mark.usefixtures("engine")

PLACES = [
    os.environ.get("INFRA_CONFORMANCE_DIR"),
    *(parent / "shared" / "conformance" for parent in Path(__file__).parents),
]
FOUND = [
    Path(place, "JSONTestSuite")
    for place in PLACES
    if place and Path(place, "JSONTestSuite").is_dir()
]
SUITE = FOUND[0] if FOUND else Path("absent")

documents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(documents)
def test_every_document_goes_out_and_comes_back(document: Any):
    assert document == loads(dumps(document))
    assert document == loads(dump_bytes(document, indent=2, sort_keys=True))


@given(documents)
def test_what_we_write_the_standard_library_reads(document: Any):
    assert document == json.loads(dumps(document))


@given(st.text())
def test_any_text_is_read_or_refused_as_an_error_of_ours(text: str):
    with contextlib.suppress(DecodeError, TooDeep):
        assert loads(text) == loads(text.encode())


@pytest.mark.parametrize(
    ("text", "line", "column", "path", "why"),
    [
        ('{"a":', 1, 6, "/a", "expecting value"),
        ("", 1, 1, "", "expecting value"),
        ('{"a": 1,\n "b": [1, 2,, 3]}', 2, 13, "/b/2", "expecting value"),
        ('{"a": {"x": 1, "x": 2}}', 1, 16, "/a/x", "stands twice"),
        ('[0, {"a/b": NaN}]', 1, 13, "/1/a~1b", "NaN is no JSON number"),
        ("[-Infinity]", 1, 2, "/0", "-Infinity is no JSON number"),
        ('{"n": 1e400}', 1, 7, "/n", "too large for a double"),
        (f"[{'9' * 4301}]", 1, 2, "/0", "more than 4,300 digits"),
        ('["\\ud800"]', 1, 3, "/0", "surrogate"),
        ('["\\udc00\\ud800"]', 1, 3, "/0", "surrogate"),
        ("[1] 2", 1, 5, "", "extra data"),
        ("\ufeff[]", 1, 1, "", "byte order mark"),
        ('["\ud800"]', 1, 3, "/0", "surrogate"),
        ("[01]", 1, 3, "/0", "expecting ',' delimiter"),
    ],
)
def test_a_refusal_says_where_and_why(text: str, line: int, column: int, path: str, why: str):
    with pytest.raises(DecodeError, match=why) as caught:
        loads(text)
    context = caught.value.context
    assert (line, column, path) == (context["line"], context["column"], context["path"])
    assert column - 1 == context["offset"] - (text.rfind("\n", 0, context["offset"]) + 1)


@pytest.mark.parametrize(
    "data", [b"\xff", b'["\xe9"]', "[1]".encode("utf-16"), "[1]".encode("utf-32"), b"\xef\xbb\xbf1"]
)
def test_bytes_are_utf8_without_a_mark_or_refused(data: bytes):
    with pytest.raises(DecodeError):
        loads(data)


@pytest.mark.parametrize("data", [None, 1, ["[]"], Path("x")])
def test_what_is_neither_text_nor_bytes_is_refused(data: Any):
    with pytest.raises(DecodeError, match="JSON is text or bytes"):
        loads(data)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_of_every_kind_are_read(kind: Any):
    assert {"é": [1]} == loads(kind('{"é":[1]}'.encode()))


def test_a_surrogate_pair_and_an_escaped_backslash_are_fine():
    assert ["😀", "\\ud800"] == loads(r'["\ud83d\ude00", "\\ud800"]')


def test_the_last_of_equal_names_wins_when_asked():
    assert {"a": 2} == loads('{"a":1,"a":2}', duplicate_keys="last")


def test_numbers_stay_exact_when_asked():
    assert [Decimal("0.10"), 2**70] == loads(f"[0.10, {2**70}]", decimals=True)
    assert [Decimal("1e400")] == loads("[1e400]", decimals=True)


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_a_hundred_thousand_levels_are_an_error_and_not_a_crash(opening: str):
    with pytest.raises(TooDeep, match="deeper than 512 levels"):
        loads(opening * 100_000)


def test_the_allowed_depth_is_exact_and_brackets_in_strings_do_not_count():
    assert loads("[" * 512 + "]" * 512)
    with pytest.raises(TooDeep):
        loads("[" * 513 + "]" * 513)
    assert ["[" * 600, '"' + "{" * 600] == loads(json.dumps(["[" * 600, '"' + "{" * 600]))
    assert [[]] * 600 == loads("[" + ",".join(["[]"] * 600) + "]")


def test_a_depth_the_parser_cannot_reach_is_still_an_error_of_ours():
    with pytest.raises(TooDeep):
        loads("[" * 200_000 + "]" * 200_000, max_depth=1_000_000)


def test_a_document_over_its_size_is_refused():
    with pytest.raises(TooLarge, match="the document has 8 bytes, 7 are allowed"):
        loads('["éé"]', max_bytes=7)
    assert ["éé"] == loads('["éé"]', max_bytes=8)


def test_an_error_shows_at_most_forty_characters_of_the_document():
    with pytest.raises(DecodeError) as caught:
        loads('{"' + "k" * 500 + '": 1, "' + "k" * 500 + '": 2}')
    assert "k" * 41 not in caught.value.message


class Color(Enum):
    RED = "red"


class Level(IntEnum):
    LOW = 1


class Word(StrEnum):
    HI = "hi"


@dataclasses.dataclass
class Point:
    x: int
    y: int
    _hidden: int = 0


class Pair(NamedTuple):
    left: int
    right: int


class Own:
    def __json__(self) -> object:
        return {"own": [1]}


class AttrsLike:
    """What attrs makes, without attrs: this package does not need it."""

    __attrs_attrs__ = (type("A", (), {"name": "shown"}), type("A", (), {"name": "_private"}))

    def __init__(self) -> None:
        self.shown = 1
        self._private = 2


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05Z"),
        (
            datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=2))),
            "2026-01-02T01:04:05.000006Z",
        ),
        (date(2026, 1, 2), "2026-01-02"),
        (time(3, 4), "03:04:00"),
        (timedelta(minutes=1), 60),
        (timedelta(milliseconds=1500), 1.5),
        (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (Decimal("1.10"), "1.10"),
        (b"\x00\xff", "AP8="),
        (Color.RED, "red"),
        (Level.LOW, 1),
        (Word.HI, "hi"),
        (PurePosixPath("/a/b"), "/a/b"),
        (ip_address("::1"), "::1"),
        ((1, (2,)), [1, [2]]),
        (Pair(1, 2), [1, 2]),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"b", "a", 10, 9}), ["a", "b", 10, 9]),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (Point(1, 2), {"x": 1, "y": 2}),
        (AttrsLike(), {"shown": 1}),
        (Own(), {"own": [1]}),
    ],
)
def test_an_extended_type_has_one_form(obj: Any, expected: Any):
    written = loads(dumps(obj))
    if isinstance(obj, frozenset):
        assert sorted(expected, key=canonicalize) == written
    else:
        assert expected == written


def test_an_error_of_the_house_is_written_in_its_wire_form():
    written = to_json_value({"error": InfraValidationError("no", code="app.no_good")})
    assert "app.no_good" == written["error"]["code"]  # type: ignore[index, call-overload]


def test_default_converts_what_nothing_else_does():
    assert '{"z":"1j"}' == dumps({"z": 1j}, default=str)


CYCLE: list[Any] = []
CYCLE.append({"again": CYCLE})


@pytest.mark.parametrize(
    ("obj", "path", "why"),
    [
        ({"a": [0, datetime(2026, 1, 1)]}, "/a/1", "without time zone"),
        ({"a/b": float("nan")}, "/a~1b", "nan is no JSON number"),
        ([float("-inf")], "/0", "-inf"),
        ([Decimal("NaN")], "/0", "nan"),
        ({"a": {1: 2}}, "/a", "a name is int"),
        ({"a": {None: 2}}, "/a", "a name is NoneType"),
        (CYCLE, "/0/again", "contains itself"),
        ({"key": Secret("hunter2")}, "/key", "a secret is never written"),
        (["\ud800"], "/0", "surrogate"),
        ([object()], "/0", "object has no JSON form"),
        ([Point], "/0", "type has no JSON form"),
    ],
)
def test_what_has_no_form_is_refused_with_its_path(obj: Any, path: str, why: str):
    with pytest.raises(EncodeError, match=why) as caught:
        dumps(obj)
    assert path == caught.value.context["path"]
    assert "hunter2" not in str(caught.value)


def test_an_object_twice_in_a_document_is_no_cycle():
    shared = [1]
    assert "[[1],[1]]" == dumps([shared, shared])


@pytest.mark.parametrize("write", [dumps, dump_bytes, canonicalize])
def test_depth_is_bounded_on_the_way_out(write: Any, nested: Callable[..., Any]):
    assert write(nested(512))
    for depth in (513, 100_000):
        with pytest.raises(TooDeep):
            write(nested(depth))


def test_a_depth_the_writer_cannot_reach_is_still_an_error_of_ours(nested: Callable[..., Any]):
    with pytest.raises(TooDeep):
        dumps(nested(100_000), max_depth=1_000_000)


@pytest.mark.deep_stack
def test_canonical_bytes_have_the_depth_that_the_caller_allows(nested: Callable[..., Any]):
    deep = nested(100_000, objects=False)
    assert b"[" * 100_000 + b"]" * 100_000 == canonicalize(deep, max_depth=1_000_000)


def test_an_object_whose_form_never_ends_is_an_error():
    class Endless:
        def __json__(self) -> object:
            return [Endless()]

    with pytest.raises(TooDeep):
        dumps(Endless())


def suite(kind: str) -> list[Path]:
    return sorted(SUITE.rglob(f"{kind}_*.json"))


needs_suite = pytest.mark.skipif(not suite("y"), reason="JSONTestSuite is not here")


@needs_suite
def test_the_published_suite_is_accepted_where_it_must_be():
    refused = []
    for file in suite("y"):
        try:
            loads(file.read_bytes(), duplicate_keys="last")
        except (DecodeError, TooDeep) as error:
            refused.append((file.name, str(error)))
    assert [] == refused


@needs_suite
def test_the_published_suite_is_refused_where_it_must_be():
    accepted = []
    for file in suite("n"):
        try:
            loads(file.read_bytes(), duplicate_keys="last")
        except (DecodeError, TooDeep):
            continue
        accepted.append(file.name)
    assert [] == accepted


@needs_suite
def test_the_published_undecided_cases_end_in_a_value_or_an_error_of_ours():
    verdicts = {}
    for file in suite("i"):
        try:
            loads(file.read_bytes(), duplicate_keys="last")
            verdicts[file.name] = "value"
        except (DecodeError, TooDeep) as error:
            verdicts[file.name] = error.code
    accepted = {name for name, verdict in verdicts.items() if verdict == "value"}
    assert {
        "i_number_double_huge_neg_exp.json",
        "i_number_real_underflow.json",
        "i_number_too_big_neg_int.json",
        "i_number_too_big_pos_int.json",
        "i_number_very_big_negative_int.json",
        "i_structure_500_nested_arrays.json",
    } == accepted


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        ([None, 1.5], "[null,1.5]"),
        ([2**64, -(2**64), 2**70], f"[{2**64},-{2**64},{2**70}]"),
        ({"b": 1, "\ud7ff": 2, "\ue000": 3, "😀": 4, "a": 5}, None),
        ([uuid.UUID(int=7), None], '["00000000-0000-0000-0000-000000000007",null]'),
        ([Color.RED, Level.LOW, None], '["red",1,null]'),
        (json.loads("[" * 400 + "]" * 400), "[" * 400 + "]" * 400),
        ({"null": "null"}, '{"null":"null"}'),
        ([True, 0, -0.0, 1e-7, 1e300], None),
        ('\x7f\x1f\u2028\\"/', '"\x7f\\u001f\u2028\\\\\\"/"'),
    ],
)
def test_both_engines_write_the_same(obj: Any, expected: str | None):
    if expected is not None:
        assert expected == dumps(obj)
    assert dumps(obj).encode() == dump_bytes(obj)
    assert json.loads(json.dumps(to_json_value(obj))) == loads(dumps(obj))
    if isinstance(obj, dict):
        assert sorted(obj) == list(loads(dumps(obj, sort_keys=True)))


@pytest.mark.parametrize(
    "number",
    [float("nan"), float("inf"), float("-inf"), struct.unpack(">d", b"\xff" * 8)[0]],
    ids=["nan", "inf", "-inf", "payload"],
)
def test_no_engine_writes_a_number_that_is_none_as_null(number: float):
    for obj in ([number], {"a": [None, number]}, [number, "null"]):
        with pytest.raises(EncodeError, match="is no JSON number"):
            dump_bytes(obj)


def test_an_object_with_a_canonical_text_is_written_so():
    class Ulid:
        @classmethod
        def from_str(cls, text: str) -> Ulid:
            raise NotImplementedError

        def __str__(self) -> str:
            return "01ARZ3NDEKTSV4RRFFQ69G5FAV"

    assert '["01ARZ3NDEKTSV4RRFFQ69G5FAV"]' == dumps([Ulid()])


def test_duplicate_names_are_found_wherever_they_are():
    filler = ",".join(f'"n{i}":{{"a:b":"{{[:"}}' for i in range(500))
    assert 500 == len(loads(f"{{{filler}}}"))
    with pytest.raises(DecodeError, match="stands twice") as caught:
        loads(f'{{{filler},"\\u006e7":1}}')
    assert "/n7" == caught.value.context["path"]


def test_an_integer_may_have_4300_digits_and_a_sign():
    assert -(10**4300 - 1) == loads("-" + "9" * 4300)
    with pytest.raises(DecodeError, match="more than 4,300 digits"):
        loads("-" + "9" * 4301)


def test_a_cycle_with_two_ways_into_itself_ends():
    cycle: list[Any] = []
    cycle += [cycle, cycle]
    with pytest.raises(EncodeError, match="contains itself"):
        dumps(cycle)


@given(st.text('[]{}":,\\ 1a', max_size=30))
def test_brackets_and_colons_are_counted_as_the_parser_sees_them(text: str):
    try:
        expected = json.loads(text)
    except (ValueError, RecursionError):
        with pytest.raises(DecodeError):
            loads(text)
        return
    assert expected == loads(text, duplicate_keys="last")


def test_a_depth_that_the_caller_allows_is_read_or_refused_in_our_words():
    text = "[" * 3000 + "]" * 3000
    with contextlib.suppress(TooDeep):  # as far as the interpreter's own limit lets it
        assert text == dumps(loads(text, max_depth=10_000), max_depth=10_000)


def test_an_interpreter_that_reads_longer_integers_changes_nothing():
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        with pytest.raises(DecodeError, match="more than 4,300 digits"):
            loads("9" * 4301)
        assert 10**4300 - 1 == loads("9" * 4300)
    finally:
        sys.set_int_max_str_digits(before)
