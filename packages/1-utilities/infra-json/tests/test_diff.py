"""Diffs: right, minimal, bounded, and typed."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from infra_json import TooDeep, apply_patch, diff, dumps, equal, invert

Documents = Callable[[random.Random, int], Any]


def check_triples(any_document: Documents, count: int) -> None:
    chance = random.Random(count)
    for _ in range(count):
        a, b = any_document(chance, 4), any_document(chance, 4)
        before = dumps([a, b])
        patch = diff(a, b)
        after = apply_patch(a, patch)
        assert equal(b, after), (a, b)
        assert equal(a, apply_patch(after, invert(a, patch))), (a, b)
        assert bool(patch) != equal(a, b)
        assert not diff(a, copy.deepcopy(a))
        assert before == dumps([a, b])


def test_a_diff_leads_there_and_its_inverse_back(any_document: Documents):
    check_triples(any_document, 500)


@pytest.mark.slow
def test_ten_thousand_diffs_lead_there_and_back(any_document: Documents):
    check_triples(any_document, 10_000)


def test_every_published_patch_is_also_found_as_a_diff(published: Callable[[str], Any]):
    records = published("json-patch/tests.json") + published("json-patch/spec_tests.json")
    pairs = [(record["doc"], record["expected"]) for record in records if "expected" in record]
    assert len(pairs) > 30
    for a, b in pairs:
        assert equal(b, apply_patch(a, diff(a, b)))
        assert equal(a, apply_patch(b, diff(b, a)))


@pytest.mark.parametrize(
    ("a", "b", "count"),
    [
        # Each of these took one operation an element elsewhere.
        (list(range(100)), [-1, *range(100)], 1),
        (list(range(100)), list(range(1, 100)), 1),
        ([{"id": i} for i in range(50)], [{"id": i} for i in range(50) if i != 7], 1),
        ({"a": [[1, 2], [3]]}, {"a": [[0], [1, 2], [3]]}, 1),
        (list("abcdef"), list("abxcdef"), 1),
        (list("abcabba"), list("cbabac"), 5),
    ],
)
def test_arrays_take_few_operations(a: Any, b: Any, count: int):
    assert count >= len(diff(a, b))
    assert equal(b, apply_patch(a, diff(a, b)))


def test_no_more_operations_than_comparing_place_by_place():
    chance = random.Random(5)
    for _ in range(300):
        a, b = ([chance.randrange(6) for _ in range(chance.randrange(12))] for _ in range(2))
        by_place = sum(x != y for x, y in zip(a, b, strict=False)) + abs(len(a) - len(b))
        assert len(diff(a, b)) <= by_place, (a, b)


def test_fewer_operations_than_the_oracle(any_document: Documents):
    oracle = pytest.importorskip("jsonpatch")
    chance = random.Random(5)
    pairs = [[[any_document(chance, 2) for _ in range(8)] for _ in range(2)] for _ in range(100)]
    ours = sum(len(diff(a, b)) for a, b in pairs)
    # a move of theirs is our remove and add
    patches = [oracle.make_patch(a, b).patch for a, b in pairs]
    assert ours < sum(1 + (op["op"] == "move") for patch in patches for op in patch)


def test_the_oracle_applies_our_diffs(any_document: Documents):
    oracle = pytest.importorskip("jsonpatch")
    chance = random.Random(6)
    for _ in range(300):
        a, b = any_document(chance, 3), any_document(chance, 3)
        assert equal(b, oracle.apply_patch(a, diff(a, b).to_list()))


def test_a_changed_element_is_descended_into():
    a = [{"id": i, "tags": ["x"]} for i in range(5)]
    b = copy.deepcopy(a)
    b[3]["tags"].append("y")
    assert diff(a, b) == [{"op": "add", "path": "/3/tags/1", "value": "y"}]


def test_beyond_its_cost_an_array_is_replaced():
    a, b = list(range(1000)), list(range(1000, 2000))
    assert diff({"l": a}, {"l": b}) == [{"op": "replace", "path": "/l", "value": b}]
    assert 1000 == len(diff(a, b, max_cost=2000))


def test_the_time_for_two_arrays_without_order_in_common_is_bounded():
    chance = random.Random(2)
    a, b = ([chance.randrange(50) for _ in range(20_000)] for _ in range(2))
    assert diff(a, b) == [{"op": "replace", "path": "", "value": b}]


def test_more_operations_than_a_patch_may_have_become_one():
    a = {str(i): 0 for i in range(100_001)}
    b = {str(i): 1 for i in range(100_001)}
    patch = diff(a, b)
    assert 1 == len(patch)
    assert equal(b, apply_patch(a, patch))


def test_names_in_another_order_and_equal_numbers_are_no_difference():
    a = [{"x": 1, "y": [2.0]}, {"z": 0}]
    b = [{"y": [2], "x": 1.0}, {"z": -0.0}]
    assert not diff(a, b)
    assert diff([*a, 5], [{"new": 1}, *b, 6]) == [
        {"op": "add", "path": "/0", "value": {"new": 1}},
        {"op": "replace", "path": "/3", "value": 6},
    ]


def test_exact_decimals_are_numbers():
    assert not diff({"a": [Decimal("1.0")]}, {"a": [1]})
    assert diff({"a": Decimal("1.1")}, {"a": 1.5}) == [
        {"op": "replace", "path": "/a", "value": 1.5}
    ]


def test_a_patch_holds_values_of_its_own():
    b: Any = {"a": [1]}
    patch = diff({}, b)
    b["a"].append(2)
    assert patch == [{"op": "add", "path": "/a", "value": [1]}]


def test_depth_is_bounded(nested: Callable[[int], Any]):
    other = json.loads(json.dumps(nested(200)).replace("[]", "[1]"))
    assert 1 == len(diff(nested(200), other))
    assert equal([1], apply_patch(nested(2000), diff(nested(2000), [1])))
    deep = nested(100_000)
    for pair in ((deep, deep), (deep, 1), (1, deep), (deep, nested(100_000))):
        with pytest.raises(TooDeep):
            diff(*pair)


def test_a_long_chain_with_a_change_at_its_end_takes_no_quadratic_time():
    def chain(end: str) -> Any:
        value: Any = {"end": end * 100_000}
        for _ in range(1500):
            value = {"next": value}
        return value

    patch = diff(chain("a"), chain("b"))
    assert 1 == len(patch)
    assert equal(chain("b"), apply_patch(chain("a"), patch))
