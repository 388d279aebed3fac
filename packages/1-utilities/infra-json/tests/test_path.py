"""Paths beyond the shared vectors: laws, and how errors speak."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra_json import PathError, PathMissing, Pointer, equal, get, has, put, remove, require

names = st.text(st.characters(codec="utf-8"), max_size=5)
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=10,
)


def places(doc: Any, tokens: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(doc, (dict, list)):
        return [tokens]
    items = doc.items() if isinstance(doc, dict) else enumerate(doc)
    return [tokens] + [
        found for key, value in items for found in places(value, (*tokens, str(key)))
    ]


def dotted(tokens: tuple[str, ...]) -> str:
    escaped = [token.replace("\\", "\\\\").replace('"', '\\"') for token in tokens]
    return "".join(f'["{token}"]' for token in escaped)


def bare(tokens: tuple[str, ...]) -> str:
    for mark in "\\.[]":
        tokens = tuple(token.replace(mark, f"\\{mark}") for token in tokens)
    return ".".join(tokens)


@given(documents, st.data())
def test_what_is_put_is_got_and_nothing_else_changes(doc: Any, data: st.DataObject):
    tokens = data.draw(st.sampled_from(places(doc)))
    pointer = Pointer.from_tokens(tokens)
    assert get(put(doc, pointer, "new"), pointer) == "new"
    assert equal(doc, put(doc, pointer, require(doc, pointer)))
    for other in places(doc):
        if other[: len(tokens)] != tokens and tokens[: len(other)] != other:
            there = Pointer.from_tokens(other)
            assert get(doc, there) is get(put(doc, pointer, "new"), there)


@given(documents, st.data())
def test_what_is_removed_is_gone(doc: Any, data: st.DataObject):
    tokens = data.draw(st.sampled_from(places(doc)))
    if not tokens:
        return
    pointer = Pointer.from_tokens(tokens)
    parent = get(doc, pointer.parent)
    after = get(remove(doc, pointer), pointer.parent)
    assert len(parent) - 1 == len(after)
    assert isinstance(parent, list) or tokens[-1] not in after


@given(documents, st.data())
def test_every_place_can_be_written_as_a_path(doc: Any, data: st.DataObject):
    tokens = data.draw(st.sampled_from(places(doc)))
    value = require(doc, Pointer.from_tokens(tokens))
    assert value is require(doc, str(Pointer.from_tokens(tokens)) or Pointer())
    if tokens:
        assert value is require(doc, dotted(tokens))
    if tokens and all(tokens) and not tokens[0].startswith("/"):
        assert value is require(doc, bare(tokens))


@given(st.text())
def test_any_text_is_a_path_or_refused(path: str):
    with contextlib.suppress(PathError):
        has({"a": [1]}, path)


def test_what_is_untouched_is_shared():
    doc: Any = {"a": {"deep": [1]}, "b": [{"x": 1}]}
    after = put(doc, "b[0].x", 2)
    assert after["a"] is doc["a"]
    assert {"a": {"deep": [1]}, "b": [{"x": 1}]} == doc
    assert remove(doc, "b")["a"] is doc["a"]


def test_missing_and_null_differ():
    doc: Any = {"a": None}
    assert get(doc, "a", 5) is None
    assert 5 == get(doc, "b", 5)
    assert has(doc, "a")
    assert not has(doc, "b")


def test_a_missing_path_is_named_with_its_first_missing_segment():
    with pytest.raises(PathMissing, match=r"nothing is at /a/x/y: 'x' is missing") as caught:
        require({"a": {}}, "a.x.y")
    assert {"path": "/a/x/y", "segment": "x"} == dict(caught.value.context)
    assert 404 == caught.value.http_status


def test_a_malformed_path_says_from_where_on():
    with pytest.raises(PathError, match="from character 2 on") as caught:
        get({}, "a..b")
    assert 1 == caught.value.context["offset"]
    assert isinstance(caught.value, ValueError)


def test_a_scalar_in_the_way_is_named():
    with pytest.raises(PathError, match="a scalar is at /a"):
        put({"a": 1}, "a.b", 2)


@pytest.mark.parametrize("path", [None, 1, b"a", ["a"]])
def test_what_is_no_path_is_refused(path: Any):
    with pytest.raises(PathError, match="a path is text or a Pointer"):
        get({}, path)


def test_the_whole_document_is_got_and_put_but_not_removed():
    assert [1] == get([1], Pointer())
    assert 2 == put([1], Pointer(), 2)
    with pytest.raises(PathError, match="whole document"):
        remove([1], Pointer())


def test_python_attributes_are_out_of_reach():
    assert not has({}, "__class__")
    assert not has([], "__len__")
    assert not has("text", "upper")
