"""Codecs: every value comes back or is refused, and hostile bytes are a miss."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra_cache import JsonCodec, SealedCodec, connect
from infra_errors import ConfigError, SerializationError

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
rich = (
    scalars
    | st.binary()
    | st.uuids()
    | st.dates()
    | st.timedeltas()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.datetimes(timezones=st.just(UTC) | st.just(timezone(timedelta(hours=5, minutes=30))))
    | st.times()
)
values: Any = st.recursive(
    rich | st.sets(rich, max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text("\x00ab", max_size=2), inner, max_size=4)
    ),
    max_leaves=12,
)


class Colour(Enum):
    RED = 1


class Word(StrEnum):
    YES = "yes"


@attrs.frozen
class Point:
    x: int
    _hidden: int
    at: datetime
    seen: int = attrs.field(default=3, init=False)


@given(values)
def test_every_value_comes_back_equal_and_of_its_type(value: Any) -> None:
    codec = JsonCodec()
    found = codec.decode(codec.encode(value))
    assert value == found
    assert repr(type(value)) == repr(type(found))


@given(values)
def test_what_is_written_does_not_change_when_it_is_written_again(value: Any) -> None:
    codec = JsonCodec()
    assert codec.encode(value) == codec.encode(codec.decode(codec.encode(value)))


@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda raw: b"\x01\x01" + raw))
def test_hostile_bytes_are_refused_with_one_kind_of_error(raw: bytes) -> None:
    try:
        JsonCodec([Point, Colour]).decode(raw)
    except SerializationError as error:
        assert "cache.decode" == error.code  # noqa: PT017  # it may also be valid


@pytest.mark.parametrize(
    "content",
    [
        '["@",["Point",{}]]',
        '["@",["os.system",{}]]',
        '["=",["Colour",9]]',
        '["set",[[]]]',
        "[]",
        "7",
    ],
)
def test_a_typed_form_that_is_not_ours_is_refused(content: str) -> None:
    raw = b"\x01\x01" + b'{"\\u0000":' + content.encode() + b"}"
    with pytest.raises(SerializationError):
        JsonCodec([Point, Colour]).decode(raw)


def test_registered_classes_and_enums_come_back() -> None:
    codec = JsonCodec([Point, Colour, Word])
    point = Point(1, 2, datetime(2026, 1, 1, tzinfo=UTC))
    for value in (point, Colour.RED, Word.YES, {"a": [point, Colour.RED]}):
        found = codec.decode(codec.encode(value))
        assert (type(value), value) == (type(found), found)


@pytest.mark.parametrize(
    "value",
    [
        object(),
        Colour.RED,
        Word.YES,
        float("nan"),
        [float("inf")],
        {1: 2},
        {"a": {None: 1}},
        Decimal("NaN"),
        frozenset(),
        bytearray(b"x"),
        "\ud800",
        datetime(2026, 1, 1),
        1j,
    ],
)
def test_what_would_not_come_back_is_refused(value: object) -> None:
    with pytest.raises(SerializationError) as caught:
        JsonCodec().encode(value)
    assert "cache.encode" == caught.value.code


def test_a_value_that_holds_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(SerializationError):
        JsonCodec().encode(value)


def test_two_classes_of_one_name_and_other_types_are_refused() -> None:
    other = attrs.make_class("Point", [])
    other.__qualname__ = "Point"
    for types in ([Point, other], [int], ["Point"]):
        with pytest.raises(ConfigError):
            JsonCodec(types)  # type: ignore[arg-type]  # the case


async def test_sealed_values_are_seen_by_nobody_and_a_plain_one_is_a_miss() -> None:
    def flip(data: bytes) -> bytes:
        return bytes(byte ^ 0x5A for byte in data)

    def open_(data: bytes) -> bytes:
        if data[:1] == b"!":
            raise ValueError("tampered")
        return flip(data)

    codec = SealedCodec(JsonCodec(), flip, open_)
    assert b"secret" not in codec.encode("secret")
    async with connect("memory://", codec=codec) as cache:
        await cache.set("a", {"b": b"secret"})
        assert {"b": b"secret"} == await cache.get("a")
        assert await cache.compare_and_set("a", {"b": b"secret"}, 1, ttl=5)
        for planted in (b'"plain"', b"\x03\x01!", b"\x80\x04K\x07."):
            await cache._store.set("p", planted, None)
            assert await cache.get("p", "miss") == "miss"
        assert 3 == cache.stats.undecodable
