"""Real servers: found where they are, started where they are not, killed, and gone afterwards."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from infra_sim import (
    KINDS,
    InvalidOption,
    Server,
    ServerFailed,
    ServerMissing,
    ServerNotOurs,
    _recipes,
    find_server,
    servers,
    start_private_server,
)

Start = Callable[[str], Awaitable[Server]]

requires = {
    kind: pytest.mark.skipif(
        bool(_recipes.RECIPES[kind].missing()) and os.environ.get("INFRA_REQUIRE_SERVERS") != "1",
        reason=f"there is no {_recipes.RECIPES[kind].missing()} here",
    )
    for kind in KINDS
}
EACH = [pytest.param(kind, marks=[pytest.mark.server(kind), requires[kind]]) for kind in KINDS]


def is_open(url: str) -> bool:
    parts = urlsplit(url)
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((parts.hostname, parts.port)) == 0


@pytest.mark.parametrize("kind", EACH)
async def test_a_private_server_answers_is_killed_comes_back_and_is_gone(kind: str):
    server = await start_private_server(kind)
    home = server._home  # type: ignore[attr-defined]  # where it keeps its data
    port = urlsplit(server.url).port
    assert kind == server.name
    assert _recipes.speaks(_recipes.RECIPES[kind], port)
    await server.kill()
    assert not is_open(server.url)
    await server.restart()
    assert _recipes.speaks(_recipes.RECIPES[kind], port)
    await server.start()  # it runs: nothing happens
    await server.stop()
    assert not is_open(server.url)
    assert not home.exists()
    await server.stop()  # a second time nothing happens


@pytest.mark.parametrize("kind", EACH)
def test_a_private_server_lets_the_tests_in(kind: str):
    async def work() -> bool:
        server = await start_private_server(kind)
        try:
            lets_in = _recipes.RECIPES[kind].lets_in
            return lets_in is None or await asyncio.to_thread(lets_in, server.url)
        finally:
            await server.stop()

    assert asyncio.run(work())


@pytest.mark.server("postgres")
@requires["postgres"]
async def test_what_was_committed_survives_a_kill(private_server: Start):
    server = await private_server("postgres")

    def sql(text: str) -> str:
        command = ["psql", "-qtAc", text, server.url]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    await asyncio.to_thread(sql, "create table t (n int); insert into t values (7)")
    await server.kill()
    await server.restart()
    assert "7" == await asyncio.to_thread(sql, "select n from t")


@pytest.mark.server("redis")
@requires["redis"]
async def test_two_private_servers_are_two(private_server: Start):
    one, two = await private_server("redis"), await private_server("redis")
    assert one.url != two.url
    await one.kill()
    assert is_open(two.url)


@pytest.mark.server("mysql")
@requires["mysql"]
async def test_private_servers_that_start_at_once_leave_each_other_alone(private_server: Start):
    servers = await asyncio.gather(*(private_server("mysql") for _ in range(3)))
    assert 3 == len({server.url for server in servers})


async def test_a_given_server_is_taken_as_it_is_and_never_touched():
    server = find_server("nats", env={"INFRA_TEST_NATS_URL": "nats://elsewhere:4222"})
    assert "nats://elsewhere:4222" == server.url
    await server.start()
    for act in (server.stop, server.restart, server.kill):
        with pytest.raises(ServerNotOurs, match="was not started here"):
            await act()


def test_a_server_on_its_standard_port_is_used_when_it_lets_us_in(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(servers, "speaks", lambda recipe, port: port == 6379)
    assert "redis://127.0.0.1:6379/0" == find_server("redis", env={}).url


def test_a_server_that_refuses_our_login_is_not_ours_to_use(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(servers, "speaks", lambda recipe, port: True)
    strict = _recipes.RECIPES["postgres"]._replace(lets_in=lambda url: False, binaries=())
    monkeypatch.setitem(servers.RECIPES, "postgres", strict)
    assert ":5432/" not in find_server("postgres", env={}).url


def test_what_was_looked_for_is_said_when_nothing_is_found(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(servers, "speaks", lambda recipe, port: False)
    absent = _recipes.RECIPES["redis"]._replace(binaries=("no-such-redis",))
    monkeypatch.setitem(servers.RECIPES, "redis", absent)
    with pytest.raises(ServerMissing) as caught:
        find_server("redis", env={})
    for part in ("INFRA_TEST_REDIS_URL", "6379", "no-such-redis"):
        assert part in caught.value.message
    assert "sim.server_missing" == caught.value.code


async def test_a_private_server_without_its_binary_is_missing(monkeypatch: pytest.MonkeyPatch):
    absent = _recipes.RECIPES["redis"]._replace(binaries=("no-such-redis",))
    monkeypatch.setitem(servers.RECIPES, "redis", absent)
    with pytest.raises(ServerMissing, match="no-such-redis"):
        await start_private_server("redis")


async def test_a_server_that_does_not_come_up_is_cleaned_away_and_its_log_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    broken = _recipes.RECIPES["redis"]._replace(
        binaries=(), command=lambda home, port: ["sh", "-c", "echo no licence today; exit 3"]
    )
    monkeypatch.setitem(servers.RECIPES, "redis", broken)
    monkeypatch.setattr(servers.tempfile, "mkdtemp", lambda prefix: str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    with pytest.raises(ServerFailed, match="no licence today"):
        await start_private_server("redis")
    assert not (tmp_path / "home").exists()


async def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch):
    silent = _recipes.RECIPES["redis"]._replace(
        binaries=(), command=lambda home, port: ["sleep", "60"], timeout=0.1
    )
    monkeypatch.setitem(servers.RECIPES, "redis", silent)
    with pytest.raises(ServerFailed, match="does not answer"):
        await start_private_server("redis")


async def test_a_start_that_is_cancelled_leaves_no_process_and_no_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    home = tmp_path / "home"
    silent = _recipes.RECIPES["redis"]._replace(
        binaries=(), command=lambda home, port: ["sh", "-c", "echo $$ > pid; exec sleep 60"]
    )
    monkeypatch.setitem(servers.RECIPES, "redis", silent)
    monkeypatch.setattr(servers.tempfile, "mkdtemp", lambda prefix: home.mkdir() or str(home))
    starting = asyncio.create_task(start_private_server("redis"))
    while not ((home / "pid").exists() and (home / "pid").read_text()):  # noqa: ASYNC110 -- another process writes it
        await asyncio.sleep(0.01)
    pid = int((home / "pid").read_text())
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not home.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges to drop")
@pytest.mark.parametrize("kind", EACH)
async def test_no_private_server_runs_as_root(private_server: Start, kind: str):
    server = await private_server(kind)
    pid = server._process.pid  # type: ignore[attr-defined]  # its first process
    assert 0 != Path(f"/proc/{pid}").stat().st_uid


@pytest.mark.parametrize("kind", ["oracle", "", "s3"])
def test_a_kind_nobody_knows_is_refused(kind: str):
    with pytest.raises(InvalidOption, match="kinds are postgres, mysql"):
        find_server(kind)


def test_binaries_are_found_beside_path_too():
    assert shutil.which("sh") == _recipes.RECIPES["redis"].which("sh")
