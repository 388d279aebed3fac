"""Structured fields: the published suite, every character, and what cannot be written."""

from __future__ import annotations

import base64
import json
import os
import string
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra_http import fields
from infra_http.errors import HttpInputError
from infra_http.fields import Date, DisplayString, InnerList, Item, Token

ASCII = [chr(code) for code in range(128)]
BAD: Any = {
    "string of Unicode": "ü",
    "string with a line break": "a\nb",
    "token of nothing": Token(""),
    "token with a space": Token("a b"),
    "integer of 16 digits": 10**15,
    "date of 16 digits": Date(-(10**15)),
    "decimal of 13 digits": Decimal(10**12),
    "decimal that rounds up to 13 digits": Decimal("999999999999.9996"),
    "enormous float": 1e300,
    "not a number": float("nan"),
    "infinite": Decimal("Infinity"),
    "half a surrogate pair": DisplayString("\ud800"),
    "nothing": None,
    "object": object(),
    "inner list alone": InnerList([]),
    "key with a capital": {"A": 1},
    "key of nothing": {"": 1},
    "key that is a number": {1: 1},
    "parameter with a bad key": Item(1, {"a b": 1}),
    "inner list in an inner list": [[[1]]],
}


def published() -> list[Any]:
    places = [str(parent / "shared" / "conformance") for parent in Path(__file__).parents]
    places = [place for place in (os.environ.get("INFRA_CONFORMANCE_DIR"), *places) if place]
    for place in places:
        found = sorted((Path(place) / "structured-fields").glob("*.json"))
        if found:
            return [case for file in found for case in json.loads(file.read_bytes())]
    pytest.skip("the published suite structured-fields is not here")


def bare(value: Any) -> Any:
    """Our value in the words of the suite."""
    if isinstance(value, Token):
        return {"__type": "token", "value": str(value)}
    if isinstance(value, DisplayString):
        return {"__type": "displaystring", "value": str(value)}
    if isinstance(value, Date):
        return {"__type": "date", "value": int(value)}
    if isinstance(value, bytes):
        return {"__type": "binary", "value": base64.b32encode(value).decode()}
    return float(value) if isinstance(value, Decimal) else value


def plain(value: Any) -> Any:
    if isinstance(value, Item):
        return [bare(value.value), [[key, bare(of)] for key, of in value.params.items()]]
    if isinstance(value, InnerList):
        params = [[key, bare(of)] for key, of in value.params.items()]
        return [[plain(item) for item in value.items], params]
    if isinstance(value, dict):
        return [[key, plain(member)] for key, member in value.items()]
    return [plain(member) for member in value]


def test_the_published_cases_are_read_and_written_as_they_say() -> None:
    wrong = []
    cases = published()
    for case in cases:
        try:
            value = fields.parse(case["raw"], case["header_type"])
        except HttpInputError:
            if not case.get("must_fail") and not case.get("can_fail"):
                wrong.append((case["name"], "was refused"))
            continue
        if case.get("must_fail") or case["expected"] != plain(value):
            wrong.append((case["name"], plain(value)))
            continue
        canonical = ", ".join(case.get("canonical", case["raw"]))
        if canonical != fields.serialize(value):
            wrong.append((case["name"], fields.serialize(value)))
    assert [] == wrong
    assert len(cases) >= 235


@pytest.mark.parametrize("code", range(128))
def test_each_character_is_taken_where_the_grammar_has_it_and_nowhere_else(code: int) -> None:
    character = chr(code)
    letters, digits = string.ascii_letters, string.digits
    small = string.ascii_lowercase
    tchar = letters + digits + "!#$%&'*+-.^_`|~"

    def takes(text: str, kind: Any) -> bool:
        try:
            fields.parse(text, kind)
        except HttpInputError:
            return False
        return True

    def said(value: Any) -> bool:
        try:
            fields.serialize(value)
        except HttpInputError:
            return False
        return True

    starts_key, in_key = character in small + "*", character in small + digits + "_-.*"
    assert starts_key == said({character: 1}) == takes(f"a;{character}=1", "item")
    assert in_key == said({f"a{character}": 1})
    assert in_key == takes(f"a{character}=1", "dictionary") or character in " =;,\t"
    assert (character in letters + "*") == said(Token(character))
    assert (character in tchar + ":/") == said(Token(f"a{character}"))
    assert (character in tchar + ":/ ") == takes(f"a{character}", "item")
    assert (32 <= code < 127) == said(character)
    assert (32 <= code < 127 and character not in '"\\') == takes(f'"{character}"', "item")
    assert (character in '"\\') == takes(f'"\\{character}"', "item")
    assert (32 <= code < 127 and character not in '"%') == takes(f'%"{character}"', "item")
    assert character == fields.parse(fields.serialize(DisplayString(character)), "item").value
    assert (character in "01") == takes(f"?{character}", "item")


@pytest.mark.parametrize("sign", ["", "-"])
def test_numbers_have_at_most_fifteen_digits_or_twelve_and_three(sign: str) -> None:
    for count in range(1, 20):
        text = sign + "1" * count
        if count <= 15:
            assert int(text) == fields.parse(text, "item").value
        else:
            with pytest.raises(HttpInputError):
                fields.parse(text, "item")
        for after in range(5):
            text = sign + "1" * count + "." + "5" * after
            if count <= 12 and 1 <= after <= 3:
                assert Decimal(text) == fields.parse(text, "item").value
            else:
                with pytest.raises(HttpInputError):
                    fields.parse(text, "item")


@pytest.mark.parametrize("what", BAD)
def test_what_a_field_cannot_carry_is_refused(what: str) -> None:
    with pytest.raises(HttpInputError, match="cannot be written") as caught:
        fields.serialize(BAD[what])
    assert "http.invalid" == caught.value.code


def test_bare_values_and_lists_stand_for_items_and_inner_lists() -> None:
    assert '1, "a", b, (1 2), ()' == fields.serialize([1, "a", Token("b"), [1, 2], []])
    assert "a, b=?0, c=(1), d;x" == fields.serialize(
        {"a": True, "b": False, "c": [1], "d": Item(True, {"x": True})}
    )
    assert "" == fields.serialize([])


def test_decimals_are_rounded_to_three_places_half_to_even() -> None:
    assert "0.002" == fields.serialize(Decimal("0.0025"))
    assert "0.004" == fields.serialize(0.0035)
    assert "1.0" == fields.serialize(1.0)
    assert "-1.5" == fields.serialize(Decimal("-1.50"))


def test_lines_of_one_field_are_joined_and_bytes_are_taken() -> None:
    assert [Item(1), Item(2), Item(3)] == fields.parse(["1, 2", "3"], "list")
    assert Token("x") == fields.parse(b"x", "item").value
    with pytest.raises(HttpInputError, match="not ASCII"):
        fields.parse('"ü"'.encode(), "item")


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(HttpInputError, match="item, list or dictionary"):
        fields.parse("1", "map")  # type: ignore[call-overload]


bare_items = st.one_of(
    st.booleans(),
    st.integers(-(10**15) + 1, 10**15 - 1),
    st.decimals(-(10**11), 10**11, places=3),
    st.text(st.characters(min_codepoint=32, max_codepoint=126)),
    st.binary(),
    st.from_regex(r"[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*", fullmatch=True).map(Token),
    st.text().map(DisplayString),
    st.integers(-(10**15) + 1, 10**15 - 1).map(Date),
)
params = st.dictionaries(st.from_regex(r"[a-z*][a-z0-9_.*-]*", fullmatch=True), bare_items)
items = st.builds(Item, bare_items, params)
members = st.one_of(items, st.builds(InnerList, st.lists(items), params))


@given(st.one_of(items, st.lists(members, min_size=1), st.dictionaries(
    st.from_regex(r"[a-z*][a-z0-9_.*-]*", fullmatch=True), members, min_size=1
)))  # fmt: skip
def test_what_is_written_is_read_back(value: Any) -> None:
    kind: Any = {Item: "item", list: "list", dict: "dictionary"}[type(value)]
    back = fields.parse(fields.serialize(value), kind)
    assert value == back
    assert plain(value) == plain(back)


@given(st.text(st.sampled_from([*ASCII, "ü"])), st.sampled_from(["item", "list", "dictionary"]))
def test_no_text_does_anything_but_parse_or_be_refused(text: str, kind: Any) -> None:
    try:
        value = fields.parse(text, kind)
    except HttpInputError:
        return
    again = fields.serialize(value)
    if again:
        assert value == fields.parse(again, kind)
