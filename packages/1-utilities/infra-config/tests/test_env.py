"""Environment variables: their names, their aliases, and files that hold secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

from infra_config import BadSource, ConfigLoadError, EnvSource, MemorySource, load, setting
from infra_errors import Secret, SecretUrl


@attrs.frozen
class Server:
    port: int = 80
    maxSize: int = 1  # noqa: N815 - a name that a variable cannot spell
    password: Secret[str] | None = None


@attrs.frozen
class Settings:
    name: str = "none"
    server: Server = Server()
    server_port: int = 0
    url: SecretUrl | None = setting(None, env=("DATABASE_URL", "DB_URL"))
    token: str = setting("", secret=True, env="TOKEN")
    log_file: str = "log"
    labels: dict[str, str] = setting(factory=dict)


@attrs.frozen
class Both:
    x: Secret[str] = Secret("none")
    x_file: str = "none"


@attrs.frozen
class Needed:
    url: str = setting(env="DATABASE_URL")


def value(prefix: str = "APP_", /, **variables: str) -> Settings:
    return load(Settings, EnvSource(prefix, environ=variables)).value


def wrong(cls: type = Settings, /, **variables: str) -> list[str]:
    with pytest.raises(ConfigLoadError) as caught:
        load(cls, EnvSource("APP_", environ=variables))
    return [str(found) for found in caught.value.violations]


def test_two_underscores_separate_levels_and_one_stays():
    found = value(APP_SERVER__PORT="1", APP_SERVER_PORT="2")
    assert (1, 2) == (found.server.port, found.server_port)


def test_the_prefix_is_exact_and_the_rest_in_any_case():
    assert "x" == value(APP_Name="x").name
    assert "none" == value(app_name="x").name
    assert 5 == value(APP_SERVER__MAXSIZE="5").server.maxSize


def test_names_outside_the_prefix_are_never_looked_at():
    assert Settings() == value(NAME="x", OTHER_NAME="y", APPNAME="z")


def test_a_mistyped_variable_under_our_prefix_is_refused():
    assert ["nam: there is no such setting (env APP_NAM); did you mean name?"] == wrong(APP_NAM="x")
    assert ["servr: there is no such setting (env APP_SERVR__PORT); did you mean server?"] == wrong(
        APP_SERVR__PORT="1"
    )


def test_without_a_prefix_only_known_names_are_read():
    found = value("", NAME="x", SERVER__PORT="5", HOME="/root", DB_URL="db://x")
    assert ("x", 5) == (found.name, found.server.port)
    assert SecretUrl("db://x") == found.url


def test_two_variables_for_one_setting_are_refused():
    assert ["name: APP_NAME and APP_Name are both set (env APP_Name); unset one of them"] == wrong(
        APP_NAME="a", APP_Name="b"
    )


def test_a_table_and_a_value_for_it_are_refused():
    (line,) = wrong(APP_SERVER="{}", APP_SERVER__PORT="1")
    assert "server: APP_SERVER and APP_SERVER__PORT are both set" in line


def test_aliases_are_absolute_and_read_in_order_after_the_prefixed_name():
    every = {"APP_URL": "db://0", "DATABASE_URL": "db://1", "DB_URL": "db://2"}
    for expected in ("db://0", "db://1", "db://2"):
        assert SecretUrl(expected) == value(**every).url
        every.pop(next(iter(every)))
    assert value(**every).url is None


def test_a_missing_setting_names_each_variable_that_would_supply_it():
    assert ["url: required, and not given; set APP_URL or DATABASE_URL"] == wrong(Needed)


def test_empty_text_is_a_value_unless_told_otherwise():
    variables = {"APP_NAME": "", "APP_SERVER__PORT": ""}
    assert ["server.port: expected an integer, got empty text (env APP_SERVER__PORT)"] == wrong(
        **variables
    )
    source = EnvSource("APP_", environ=variables, empty="unset")
    assert Settings() == load(Settings, source).value


def test_empty_text_hides_what_is_below():
    low = MemorySource({"name": "low"})
    assert "" == load(Settings, low, EnvSource("APP_", environ={"APP_NAME": ""})).value.name


def test_names_in_a_free_table_are_in_lower_case():
    assert {"team": "x"} == value(APP_LABELS__TEAM="x").labels


def test_a_file_holds_a_secret_and_loses_one_line_end(tmp_path: Path):
    file = tmp_path / "secret"
    for written, expected in {"pw": "pw", "pw\n": "pw", "pw\r\n": "pw", "pw\n\n": "pw\n"}.items():
        file.write_bytes(written.encode())
        found = value(APP_SERVER__PASSWORD_FILE=str(file))
        assert Secret(expected) == found.server.password
    assert "pw\n" == value(TOKEN_FILE=str(file)).token


def test_an_ordinary_setting_that_ends_in_file_is_no_secret_file():
    assert "/x" == value(APP_LOG_FILE="/x").log_file
    assert ["name_file: there is no such setting (env APP_NAME_FILE)"] == wrong(APP_NAME_FILE="/x")


def test_a_setting_and_a_setting_named_like_its_file_are_two():
    both = load(Both, EnvSource("APP_", environ={"APP_X": "a", "APP_X_FILE": "b"})).value
    assert (Secret("a"), "b") == (both.x, both.x_file)


def test_a_secret_and_its_file_at_once_are_refused(tmp_path: Path):
    (tmp_path / "secret").write_text("pw")
    for variable in ("APP_TOKEN", "TOKEN"):
        variables = {variable: "pw", f"{variable}_FILE": str(tmp_path / "secret")}
        (line,) = wrong(**variables)
        assert f"token: {variable} and {variable}_FILE are both set" in line


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"a\0b", "is no UTF-8 text of at most 64 KiB"),
        (b"\xff", "is no UTF-8 text of at most 64 KiB"),
        (b"x" * 65_537, "is no UTF-8 text of at most 64 KiB"),
    ],
)
def test_a_secret_file_that_cannot_be_used_names_its_variable(
    tmp_path: Path, content: bytes | None, why: str
):
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    (line,) = wrong(APP_TOKEN_FILE=str(file))
    assert f"token: names a file that {why} (env APP_TOKEN_FILE)" == line


def test_every_variable_is_wrong_at_once():
    found = wrong(APP_TOKEN_FILE="/no/such", APP_SERVER__PORT="x", APP_NAM="y")
    assert 3 == len(found)


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("APP_NAME", "process")
    assert "process" == load(Settings, EnvSource("APP_")).value.name


def test_another_meaning_of_empty_is_refused():
    meaning: Any = "null"
    with pytest.raises(BadSource):
        EnvSource("APP_", empty=meaning)


def test_without_a_class_everything_under_the_prefix_is_read():
    (layer,) = EnvSource("APP_", environ={"APP_A__B": "1", "B": "2"}).read(None)
    assert {"a": {"b": "1"}} == layer.data


def test_on_windows_the_prefix_is_in_upper_case(monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patched:
        patched.setattr("sys.platform", "win32")
        source = EnvSource("app_", environ={"APP_NAME": "x"})
    assert "x" == load(Settings, source).value.name
    assert "none" == value("app_", APP_NAME="x").name
