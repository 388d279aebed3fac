"""JSON Schema of a settings class: what it says, and that a file it accepts is accepted."""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra_config import (
    ConfigLoadError,
    Length,
    Pattern,
    Range,
    Seconds,
    Size,
    TextSource,
    json_schema,
    load,
    setting,
)
from infra_errors import Secret


class Color(Enum):
    RED = "red"
    ONE = 1


@attrs.frozen
class Server:
    host: Annotated[str, Pattern("[a-z.]+"), Length(2, 9)]
    port: Annotated[int, Range(0, 65535)] = setting(80, help="to listen at")


@attrs.frozen
class Settings:
    server: Server
    token: Secret[str] = setting(Secret("hunter2"), env="TOKEN")
    password: str = "hunter2"
    timeout: Annotated[Seconds, Range(1, 60, exclusive=True)] = 30.0
    wait: Seconds = 1.0
    took: timedelta = timedelta(0)
    limit: Size | None = None
    color: Color | None = None
    level: Literal["low", 2, True] = "low"
    share: Decimal = Decimal("0.5")
    either: int | bool | None = None
    at: date | None = None
    id: UUID | None = None
    address: IPv4Address | None = None
    path: Path = Path("x")
    names: Annotated[list[str], Length(1, 2)] = setting(factory=lambda: ["a"])
    pair: tuple[int, str] | None = None
    backups: tuple[Server, ...] = ()
    labels: dict[str, float] = setting(factory=dict)
    key: Annotated[Secret[bytes] | None, Length(4, 16)] = None
    flags: Annotated[str, Pattern("(?i)[a-z]*")] = ""
    thing: Any = attrs.field(factory=object)


@attrs.frozen
class Inner:
    port: int = 80


@attrs.frozen
class Outer:
    inner: Inner


SCHEMA = json_schema(Settings)
PROPERTIES = SCHEMA["properties"]

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-9, 99_999),
    st.floats(-9, 99, allow_nan=False).filter(lambda number: not number.is_integer()),
    st.sampled_from(["red", "RED", "low", "a", "ab", "ab\n", " ", "5m", "PT5M", "P", "10MiB"]),
    st.sampled_from(["2026-02-28", "2026-02-30", "127.0.0.1", "::1", "1e3", "9w" * 50, "x" * 17]),
    st.uuids().map(str),
    st.text(max_size=4).filter(lambda text: text.isprintable()),
)
servers = st.fixed_dictionaries(
    {"host": st.sampled_from(["ab", "a", "AB", "ab\n", "abcdefghij"])},
    optional={"port": scalars, "prot": scalars},
)
values = st.one_of(
    scalars,
    st.lists(scalars, max_size=3),
    st.dictionaries(st.sampled_from("ab"), scalars, max_size=2),
    servers,
    st.lists(servers, max_size=2),
)


@pytest.fixture(scope="module")
def validator() -> Any:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    return jsonschema.Draft202012Validator(
        SCHEMA, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )


def accepts(document: object) -> bool:
    try:
        load(Settings, TextSource(json.dumps(document), "json"))
    except ConfigLoadError:
        return False
    return True


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(name=st.sampled_from(sorted(PROPERTIES)), value=values)
def test_what_the_schema_accepts_a_file_may_say(validator: Any, name: str, value: Any):
    document = {"server": {"host": "ab"}} | {name: value}
    if validator.is_valid(document):
        assert accepts(document)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("server", {"host": "ab", "port": 65535}),
        ("token", "x"),
        ("timeout", 5.5),
        ("wait", "1h30m"),
        ("wait", "PT5M"),
        ("wait", 0),
        ("took", "250ms"),
        ("limit", "10MiB"),
        ("limit", None),
        ("color", "red"),
        ("color", "ONE"),
        ("color", 1),
        ("level", True),
        ("share", "1.25"),
        ("either", False),
        ("at", "2026-02-28"),
        ("id", "12345678-1234-5678-1234-567812345678"),
        ("address", "127.0.0.1"),
        ("path", "/x y"),
        ("names", ["a", "b"]),
        ("pair", [1, "a"]),
        ("backups", [{"host": "ab"}]),
        ("labels", {"a": 1}),
        ("key", "four"),
        ("flags", "aBc"),
        ("thing", {"a": [1]}),
    ],
    ids=str,
)
def test_what_a_file_may_say_the_schema_accepts(validator: Any, name: str, value: Any):
    document = {"server": {"host": "ab"}} | {name: value}
    assert accepts(document)
    assert [] == list(validator.iter_errors(document))


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"server": {}},
        {"server": {"host": "ab"}, "nam": 1},
        {"server": {"host": "ab\n"}},
        {"server": {"host": "ab", "port": 65536}},
        {"server": {"host": "ab"}, "timeout": 60},
        {"server": {"host": "ab"}, "level": "high"},
        {"server": {"host": "ab"}, "names": []},
        {"server": {"host": "ab"}, "pair": [1]},
    ],
    ids=range(9),
)
def test_what_a_file_may_not_say_the_schema_refuses(validator: Any, document: dict[str, Any]):
    assert not accepts(document)
    assert not validator.is_valid(document)


def test_meaning_default_unit_and_names_are_told():
    assert {
        "type": "integer",
        "minimum": 0,
        "maximum": 65535,
        "description": "to listen at",
        "default": 80,
    } == PROPERTIES["server"]["properties"]["port"]
    assert "s" == PROPERTIES["wait"]["x-unit"]
    assert ["TOKEN"] == PROPERTIES["token"]["x-env"]


def test_a_secret_is_for_writing_and_its_default_is_not_told():
    hidden = [name for name, told in PROPERTIES.items() if told.get("writeOnly")]
    assert ["token", "password", "key"] == hidden
    assert "hunter2" not in json.dumps(SCHEMA)


def test_a_table_that_needs_nothing_is_not_required():
    assert "required" not in json_schema(Outer)
    assert ["server"] == SCHEMA["required"]
