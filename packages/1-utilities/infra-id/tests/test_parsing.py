"""Reading ids: what is taken, what is refused, and what is known afterwards."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra_id import (
    BadIdOption,
    IdKind,
    InvalidId,
    Snowflake,
    is_valid,
    nanoid,
    parse,
    typeid,
    ulid_str,
    uuid4_str,
    uuid7_str,
)

V4 = "919108f7-52d1-4320-9bac-f847db4148a8"
V7 = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"
ULID_TEXT = "01ARYZ6S41TSV4RRFFQ69G5FAV"


def test_a_uuid7_tells_its_time():
    parsed = parse("uuid7", V7)
    assert (IdKind.UUID7, V7, uuid.UUID(V7)) == (parsed.kind, parsed.text, parsed.value)
    assert datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC) == parsed.timestamp
    assert 1645557742000 == parsed.timestamp_ms


def test_a_uuid4_tells_none():
    parsed = parse(IdKind.UUID4, V4.upper())
    assert (V4, None, None) == (parsed.text, parsed.timestamp, parsed.timestamp_ms)


def test_a_ulid_tells_its_time_and_its_uuid():
    parsed = parse("ulid", ULID_TEXT.lower())
    assert (ULID_TEXT, 1469918176385) == (parsed.text, parsed.timestamp_ms)
    assert ULID_TEXT == str(parsed.value)
    assert bytes(parsed.value) == parsed.uuid.bytes  # type: ignore[arg-type, union-attr]  # a ULID


def test_a_typeid_tells_its_prefix():
    text = typeid("user_account", V7)
    parsed = parse("typeid", text)
    assert ("user_account", text, uuid.UUID(V7)) == (parsed.prefix, parsed.value, parsed.uuid)
    assert 1645557742000 == parsed.timestamp_ms
    assert "" == parse("typeid", typeid("", V4)).prefix


def test_a_snowflake_tells_its_time():
    value = Snowflake(3, clock=lambda: 1_700_000_000.0).next()
    parsed = parse("snowflake", str(value))
    assert (value, 1_700_000_000_000) == (parsed.value, parsed.timestamp_ms)


def test_a_nanoid_is_known_by_its_alphabet_and_size():
    text = nanoid()
    assert text == parse("nanoid", text, size=21).value
    assert is_valid("nanoid", "0110", alphabet="01")
    assert not is_valid("nanoid", "0120", alphabet="01")
    assert not is_valid("nanoid", text, size=20)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("uuid", "{017f22e2-79b0-7cc3-98c4-dc0c0c07398f}"),
        ("uuid", "urn:uuid:017f22e2-79b0-7cc3-98c4-dc0c0c07398f"),
        ("uuid", "017f22e279b07cc398c4dc0c0c07398f"),
        ("uuid", f" {V7}"),
        ("uuid", f"{V7}\n"),
        ("uuid", V7.replace("0", "\uff10")),
        ("uuid", V7[:-1] + "g"),
        ("uuid4", V7),
        ("uuid7", V4),
        ("uuid7", "00000000-0000-0000-0000-000000000000"),
        ("uuid4", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
        ("ulid", "8ZZZZZZZZZZZZZZZZZZZZZZZZZ"),
        ("ulid", "01ARYZ6S41TSV4RRFFQ69G5FAI"),
        ("ulid", "01ARYZ6S41TSV4RRFFQ69G5FAU"),
        ("ulid", "01ARYZ6S41TSV4RRFFQ69G5FA"),
        ("ulid", ULID_TEXT + "\n"),
        ("ulid", ULID_TEXT.replace("0", "\uff10")),
        ("ulid", "\u0130" * 26),
        ("snowflake", "+123"),
        ("snowflake", "-0"),
        ("snowflake", "007"),
        ("snowflake", str(2**63)),
        ("snowflake", ""),
        ("nanoid", ""),
        ("nanoid", "a b"),
        ("typeid", "USER_01h455vb4pex5vsknk084sn02q"),
        ("typeid", "_01h455vb4pex5vsknk084sn02q"),
        ("typeid", "user__01h455vb4pex5vsknk084sn02q"),
        ("typeid", "user_81h455vb4pex5vsknk084sn02q"),
        ("typeid", "user"),
    ],
)
def test_a_text_that_is_no_such_id_is_refused_and_its_kind_named(kind: str, text: str):
    with pytest.raises(InvalidId, match=r"is no \w+") as caught:
        parse(kind, text)
    assert "id.invalid" == caught.value.code
    assert not is_valid(kind, text)


@pytest.mark.parametrize("value", [None, 7, b"x", uuid.UUID(V7), ["x"]])
def test_only_text_is_read(value: Any):
    with pytest.raises(InvalidId, match="read from text"):
        parse("uuid", value)


def test_a_refusal_shows_at_most_64_characters():
    with pytest.raises(InvalidId) as caught:
        parse("uuid", "q" * 500)
    assert "q" * 64 in caught.value.message
    assert "q" * 65 not in caught.value.message


@pytest.mark.parametrize(
    "text", [V7, V7.upper(), f"{{{V7}}}", f"urn:uuid:{V7}", V7.replace("-", "")]
)
def test_lenient_takes_the_other_forms_of_a_uuid(text: str):
    assert V7 == parse("uuid", text, lenient=True).text


def test_lenient_reads_the_lookalikes_of_a_ulid():
    assert (
        "01ARYZ6S4110V4RRFFQ69G5FAV"
        == parse("ulid", "OiARYZ6S4ilOV4RRFFQ69G5FAV", lenient=True).text
    )


@pytest.mark.parametrize("text", [f"{{{V7}", f"urn:uuid:{{{V7}}}", f"{V7}}}"])
def test_lenient_is_not_careless(text: str):
    assert not is_valid("uuid", text, lenient=True)


def test_nil_and_max_are_uuids_of_no_version():
    for text in ("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"):
        assert parse("uuid", text).timestamp is None


def test_a_time_beyond_the_year_9999_has_milliseconds_only():
    parsed = parse("ulid", "7ZZZZZZZZZZZZZZZZZZZZZZZZZ")
    assert (None, 2**48 - 1) == (parsed.timestamp, parsed.timestamp_ms)


def test_a_kind_nobody_knows_is_refused():
    with pytest.raises(BadIdOption, match="kinds are uuid, uuid4"):
        parse("guid", V4)


@given(st.text(max_size=40), st.sampled_from(list(IdKind)), st.booleans())
def test_any_text_is_read_or_refused(text: str, kind: IdKind, lenient: bool):
    if is_valid(kind, text, lenient=lenient):
        canonical = parse(kind, text, lenient=lenient).text
        assert canonical == parse(kind, canonical).text


@pytest.mark.parametrize(
    ("kind", "make"),
    [("uuid4", uuid4_str), ("uuid7", uuid7_str), ("ulid", ulid_str), ("nanoid", nanoid)],
)
def test_what_we_make_we_read(kind: str, make: Any):
    made = [make() for _ in range(1000)]
    assert 1000 == len({parse(kind, text).text for text in made})
