"""Merges: the RFC's, and the one for configuration."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from infra_json import (
    NullInMerge,
    TooDeep,
    create_merge_patch,
    deep_merge,
    dumps,
    equal,
    merge_patch,
)


def test_the_published_cases(published: Callable[[str], Any]):
    cases = published("merge-patch/rfc7396_appendix_a.json")
    assert 15 == len(cases)
    for case in cases:
        before = dumps(case)
        assert equal(case["expected"], merge_patch(case["doc"], case["patch"])), case
        assert before == dumps(case)


def test_a_created_patch_leads_there_or_says_which_null_it_cannot_set(
    any_document: Callable[[random.Random, int], Any],
):
    chance = random.Random(1)
    led = 0
    for _ in range(1000):
        a, b = any_document(chance, 3), any_document(chance, 3)
        try:
            patch = create_merge_patch(a, b)
        except NullInMerge:
            continue
        led += 1
        assert equal(b, merge_patch(a, patch)), (a, b)
    assert led > 500


def test_the_null_that_cannot_be_set_is_named():
    with pytest.raises(NullInMerge, match="cannot set /a~1b/c to null") as caught:
        create_merge_patch({"a/b": {}}, {"a/b": {"c": None}})
    assert "json.null_in_merge" == caught.value.code


def test_what_is_untouched_is_shared_and_a_patch_is_copied():
    target: Any = {"keep": {"x": 1}, "a": 1}
    patch: Any = {"a": [{"y": None}]}
    after = merge_patch(target, patch)
    assert after["keep"] is target["keep"]
    patch["a"][0]["y"] = 1
    assert {"keep": {"x": 1}, "a": [{"y": None}]} == after


def test_layers_of_configuration_take_null_as_a_value():
    base: Any = {"db": {"host": "a", "port": 1}, "log": {"level": "info"}}
    over: Any = {"db": {"host": None}, "extra": [1]}
    after = deep_merge(base, over)
    assert {"db": {"host": None, "port": 1}, "log": {"level": "info"}, "extra": [1]} == after
    assert after["log"] is base["log"]
    assert after["extra"] is over["extra"]
    assert {"host": "a", "port": 1} == base["db"]


@pytest.mark.parametrize("function", [merge_patch, deep_merge, create_merge_patch])
def test_depth_is_bounded(function: Any, nested: Callable[[int], Any]):
    assert function(nested(1999), {"a": 1})
    for pair in ((nested(100_000), {}), ({}, nested(100_000))):
        with pytest.raises(TooDeep):
            function(*pair)


def test_the_oracle_agrees(any_document: Callable[[random.Random, int], Any]):
    oracle = pytest.importorskip("json_merge_patch")
    chance = random.Random(2)
    for _ in range(300):
        a, b = any_document(chance, 3), any_document(chance, 3)
        if isinstance(a, dict) and isinstance(b, dict):
            expected = merge_patch(a, b)
            assert equal(expected, oracle.merge(a, b))


def test_equal_objects_leave_nothing_in_a_created_patch():
    a: Any = {"same": {"x": {"y": {}}}, "new": 1, "was": {}}
    b: Any = {"same": {"x": {"y": {}}}, "new": {}, "was": {}}
    assert {"new": {}} == create_merge_patch(a, b)
    assert {} == create_merge_patch({}, {})
