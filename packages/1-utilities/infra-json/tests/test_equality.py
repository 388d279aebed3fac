"""One equality: by value, by JSON's types, exactly."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from infra_json import TooDeep, dumps, equal, loads


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (1, 1.0),
        (0, -0.0),
        (Decimal("1.50"), 1.5),
        (2**53, float(2**53)),
        ({"a": 1, "b": [2]}, {"b": [2.0], "a": 1}),
        ([{"x": 1, "y": 2}], [{"y": 2, "x": 1}]),
        ("é", "é"),
        ([], []),
        ({}, {}),
    ],
)
def test_equal(a: Any, b: Any):
    assert equal(a, b)
    assert equal(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (1, True),
        (0, False),
        (0, None),
        ("1", 1),
        ("", None),
        (2**53 + 1, float(2**53)),
        ([], {}),
        ([1, 2], [2, 1]),
        ([1], [1, 1]),
        ({"a": 1}, {"a": 1, "b": None}),
        ({"a": 1}, {"b": 1}),
        ("é", "e\u0301"),
        ([True], [1]),
        ({"a": {"b": [0]}}, {"a": {"b": [False]}}),
    ],
)
def test_not_equal(a: Any, b: Any):
    assert not equal(a, b)
    assert not equal(b, a)


def test_it_is_the_equality_of_texts(any_document: Callable[[random.Random, int], Any]):
    chance = random.Random(1)
    for _ in range(500):
        document = any_document(chance, 3)
        assert equal(document, loads(dumps(document)))
        assert equal(document, loads(dumps(document, sort_keys=True)))


def test_two_thousand_levels_are_compared_and_more_are_refused(nested: Callable[[int], Any]):
    assert equal(nested(2000), nested(2000))
    assert not equal(nested(2000), nested(1999))
    for depth in (2001, 100_000):
        deep = nested(depth)
        for other in (deep, nested(depth), 1):
            with pytest.raises(TooDeep):
                equal(deep, other)
            with pytest.raises(TooDeep):
                equal(other, deep)
