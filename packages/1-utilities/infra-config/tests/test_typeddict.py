"""TypedDict classes: what they need, what they go without, and that they nest with the others."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any, NotRequired, Required, TypedDict

import attrs
import pytest

from infra_config import (
    BadPath,
    BadSetting,
    ConfigLoadError,
    EnvSource,
    FileSource,
    MemorySource,
    Range,
    Reloader,
    Seconds,
    TextSource,
    env_table,
    json_schema,
    load,
    setting,
)
from infra_errors import Secret


class Server(TypedDict):
    host: str
    port: NotRequired[Annotated[int, Range(0, 65535)]]
    wait: Annotated[NotRequired[Seconds], Range(max=60)]


class Loose(TypedDict, total=False):
    name: Required[str]
    token: Secret[str]


class Both(Loose):
    server: Server


@attrs.frozen
class Outer:
    server: Server
    more: list[Server] = setting(factory=list)
    loose: Loose = setting(factory=lambda: Loose(name="x"))


@dataclasses.dataclass(frozen=True)
class Inner:
    level: int = 1


class Holds(TypedDict):
    inner: Inner
    maybe: Server | None


class Wrong(TypedDict):
    x: complex


class Endless(TypedDict):
    inner: Endless


def wrong(cls: type, *sources: Any) -> list[str]:
    with pytest.raises(ConfigLoadError) as caught:
        load(cls, *sources)
    return [str(found) for found in caught.value.violations]


def test_it_is_read_from_every_source_as_a_dict():
    environ = {"APP_HOST": "h", "APP_PORT": "80", "APP_WAIT": "5s"}
    expected = {"host": "h", "port": 80, "wait": 5.0}
    assert expected == load(Server, EnvSource("APP_", environ=environ)).value
    assert expected == load(Server, TextSource('host = "h"\nport = 80\nwait = 5', "toml")).value
    assert type(load(Server, MemorySource({"host": "h"})).value) is dict


def test_what_it_may_go_without_is_left_out():
    assert {"host": "h"} == load(Server, MemorySource({"host": "h"})).value
    assert {"host": "h"} == load(Server, MemorySource({"host": "h", "port": None})).value
    assert {"name": "x"} == load(Loose, MemorySource({"name": "x"})).value


def test_what_it_needs_is_missed_also_where_it_is_inherited_or_not_total():
    assert ["host: required, and not given; set host in memory"] == wrong(Server, MemorySource({}))
    assert ["name: required, and not given; set name in memory"] == wrong(Loose, MemorySource({}))
    assert ["name", "server.host"] == [line.partition(":")[0] for line in wrong(Both)]


def test_types_rules_and_names_are_checked():
    table = {"host": 5, "port": 70_000, "wait": "2m", "prot": 1}
    assert [
        "host: expected text, got an integer (memory host)",
        "port: must be 0..65535 (memory port)",
        "prot: there is no such setting (memory prot); did you mean port?",
        "wait: must be at most 60 (memory wait)",
    ] == wrong(Server, MemorySource(table))


def test_it_nests_in_other_classes_and_they_in_it():
    table = {"server": {"host": "h"}, "more": [{"host": "i", "port": 1}]}
    expected = Outer({"host": "h"}, [{"host": "i", "port": 1}], {"name": "x"})
    assert expected == load(Outer, MemorySource(table)).value
    held = load(Holds, MemorySource({"inner": {"level": 2}, "maybe": None})).value
    assert {"inner": Inner(2), "maybe": None} == held
    environ = {"INNER__LEVEL": "3", "MAYBE__HOST": "h"}
    held = load(Holds, EnvSource(environ=environ)).value
    assert {"inner": Inner(3), "maybe": {"host": "h"}} == held


def test_it_is_explained_and_masked():
    environ = {"APP_TOKEN": "hunter2", "APP_SERVER__HOST": "h"}
    loaded = load(Both, MemorySource({"name": "x"}), EnvSource("APP_", environ=environ))
    assert {"name": "x", "token": "***", "server": {"host": "h"}} == loaded.redacted()
    assert "token = '***' (Secret[str])\n  from env APP_TOKEN: '***'" == str(
        loaded.explain("token")
    )
    assert {"host": "h"} == loaded.explain("server").value
    with pytest.raises(BadPath, match=r"server\.port is not given, and Both goes without"):
        loaded.explain("server.port")
    with pytest.raises(BadPath, match=r"did you mean server\.port\?"):
        loaded.explain("server.prot")


def test_its_variables_and_its_schema_are_told():
    rows = env_table(Both, "APP_")
    assert [
        ("APP_NAME", True),
        ("APP_TOKEN", False),
        ("APP_SERVER__HOST", True),
        ("APP_SERVER__PORT", False),
        ("APP_SERVER__WAIT", False),
    ] == [(row.name, row.required) for row in rows]
    schema = json_schema(Both)
    assert ["name", "server"] == schema["required"]
    assert ["host"] == schema["properties"]["server"]["required"]
    assert "default" not in schema["properties"]["server"]["properties"]["port"]


def test_a_change_of_it_is_told_by_path(tmp_path: Path):
    (tmp_path / "c.toml").write_text('host = "a"\n')
    told: list[tuple[str, ...]] = []
    reloader = Reloader(
        lambda: load(Server, FileSource(tmp_path / "c.toml")),
        on_change=lambda old, new, paths: told.append(paths),
    )
    (tmp_path / "c.toml").write_text('host = "a"\nport = 1\n')
    assert (False, True) == (reloader.check(), reloader.check())
    assert [("port",)] == told


def test_a_type_that_cannot_be_read_and_endless_tables_are_refused():
    with pytest.raises(BadSetting, match=r"Wrong\.x has the type complex"):
        load(Wrong)
    with pytest.raises(BadSetting, match="Endless holds itself"):
        load(Endless)
