from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from infra_crypto import BadArgument, constant_time_eq, random_bytes, random_code, random_token


def test_leading_zeros_of_a_code_are_kept():
    assert "000042" == random_code(6, randbelow=lambda n: 42 if n == 10**6 else 0)
    assert 18 == len(random_code(18))


def test_codes_are_even():
    rng = random.Random(7)
    codes = Counter(random_code(3, randbelow=rng.randrange) for _ in range(100_000))
    chi = sum((codes[f"{n:03d}"] - 100) ** 2 / 100 for n in range(1000))
    assert 850 < chi < 1150  # 999 degrees of freedom, the seed is fixed
    system = Counter(code[0] for code in (random_code(1) for _ in range(20_000)))
    assert sum((system[str(n)] - 2000) ** 2 / 2000 for n in range(10)) < 50  # p < 1e-7


@pytest.mark.slow
def test_a_million_codes_of_six_digits_are_even():
    rng = random.Random(8)
    codes = Counter(random_code(randbelow=rng.randrange)[:3] for _ in range(1_000_000))
    chi = sum((codes[f"{n:03d}"] - 1000) ** 2 / 1000 for n in range(1000))
    assert 850 < chi < 1150  # 999 degrees of freedom, the seed is fixed


@pytest.mark.parametrize("digits", [0, 19, -1, True, 6.0, "6"])
def test_a_code_of_no_such_length_is_refused(digits: Any):
    with pytest.raises(BadArgument, match="1 to 18"):
        random_code(digits)


def test_a_token_has_16_bytes_or_more():
    assert 43 == len(random_token())
    assert 22 == len(random_token(16))
    with pytest.raises(BadArgument, match="16"):
        random_token(15)


def test_bytes_are_as_many_as_asked_for():
    assert b"" == random_bytes(0)
    assert random_bytes(32) != random_bytes(32)
    with pytest.raises(BadArgument):
        random_bytes(-1)


def test_secrets_compare():
    assert constant_time_eq(b"a", b"a")
    assert constant_time_eq("a", "a")
    assert not constant_time_eq(b"a", b"b")
    assert not constant_time_eq(b"a", b"ab")
    for a, b in ((b"a", "a"), ("é", "é"), (1, 1)):
        with pytest.raises(BadArgument):
            constant_time_eq(a, b)  # type: ignore[arg-type]
