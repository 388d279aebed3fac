"""Settings without a class: priorities, paths, rules, and that nothing in them can change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

from infra_config import (
    BadPath,
    Config,
    ConfigLoadError,
    Custom,
    EnvSource,
    FileSource,
    Length,
    MemorySource,
    Range,
    Required,
)


@attrs.frozen
class Server:
    host: str = "x"
    port: int = 0
    tags: tuple[str, ...] = ()


def memory(**data: Any) -> MemorySource:
    return MemorySource(data)


def config(*sources: Any) -> Config:
    builder = Config.builder()
    for source in sources:
        builder.add(source)
    return builder.build()


def wrong(path: str, rule: Any, *sources: Any) -> list[str]:
    builder = Config.builder().rule(path, rule)
    for source in sources:
        builder.add(source)
    with pytest.raises(ConfigLoadError) as caught:
        builder.build()
    return [str(found) for found in caught.value.violations]


def test_the_higher_priority_wins_and_of_equal_ones_the_later():
    built = (
        Config.builder()
        .add(memory(a=1, b=1, c=1), priority=5)
        .add(memory(a=2, b=2, d=2))
        .add(memory(b=3, d=3))
        .build()
    )
    assert {"a": 1, "b": 1, "c": 1, "d": 3} == built.to_dict()


def test_tables_merge_and_lists_replace():
    built = config(memory(s={"a": 1, "b": [1, 2]}), memory(s={"b": [3], "c": None}))
    assert {"s": {"a": 1, "b": [3], "c": None}} == built.to_dict()


def test_values_are_asked_by_path():
    built = config(memory(s={"list": [{"a.b": 5}], "none": None}))
    assert 5 == built.get('s.list[0]["a.b"]')
    assert (None, "else") == (built.get("s.x"), built.get("s.x", "else"))
    assert built.get("s.none", "else") is None
    assert (True, False) == (built.has("s.none"), built.has("s.x"))


def test_a_missing_value_names_its_path_and_the_sources_tried():
    built = config(memory(a=1), EnvSource("APP_", environ={}))
    with pytest.raises(BadPath, match=r"s\.x is not given by memory, env"):
        built.require("s.x")
    assert 1 == built.require("a")


@pytest.mark.parametrize("path", ["", "a..b", "a[", "."])
def test_what_is_no_path_is_refused(path: str):
    for ask in (config().get, config().has, config().require, config().section, config().explain):
        with pytest.raises(BadPath):
            ask(path)
    with pytest.raises(BadPath):
        Config.builder().rule(path, Required())


def test_nothing_in_it_can_be_changed():
    data = {"s": {"list": [{"a": 1}]}}
    built = config(MemorySource(data))
    data["s"]["list"][0]["a"] = 2
    built.to_dict(redacted=False)["s"]["list"][0]["a"] = 3
    assert 1 == built.get("s.list[0].a")
    with pytest.raises(TypeError):
        built.get("s")["list"] = ()
    with pytest.raises(TypeError):
        built.get("s.list")[0]["a"] = 4
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        built._layers = ()


def test_a_builder_builds_independent_configs():
    builder = Config.builder().add(memory(a=1))
    first = builder.build()
    second = builder.add(memory(a=2)).build()
    assert (1, 2) == (first.get("a"), second.get("a"))


def test_a_section_is_a_config_that_knows_its_places(tmp_path: Path):
    (tmp_path / "c.toml").write_text("[s]\nport = 80\n")
    built = config(FileSource(tmp_path / "c.toml"), memory(t=1))
    section = built.section("s")
    assert {"port": 80} == section.to_dict()
    assert f"from {tmp_path / 'c.toml'}:2:8: 80" in str(section.explain("port"))
    for path in ("t", "none"):
        with pytest.raises(BadPath):
            built.section(path)


def test_a_class_is_bound_with_text_read_as_it_says():
    environ = {"APP_S__PORT": "80", "APP_S__TAGS": "a,b"}
    built = config(memory(s={"host": "h"}), EnvSource("APP_", environ=environ))
    assert "80" == built.get("s.port")
    assert Server("h", 80, ("a", "b")) == built.section("s").bind(Server)


def test_a_name_unknown_to_the_class_is_refused_unless_told_otherwise():
    built = config(memory(prot=80))
    with pytest.raises(ConfigLoadError, match="did you mean port"):
        built.bind(Server)
    assert Server() == built.bind(Server, strict=False)


def test_a_required_value_is_given_and_not_null():
    env = EnvSource("APP_", environ={})
    assert ["s.port: required, and not given; set APP_S__PORT"] == wrong("s.port", Required(), env)
    assert ["a: required, and null (memory a)"] == wrong("a", Required(), memory(a=None))
    assert 1 == Config.builder().rule("a", Required()).add(memory(a=1)).build().get("a")


def test_rules_are_asked_about_what_is_there():
    assert ["a: must be 0..5 (memory a)"] == wrong("a", Range(0, 5), memory(a=9))
    assert ["a[1]: must be 0..5 (memory a[1])"] == wrong("a[1]", Range(0, 5), memory(a=[1, 9]))
    assert ["a: must have at least 2 items (memory a)"] == wrong("a", Length(2), memory(a=[1]))
    assert 7 == Config.builder().rule("b", Range(0, 5)).add(memory(a=7)).build().get("a")


def test_text_of_a_variable_is_a_number_to_a_range():
    rule = Range(0, 5)
    good = EnvSource("APP_", environ={"APP_A": "5"})
    assert "5" == Config.builder().rule("a", rule).add(good).build().get("a")
    assert ["a: must be 0..5 (env APP_A)"] == wrong(
        "a", rule, EnvSource("APP_", environ={"APP_A": "5.5"})
    )
    assert ["a: expected a number, got text (env APP_A)"] == wrong(
        "a", rule, EnvSource("APP_", environ={"APP_A": "x"})
    )


def test_a_rule_that_raises_is_told_without_the_value():
    def raising(value: str) -> bool:
        message = f"no {value}"
        raise LookupError(message)

    assert ["a: LookupError: no *** (memory a)"] == wrong(
        "a", Custom(raising, ""), memory(a="hunter2")
    )


def test_all_mistakes_are_told_at_once(tmp_path: Path):
    (tmp_path / "c.toml").write_text("a = ")
    builder = Config.builder().add(FileSource(tmp_path / "c.toml"))
    builder.add(memory(b=1, c={})).add(memory(c=1)).rule("b", Range(5))
    with pytest.raises(ConfigLoadError) as caught:
        builder.build()
    assert ["", "b", "c"] == [found.path for found in caught.value.violations]


def test_what_is_named_like_a_secret_is_masked():
    built = config(memory(s={"password": "hunter2", "port": 1}), memory(s={"port": 2}))
    assert {"s": {"password": "***", "port": 2}} == built.to_dict()
    assert "hunter2" == built.to_dict(redacted=False)["s"]["password"]
    shown = str(built.explain("s.password")) + repr(built) + str(built.explain("s"))
    assert "hunter2" not in shown
    assert "s.port = 2\n  from memory s.port: 2\n  over memory s.port: 1" == str(
        built.explain("s.port")
    )
