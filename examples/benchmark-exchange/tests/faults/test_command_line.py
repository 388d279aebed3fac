"""The command line when things are wrong: one clear line, and an exit code that says whose."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest


def run(cwd: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmark_exchange", *arguments],
        env=os.environ | {"EXCHANGE_DATA": str(cwd / "data")} | variables,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def only_line(result: subprocess.CompletedProcess[str], code: int) -> str:
    assert code == result.returncode, result.stderr
    (line,) = result.stderr.splitlines()
    assert line.startswith("benchmark-exchange: ")
    return line


def test_the_demo_ranks_223_real_models(tmp_path: Path):
    result = run(tmp_path, "demo")
    assert 0 == result.returncode, result.stderr
    assert "" == result.stderr
    lines = result.stdout.splitlines()
    assert "Imported 223 real results of AlpacaEval 2, 1 finding:" == lines[0]
    assert 223 + 10 == sum(line.endswith("|") for line in lines)
    assert [] == list(tmp_path.iterdir())


def test_the_demo_tells_its_numbers_as_json(tmp_path: Path):
    told = json.loads(run(tmp_path, "demo", "--json").stdout)
    assert (223, 223, 2) == (told["imported"], told["models"], told["revision"])
    assert {"verified": 52, "checked": 170, "disputed": 1} == told["states"]


def test_an_import_reports_and_the_second_says_that_nothing_changed(tmp_path: Path, table: Path):
    first, second = (run(tmp_path, "import", str(table)) for _ in range(2))
    assert "alpaca-eval-2: 223 rows, 223 imported, 1 finding" == first.stdout.splitlines()[0]
    assert "alpaca-eval-2: 223 rows, nothing changed, 1 finding" == second.stdout.splitlines()[0]
    report = json.loads(run(tmp_path, "import", str(table), "--json").stdout)
    assert (223, 0, True) == (report["rows"], report["imported"], report["unchanged"])


def test_a_malformed_file_is_named_with_line_and_column(tmp_path: Path):
    file = tmp_path / "bad.csv"
    file.write_text(",win_rate,standard_error,n_total,mode\nm,high,1,1,dev\n")
    result = run(tmp_path, "import", str(file))
    assert 1 == result.returncode
    assert "bad.csv:2:2: win_rate 'high' is no number" in result.stderr


@pytest.mark.parametrize(
    "url", ["mysterydb://host/name", "no url at all", "sqlite:///no/such/folder/x.db"]
)
def test_a_wrong_database_url_is_one_line_and_code_2(tmp_path: Path, url: str, table: Path):
    for arguments in (("serve", "--port", "0"), ("import", str(table)), ("migrate",)):
        only_line(run(tmp_path, *arguments, EXCHANGE_DATABASE_URL=url), 2)


def test_a_password_in_a_wrong_url_is_never_shown(tmp_path: Path):
    result = run(tmp_path, "migrate", EXCHANGE_DATABASE_URL="mysterydb://user:hunter2@host/name")
    assert "hunter2" not in only_line(result, 2)


def test_a_folder_that_cannot_be_made_is_one_line_and_code_2(tmp_path: Path, table: Path):
    (tmp_path / "file").write_text("")
    blocked = str(tmp_path / "file" / "data")
    line = only_line(run(tmp_path, "import", str(table), EXCHANGE_DATA=blocked), 2)
    assert blocked in line


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_one_line_and_code_2(tmp_path: Path, table: Path):
    folder = tmp_path / "data"
    folder.mkdir(mode=0o500)
    assert str(folder) in only_line(run(tmp_path, "import", str(table)), 2)


def test_a_port_in_use_is_one_line_and_code_2(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = only_line(run(tmp_path, "serve", "--port", str(port)), 2)
    assert f"127.0.0.1:{port}" in line


def test_wrong_settings_are_all_told_at_once(tmp_path: Path):
    result = run(
        tmp_path, "migrate", EXCHANGE_PORT="http", EXCHANGE_LOG_LEVEL="loud", EXCHANGE_PROT="1"
    )
    assert 2 == result.returncode
    for name in ("EXCHANGE_PORT", "EXCHANGE_LOG_LEVEL", "EXCHANGE_PROT"):
        assert name in result.stderr


def test_a_weak_admin_token_is_refused_and_not_shown(tmp_path: Path):
    result = run(tmp_path, "serve", "--port", "0", EXCHANGE_ADMIN_TOKEN="hunter2")
    assert 2 == result.returncode
    assert "hunter2" not in result.stderr + result.stdout
    assert "32" in result.stderr


def test_migrations_go_up_and_down_and_down_needs_a_yes(tmp_path: Path):
    assert "no tables yet" == run(tmp_path, "migrate", "current").stdout.strip()
    assert 1 == run(tmp_path, "migrate", "check").returncode
    assert "0001" == run(tmp_path, "migrate").stdout.strip()
    assert [] == json.loads(run(tmp_path, "migrate", "check", "--json").stdout)
    assert "say --yes" in only_line(run(tmp_path, "migrate", "down"), 2)
    assert "no tables yet" == run(tmp_path, "migrate", "down", "--yes").stdout.strip()
    assert ["0001"] == json.loads(run(tmp_path, "migrate", "up", "--json").stdout)


def test_secrets_made_by_the_service_are_for_the_owner_only(tmp_path: Path):
    run(tmp_path, "demo", "--data", str(tmp_path / "kept"))
    token = tmp_path / "kept" / "admin-token"
    assert 0o600 == token.stat().st_mode & 0o777
    assert 0o700 == token.parent.stat().st_mode & 0o777
    assert len(token.read_text().strip()) >= 32


@pytest.mark.parametrize("arguments", [(), ("fly",), ("serve", "--port", "x"), ("import",)])
def test_wrong_use_is_code_2(tmp_path: Path, arguments: tuple[str, ...]):
    assert 2 == run(tmp_path, *arguments).returncode


def test_help_has_examples(tmp_path: Path):
    result = run(tmp_path, "--help")
    assert 0 == result.returncode
    assert "examples:" in result.stdout


@pytest.mark.parametrize("port", ["70000", "-5"])
def test_a_port_that_cannot_be_is_one_line_and_code_2(tmp_path: Path, port: str):
    assert port in only_line(run(tmp_path, "serve", "--port", port), 2)


@pytest.mark.parametrize("name", ["a%20b", "a?b", "a#b"])
def test_a_data_folder_may_have_any_name(tmp_path: Path, name: str):
    folder = tmp_path / name
    assert 0 == run(tmp_path, "migrate", EXCHANGE_DATA=str(folder)).returncode
    assert (folder / "exchange.db").exists()


@pytest.mark.parametrize("content", ["", "short\n"])
def test_an_admin_token_file_that_is_no_secret_is_refused(tmp_path: Path, content: str):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "admin-token").write_text(content)
    assert "admin-token" in only_line(run(tmp_path, "serve", "--port", "0"), 2)


def test_a_reader_that_leaves_is_no_failure(tmp_path: Path):
    command = [sys.executable, "-m", "benchmark_exchange", "demo"]
    reading, writing = os.pipe()
    os.close(reading)
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE, text=True
    ) as process:
        os.close(writing)
        _, told = process.communicate(timeout=60)
    assert (0, "") == (process.returncode, told)


def test_json_stays_json_when_the_data_is_kept(tmp_path: Path):
    result = run(tmp_path, "demo", "--json", "--data", str(tmp_path / "kept"))
    assert 223 == json.loads(result.stdout)["imported"]
    assert "kept" in result.stderr
