"""Dot paths: what they say, and that they are read as they are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra_config import BadPath
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
        ("a b.ü", ("a b", "ü")),
    ],
)
def test_a_path_is_its_parts(text: str, parts: tuple[str | int, ...]):
    assert parts == parse(text)


@pytest.mark.parametrize(
    "text",
    ["", ".", "a.", ".a", "a..b", "a[", "a[]", "a[01]", "a[-1]", "a[x]", "a]", "a[0]b", '["a'],
)
def test_what_is_no_path_is_refused(text: str):
    with pytest.raises(BadPath, match="is no path"):
        parse(text)


@given(st.lists(st.text(min_size=1) | st.integers(0, 10**6), min_size=1, max_size=5))
def test_a_path_reads_as_it_was_rendered(parts: list[str | int]):
    assert tuple(parts) == parse(render(tuple(parts)))
