"""The command line: what it prints, and its exit codes."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import pytest

from infra_config.cli import main

MODULE = """
from typing import Annotated
import attrs
from infra_config import Range, Seconds, setting
from infra_errors import Secret

@attrs.frozen(kw_only=True)
class Settings:
    port: Annotated[int, Range(0, 65535)] = setting(8000, help="to listen | at")
    timeout: Seconds | None = setting(30.0, help="time for one request")
    token: Secret[str] = setting(env="API_TOKEN", help="who may call")

number = 5
"""


@pytest.fixture(autouse=True)
def _app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "app_of_cli.py").write_text(MODULE)
    (tmp_path / "config.toml").write_text("port = 80\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "app_of_cli", raising=False)


CLASS = "app_of_cli:Settings"


def test_env_lists_the_variables_of_a_class(capsys: pytest.CaptureFixture[str]):
    assert 0 == main(["env", CLASS, "--prefix", "APP_"])
    assert (
        """\
APP_PORT     int             8000         to listen | at
APP_TIMEOUT  Seconds | None  30        s  time for one request
APP_TOKEN    Secret[str]     required     who may call
"""
        == capsys.readouterr().out
    )


def test_env_prints_a_markdown_table(capsys: pytest.CaptureFixture[str]):
    assert 0 == main(["env", CLASS, "--prefix", "APP_", "--markdown"])
    assert (
        r"""| variable | type | default | unit | meaning |
|---|---|---|---|---|
| `APP_PORT` | `int` | `8000` |  | to listen \| at |
| `APP_TIMEOUT` | `Seconds \| None` | `30` | s | time for one request |
| `APP_TOKEN`, else `API_TOKEN` | `Secret[str]` | required |  | who may call (secret) |
"""
        == capsys.readouterr().out
    )


def test_env_prints_json(capsys: pytest.CaptureFixture[str]):
    assert 0 == main(["env", CLASS, "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert ["PORT", "TIMEOUT", "API_TOKEN"] == [row["name"] for row in rows]
    assert "part" not in rows[0]


def test_env_without_a_class_lists_installed_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    info = tmp_path / "app_of_cli-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: app-of-cli\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[infra_config.settings]\nshop = {CLASS}\n")
    monkeypatch.syspath_prepend(tmp_path)
    # what else is installed here is not the matter
    (found,) = importlib.metadata.distributions(path=[str(tmp_path)])
    monkeypatch.setattr(
        importlib.metadata, "entry_points", lambda group: found.entry_points.select(group=group)
    )
    assert 0 == main(["env", "--markdown"])
    assert "### shop\n\n| variable |" in capsys.readouterr().out
    assert 0 == main(["env", "--json"])
    assert "shop" in {row["part"] for row in json.loads(capsys.readouterr().out)}
    assert 0 == main(["env"])
    assert "shop\nPORT " in capsys.readouterr().out


def test_check_says_yes(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("API_TOKEN", "hunter2")
    assert 0 == main(["check", CLASS, "--file", "config.toml"])
    assert f"{CLASS} can be read\n" == capsys.readouterr().out
    assert 0 == main(["check", CLASS, "--json"])
    assert [] == json.loads(capsys.readouterr().out)


def test_check_tells_every_mistake(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("APP_PROT", "hunter2")
    Path("more.toml").write_text('port = "hunter2"\n')
    arguments = ["check", CLASS, "--file", "config.toml", "--file", "more.toml"]
    assert 1 == main([*arguments, "--prefix", "APP_"])
    out = capsys.readouterr().out
    assert "port: expected an integer 0..65535, got text (more.toml:1:8)" in out
    assert "prot: there is no such setting (env APP_PROT); did you mean port?" in out
    assert "token: required, and not given" in out
    assert "hunter2" not in out
    assert 1 == main([*arguments, "--json"])
    assert ["port", "token"] == [found["path"] for found in json.loads(capsys.readouterr().out)]


def test_explain_names_each_place(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("API_TOKEN", "hunter2")
    monkeypatch.setenv("PORT", "81")
    assert 0 == main(["explain", CLASS, "port", "--file", "config.toml"])
    assert (
        "port = 81 (int)\n  from env PORT: '81'\n  over config.toml:1:8: 80\n"
        "  over default port: 8000\n" == capsys.readouterr().out
    )
    assert 0 == main(["explain", CLASS, "token", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert ("***", "API_TOKEN") == (told["layers"][0]["value"], told["layers"][0]["location"])


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (
            ["check", "no_such_module:Settings"],
            "no_such_module cannot be imported",
        ),
        (["check", "app_of_cli"], "app_of_cli names no class"),
        (["check", ""], " names no class"),
        (["check", ":Settings"], ":Settings names no class"),
        (["check", "app_of_cli:Nothing"], "app_of_cli has no Nothing"),
        (["check", "app_of_cli:number"], "app_of_cli:number is no class"),
        (["check", "builtins:int"], "int is no attrs class, dataclass or TypedDict"),
        (["check", CLASS, "--file", "none.toml"], "none.toml is not there"),
        (["check", CLASS, "--file", "none.ini"], "the format ini is not supported"),
        (["explain", CLASS, "port"], "token: required, and not given"),
    ],
    ids=range(10),
)
def test_wrong_use_is_told(arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]):
    assert 2 == main(arguments)
    assert why in capsys.readouterr().err


def test_a_path_to_no_setting_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("API_TOKEN", "hunter2")
    assert 2 == main(["explain", CLASS, "prot"])
    assert "Settings has no setting prot: did you mean port?" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["wrong"], ["env", "--list", "--json"]], ids=range(3))
def test_what_is_no_command_shows_the_use(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert 2 == caught.value.code
    assert "usage: infra-config" in capsys.readouterr().err


@pytest.mark.subprocess
def test_it_runs_as_a_module(tmp_path: Path):
    command = [sys.executable, "-m", "infra_config", "env", CLASS]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "API_TOKEN" in done.stdout
    shown = subprocess.run(
        [sys.executable, "-m", "infra_config", "--help"], capture_output=True, text=True, check=True
    )
    assert "examples:" in shown.stdout
