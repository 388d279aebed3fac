"""The table of variables: their names, and what is told of each."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import attrs
import pytest

from infra_config import (
    BadSetting,
    EnvSource,
    EnvVar,
    Range,
    Seconds,
    Size,
    env_table,
    load,
    setting,
)
from infra_errors import Secret, SecretUrl


class Color(Enum):
    RED = "red"


@attrs.frozen
class Server:
    host: str
    port: Annotated[int, Range(0, 65535)] = setting(80, help="to listen at")


@attrs.frozen
class Settings:
    server: Server
    url: SecretUrl = setting(env=("DATABASE_URL", "DB_URL"), help="where it is")
    backup: Server | None = None
    timeout: Annotated[Seconds | None, Range(1)] = 30.0
    limit: Size = 1024
    tags: tuple[str, ...] = ("a", "b")
    labels: dict[str, int] = setting(factory=dict)
    color: Color = Color.RED
    debug: bool = False
    share: Decimal = Decimal("0.5")
    path: Path = Path("x")
    password: str = "hunter2"
    token: Secret[str] = Secret("hunter2")
    rate: float = setting(1.5, unit="1/s")


def rows(prefix: str = "") -> dict[str, EnvVar]:
    return {row.path: row for row in env_table(Settings, prefix)}


def test_a_row_tells_all_there_is_to_tell():
    port = EnvVar(
        name="APP_SERVER__PORT",
        path="server.port",
        type="int",
        default="80",
        unit="",
        secret=False,
        required=False,
        help="to listen at",
    )
    assert port == rows("APP_")["server.port"]


def test_every_setting_has_a_row_in_the_order_of_the_class():
    assert ["server.host", "server.port", "url", "backup.host"] == list(rows())[:4]
    assert "server" not in rows()


def test_own_variables_are_the_names_without_a_prefix_and_the_others_with_one():
    bare, prefixed = rows()["url"], rows("APP_")["url"]
    assert ("DATABASE_URL", ("DB_URL",)) == (bare.name, bare.others)
    assert ("APP_URL", ("DATABASE_URL", "DB_URL")) == (prefixed.name, prefixed.others)
    assert "SERVER__HOST" == rows()["server.host"].name


def test_only_what_has_no_default_at_any_level_is_required():
    assert ["server.host", "url"] == [path for path, row in rows().items() if row.required]


@pytest.mark.parametrize(
    ("path", "default"),
    [
        ("timeout", "30"),
        ("limit", "1024"),
        ("tags", "a,b"),
        ("labels", ""),
        ("color", "red"),
        ("debug", "false"),
        ("share", "0.5"),
        ("path", "x"),
        ("backup.port", ""),
    ],
)
def test_a_default_is_told_as_the_variable_would_say_it(path: str, default: str):
    assert default == rows()[path].default


def test_a_default_read_from_the_environment_is_the_default():
    given = {row.name: row.default for row in rows("APP_").values() if row.default}
    given |= {"APP_SERVER__HOST": "h", "APP_URL": "db://x"}
    read = load(Settings, EnvSource("APP_", environ=given)).value
    assert Settings(Server("h"), SecretUrl("db://x")) == read


def test_units_are_told_also_behind_rules_and_none():
    units = {path: row.unit for path, row in rows().items() if row.unit}
    assert {"timeout": "s", "limit": "B", "rate": "1/s"} == units


def test_no_secret_is_told():
    secret = [path for path, row in rows().items() if row.secret]
    assert ["url", "password", "token"] == secret
    assert "hunter2" not in repr(env_table(Settings))


def test_a_default_without_a_plain_form_is_left_out():
    @attrs.frozen
    class Odd:
        number: float = float("inf")
        thing: Any = attrs.field(factory=object)

    assert ["", ""] == [row.default for row in env_table(Odd)]


def test_what_is_no_settings_class_is_refused():
    with pytest.raises(BadSetting):
        env_table(int)
