"""Layers: which wins, what merges, what is refused, and all of it at once."""

from __future__ import annotations

import dataclasses
import logging
import os
from pathlib import Path
from typing import Annotated, Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra_config import (
    BadSetting,
    ConfigLoadError,
    EnvSource,
    FileSource,
    Layer,
    MemorySource,
    MissingFile,
    Origin,
    Range,
    load,
    load_with_env,
    setting,
)
from infra_errors import ConfigError, Secret


@attrs.frozen
class Server:
    host: str = "127.0.0.1"
    port: Annotated[int, Range(0, 65535)] = 8000


@attrs.frozen
class Settings:
    name: str
    server: Server = Server()
    tags: tuple[str, ...] = ()
    limits: dict[str, int] = setting(factory=dict)


@attrs.frozen
class Database:
    url: str
    password: Secret[str]


@attrs.frozen
class Service:
    database: Database
    replicas: list[Database] = setting(factory=list)
    level: int | None = 3


@dataclasses.dataclass(frozen=True)
class Plain:
    port: int
    tags: list[str] = dataclasses.field(default_factory=list)
    cache: object = dataclasses.field(default=None, metadata={"bind": False})


@attrs.frozen
class Bounds:
    low: int = 1
    high: int = 2

    def __attrs_post_init__(self) -> None:
        if self.low > self.high:
            message = f"low {self.low} is above high"
            raise ValueError(message)


@attrs.frozen
class Outer:
    bounds: Bounds = Bounds()
    port: int = 1


def env(prefix: str = "APP_", **variables: str) -> EnvSource:
    return EnvSource(prefix, environ=variables)


def violations(cls: type, *sources: Any, **options: Any) -> list[tuple[str, str]]:
    with pytest.raises(ConfigLoadError) as caught:
        load(cls, *sources, **options)
    return [(found.path, found.code) for found in caught.value.violations]


def lines(cls: type, *sources: Any, **options: Any) -> list[str]:
    with pytest.raises(ConfigLoadError) as caught:
        load(cls, *sources, **options)
    return str(caught.value).splitlines()


def test_later_sources_win_and_overrides_win_over_all(tmp_path: Path):
    file = tmp_path / "config.toml"
    file.write_text('name = "file"\n[server]\nhost = "h"\nport = 1\n')
    loaded = load(
        Settings,
        FileSource(file),
        env(APP_SERVER__PORT="2", APP_NAME="env"),
        overrides=["server.port=3"],
    )
    assert Settings("env", Server("h", 3)) == loaded.value


def test_overrides_are_a_table_of_dot_paths_or_texts():
    source = MemorySource({"name": "x"})
    by_table = load(Settings, source, overrides={"server.port": 3, "limits.a": "4"}).value
    by_text = load(Settings, source, overrides=["server.port=3", 'limits={"a": 4}']).value
    assert Settings("x", Server(port=3), limits={"a": 4}) == by_table == by_text


def test_an_override_that_is_none_is_refused_by_its_number():
    source = MemorySource({"name": "x"})
    for override in ("server..port=1", "=1", "[0]=1", "a[0=1", "name"):
        (line,) = lines(Settings, source, overrides=["server.port=3", override])[1:]
        assert "  override 2 is not like server.port=80 (overrides)" == line


def test_tables_merge_by_name_and_lists_replace():
    low = MemorySource({"name": "x", "tags": ["a", "b"], "limits": {"a": 1, "b": 2}})
    high = MemorySource({"tags": ["c"], "limits": {"b": 3}})
    value = load(Settings, low, high).value
    assert (("c",), {"a": 1, "b": 3}) == (value.tags, value.limits)


def test_a_table_in_one_variable_merges_with_the_tables_below_it():
    low = MemorySource({"name": "x", "limits": {"a": 1, "b": 2}, "server": {"host": "h"}})
    high = env(APP_LIMITS="b=3,c=4", APP_SERVER='{"port": 5}')
    value = load(Settings, low, high).value
    assert ({"a": 1, "b": 3, "c": 4}, Server("h", 5)) == (value.limits, value.server)


def test_null_is_a_value_and_hides_lower_ones():
    low = MemorySource({"database": {"url": "u", "password": "p"}, "level": 5})
    assert load(Service, low, MemorySource({"level": None})).value.level is None


def test_null_for_a_type_without_none_counts_as_missing():
    source = MemorySource({"name": None})
    assert [("name", "missing")] == violations(Settings, source)


def test_a_value_over_a_table_names_both_places():
    low = MemorySource({"name": "x", "server": {"port": 1}}, name="low")
    high = MemorySource({"server": 5}, name="high")
    conflict = lines(Settings, low, high)[1]
    assert "  server: a value over a table, which is at low server (high server)" == conflict


def test_not_strict_the_higher_wins_with_a_warning(caplog: pytest.LogCaptureFixture):
    low = MemorySource({"name": "x", "limits": 1, "nmae": 2})
    high = MemorySource({"limits": {"a": 1}})
    with caplog.at_level(logging.WARNING, "infra_config"):
        value = load(Settings, low, high, strict=False).value
    assert {"a": 1} == value.limits
    assert 2 == len(caplog.records)
    assert "did you mean name?" in caplog.text


def test_everything_wrong_is_told_at_once_ordered_by_path(tmp_path: Path):
    file = tmp_path / "config.toml"
    file.write_text('nmae = "x"\n[server]\nport = "80"\n')
    source = env(APP_LIMITS__A="x", APP_SERVER__HOTS="h")
    assert [
        f"config.invalid: 5 settings of {Settings.__name__} are wrong",
        "  limits.a: expected an integer, got text (env APP_LIMITS__A)",
        f"  name: required, and not given; set APP_NAME or name in {file}",
        f"  nmae: there is no such setting ({file}:1:8); did you mean name?",
        "  server.hots: there is no such setting (env APP_SERVER__HOTS); did you mean server.host?",
        f"  server.port: expected an integer 0..65535, got text ({file}:3:8)",
    ] == lines(Settings, FileSource(file), source)


def test_all_violations_are_printed_however_many():
    wrong = MemorySource({"name": "x", "limits": {f"k{i:02}": "no" for i in range(50)}})
    assert 51 == len(lines(Settings, wrong))


def test_missing_settings_of_a_required_table_are_each_named():
    assert ["database.password", "database.url"] == [
        path for path, _ in violations(Service, MemorySource({}))
    ]


def test_a_required_table_whose_settings_have_defaults_is_made():
    assert {"bounds", "port"} == set(load(Outer).redacted())
    assert Outer() == load(Outer).value


def test_what_a_broken_file_may_hold_is_not_said_to_be_missing(tmp_path: Path):
    file = tmp_path / "config.toml"
    file.write_text("name = ")
    assert [("", "syntax")] == violations(Settings, FileSource(file))


def test_unknown_names_in_a_list_of_tables_are_found_and_placed(tmp_path: Path):
    file = tmp_path / "config.toml"
    file.write_text(
        '[database]\nurl="u"\npassword="p"\n'
        '[[replicas]]\nurl="u"\npassword="p"\n'
        '[[replicas]]\nurl="u"\npasword="p"\n'
    )
    assert [
        f"  replicas[1].password: required, and not given; set replicas[1].password in {file}",
        (
            f"  replicas[1].pasword: there is no such setting ({file}:9:9); "
            "did you mean replicas[1].password?"
        ),
    ] == lines(Service, FileSource(file))[1:]


def test_a_dataclass_works_the_same():
    assert Plain(5, ["a"]) == load(Plain, env(APP_PORT="5", APP_TAGS="a")).value
    assert [("cache", "unknown"), ("port", "missing")] == violations(Plain, env(APP_CACHE="x"))


def test_a_class_that_refuses_its_fields_is_a_violation_at_its_path():
    source = MemorySource({"bounds": {"low": 5}, "port": "x"})
    assert [
        "  bounds: low 5 is above high (memory bounds)",
        "  port: expected an integer, got text (memory port)",
    ] == lines(Outer, source)[1:]


def test_what_refuses_the_whole_has_no_path_to_name():
    assert ["  low 5 is above high"] == lines(Bounds, MemorySource({"low": 5}))[1:]


def test_the_class_is_not_asked_while_its_fields_are_wrong():
    assert [("low", "type")] == violations(Bounds, MemorySource({"low": "x"}))


def test_a_class_that_is_no_settings_class_is_refused():
    with pytest.raises(BadSetting, match="attrs"):
        load(int)


def test_sources_are_read_by_load_and_not_before(tmp_path: Path):
    source = FileSource(tmp_path / "late.toml")
    with pytest.raises(MissingFile):
        load(Bounds, source)
    (tmp_path / "late.toml").write_text("low = 0")
    assert 0 == load(Bounds, source).value.low


def test_a_loaded_value_does_not_follow_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("APP_LOW", "0")
    value = load(Bounds, EnvSource("APP_")).value
    monkeypatch.setenv("APP_LOW", "1")
    assert 0 == value.low
    assert "1" == os.environ["APP_LOW"]


def test_a_source_of_ones_own_is_two_names():
    class Vault:
        name = "vault"

        def read(self, shape: Any) -> list[Layer]:
            assert shape.knows(("low",))
            origin = Origin("vault", "app/low")
            return [Layer(source="vault", data={"low": 0}, text=False, origin=lambda _: origin)]

    loaded = load(Bounds, Vault())
    assert 0 == loaded.value.low
    assert "vault app/low" == str(loaded.explain("low").layers[0][0])


def test_it_is_a_config_error():
    assert issubclass(ConfigLoadError, ConfigError)
    assert "config.invalid" == ConfigLoadError.code


def test_an_exception_without_a_text_is_told_by_its_type():
    @attrs.frozen
    class Silent:
        low: int = attrs.field(default=1, validator=lambda *_: (_ for _ in ()).throw(ValueError()))

    assert ["  ValueError"] == lines(Silent, MemorySource({"low": 5}))[1:]


def test_an_exception_whose_text_fails_is_told_all_the_same():
    class Broken(ValueError):
        def __str__(self) -> str:
            raise RuntimeError

    def refuse(*_: object) -> None:
        raise Broken

    @attrs.frozen
    class Mute:
        low: int = attrs.field(default=1, validator=refuse)

    assert ["  <RuntimeError in its __str__>"] == lines(Mute, MemorySource({"low": 5}))[1:]


def test_several_checks_that_raise_are_all_kept_as_causes():
    @attrs.frozen
    class Two:
        one: Bounds = Bounds()
        two: Bounds = Bounds()

    low = {"low": 5}
    with pytest.raises(ConfigLoadError) as caught:
        load(Two, MemorySource({"one": low, "two": low}))
    assert isinstance(caught.value.__cause__, ExceptionGroup)
    assert 2 == len(caught.value.__cause__.exceptions)


KEYS = st.sampled_from(["a", "b", "c"])


@given(st.lists(st.dictionaries(KEYS, st.integers(0, 9), max_size=3), max_size=5))
def test_a_stack_of_layers_is_the_update_of_dicts(tables: list[dict[str, int]]):
    expected: dict[str, int] = {}
    for table in tables:
        expected.update(table)
    sources = [
        MemorySource({"limits": table}, name=f"layer{index}") for index, table in enumerate(tables)
    ]
    loaded = load(Settings, MemorySource({"name": "x"}), *sources)
    assert expected == loaded.value.limits
    for key, value in expected.items():
        found = loaded.explain(f"limits.{key}")
        giving = [index for index, table in enumerate(tables) if key in table]
        assert [f"layer{index}" for index in reversed(giving)] == [
            origin.source for origin, _ in found.layers
        ]
        assert value == found.value


def test_a_file_and_the_environment_over_it_are_one_call(tmp_path: Path):
    (tmp_path / "config.toml").write_text('name = "file"\nserver.port = 1\n')
    environ = {"APP_SERVER__PORT": "2"}
    expected = Settings("file", Server(port=2))
    assert expected == load_with_env(tmp_path / "config.toml", "APP_", Settings, environ=environ)


def test_the_file_of_that_call_has_to_be_there_unless_there_is_none(tmp_path: Path):
    with pytest.raises(MissingFile):
        load_with_env(tmp_path / "none.toml", "APP_", Settings, environ={})
    assert Settings("x") == load_with_env(None, "APP_", Settings, environ={"APP_NAME": "x"})


def test_that_call_is_strict_unless_told_otherwise():
    environ = {"APP_NAME": "x", "APP_NAM": "y"}
    with pytest.raises(ConfigLoadError, match="did you mean name"):
        load_with_env(None, "APP_", Settings, environ=environ)
    assert Settings("x") == load_with_env(None, "APP_", Settings, strict=False, environ=environ)


def test_memory_file_and_environment_merge_key_by_key(tmp_path: Path):
    file = tmp_path / "config.toml"
    file.write_text('tags = ["file", "too"]\n[limits]\nx = 2\n')
    low = MemorySource({"name": "x", "limits": {"x": 1, "y": 1}})
    high = env(APP_LIMITS__X="3", APP_TAGS="env")
    value = load(Settings, low, FileSource(file), high).value
    assert ({"x": 3, "y": 1}, ("env",)) == (value.limits, value.tags)


@attrs.frozen
class Flat:
    server_port: Annotated[int, Range(0, 65535)]


def test_a_variable_replaces_a_files_value_as_the_type_says(tmp_path: Path):
    (tmp_path / "config.toml").write_text("server_port = 80\n")
    path = tmp_path / "config.toml"
    environ = {"APP_SERVER_PORT": "8081"}
    assert Flat(8081) == load_with_env(path, "APP_", Flat, environ=environ)
    for wrong in ("80.5", "70000", "", "True", "0x10"):
        with pytest.raises(ConfigLoadError, match=r"server_port: .* \(env APP_SERVER_PORT\)"):
            load_with_env(path, "APP_", Flat, environ={"APP_SERVER_PORT": wrong})


def test_a_name_with_a_dot_is_one_name(tmp_path: Path):
    file = tmp_path / "config.toml"
    file.write_text('name = "x"\n[limits]\n"a.b" = 1\n')
    loaded = load(Settings, FileSource(file), overrides=['limits["a.c"]=2'])
    assert {"a.b": 1, "a.c": 2} == loaded.value.limits
    assert f"{file}:3:9" == str(loaded.explain('limits["a.b"]').layers[0][0])
    assert 2 == loaded.explain(r"limits.a\.c").value


def test_a_value_in_an_array_of_tables_has_its_place(tmp_path: Path):
    file = tmp_path / "config.toml"
    one = '[[replicas]]\nurl = "u"\npassword = "p"\n'
    file.write_text(f'[database]\nurl = "u"\npassword = "p"\n{one}{one}')
    loaded = load(Service, FileSource(file))
    assert f"{file}:8:7" == str(loaded.explain("replicas[1].url").layers[0][0])
