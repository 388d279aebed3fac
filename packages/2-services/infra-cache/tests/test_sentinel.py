"""A primary, its replica and a sentinel, all real: what a failover does to a cache."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from infra_cache import CacheUnavailable, connect
from infra_cache.testing import CacheContract
from infra_errors import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from infra_cache.cache import StoreCache

pytestmark = [pytest.mark.server("redis"), pytest.mark.subprocess]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cli(port: int, *args: object) -> str:
    command = ["redis-cli", "-h", "127.0.0.1", "-p", str(port), *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def wait_for(holds: Any) -> None:
    until = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)


def start(folder: Path, *args: object) -> subprocess.Popen[bytes]:
    command = ["redis-server", *map(str, args), "--bind", "127.0.0.1", "--dir", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int, int]]:
    if not shutil.which("redis-server") or not shutil.which("redis-cli"):
        pytest.skip("no redis-server and redis-cli on PATH")
    primary, replica, sentinel = free_port(), free_port(), free_port()
    folder = tmp_path_factory.mktemp("sentinel")
    config = folder / "sentinel.conf"
    config.write_text(
        f"port {sentinel}\nsentinel monitor main 127.0.0.1 {primary} 1\n"
        "sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 3000\n"
    )
    servers = [
        start(folder, "--port", primary, "--save", ""),
        start(folder, "--port", replica, "--save", "", "--replicaof", "127.0.0.1", primary),
    ]
    try:
        wait_for(lambda: "master_link_status:up" in cli(replica, "INFO", "replication"))
        servers.append(start(folder, config, "--sentinel"))
        wait_for(lambda: "num-slaves\n1" in cli(sentinel, "SENTINEL", "MASTER", "main"))
        yield primary, replica, sentinel
    finally:
        for server in servers:
            server.kill()
            server.wait(10)


class TestSentinel(CacheContract):
    @pytest.fixture(autouse=True)
    def _resources(self, ports: tuple[int, int, int]) -> None:
        self.url = f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{ports[2]}/main"
        self.namespace = f"test-{uuid4().hex}"

    async def make_cache(self, **options: Any) -> StoreCache:
        return connect(self.url, namespace=self.namespace, **options)


async def test_an_unknown_service_is_told(ports: tuple[int, int, int]) -> None:
    cache = connect(f"redis+sentinel://127.0.0.1:{ports[2]}/absent")
    with pytest.raises(CacheUnavailable, match="absent"):
        await cache.ping()
    await cache.aclose()


async def test_after_a_failover_the_new_primary_is_used(ports: tuple[int, int, int]) -> None:
    primary, replica, sentinel = ports
    patient = RetryPolicy(attempts=30, base=0.5, cap=1.0, deadline=None)
    async with connect(f"redis+sentinel://127.0.0.1:{sentinel}/main", retry=patient) as cache:
        await cache.set("a", 1, ttl=600)
        wait_for(lambda: "1" == cli(replica, "EXISTS", "a").strip())
        cli(primary, "SHUTDOWN", "NOSAVE")
        async with asyncio.timeout(30):
            assert await cache.get("a") == 1
            await cache.set("a", 2)
        assert await cache.get("a") == 2
        assert "role:master" in cli(replica, "INFO", "replication")
