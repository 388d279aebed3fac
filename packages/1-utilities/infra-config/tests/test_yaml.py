"""YAML: the core schema of 1.2, its limits, its places, held against PyYAML and json."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra_config import ConfigLoadError, FileSource, TextSource, load
from infra_config._locate import locate
from infra_errors import ConfigError

yaml = pytest.importorskip("yaml", reason="PyYAML comes with the extra [yaml]")


@attrs.frozen
class Server:
    host: str = "x"
    port: int = 0


@attrs.frozen
class Settings:
    name: str = ""
    server: Server = Server()
    anything: Any = None


def value(text: str) -> Any:
    return load(Settings, TextSource(f"anything: {text}", "yaml")).value.anything


def wrong(text: str | bytes) -> str:
    with pytest.raises(ConfigLoadError) as caught:
        load(Settings, TextSource(text, "yaml"))
    (found,) = caught.value.violations
    assert "syntax" == found.code
    return f"{found.message} at {found.source}"


@pytest.mark.parametrize("name", ["c.yaml", "c.yml", "c.YML"])
def test_a_file_is_read_by_extension(tmp_path: Path, name: str):
    (tmp_path / name).write_text("# ours\nname: x\nserver:\n  port: 80\n")
    loaded = load(Settings, FileSource(tmp_path / name))
    assert Settings("x", Server(port=80)) == loaded.value
    assert f"{tmp_path / name}:4:9" == str(loaded.explain("server.port").layers[0][0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("Off", "Off"),
        ("y", "y"),
        ("true", True),
        ("FALSE", False),
        ("tRue", "tRue"),
        ("~", None),
        ("", None),
        ("Null", None),
        ("12", 12),
        ("012", 12),
        ("0o14", 12),
        ("0xC", 12),
        ("-0x1", "-0x1"),
        ("1_000", "1_000"),
        ("0b1", "0b1"),
        ("12:30:45", "12:30:45"),
        ("+12.5e1", 125.0),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("2026-01-02", "2026-01-02"),
        ("=", "="),
        ("<<", "<<"),
        ("'12'", "12"),
        ("! 12", "12"),
        ("!!str 12", "12"),
        ('!!int "12"', 12),
        ("!!float 12.0", 12.0),
        ("!!map {a: 1}", {"a": 1}),
        ("!!seq [1]", [1]),
        ('"a\\u00e9\\n"', "aé\n"),
        ("|\n  a\n  b\n", "a\nb\n"),
        (">-\n  a\n  b\n", "a b"),
        ("{'<<': 1}", {"<<": 1}),
        ("[&a {b: [1]}, *a]", [{"b": [1]}, {"b": [1]}]),
        ("[&a x, *a]", ["x", "x"]),
    ],
    ids=str,
)
def test_values_are_those_of_the_core_schema(text: str, expected: object):
    found = value(text)
    assert (expected, type(expected)) == (found, type(found))


def test_nan_is_a_number():
    assert math.isnan(value(".nan"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("anything: !!python/object/apply:os.system [hunter2]", "a tag that is not"),
        ("anything: !hunter2 x", "a tag that is not"),
        ("anything: !!set {a}", "a tag that is not"),
        ("anything: !!binary aGk=", "a tag that is not"),
        ("anything: !!int hunter2", "a value that is not what its tag says at text:1:11"),
        ("base: &b {name: x}\n<<: *b", "a merge key: write the names out at text:2:1"),
        ("name: x\nname: y", "a name stands twice in one table at text:2:1"),
        ("name: x\n'name': y", "a name stands twice in one table at text:2:1"),
        ("anything: {a: 1, a: 2}", "a name stands twice in one table at text:1:18"),
        ("anything:\n  1: x", "a name that is no text: put it in quotes at text:2:3"),
        ("anything:\n  ? [a]\n  : x", "a name that is no text: put it in quotes at text:2:5"),
        ("name: &a x\n*a : y", "a name that is no text: put it in quotes at text:2:1"),
        ("anything: *hunter2", "an alias without its anchor at text:1:11"),
        ("anything: &a [*a]", "an alias to what it stands in at text:1:15"),
        ("name: x\n---\nname: y", "more than one document at text:2:1"),
        ("- 1", "the file is not a table"),
        ("hunter2", "the file is not a table"),
        ("---", "the file is not a table"),
        ("name: [hunter2", "not YAML: expected ',' or ']', but got '<stream end>' at text:1:15"),
        ("name: 'hunter2", "not YAML: found unexpected end of stream at text:1:15"),
        ("a: b: c", "not YAML: mapping values are not allowed here at text:1:5"),
        ("anything: !hunter2!x y", "not YAML: found undefined tag handle *** at text:1:11"),
        ("name: \x01", "not YAML: special characters are not allowed at text:1:7"),
        ('name: "\\UFFFFFFFF"', "not YAML: a number or an escape out of range"),
        (f"anything: {'9' * 5000}", "not YAML: a number or an escape out of range"),
        ("\tname: x", "not YAML: found character '\\t' that cannot start any token at text:1:1"),
        (b"name: \xff", "not UTF-8 at byte 6"),
    ],
    ids=range(27),
)
def test_what_is_not_read_is_told_with_its_place_and_without_values(
    text: str | bytes, expected: str
):
    told = wrong(text)
    assert expected in told
    assert "hunter2" not in told


def test_a_file_of_comments_has_no_settings():
    assert Settings() == load(Settings, TextSource("# name: x\n", "yaml")).value


def test_64_levels_are_allowed_and_not_one_more():
    assert value("[" * 63 + "]" * 63)
    assert "nested deeper than 64 levels at text:1:74" == wrong(f"anything: {'[' * 64}{']' * 64}")
    assert "nested deeper than 64 levels" in wrong("anything: " + "[" * 100_000)
    assert "nested deeper than 64 levels" in wrong("- " * 5000 + "1")


def test_an_alias_counts_with_the_levels_it_stands_for():
    def text(levels: int) -> str:
        deep = f"&a {'[' * 40}{']' * 40}"
        return f"anything:\n  deep: {deep}\n  again: {'[' * levels}*a{']' * levels}"

    # two tables are open already
    assert load(Settings, TextSource(text(22), "yaml")).value.anything["again"]
    assert "nested deeper than 64 levels at text:3:33" == wrong(text(23))


def test_100_aliases_are_allowed_and_not_one_more():
    assert 101 == len(value(f"[&a 1{', *a' * 100}]"))
    assert "more than 100 aliases" in wrong(f"anything: [&a 1{', *a' * 101}]")


def test_few_aliases_of_aliases_cannot_fill_the_memory():
    lines = ["a0: &a0 [x, x, x]"]
    lines += [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}, *a{i - 1}]" for i in range(1, 33)]
    assert "aliases repeat more than 10,000 values" in wrong("\n".join(lines))


def test_an_alias_is_a_copy():
    first, second = value("[&a [1], *a]")
    first.append(2)
    assert [1] == second


YAML = """\
# anything: 1
name: &n "marker
  two"
server: {host: 'x', "port": 5}
anything:
  list:
  - a
  - - b
    - !!str c
  text: |
    name: no
  "quo\\u0074ed": &t
    deep: [1, {x: 2}]
  again: *t
"""


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (("name",), '&n "marker'),
        (("server",), "{host"),
        (("server", "port"), "5}"),
        (("anything", "list"), "- a"),
        (("anything", "list", 1, 0), "b"),
        (("anything", "list", 1, 1), "!!str c"),
        (("anything", "text"), "|"),
        (("anything", "quoted", "deep", 1, "x"), "2}"),
        (("anything", "again"), "*t"),
        (("anything", "again", "deep", 1, "x"), "2}"),
    ],
    ids=str,
)
def test_a_value_has_a_place(path: tuple[str | int, ...], found: str):
    place = locate(YAML, "yaml", path)
    assert place is not None
    line, column = place
    assert YAML.split("\n")[line - 1][column - 1 :].startswith(found)


def test_what_is_not_there_has_no_place():
    assert locate(YAML, "yaml", ("anything", "list", 9)) is None


TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Co", "Cn", "Zl", "Zp"]),
    max_size=12,
) | st.sampled_from(["no", "1e3", "0x1", "~", "", "<<", "=", "2026-01-02", "1:30", "- a", "a: b"])
# texts that PyYAML, which speaks 1.1, writes without quotes, and that are numbers in 1.2
NUMBERS_OF_1_2 = re.compile(r"[-+]?\.?[0-9][0-9.]*(?:[eE][-+]?[0-9]+)?|0o[0-7]+")


def trees(texts: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    return st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=12,
    )


@given(
    trees(TEXTS.filter(lambda text: not NUMBERS_OF_1_2.fullmatch(text))),
    st.booleans(),
    st.sampled_from([None, "'", '"']),
)
def test_what_pyyaml_writes_is_read_as_pyyaml_reads_it(tree: Any, flow: bool, style: str | None):
    text = yaml.safe_dump(
        {"anything": tree},
        default_flow_style=flow,
        default_style=style,
        allow_unicode=True,
        sort_keys=False,
    )
    found = load(Settings, TextSource(text, "yaml")).value.anything
    assert yaml.safe_load(text) == {"anything": found}
    assert repr(tree) == repr(found)


@given(trees(TEXTS), st.sampled_from([None, 1]))
def test_json_is_yaml(tree: Any, indent: int | None):
    text = json.dumps({"anything": tree}, ensure_ascii=False, indent=indent)
    if "Infinity" not in text:
        assert repr(tree) == repr(load(Settings, TextSource(text, "yaml")).value.anything)


@given(st.text("ab:-?[]{},&*!|>'\"%@`# \n\t<~1.0x", max_size=40))
def test_any_text_is_read_or_refused_with_a_place(text: str):
    (layer,) = TextSource(text, "yaml").read(None)
    assert [] == [found for found in layer.violations if not str(found.source).startswith("text")]
    assert not (layer.violations and layer.data)


def test_without_the_extra_it_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "yaml", None)
    (tmp_path / "c.yaml").write_text("name: x")
    with pytest.raises(ConfigError, match=r"pip install 'infra-config\[yaml\]'") as caught:
        load(Settings, FileSource(tmp_path / "c.yaml"))
    assert "config.missing_extra" == caught.value.code


@pytest.mark.subprocess
def test_yaml_is_not_loaded_for_other_formats():
    code = (
        "import sys, attrs, infra_config as c\n"
        "A = attrs.make_class('A', {'x': attrs.field(type=int)})\n"
        "c.load(A, c.TextSource('x = 1', 'toml')).explain('x'); print('yaml' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "False" == done.stdout.strip()
