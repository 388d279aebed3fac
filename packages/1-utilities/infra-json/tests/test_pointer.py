"""Pointers as values."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra_json import PathError, Pointer, get


@given(st.lists(st.text()))
def test_tokens_and_text_say_the_same(tokens: list[str]):
    pointer = Pointer.from_tokens(tokens)
    assert tuple(tokens) == pointer.tokens == Pointer(str(pointer)).tokens
    assert pointer == Pointer(str(pointer))
    assert hash(pointer) == hash(Pointer(str(pointer)))


def test_a_pointer_is_extended_and_cut():
    pointer = Pointer("/items") / 0 / "a/b"
    assert "/items/0/a~1b" == str(pointer)
    assert Pointer("/items/0") == pointer.parent
    assert Pointer() == Pointer("/a").parent == Pointer().parent


def test_a_pointer_never_changes_and_travels():
    pointer = Pointer("/a")
    with pytest.raises(AttributeError):
        pointer.tokens = ("b",)
    assert pointer == pickle.loads(pickle.dumps(pointer)) == copy.deepcopy(pointer)
    assert "Pointer('/a')" == repr(pointer)
    assert pointer != "/a"


@pytest.mark.parametrize("text", ["a", "/~", "/~2", "#/a", None, 1])
def test_what_is_no_pointer_is_refused(text: Any):
    with pytest.raises(PathError):
        Pointer(text)


def test_the_oracle_agrees():
    oracle = pytest.importorskip("jsonpointer")
    doc = {"a/b": [1, {"m~n": 2}], "": {"": 3}}
    for text in ("", "/a~1b", "/a~1b/1/m~0n", "/", "//"):
        assert oracle.resolve_pointer(doc, text) == get(doc, Pointer(text))
