"""The cases that every language runs: tests/vectors/*.json of the checkout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import infra_json
from infra_errors import InfraError
from infra_json import (
    Pointer,
    apply_patch,
    canonicalize,
    dumps,
    equal,
    get,
    invert,
    loads,
    require,
)

HERE = Path(__file__).resolve()
VECTORS = next(
    (
        found
        for parent in HERE.parents
        if (found := parent / "tests" / "vectors" / "pointer.json").is_file()
    ),
    HERE,
).parent
if not (VECTORS / "pointer.json").is_file():
    pytest.skip("the shared vectors are not part of this distribution", allow_module_level=True)


def cases(name: str) -> list[Any]:
    listed: list[Any] = json.loads((VECTORS / f"{name}.json").read_bytes())
    assert listed
    return listed


def outcome(case: dict[str, Any], call: Any, *arguments: Any, **options: Any) -> Any:
    """Call, and return the result; or the expected error, which is checked here."""
    if "error" not in case:
        return call(*arguments, **options)
    with pytest.raises(InfraError) as caught:
        call(*arguments, **options)
    assert case["error"] == caught.value.code
    return caught.value


@pytest.mark.parametrize("case", cases("path"))
def test_path(case: dict[str, Any]):
    before = dumps(case["doc"])
    arguments = [case["value"]] if case["op"] == "put" else []
    options = {name: case[name] for name in ("create", "missing_ok") if name in case}
    found = outcome(
        case, getattr(infra_json, case["op"]), case["doc"], case["path"], *arguments, **options
    )
    if "error" not in case:
        assert equal(case["expected"], found)
    if "segment" in case:
        assert case["segment"] == found.context["segment"]
    assert before == dumps(case["doc"])


@pytest.mark.parametrize("case", cases("pointer"))
def test_pointer(case: dict[str, Any]):
    if "tokens" not in case:
        outcome(case, Pointer, case["pointer"])
        return
    pointer = Pointer(case["pointer"])
    assert tuple(case["tokens"]) == pointer.tokens
    assert pointer == Pointer.from_tokens(case["tokens"])
    assert case["pointer"] == str(pointer)
    found = outcome(case, require, case["doc"], pointer)
    if "error" not in case:
        assert equal(case["expected"], found)
        assert equal(case["expected"], get(case["doc"], pointer))


@pytest.mark.parametrize("case", cases("patch"))
def test_patch(case: dict[str, Any]):
    before = dumps(case["doc"])
    found = outcome(case, apply_patch, case["doc"], case["patch"])
    assert before == dumps(case["doc"])
    if "error" in case:
        assert case["index"] == found.context["index"]
        return
    assert equal(case["expected"], found)
    inverse = invert(case["doc"], case["patch"])
    assert case["inverse"] == inverse.to_list()
    assert equal(case["doc"], apply_patch(found, inverse))


@pytest.mark.parametrize("case", cases("diff"))
def test_diff(case: dict[str, Any]):
    options = {"max_cost": case["max_cost"]} if "max_cost" in case else {}
    patch = infra_json.diff(case["a"], case["b"], **options)
    assert patch == case["patch"], patch
    assert equal(case["b"], apply_patch(case["a"], patch))


@pytest.mark.parametrize("case", cases("merge"))
def test_merge(case: dict[str, Any]):
    before = dumps([case["a"], case["b"]])
    found = outcome(case, getattr(infra_json, case["op"]), case["a"], case["b"])
    assert before == dumps([case["a"], case["b"]])
    if "error" not in case:
        assert equal(case["expected"], found)
        if case["op"] == "create_merge_patch":
            assert equal(case["b"], infra_json.merge_patch(case["a"], found))


@pytest.mark.parametrize("case", cases("jcs"))
def test_jcs(case: dict[str, Any]):
    found = outcome(case, canonicalize, loads(case["text"]))
    if "error" not in case:
        assert case["canonical"].encode() == found


@pytest.mark.parametrize("case", cases("parse"))
def test_parse(case: dict[str, Any]):
    options = {"max_depth": case["max_depth"]} if "max_depth" in case else {}
    found = outcome(case, loads, case["text"], **options)
    if "error" not in case:
        assert equal(case["value"], found)
    elif "line" in case:
        named = {name: found.context[name] for name in ("line", "column", "path")}
        assert {name: case[name] for name in named} == named
