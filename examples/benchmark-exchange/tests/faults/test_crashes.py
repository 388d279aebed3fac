"""What is left after a kill -9: nothing half-done, nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from sqlalchemy import func, select

from benchmark_exchange import Settings, open_resources
from benchmark_exchange.persistence.tables import SubmissionEventRow, SubmissionRow

SLUG = "alpaca-eval-2"
COMMAND = [sys.executable, "-m", "benchmark_exchange"]


def environment(data: Path) -> dict[str, str]:
    return os.environ | {"EXCHANGE_DATA": str(data)}


def run(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment(data),
        cwd=data.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def facts(data: Path) -> dict[str, object]:
    async with open_resources(Settings(data=data)) as resources:
        submissions = await resources.db.fetch_all(select(func.count(SubmissionRow.id)))
        created = select(func.count(SubmissionEventRow.id)).where(
            SubmissionEventRow.kind == "created"
        )
        board = await resources.boards.leaderboard(SLUG)
        return {
            "submissions": submissions[0][0],
            "created": (await resources.db.fetch_all(created))[0][0],
            "ranks": {entry.model: (entry.rank, entry.rank_high) for entry in board.entries},
            "revision": board.revision,
            "problems": await resources.check(),
        }


@pytest.mark.slow
async def test_an_import_killed_at_any_moment_is_completed_by_the_next(table: Path, tmp_path: Path):
    whole = tmp_path / "whole"
    started = time.monotonic()
    assert 0 == run(whole, "import", str(table)).returncode
    duration = time.monotonic() - started
    expected = await facts(whole)
    assert (223, 223, []) == (expected["submissions"], expected["created"], expected["problems"])
    moments = random.Random(20).sample(range(100), 20)
    interrupted = 0
    for moment in moments:
        data = tmp_path / f"killed-{moment}"
        process = subprocess.Popen(
            [*COMMAND, "import", str(table)],
            env=environment(data),
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            process.wait(duration * (0.3 + 0.7 * moment / 100))
        except subprocess.TimeoutExpired:
            interrupted += 1
        process.send_signal(signal.SIGKILL)
        process.wait()
        again = run(data, "import", str(table))
        assert 0 == again.returncode, again.stderr
        assert expected == await facts(data)
    assert interrupted


def post(url: str, token: str, number: int) -> dict[str, object] | None:
    """Post until it is accepted; None when the server is gone."""
    body = {"model": f"model-{number % 4}", "score": 50.0, "artifact_sha256": f"{number:064x}"}
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": f"key-{number}"}
    request = urllib.request.Request(
        f"{url}/v1/benchmarks/{SLUG}/submissions", json.dumps(body).encode(), headers
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return json.load(response)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return None


def start(data: Path) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [*COMMAND, "serve", "--port", "0"],
        env=environment(data) | {"EXCHANGE_LOG_LEVEL": "error"},
        cwd=data.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("Serving at "), line
    return process, line.split()[-1]


def end(process: subprocess.Popen[str]) -> int:
    with process:
        return process.wait(15)


@pytest.mark.slow
async def test_a_server_killed_under_load_keeps_every_answer_it_gave(table: Path, tmp_path: Path):
    data = tmp_path / "data"
    assert 0 == run(data, "import", str(table)).returncode
    token = None
    process, url = start(data)
    token = (data / "admin-token").read_text().strip()
    seen: dict[int, object] = {}
    pending = set(range(48))

    async def client(numbers: list[int], url: str) -> None:
        for number in numbers:
            answer = await asyncio.to_thread(post, url, token, number)
            if answer is not None:
                assert seen.setdefault(number, answer["id"]) == answer["id"]
                pending.discard(number)

    for kills in range(4):
        todo = sorted(pending | set(list(seen)[:4]))
        load = [asyncio.create_task(client(todo[n::8], url)) for n in range(8)]
        if kills < 3:
            await asyncio.sleep(0.15 + 0.1 * kills)
            process.send_signal(signal.SIGKILL)
        await asyncio.gather(*load)
        if kills < 3:
            end(process)
            process, url = start(data)
    process.send_signal(signal.SIGTERM)
    assert 0 == end(process)
    assert set() == pending
    async with open_resources(Settings(data=data)) as resources:
        rows = await resources.db.fetch_all(
            select(SubmissionRow.id).where(SubmissionRow.import_job_id.is_(None))
        )
        assert 48 == len(rows) == len(set(seen.values()))
        assert [] == await resources.check()
