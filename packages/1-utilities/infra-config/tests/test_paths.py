"""Dot paths: what they say, and that they are read as they are written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra_config import BadPath, Config, MemorySource
from infra_config.paths import parse, render


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a", ("a",)),
        ("server.port", ("server", "port")),
        ("items.0.name", ("items", "0", "name")),
        ("items[0].name", ("items", 0, "name")),
        ("items[1][2]", ("items", 1, 2)),
        ('["a.b"].c', ("a.b", "c")),
        ('a["b\\"]"]', ("a", 'b"]')),
        (r"a\.b.c", ("a.b", "c")),
        (r"a\[0\]", ("a[0]",)),
        (r"a\\b", ("a\\b",)),
        ("a[01]", ("a", "01")),
        ("a[-1]", ("a", "-1")),
        (f"a[{'9' * 5000}]", ("a", "9" * 5000)),
        ("a b.ü", ("a b", "ü")),
    ],
)
def test_a_path_is_its_parts(text: str, parts: tuple[str | int, ...]):
    assert parts == parse(text)


@pytest.mark.parametrize(
    "text",
    ["", ".", "a.", ".a", "a..b", "a[", "a[]", "a[x]", "a]", "a[0]b", '["a'],
)
def test_what_is_no_path_is_refused(text: str):
    with pytest.raises(BadPath, match="is no path"):
        parse(text)


@given(st.lists(st.text(min_size=1) | st.integers(0, 10**6), min_size=1, max_size=5))
def test_a_path_reads_as_it_was_rendered(parts: list[str | int]):
    assert tuple(parts) == parse(render(tuple(parts)))


HERE = Path(__file__).resolve()
VECTORS = next(
    (
        found
        for parent in HERE.parents
        if (found := parent / "tests" / "vectors" / "path.json").is_file()
    ),
    None,
)


def cases() -> list[dict[str, Any]]:
    """The cases of reading by dot path: settings are not written, and a Pointer is no path here."""
    listed = json.loads(VECTORS.read_bytes()) if VECTORS else []
    return [
        case
        for case in listed
        if case["op"] in {"get", "has", "require"} and not case["path"].startswith("/")
    ]


def test_the_shared_vectors_are_run():
    if VECTORS is None:
        pytest.skip("the shared vectors are not part of this distribution")
    assert len(cases()) > 40


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case['op']} {case['path']}")
def test_a_path_means_what_it_means_in_json(case: dict[str, Any]):
    config = Config.builder().add(MemorySource(case["doc"])).build()
    call = getattr(config, case["op"])
    if "error" in case:
        with pytest.raises(BadPath) as caught:
            call(case["path"])
        missing = case["error"] == "json.path_missing"
        assert missing == ("is not given by memory" in str(caught.value))
        return
    found = call(case["path"])
    assert case["expected"] == (dict(found) if isinstance(case["expected"], dict) else found)
