"""Keys and patterns."""

from __future__ import annotations

import hashlib
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra_cache import CacheKey, glob_escape
from infra_cache.keys import Glob, check_key
from infra_errors import Secret, ValidationError

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)


def test_parts_are_joined_and_what_has_a_meaning_is_encoded() -> None:
    assert "user:7:profile" == CacheKey("user", 7, "profile")
    assert "a%3Ab:%2A%3F%5Bx%5D:%25:%7Bt%7D:a%20b" == CacheKey("a:b", "*?[x]", "%", "{t}", "a b")
    assert "u:00000000-0000-0000-0000-000000000003" == CacheKey("u", UUID(int=3))
    assert "%C2%85" == CacheKey("\x85")


@given(st.lists(texts, min_size=1, max_size=4), st.lists(texts, min_size=1, max_size=4))
def test_different_parts_are_different_keys_and_every_key_is_allowed(
    one: list[str], two: list[str]
) -> None:
    assert check_key(CacheKey(*one))
    assert (one == two) == (CacheKey(*one) == CacheKey(*two))


def test_a_long_key_becomes_its_first_part_and_a_full_hash() -> None:
    key = CacheKey("report", "x" * 600)
    assert "report:" + hashlib.sha256(b"report:" + b"x" * 600).hexdigest() == key
    assert len(CacheKey("y" * 600)) <= 512


@pytest.mark.parametrize("parts", [(), ("",), ("a", ""), (None,), (True,), (1.5,), ("\ud800",)])
def test_a_part_that_is_none_is_refused(parts: tuple[object, ...]) -> None:
    with pytest.raises(ValidationError):
        CacheKey(*parts)  # type: ignore[arg-type]  # the case


def test_a_blind_key_needs_its_pepper() -> None:
    one = CacheKey.blind("ann@example.org", pepper=Secret("a" * 32))
    assert 64 == len(one)
    assert one == CacheKey.blind("ann@example.org", pepper=Secret(b"a" * 32))
    assert one != CacheKey.blind("ann@example.org", pepper=Secret("b" * 32))
    with pytest.raises(ValidationError):
        CacheKey.blind("ann@example.org", pepper="a" * 32)  # type: ignore[arg-type]  # the case


@given(texts)
def test_an_escaped_text_matches_itself_and_no_other(text: str) -> None:
    pattern = Glob.parse(glob_escape(text)) if len(text.encode()) < 400 else None
    if pattern is not None:
        assert pattern.regex.fullmatch(text)
        assert not pattern.regex.fullmatch(text + "x")
        assert text == pattern.prefix


@given(st.text("ab*?[]\\^-", max_size=12))
def test_every_pattern_is_read_or_refused_with_its_code(text: str) -> None:
    try:
        pattern = Glob.parse(text)
    except ValidationError as error:
        assert "cache.invalid_pattern" == error.code  # noqa: PT017  # it may also be valid
    else:
        pattern.regex.fullmatch("aabb")


def test_a_part_from_outside_cannot_reach_over_its_place() -> None:
    assert "user:%2A" == CacheKey("user", "*")
    assert not Glob.parse(f"user:{CacheKey('*')}").regex.fullmatch("user:7")
