"""A Redis Cluster of three real servers: the contracts, moved slots, and a scan of all of them."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from infra_cache import Rate, RateLimiter, connect
from infra_cache.testing import CacheContract, LimiterContract

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from infra_cache.cache import StoreCache

pytestmark = [pytest.mark.server("redis"), pytest.mark.subprocess]


def free_ports(count: int) -> list[int]:
    """Find ports whose bus port, 10,000 above, is free too."""
    found: list[int] = []
    for port in range(21_000 + int(time.time()) % 5000, 45_000):
        with socket.socket() as one, socket.socket() as bus:
            try:
                one.bind(("127.0.0.1", port))
                bus.bind(("127.0.0.1", port + 10_000))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise AssertionError


def cli(port: int, *args: object) -> str:
    command = ["redis-cli", "-h", "127.0.0.1", "-p", str(port), *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def wait_for(holds: Any) -> None:
    until = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)


def up(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[int]]:
    if not shutil.which("redis-server") or not shutil.which("redis-cli"):
        pytest.skip("no redis-server and redis-cli on PATH")
    ports = free_ports(3)
    servers = [start_node(port, tmp_path_factory.mktemp(f"node{port}")) for port in ports]
    try:
        wait_for(lambda: all(map(up, ports)))
        for at, port in enumerate(ports):
            first, last = at * 5462, min(16383, at * 5462 + 5461)
            cli(port, "CLUSTER", "ADDSLOTSRANGE", first, last)
            cli(port, "CONFIG", "SET", "cluster-require-full-coverage", "no")
        for port in ports[1:]:
            cli(ports[0], "CLUSTER", "MEET", "127.0.0.1", port)
        wait_for(lambda: all("cluster_known_nodes:3" in cli(p, "CLUSTER", "INFO") for p in ports))
        wait_for(lambda: all("cluster_state:ok" in cli(p, "CLUSTER", "INFO") for p in ports))
        yield ports
    finally:
        for server in servers:
            server.kill()
            server.wait(10)


def start_node(port: int, folder: Path) -> subprocess.Popen[bytes]:
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    command += ["--cluster-enabled", "yes", "--save", "", "--appendonly", "no"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.fixture
def url(nodes: list[int]) -> str:
    return "redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in nodes[:2])


class TestCluster(CacheContract):
    @pytest.fixture(autouse=True)
    def _resources(self, url: str) -> None:
        self.url, self.namespace = url, f"test-{uuid4().hex}"

    async def make_cache(self, **options: Any) -> StoreCache:
        return connect(self.url, namespace=self.namespace, **options)


class TestClusterLimiter(LimiterContract):
    @pytest.fixture(autouse=True)
    async def _resources(self, url: str) -> AsyncIterator[None]:
        async with connect(url, namespace=f"test-{uuid4().hex}") as self.cache:
            yield

    async def make_limiter(self, *rates: Rate, **options: Any) -> RateLimiter:
        return RateLimiter(self.cache, *rates, name="test", **options)


async def test_a_scan_reaches_every_server(url: str, nodes: list[int], namespace: str) -> None:
    async with connect(url, namespace=namespace) as cache:
        assert cache.capabilities.cluster
        await cache.set_many({f"k{n}": n for n in range(300)})
        spread = [int(cli(port, "DBSIZE").split()[-1]) for port in nodes]
        assert 0 not in spread
        assert 300 == len({key async for key in cache.keys("k*")})
        assert 300 == await cache.delete_pattern("k*")


async def test_a_slot_that_moved_is_followed(url: str, nodes: list[int], namespace: str) -> None:
    key = "{3}"  # its slot, 1584, is the first server's
    async with connect(url, namespace="") as cache:
        await cache.set(key + namespace, "before", ttl=60)
        slot = int(cli(nodes[0], "CLUSTER", "KEYSLOT", key))
        ids = [cli(port, "CLUSTER", "MYID").strip() for port in nodes]
        cli(nodes[2], "CLUSTER", "SETSLOT", slot, "IMPORTING", ids[0])
        cli(nodes[0], "CLUSTER", "SETSLOT", slot, "MIGRATING", ids[2])
        assert await cache.get(key + "absent") is None  # ASK, then the other server
        assert await cache.increment(key + "n" + namespace) == 1
        cli(nodes[0], "MIGRATE", "127.0.0.1", nodes[2], key + namespace, 0, 5000)
        for port in (nodes[2], nodes[0], nodes[1]):
            cli(port, "CLUSTER", "SETSLOT", slot, "NODE", ids[2])
        assert await cache.get(key + namespace) == "before"  # MOVED
        assert await cache.increment(key + "n" + namespace) == 2
        cli(nodes[0], "CLUSTER", "SETSLOT", slot, "NODE", ids[2])


async def test_many_readers_and_one_counter_agree(url: str, namespace: str) -> None:
    async with connect(url, namespace=namespace) as cache:
        await asyncio.gather(*(cache.increment("n") for _ in range(200)))
        assert 200 == await cache.get("n")
