"""NanoIDs: every character equally likely, every call from the operating system."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra_id import NO_LOOKALIKES, URL_SAFE, BadIdOption, nanoid, nanoid_from_bytes

alphabets = st.lists(st.characters(max_codepoint=255), min_size=2, max_size=256, unique=True).map(
    "".join
)


def test_an_id_has_21_characters_that_need_no_escaping_in_an_address():
    made = nanoid()
    assert 21 == len(made)
    assert set(URL_SAFE).issuperset(made)
    assert 64 == len(URL_SAFE) == len(set(URL_SAFE))


def test_no_two_are_alike():
    assert 10_000 == len({nanoid() for _ in range(10_000)})


@given(alphabets, st.integers(1, 100))
def test_any_alphabet_and_size_is_kept_to(alphabet: str, size: int):
    made = nanoid(size, alphabet)
    assert size == len(made)
    assert set(alphabet).issuperset(made)


@pytest.mark.parametrize("length", [2, 3, 10, 33, 36, 62, 64, 65, 100, 200, 255, 256])
def test_every_character_is_equally_likely(length: int):
    # Over every byte there is, what the mask lets through is exactly uniform.
    alphabet = "".join(map(chr, range(length)))
    every = bytes(range(256)) * 4
    made = nanoid_from_bytes(every, sum(1 for byte in every if _fits(byte, length)), alphabet)
    assert made is not None
    counts = Counter(made)
    assert {len(made) // length} == set(counts.values())
    assert length == len(counts)


def _fits(byte: int, length: int) -> bool:
    return byte & ((1 << (length - 1).bit_length()) - 1) < length


@pytest.mark.parametrize("alphabet", [URL_SAFE, NO_LOOKALIKES, "0123456789", "ab"])
def test_real_draws_pass_a_chi_square_test(alphabet: str):
    text = "".join(nanoid(1024, alphabet) for _ in range(100))
    counts = Counter(text)
    expected = len(text) / len(alphabet)
    chi_square = sum((counts[c] - expected) ** 2 / expected for c in alphabet)
    freedom = len(alphabet) - 1
    # 8 standard deviations: a fair draw fails once in 10^15 runs
    assert chi_square < freedom + 8 * (2 * freedom) ** 0.5


def test_given_bytes_make_one_id_and_too_few_make_none():
    assert "---" == nanoid_from_bytes(b"\x00\x00\x00", 3, URL_SAFE)
    assert "ab" == nanoid_from_bytes(b"\x03\x00\x07\x01", 2, "abc")
    assert nanoid_from_bytes(b"\x03\x00\x07", 2, "abc") is None


def test_a_draw_that_is_mostly_refused_is_drawn_again(monkeypatch: Any):
    draws = iter([b"\x7f" * 200, b"\x7f" * 50, b"\x01" * 100])
    monkeypatch.setattr(os, "urandom", lambda n: next(draws))
    assert "b" * 20 == nanoid(20, "".join(map(chr, range(97, 97 + 3))))


@pytest.mark.parametrize("size", [0, -1, 1025, True, 2.0, "21", None])
def test_a_size_outside_1_to_1024_is_refused(size: Any):
    with pytest.raises(BadIdOption, match="1 to 1024"):
        nanoid(size)


@pytest.mark.parametrize("alphabet", ["", "a", "aa", "aba", "ab\u0100", "x" * 257, None, b"ab"])
def test_an_alphabet_that_is_none_is_refused(alphabet: Any):
    with pytest.raises(BadIdOption, match="alphabet"):
        nanoid(10, alphabet)


def test_lookalikes_are_left_out():
    assert set() == set(NO_LOOKALIKES) & set("0Oo1lI2Z5S")
