"""explain() and redacted(): where a value came from, with what may be shown of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import attrs
import pytest

from infra_config import BadPath, EnvSource, FileSource, MemorySource, Range, load, setting
from infra_errors import Secret, SecretUrl


@attrs.frozen
class Server:
    port: Annotated[int, Range(0, 65535)] = 80
    names: tuple[str, ...] = ()


@attrs.frozen
class Settings:
    server: Server = Server()
    url: SecretUrl = SecretUrl("db://me:hunter2@local/x")
    webhook: str = "none"
    password: str = "hunter2"
    pin: str = setting("hunter2", secret=True)
    key: Secret[str] | None = Secret("hunter2")
    headers: dict[str, str] = setting(factory=dict)
    data: Path = Path("data")


TOML = """\
# a comment with server = { port = 1 }
webhook = '''
several
lines'''
"data" = "x"
[server]  # the [server]
port = 8080
names = ["a", "b",
  "c"]
"""


def loaded(tmp_path: Path) -> Any:
    file = tmp_path / "config.toml"
    file.write_text(TOML)
    env = EnvSource("APP_", environ={"APP_SERVER__PORT": "90"})
    return load(Settings, FileSource(file), env, overrides={"server.port": 91})


def test_the_winner_comes_first_then_what_it_hid_then_the_default(tmp_path: Path):
    found = loaded(tmp_path).explain("server.port")
    assert ("server.port", 91, "int", False) == (
        found.path, found.value, found.type, found.default
    )  # fmt: skip
    file = tmp_path / "config.toml"
    assert [
        ("override server.port", 91),
        ("env APP_SERVER__PORT", "90"),
        (f"{file}:7:8", 8080),
        ("default server.port", 80),
    ] == [(str(origin), value) for origin, value in found.layers]
    assert "server.port = 91 (int)\n  from override server.port: 91\n" in str(found)


def test_lines_and_columns_are_those_of_the_value(tmp_path: Path):
    explain = loaded(tmp_path).explain
    for path, line, column in [
        ("webhook", 2, 11),
        ("data", 5, 10),
        ("server", 6, 1),
        ("server.names", 8, 9),
        ("server.names[1]", 8, 15),
        ("server.names[2]", 9, 3),
    ]:
        origin = next(found for found, _ in explain(path).layers if found.line)
        assert (line, column) == (origin.line, origin.column), path


def test_the_default_of_a_table_is_what_counts_while_no_source_touches_it():
    @attrs.frozen
    class Outer:
        server: Server = Server(port=9)

    assert [9] == [value for _, value in load(Outer).explain("server.port").layers]
    touched = load(Outer, MemorySource({"server": {"names": []}})).explain("server.port")
    assert (80, [80]) == (touched.value, [value for _, value in touched.layers])


def test_a_default_is_said_to_be_one():
    found = load(Settings).explain("data")
    assert found.default
    assert [("default data", "data")] == [(str(origin), value) for origin, value in found.layers]


def test_a_path_to_no_setting_is_refused_with_the_nearest():
    for path in ("", "server.", "server..port"):
        with pytest.raises(BadPath, match="is no path"):
            load(Settings).explain(path)
    with pytest.raises(BadPath, match=r"did you mean server\.port\?"):
        load(Settings).explain("server.prot")
    with pytest.raises(BadPath):
        load(Settings).explain("server.names[5]")


def test_a_table_is_explained_whole():
    found = load(Settings, MemorySource({"server": {"port": 1}})).explain("server")
    assert {"port": 1, "names": []} == found.value


@pytest.mark.parametrize("path", ["url", "password", "pin", "key", "headers", "webhook"])
def test_no_secret_is_shown(path: str):
    given = {
        "url": "db://me:hunter2@h/x",
        "password": "hunter2",
        "pin": "hunter2",
        "key": "hunter2",
        "headers": {"authorization": "hunter2"},
        "webhook": "https://me:hunter2@h/x",
    }
    found = load(Settings, MemorySource(given), overrides=given)
    for shown in (str(found.explain(path)), repr(found.explain(path)), repr(found)):
        assert "hunter2" not in shown
    assert "hunter2" not in str(found.redacted())
    assert "hunter2" not in repr(found.explain(path).layers)


def test_redacted_is_a_table_of_plain_values():
    assert {
        "server": {"port": 80, "names": []},
        "url": "db://***@local/x",
        "webhook": "none",
        "password": "***",
        "pin": "***",
        "key": "***",
        "headers": {},
        "data": "data",
    } == load(Settings).redacted()


def test_a_long_text_is_cut():
    found = load(Settings, MemorySource({"webhook": "x" * 200})).explain("webhook").value
    assert 80 == len(str(found))


@pytest.mark.parametrize("name", ["config.toml", "config.json"])
def test_a_path_of_200_settings_is_found(tmp_path: Path, name: str):
    import json

    file = tmp_path / name
    table = {f"k{i}": f"{i}" for i in range(200)}
    if name.endswith("json"):
        file.write_text(json.dumps({"headers": table}, indent=1))
    else:
        file.write_text("[headers]\n" + "".join(f'{k} = "{v}"\n' for k, v in table.items()))
    origin, _ = load(Settings, FileSource(file)).explain("headers.k150").layers[0]
    line = file.read_text().splitlines()[(origin.line or 0) - 1]
    assert '"150"' in line[(origin.column or 0) - 1 :]
