"""Processes that crash: started, killed with -9 at a chosen moment, started again."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING, ClassVar

from infra_sim.errors import InvalidOption, ProcessFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["CrashingProcess", "KillPoint"]

_LOG_LINES = 200


class KillPoint:
    """
    A named moment at which a process can be told to kill itself.

    The code under test calls `KillPoint.hit("between the two writes")`. With the environment
    variable INFRA_SIM_KILL_AT=`name:n` the process sends itself SIGKILL at the n-th hit of that
    name; without it a hit does nothing.
    """

    _hits: ClassVar[dict[str, int]] = {}

    @classmethod
    def hit(cls, name: str) -> None:
        """Pass the moment, or die at it. Raises InvalidOption for a malformed variable."""
        armed = os.environ.get("INFRA_SIM_KILL_AT")
        if armed is None:
            return
        wanted, _, number = armed.rpartition(":")
        if not wanted or not number.isdecimal() or number == "0":
            msg = f"INFRA_SIM_KILL_AT={armed!r:.80} is not name:n with n of 1 or more"
            raise InvalidOption(msg)
        if name == wanted:
            cls._hits[name] = cls._hits.get(name, 0) + 1
            if cls._hits[name] == int(number):
                os.kill(os.getpid(), signal.SIGKILL)


class CrashingProcess:
    """
    A process that a test kills and starts again.

    Arguments: `argv` the command; `env` variables added to this process's; `ready` a text that a
    line of its output contains once it is ready, or a function that says so when asked. `output`
    holds the last 200 lines it wrote.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        ready: str | Callable[[], bool] | None = None,
    ) -> None:
        if not argv:
            msg = "argv names no command"
            raise InvalidOption(msg)
        self.argv = tuple(argv)
        self.output: list[str] = []
        self._env = dict(env or {})
        self._ready = ready
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._said_ready = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """The process's number while it runs, else None."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process else None

    async def start(self, *, timeout: float = 30.0) -> None:  # noqa: ASYNC109 -- how long it may take
        """Start it and return when it is ready; ProcessFailed when it ends or is late."""
        if self.pid is not None:
            msg = f"process {self.pid} runs already: kill it, or use restart()"
            raise InvalidOption(msg)
        self._said_ready.clear()
        self._process = await asyncio.create_subprocess_exec(
            *self.argv,
            env=os.environ | self._env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self._reader = asyncio.create_task(self._read(self._process))
        try:
            async with asyncio.timeout(timeout):
                await self._until_ready(self._process)
        except TimeoutError as exc:
            self.kill()
            await self.wait()
            raise self._failed(f"was not ready after {timeout:g} s") from exc
        except BaseException:
            self.kill()  # nobody would know of it: the caller was cancelled, or `ready` raised
            raise

    def kill(self) -> None:
        """Kill it with SIGKILL: no handler, no `finally`, no flush. One that ended is let be."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)

    async def wait(self, timeout: float | None = None) -> int:  # noqa: ASYNC109 -- how long it may take
        """Return its exit code, negative for a signal; TimeoutError when it still runs then."""
        if self._process is None or self._reader is None:
            msg = "the process was never started"
            raise InvalidOption(msg)
        async with asyncio.timeout(timeout):
            code = await self._process.wait()
            await self._reader
        return code

    async def restart(self) -> None:
        """Kill it, unless it ended, and start it again."""
        self.kill()
        await self.wait()
        await self.start()

    async def _until_ready(self, process: asyncio.subprocess.Process) -> None:
        if self._ready is None:
            return
        while not self._is_ready():
            if process.returncode is not None and not self._is_ready():
                await self.wait()
                raise self._failed(f"ended with code {process.returncode}")
            await asyncio.sleep(0.01)

    def _is_ready(self) -> bool:
        return self._ready() if callable(self._ready) else self._said_ready.is_set()

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for raw in process.stdout:
            line = raw.decode(errors="replace").rstrip("\n")
            self.output = [*self.output[1 - _LOG_LINES :], line]
            if isinstance(self._ready, str) and self._ready in line:
                self._said_ready.set()

    def _failed(self, what: str) -> ProcessFailed:
        said = "\n".join(self.output[-20:])
        command = os.path.basename(self.argv[0]) if self.argv[0] != sys.executable else "python"  # noqa: PTH119 -- a text
        return ProcessFailed(f"{command} {what}; it said:\n{said}")
