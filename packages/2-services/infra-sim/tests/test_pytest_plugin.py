"""The fixtures as a test run sees them: a URL, a skip with its reason, or a failure."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

NO_SERVERS = """
import pytest
from infra_sim import servers, _recipes

@pytest.fixture(autouse=True, scope="session")
def nothing():
    servers.speaks = lambda recipe, port: False
    absent = _recipes.RECIPES["redis"]._replace(binaries=("no-such-redis",))
    servers.RECIPES["redis"] = absent
"""


def run(folder: Path, tests: str, **env: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(tests)
    environment = {key: value for key, value in os.environ.items() if "INFRA" not in key}
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*command, "-c", os.devnull, "--rootdir", str(folder), str(folder)],
        env=environment | env,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_given_url_is_the_fixture(tmp_path: Path):
    tests = "def test_it(redis_url): assert redis_url == 'redis://given:1/0'"
    result = run(tmp_path, tests, INFRA_TEST_REDIS_URL="redis://given:1/0")
    assert "1 passed" in result.stdout


def test_a_missing_server_is_a_skip_that_says_what_was_looked_for(tmp_path: Path):
    result = run(tmp_path, NO_SERVERS + "def test_it(redis_url): pass")
    assert "1 skipped" in result.stdout
    assert "INFRA_TEST_REDIS_URL is not set" in result.stdout


def test_a_missing_server_is_a_failure_where_servers_are_required(tmp_path: Path):
    result = run(tmp_path, NO_SERVERS + "def test_it(redis_url): pass", INFRA_REQUIRE_SERVERS="1")
    assert 0 != result.returncode
    assert "INFRA_REQUIRE_SERVERS=1, and no redis server" in result.stdout


def test_a_missing_private_server_is_a_skip_too(tmp_path: Path):
    tests = "import asyncio\ndef test_it(private_server): asyncio.run(private_server('redis'))"
    assert "1 skipped" in run(tmp_path, NO_SERVERS + tests).stdout


def test_the_mark_is_known(tmp_path: Path):
    tests = "import pytest\n@pytest.mark.server('redis')\ndef test_it(): pass"
    (tmp_path / "conftest.py").write_text("")
    result = run(tmp_path, tests)
    assert "1 passed" in result.stdout
    assert "PytestUnknownMarkWarning" not in result.stdout


@pytest.mark.server("redis")
def test_a_private_server_is_gone_when_its_test_ends(tmp_path: Path, redis_url: str):
    tests = """
import asyncio, pathlib
def test_it(private_server):
    server = asyncio.run(private_server("redis"))
    pathlib.Path("home").write_text(str(server._home))
    assert server._home.exists()
"""
    result = run(tmp_path, tests)
    assert "1 passed" in result.stdout, result.stdout
    assert not Path((tmp_path / "home").read_text()).exists()


def test_an_interrupted_run_leaves_no_server_behind(tmp_path: Path):
    tests = """
import pathlib
import pytest
from infra_sim import servers

@pytest.fixture(autouse=True, scope="session")
def silent():
    servers.speaks = lambda recipe, port: False
    command = ["sh", "-c", f"echo $$ > {pathlib.Path.cwd()}/pid; exec sleep 60"]
    servers.RECIPES["redis"] = servers.RECIPES["redis"]._replace(
        binaries=(), command=lambda home, port: command, account="root"
    )

def test_it(redis_url): pass
"""
    (tmp_path / "test_it.py").write_text(tests)
    command = [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", str(tmp_path)]
    with subprocess.Popen(
        [*command, "-p", "no:cacheprovider", "test_it.py"],
        cwd=tmp_path,
        env={key: value for key, value in os.environ.items() if "INFRA" not in key},
        stdout=subprocess.DEVNULL,
        # a shell in the background may have made us deaf to Ctrl-C, and its children with us
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as session:
        pid = tmp_path / "pid"
        while not (pid.exists() and pid.read_text()):
            assert session.poll() is None
            time.sleep(0.01)
        session.send_signal(signal.SIGINT)
        assert pytest.ExitCode.INTERRUPTED == session.wait(30)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_importing_the_package_does_not_import_pytest():
    code = "import sys, infra_sim; print('pytest' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "False" == result.stdout.strip()
