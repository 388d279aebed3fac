"""Processes that are killed: at once, at a chosen moment, and started again."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from infra_sim import CrashingProcess, InvalidOption, KillPoint, ProcessFailed

LOOP = "import time\nprint('ready to serve', flush=True)\nwhile True: time.sleep(0.01)"


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


async def test_a_process_is_ready_when_it_says_so_and_dies_without_cleanup(tmp_path: Path):
    trace = tmp_path / "cleaned"
    code = f"import atexit, pathlib\natexit.register(pathlib.Path({str(trace)!r}).touch)\n{LOOP}"
    process = CrashingProcess(python(code), ready="ready to serve")
    await process.start()
    assert process.pid is not None
    process.kill()
    assert -signal.SIGKILL == await process.wait(5)
    assert process.pid is None
    assert not trace.exists()


async def test_a_restart_is_another_process():
    process = CrashingProcess(python(LOOP), ready="ready")
    await process.start()
    first = process.pid
    await process.restart()
    assert first != process.pid
    process.kill()
    await process.wait(5)


async def test_ready_can_be_asked(tmp_path: Path):
    mark = tmp_path / "mark"
    code = f"import pathlib, time\npathlib.Path({str(mark)!r}).touch()\ntime.sleep(60)"
    process = CrashingProcess(python(code), ready=mark.exists)
    await process.start()
    assert mark.exists()
    process.kill()
    await process.wait(5)


async def test_its_environment_is_added_to_ours_and_its_output_kept():
    code = "import os\nprint(os.environ['COLOR'], 'PATH' in os.environ)"
    process = CrashingProcess(python(code), env={"COLOR": "red"})
    await process.start()
    assert 0 == await process.wait(10)
    assert ["red True"] == process.output


async def test_only_the_last_lines_are_kept():
    process = CrashingProcess(python("for n in range(500): print(n)"))
    await process.start()
    await process.wait(10)
    assert [str(n) for n in range(300, 500)] == process.output


async def test_a_process_that_ends_before_it_is_ready_says_why():
    process = CrashingProcess(python("raise SystemExit('no port')"), ready="ready")
    with pytest.raises(ProcessFailed, match="ended with code 1") as caught:
        await process.start()
    assert "no port" in caught.value.message


async def test_a_process_that_is_never_ready_is_killed():
    process = CrashingProcess(python("import time; time.sleep(60)"), ready="ready")
    with pytest.raises(ProcessFailed, match=r"not ready after 0\.2 s"):
        await process.start(timeout=0.2)
    assert process.pid is None


async def test_a_start_that_is_cancelled_kills_the_process():
    process = CrashingProcess(python("import time; time.sleep(60)"), ready="ready")
    starting = asyncio.create_task(process.start())
    while process.pid is None:  # noqa: ASYNC110 -- it has no event for a start half done
        await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert -signal.SIGKILL == await process.wait(5)


async def test_wrong_use_is_told():
    with pytest.raises(InvalidOption, match="no command"):
        CrashingProcess([])
    with pytest.raises(InvalidOption, match="never started"):
        await CrashingProcess(["x"]).wait()
    process = CrashingProcess(python(LOOP), ready="ready")
    await process.start()
    with pytest.raises(InvalidOption, match="runs already"):
        await process.start()
    with pytest.raises(TimeoutError):
        await process.wait(0.01)
    process.kill()
    await process.wait(5)


def hits(armed: str | None, *names: str) -> int:
    """Run a process that passes the moments named; return its exit code."""
    code = "import sys\nfrom infra_sim import KillPoint\nfor n in sys.argv[1:]: KillPoint.hit(n)"
    env = dict(os.environ)
    env.pop("INFRA_SIM_KILL_AT", None)
    if armed is not None:
        env["INFRA_SIM_KILL_AT"] = armed
    return subprocess.run(
        [*python(code), *names], env=env, check=False, stderr=subprocess.DEVNULL
    ).returncode


def test_a_moment_kills_at_the_hit_that_was_asked_for():
    assert -signal.SIGKILL == hits("commit:2", "begin", "commit", "begin", "commit")
    assert 0 == hits("commit:2", "begin", "commit", "begin")
    assert -signal.SIGKILL == hits("a:b:1", "a:b")
    assert 0 == hits(None, "commit")


@pytest.mark.parametrize("armed", ["", "commit", "commit:", ":1", "commit:0", "commit:-1"])
def test_a_malformed_variable_is_refused(monkeypatch: pytest.MonkeyPatch, armed: str):
    monkeypatch.setenv("INFRA_SIM_KILL_AT", armed)
    with pytest.raises(InvalidOption, match="name:n"):
        KillPoint.hit("commit")
