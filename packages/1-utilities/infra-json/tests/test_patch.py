"""Patches: atomic, immutable, strict, bounded."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from infra_errors import ConflictError, ValidationError
from infra_json import (
    DecodeError,
    Patch,
    PatchError,
    PatchTestFailed,
    TooDeep,
    apply_patch,
    diff,
    dumps,
    equal,
    invert,
    loads,
)


def test_a_patch_is_applied_to_a_new_document():
    doc: Any = {"a": [1, 2], "b": {"c": 3}}
    after = apply_patch(doc, [{"op": "replace", "path": "/a/0", "value": 9}])
    assert {"a": [9, 2], "b": {"c": 3}} == after
    assert {"a": [1, 2], "b": {"c": 3}} == doc
    assert after["b"] is doc["b"]


def test_the_published_suite(published: Callable[[str], Any]):
    records = published("json-patch/tests.json") + published("json-patch/spec_tests.json")
    runnable = [record for record in records if "doc" in record and not record.get("disabled")]
    assert len(runnable) >= 90
    for record in runnable:
        before = dumps(record["doc"])
        if "error" in record:
            with pytest.raises(PatchError):
                apply_patch(record["doc"], record["patch"])
        else:
            after = apply_patch(record["doc"], record["patch"])
            assert equal(record.get("expected", after), after), record
            assert equal(record["doc"], apply_patch(after, invert(record["doc"], record["patch"])))
        assert before == dumps(record["doc"])


def test_a_failure_names_the_operation_and_changes_nothing():
    doc: Any = {"a": {"b": 1}}
    ops = [
        {"op": "replace", "path": "/a/b", "value": 2},
        {"op": "add", "path": "/a/list", "value": []},
        {"op": "remove", "path": "/a/nope"},
    ]
    with pytest.raises(
        PatchError, match=r"operation 2 .*remove at /a/nope.*no member 'nope'"
    ) as caught:
        apply_patch(doc, ops)
    assert {"index": 2, "op": "remove", "path": "/a/nope"} == dict(caught.value.context)
    assert {"a": {"b": 1}} == doc


def test_a_failed_test_is_a_conflict_and_a_patch_error():
    with pytest.raises(PatchTestFailed) as caught:
        apply_patch({"a": 1}, [{"op": "test", "path": "/a", "value": 2}])
    assert isinstance(caught.value, (ConflictError, ValidationError))
    assert isinstance(caught.value, PatchError)
    assert ("json.patch_test_failed", 409) == (caught.value.code, caught.value.http_status)


def test_a_patch_is_a_value():
    ops: list[Any] = [{"op": "add", "path": "/a", "value": {"b": []}, "unknown": 1}]
    patch = Patch(ops)
    ops[0]["value"]["b"].append(1)
    patch[0]["value"]["b"].append(2)
    patch.to_list()[0]["value"]["b"].append(3)
    assert patch == [{"op": "add", "path": "/a", "value": {"b": []}}]
    assert patch == Patch(patch)
    assert patch == Patch(patch.to_list())
    assert patch != Patch()
    assert patch != 5
    assert not Patch()
    assert patch
    assert patch[:0] == []
    assert '[{"op":"add","path":"/a","value":{"b":[]}}]' == dumps(patch)
    with pytest.raises(TypeError):
        hash(patch)


def test_the_equality_of_patches_is_that_of_documents():
    assert Patch([{"op": "add", "path": "", "value": 1}]) == [
        {"value": 1.0, "path": "", "op": "add"}
    ]
    assert Patch([{"op": "add", "path": "", "value": 1}]) != [
        {"op": "add", "path": "", "value": True}
    ]


def test_a_result_shares_nothing_with_the_patch_nor_its_values_with_each_other():
    shared: Any = {"x": []}
    ops: list[Any] = [
        {"op": "add", "path": "/a", "value": shared},
        {"op": "add", "path": "/b", "value": shared},
        {"op": "copy", "from": "/a", "path": "/c"},
        {"op": "add", "path": "/b/x/-", "value": 1},
    ]
    after = apply_patch({}, ops)
    assert {"a": {"x": []}, "b": {"x": [1]}, "c": {"x": []}} == after
    shared["x"].append("caller")
    ops[0]["value"] = None
    assert {"a": {"x": []}, "b": {"x": [1]}, "c": {"x": []}} == after


def test_a_part_that_stands_twice_in_the_document_is_changed_in_one_place():
    part: Any = {"n": 1}
    after = apply_patch([part, part], [{"op": "replace", "path": "/0/n", "value": 2}])
    assert [{"n": 2}, {"n": 1}] == after
    assert {"n": 1} == part


def test_a_moved_part_that_is_then_changed_stays_as_it_was_in_the_original():
    doc: Any = {"a": {"n": [1]}}
    ops = [
        {"op": "add", "path": "/a/n/-", "value": 2},
        {"op": "move", "from": "/a", "path": "/b"},
        {"op": "add", "path": "/b/n/-", "value": 3},
        {"op": "copy", "from": "/b", "path": "/c"},
        {"op": "remove", "path": "/c/n/0"},
    ]
    after = apply_patch(doc, ops)
    assert {"b": {"n": [1, 2, 3]}, "c": {"n": [2, 3]}} == after
    assert {"a": {"n": [1]}} == doc
    assert equal(doc, apply_patch(after, invert(doc, ops)))


@pytest.mark.parametrize(
    "ops", [None, 1, "text", {"op": "remove", "path": "/a"}, b"bytes", [1], [[]]]
)
def test_what_is_no_patch_is_refused(ops: Any):
    with pytest.raises(PatchError):
        apply_patch({"a": 1}, ops)


def test_a_malformed_operation_is_found_before_anything_is_applied():
    with pytest.raises(PatchError) as caught:
        Patch([{"op": "remove", "path": "/a"}, {"op": "move", "path": "/a"}])
    assert (1, "move") == (caught.value.context["index"], caught.value.context["op"])


def test_the_text_of_a_patch_with_two_ops_in_one_operation_is_refused():
    with pytest.raises(DecodeError, match="stands twice"):
        loads('[{"op":"add","path":"/a","value":1,"op":"remove"}]')


def test_a_copy_bomb_is_refused():
    ops = [{"op": "copy", "from": "", "path": f"/{i}"} for i in range(40)]
    with pytest.raises(PatchError, match="copies more than 1,000,000") as caught:
        apply_patch({"a": "x"}, ops)
    assert 15 < caught.value.context["index"] < 25


def test_a_patch_has_a_bounded_number_of_operations():
    one = {"op": "test", "path": "", "value": 1}
    assert 1 == apply_patch(1, [one] * 100_000)
    with pytest.raises(PatchError, match="at most 100,000"):
        apply_patch(1, [one] * 100_001)


def test_depth_is_bounded(nested: Callable[[int], Any]):
    deep = nested(100_000)
    for doc, ops in (
        (deep, [{"op": "add", "path": "/b", "value": 1}]),
        ({}, [{"op": "add", "path": "/a", "value": deep}]),
        ({}, [{"op": "test", "path": "", "value": deep}]),
    ):
        for function in (apply_patch, invert):
            with pytest.raises(TooDeep):
                function(doc, ops)


def test_a_path_of_a_hundred_thousand_tokens_ends_in_an_error():
    with pytest.raises(PatchError):
        apply_patch({}, [{"op": "add", "path": "/a" * 100_000, "value": 1}])


def test_any_valid_patch_is_inverted(any_document: Callable[[random.Random, int], Any]):
    chance = random.Random(3)
    valid = 0
    for _ in range(3000):
        doc = any_document(chance, 3)
        paths = ["", "/a", "/b", "/0", "/1", "/-", "/a/0", "/a/-", "/~0/b", "/0/a", "/"]
        ops = [
            {
                "op": chance.choice(["add", "remove", "replace", "move", "copy"]),
                "path": chance.choice(paths),
                "from": chance.choice(paths),
                "value": any_document(chance, 2),
            }
            for _ in range(chance.randrange(1, 4))
        ]
        try:
            after = apply_patch(doc, ops)
        except PatchError:
            continue
        valid += 1
        assert equal(doc, apply_patch(after, invert(doc, ops))), (doc, ops)
    assert valid > 150


def test_the_oracle_agrees(any_document: Callable[[random.Random, int], Any]):
    oracle = pytest.importorskip("jsonpatch")
    chance = random.Random(4)
    for _ in range(300):
        a, b = any_document(chance, 3), any_document(chance, 3)
        ops = diff(a, b).to_list()
        assert equal(oracle.apply_patch(a, ops), apply_patch(a, ops))
