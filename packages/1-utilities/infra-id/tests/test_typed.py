"""Typed ids against the TypeID specification, and what a type is for."""

from __future__ import annotations

import copy
import json
import os
import pickle
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra_id import BadIdOption, InvalidId, TypedId, Uuid7Generator, typeid

VECTORS = Path(
    os.environ.get("INFRA_CONFORMANCE_DIR", Path(__file__).parents[5] / "shared" / "conformance")
)


class BenchmarkId(TypedId):
    prefix = "bmk"


class UserId(TypedId):
    prefix = "usr"


class Bare(TypedId):
    prefix = ""


RFC = uuid.UUID("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")


def test_a_new_id_is_its_prefix_and_a_uuid7_that_parses_back():
    made = BenchmarkId.new()
    assert str(made).startswith("bmk_")
    assert 30 == len(str(made))
    assert 7 == made.uuid.version
    assert made == BenchmarkId.parse(str(made))


def test_an_id_knows_when_it_was_made():
    assert datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC) == BenchmarkId.from_uuid(RFC).timestamp
    assert BenchmarkId.from_uuid(uuid.uuid4()).timestamp is None


def test_new_ids_come_from_the_generator_that_is_given():
    made = Uuid7Generator(clock=lambda: 1645557742.0)
    assert (
        datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC) == BenchmarkId.new(generator=made).timestamp
    )


def test_an_id_without_prefix_is_the_suffix_alone():
    made = Bare.from_uuid(RFC)
    assert 26 == len(str(made))
    assert made == Bare.parse(str(made))


def test_equality_order_and_hash_stay_inside_a_class():
    one, two = BenchmarkId.new(), BenchmarkId.new()
    other = UserId.from_uuid(one.uuid)
    assert one < two
    assert two >= one
    assert one != other
    assert 2 == len({one, other, BenchmarkId.from_uuid(one.uuid)})
    with pytest.raises(TypeError):
        one < other  # type: ignore[operator]  # the refusal is the test


def test_an_id_is_immutable():
    made = BenchmarkId.new()
    with pytest.raises(AttributeError, match="immutable"):
        made.uuid = RFC
    with pytest.raises(AttributeError, match="immutable"):
        del made.uuid


def test_an_id_survives_pickle_and_copy():
    made = BenchmarkId.new()
    assert made == pickle.loads(pickle.dumps(made))
    assert made == copy.deepcopy(made)


def test_an_id_shows_its_class_and_text():
    made = BenchmarkId.from_uuid(RFC)
    assert f"BenchmarkId('{made}')" == repr(made)
    assert str(made) == made.__json__()


@pytest.mark.parametrize(
    "text",
    [
        "usr_01h455vb4pex5vsknk084sn02q",
        "BMK_01h455vb4pex5vsknk084sn02q",
        "bmk_01H455VB4PEX5VSKNK084SN02Q",
        "bmk_01h455vb4pex5vsknk084sn02",
        "bmk_01h455vb4pex5vsknk084sn02qq",
        "bmk_81h455vb4pex5vsknk084sn02q",
        "bmk_01h455vb4pex5vsknk084sn02i",
        "bmk_01h455vb4pex5vsknk084sn02q\n",
        "bmk_0١h455vb4pex5vsknk084sn02q",
        "bmk01h455vb4pex5vsknk084sn02q",
        "",
        None,
        7,
    ],
)
def test_any_other_text_is_refused(text: Any):
    with pytest.raises(InvalidId):
        BenchmarkId.parse(text)


def test_a_refusal_shows_at_most_64_characters_of_the_input():
    with pytest.raises(InvalidId) as caught:
        BenchmarkId.parse("x" * 10_000)
    assert "x" * 64 in str(caught.value)
    assert "x" * 65 not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["{017f22e2-79b0-7cc3-98c4-dc0c0c07398f}", "017f22e279b07cc398c4dc0c0c07398f", "x", b"bytes"],
)
def test_only_canonical_uuid_text_is_taken(text: Any):
    with pytest.raises(InvalidId):
        BenchmarkId.from_uuid(text)
    assert BenchmarkId.from_uuid(RFC) == BenchmarkId.from_uuid(str(RFC).upper())


@pytest.mark.parametrize("prefix", ["Bmk", "_b", "b_", "b-k", "é", "x" * 64, "1a"])
def test_a_bad_prefix_is_refused_when_the_class_is_made(prefix: str):
    with pytest.raises(BadIdOption, match="is no prefix"):
        type("Bad", (TypedId,), {"prefix": prefix})


def test_a_class_without_a_prefix_of_its_own_is_refused():
    with pytest.raises(BadIdOption, match="needs a prefix of its own"):
        type("Bad", (BenchmarkId,), {})


def test_two_classes_of_a_module_cannot_share_a_prefix():
    with pytest.raises(BadIdOption, match="BenchmarkId has the prefix 'bmk' already"):
        type("Other", (TypedId,), {"prefix": "bmk", "__module__": __name__})


def test_the_bare_class_makes_no_ids():
    with pytest.raises(BadIdOption, match="is made by"):
        TypedId(RFC)


def test_the_function_makes_the_same_text():
    assert str(BenchmarkId.from_uuid(RFC)) == typeid("bmk", RFC)
    assert typeid("bmk").startswith("bmk_")
    assert 26 == len(typeid(""))


@given(st.uuids())
def test_every_uuid_goes_through_text_and_back(value: uuid.UUID):
    assert value == BenchmarkId.parse(str(BenchmarkId.from_uuid(value))).uuid


def cases(name: str) -> list[dict[str, str]]:
    file = VECTORS / "typeid" / f"{name}.json"
    return json.loads(file.read_text("utf-8")) if file.exists() else []


@pytest.mark.skipif(not cases("valid"), reason="the published TypeID vectors are not here")
def test_the_published_valid_ids_are_what_we_make_and_read():
    for case in cases("valid"):
        assert case["typeid"] == typeid(case["prefix"], case["uuid"])
        kind = type("Published", (TypedId,), {"prefix": case["prefix"], "__module__": case["name"]})
        assert uuid.UUID(case["uuid"]) == kind.parse(case["typeid"]).uuid


@pytest.mark.skipif(not cases("invalid"), reason="the published TypeID vectors are not here")
def test_the_published_invalid_ids_are_refused():
    for case in cases("invalid"):
        prefix, _, suffix = case["typeid"].rpartition("_")
        with pytest.raises((InvalidId, BadIdOption)):
            name = f"invalid.{case['name']}"
            kind = type("Refused", (TypedId,), {"prefix": prefix, "__module__": name})
            kind.parse(f"{prefix}_{suffix}")
