"""The end of a server, from outside: signals, exit codes, and requests that are not lost."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

pytestmark = pytest.mark.subprocess

WAIT = 40.0
HERE = Path(__file__).parent


class Process:
    """A running service and its address."""

    def __init__(self, process):
        self.process = process
        self.lines = []
        self.url = ""
        self.reading = None

    async def start(self):
        while not self.url:
            line = (await asyncio.wait_for(self.process.stderr.readline(), WAIT)).decode()
            assert line, "".join(self.lines)
            self.lines.append(line)
            if found := re.search(r"serving on (http://\S+)", line):
                self.url = found[1]
        self.reading = asyncio.create_task(self.read())

    async def read(self):
        async for line in self.process.stderr:
            self.lines.append(line.decode())

    def tell(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    async def end(self):
        code = await asyncio.wait_for(self.process.wait(), WAIT)
        if self.reading is not None:
            await self.reading
        return code

    def log(self):
        return "".join(self.lines)


@pytest.fixture
def service(server_name):
    @asynccontextmanager
    async def service(**options):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(HERE / "service.py"),
            json.dumps({"server": server_name, **options}),
            cwd=HERE,
            stderr=asyncio.subprocess.PIPE,
        )
        one = Process(process)
        try:
            yield one
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    return service


def client(one, **options):
    return httpx2.AsyncClient(base_url=one.url, timeout=WAIT, **options)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["term", "int"])
async def test_a_signal_to_an_idle_server_ends_it_with_0(service, number):
    async with service() as one:
        await one.start()
        async with client(one) as http:
            assert 200 == (await http.get("/")).status_code
        one.tell(number)
        assert 0 == await one.end(), one.log()


@pytest.mark.parametrize("workers", [1, 2])
async def test_sigterm_under_load_loses_no_request(service, workers):
    """Clients behind a balancer that takes the server out once it is not ready."""
    told, out = asyncio.Event(), asyncio.Event()
    statuses, after = [], []

    async def load(http):
        while not out.is_set():
            was_told = told.is_set()
            statuses.append((await http.get("/")).status_code)
            if was_told:
                after.append(statuses[-1])

    async def balance(http):
        while (await http.get("/health/ready")).status_code == 200:  # noqa: ASYNC110 - a probe
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.2)  # it is not told at once
        out.set()

    async with service(drain=[1.5, 20], workers=workers) as one:
        await one.start()
        async with client(one) as http, client(one) as probe:
            async with asyncio.TaskGroup() as group:
                for _ in range(16):
                    group.create_task(load(http))
                while len(statuses) < 50:  # noqa: ASYNC110 - a count
                    await asyncio.sleep(0.01)
                one.tell()
                told.set()
                group.create_task(balance(probe))
        assert 0 == await one.end(), one.log()
    assert {200} == set(statuses)
    assert after


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_second_signal_does_not_wait_and_the_exit_is_1(service, workers):
    async with service(drain=[600, 600], workers=workers) as one:
        await one.start()
        async with client(one) as http:
            asked = asyncio.create_task(http.get("/forever"))
            await asyncio.sleep(0.3)
            one.tell()
            while "draining" not in one.log():  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.01)
            one.tell()
            assert 1 == await one.end(), one.log()
            assert 503 == (await asked).status_code
    assert "1 requests were cancelled, 0 of them went on" in one.log()


async def test_a_handler_that_ignores_its_cancellation_does_not_keep_the_process(service):
    async with service(drain=[0, 0.2]) as one:
        await one.start()
        async with client(one) as http:
            asked = asyncio.create_task(http.get("/stubborn"))
            await asyncio.sleep(0.3)
            one.tell()
            assert 1 == await one.end(), one.log()
            with pytest.raises(httpx2.TransportError):
                await asked
    assert "1 requests were cancelled, 1 of them went on" in one.log()


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_start_that_fails_is_1_and_says_why(service, workers):
    async with service(workers=workers, broken=True) as one:
        one.reading = asyncio.create_task(one.read())
        assert 1 == await one.end()
    assert "no database" in one.log()


async def test_a_worker_that_dies_is_replaced(service):
    async def ask():
        # a request on a worker that dies is lost; the next is not
        try:
            async with client(one) as http:
                return (await http.get("/")).json()["pid"]
        except httpx2.TransportError:
            return None

    async with service(workers=2) as one:
        await one.start()
        first = await ask()
        os.kill(first, signal.SIGKILL)
        seen = set()
        async with asyncio.timeout(WAIT):
            while len(seen - {first, None}) < 2:
                seen.add(await ask())
        one.tell()
        assert 0 == await one.end(), one.log()
    assert "started again" in one.log()
