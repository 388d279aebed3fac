"""RFC 8785 against its own examples, and what makes a digest trustworthy."""

from __future__ import annotations

import gzip
import json
import math
import os
import random
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra_json import EncodeError, canonical, canonicalize, loads

pytestmark = pytest.mark.usefixtures("engine")

PLACES = [
    os.environ.get("INFRA_CONFORMANCE_DIR"),
    *(parent / "shared" / "conformance" for parent in Path(__file__).parents),
]
FOUND = [Path(place, "jcs") for place in PLACES if place]
JCS = next((folder for folder in FOUND if folder.is_dir()), Path("absent"))


def test_the_example_of_the_rfc():
    document = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": '€$\u000f\nA\'B"\\\\"/',
        "literals": [None, True, False],
    }
    expected = (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    assert expected.encode() == canonicalize(document)


@pytest.mark.parametrize(
    ("hexadecimal", "expected"),
    [  # RFC 8785, appendix B
        ("0000000000000000", "0"),
        ("8000000000000000", "0"),
        ("0000000000000001", "5e-324"),
        ("8000000000000001", "-5e-324"),
        ("7fefffffffffffff", "1.7976931348623157e+308"),
        ("ffefffffffffffff", "-1.7976931348623157e+308"),
        ("4340000000000000", "9007199254740992"),
        ("c340000000000000", "-9007199254740992"),
        ("4430000000000000", "295147905179352830000"),
        ("44b52d02c7e14af5", "9.999999999999997e+22"),
        ("44b52d02c7e14af6", "1e+23"),
        ("44b52d02c7e14af7", "1.0000000000000001e+23"),
        ("444b1ae4d6e2ef4e", "999999999999999700000"),
        ("444b1ae4d6e2ef4f", "999999999999999900000"),
        ("444b1ae4d6e2ef50", "1e+21"),
        ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
        ("3eb0c6f7a0b5ed8d", "0.000001"),
        ("41b3de4355555553", "333333333.3333332"),
        ("becbf647612f3696", "-0.0000033333333333333333"),
        ("43143ff3c1cb0959", "1424953923781206.2"),
    ],
)
def test_numbers_are_written_as_ecmascript_does(hexadecimal: str, expected: str):
    (number,) = struct.unpack(">d", bytes.fromhex(hexadecimal))
    assert expected.encode() == canonicalize(number)


def test_names_are_sorted_by_utf16_units():
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    expected = ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
    written = canonicalize(dict.fromkeys(names, 0))
    assert expected == list(json.loads(written))


@pytest.mark.parametrize("number", [2**53, -(2**53), 10**30])
def test_an_integer_that_others_would_round_is_refused(number: int):
    with pytest.raises(EncodeError, match="write it as text"):
        canonicalize({"n": number})
    assert str(2**53 - 1).encode() == canonicalize(2**53 - 1)


@pytest.mark.parametrize("value", [math.nan, math.inf, "\udfff", {1: 2}, object()])
def test_what_has_no_json_form_is_refused(value: Any):
    with pytest.raises(EncodeError):
        canonicalize([value])


@given(
    st.dictionaries(st.text(st.characters(codec="utf-8")), st.integers(-100, 100), max_size=8),
    st.randoms(use_true_random=False),
)
def test_the_order_of_names_does_not_matter(table: dict[str, int], chance: random.Random):
    names = list(table)
    chance.shuffle(names)
    assert canonicalize(table) == canonicalize({name: table[name] for name in names})


def test_sets_have_one_order():
    assert canonicalize({"b", "a", "c"}) == canonicalize({"c", "b", "a"}) == b'["a","b","c"]'


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_double_reads_back_as_itself(number: float):
    assert number == float(canonicalize(number))


@pytest.mark.skipif(not JCS.exists(), reason="the published JCS vectors are not here")
def test_the_published_documents():
    inputs = sorted(JCS.rglob("input/*.json"))
    assert inputs
    for file in inputs:
        expected = (file.parents[1] / "output" / file.name).read_bytes()
        assert expected.rstrip(b"\n") == canonicalize(loads(file.read_bytes())), file.name


@pytest.mark.skipif(not list(JCS.rglob("es6*")), reason="the published ES6 numbers are not here")
def test_the_published_numbers():
    (file,) = JCS.rglob("es6*.gz")
    for line in gzip.decompress(file.read_bytes()).decode("ascii").split():
        bits, expected = line.split(",")
        (number,) = struct.unpack(">d", bytes.fromhex(bits.rjust(16, "0")))
        assert expected.encode() == canonicalize(number)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**53) + 1, 2**53 - 1)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(codec="utf-8")),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
        ),
        max_leaves=20,
    )
)
def test_the_short_way_and_the_long_way_write_the_same(document: Any):
    parts: list[str] = []
    canonical._write(document, parts)
    assert "".join(parts).encode() == canonicalize(document)


def test_the_oracle_agrees():
    oracle = pytest.importorskip("rfc8785")
    chance = random.Random(1)
    for _ in range(2000):
        number = chance.choice(
            [chance.random(), chance.uniform(-1e22, 1e22), 10.0 ** chance.randrange(-10, 25)]
        )
        document = {"b": [number, None, True], "a\U0001f600": chance.randrange(-(2**53) + 1, 2**53)}
        assert oracle.dumps(document) == canonicalize(document)


def test_an_unsafe_integer_is_named():
    with pytest.raises(EncodeError) as caught:
        canonicalize({"a": [1, {"b/c": 2**53}]})
    assert "/a/1/b~1c" == caught.value.context["path"]
