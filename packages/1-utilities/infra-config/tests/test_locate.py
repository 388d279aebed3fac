"""Places in TOML and JSON, against a marker planted at a random place."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra_config._locate import locate

TOML = r'''
top = "# no comment, [no.header]"
dotted.a."b.c" = 1
multi = """
[x]
y = 2 \""" ""\
""""
raw = '\'
inline = { a = 1, "b" = { c = [ 1, { d = 2 } ] }, e.f = 3 }
when = 1979-05-27 07:32:00

[x]
y = [ # comment ]
  1,
  [ 2, 3, ], ]
[[list]]
a = 1
[list.sub]
a = 2
[[list]]
a = 3
[list.sub]
a = 4
[[list.deep]]
a = 5
[  "quo\u0074ed" . 'key'  ]
a = 6
[implicit.table]
a = 7
'''
VALUES = {
    ("top",): '"# no',
    ("dotted", "a", "b.c"): "1",
    ("multi",): '"""',
    ("raw",): r"'\'",
    ("inline", "a"): "1",
    ("inline", "b", "c", 1, "d"): "2",
    ("inline", "e", "f"): "3",
    ("when",): "1979",
    ("x", "y"): "[ # comment",
    ("x", "y", 1, 1): "3",
    ("list", 0, "a"): "1",
    ("list", 0, "sub", "a"): "2",
    ("list", 1, "a"): "3",
    ("list", 1, "sub", "a"): "4",
    ("list", 1, "deep", 0, "a"): "5",
    ("quoted", "key", "a"): "6",
    ("implicit", "table", "a"): "7",
    ("implicit",): "[implicit",
}


def at(text: str, found: tuple[int, int] | None) -> str:
    assert found is not None
    line, column = found
    return text.split("\n")[line - 1][column - 1 :]


@pytest.mark.parametrize("path", VALUES)
def test_toml(path: tuple[str | int, ...]):
    tomllib.loads(TOML)
    assert at(TOML, locate(TOML, "toml", path)).startswith(VALUES[path])


def test_what_is_not_there_has_no_place():
    assert locate(TOML, "toml", ("list", 2)) is None
    assert locate('{"a": 1}', "json", ("b",)) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=12,
)


def paths(value: object) -> list[tuple[str | int, ...]]:
    pairs: Any = value.items() if isinstance(value, dict) else enumerate(value)  # type: ignore[arg-type]  # a list
    found: list[tuple[str | int, ...]] = []
    for key, item in pairs:
        found.append((key,))
        if isinstance(item, dict | list):
            found += [(key, *below) for below in paths(item)]
    return found


@given(st.dictionaries(st.text(max_size=4), JSON, min_size=1, max_size=3), st.data())
def test_json(table: dict[str, Any], data: st.DataObject):
    path = data.draw(st.sampled_from(paths(table)))
    inner: Any = table
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = "\u2603marker"
    text = json.dumps(table, ensure_ascii=False, indent=data.draw(st.sampled_from([None, 1])))
    assert at(text, locate(text, "json", path)).startswith('"\u2603marker')
