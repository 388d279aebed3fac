"""
Real servers for tests, without containers.

A server comes from its environment variable, else from its standard port on this machine, else from
a binary: then it is private, on a free port of 127.0.0.1, in a folder that goes away with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from infra_sim._recipes import RECIPES, Recipe, free_port, speaks
from infra_sim.errors import InvalidOption, ServerFailed, ServerMissing, ServerNotOurs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["KINDS", "Server", "find_server", "start_private_server"]

KINDS = tuple(RECIPES)
"""postgres, mysql (MariaDB), redis, amqp (RabbitMQ), nats (with JetStream)."""


class Server(Protocol):
    """A server of one kind; `url` says how to reach it once it is started."""

    name: str
    url: str

    async def start(self) -> None:
        """Start it, and return when it answers; starting one that runs does nothing."""

    async def stop(self) -> None:
        """Stop it as its operator would, and remove what it stored."""

    async def restart(self) -> None:
        """Stop it and start it again, at the same URL, over the same data."""

    async def kill(self) -> None:
        """Kill it and all its processes at once, as a crash would; `restart` brings it back."""


def find_server(kind: str, *, env: Mapping[str, str] = os.environ) -> Server:
    """
    Return a server of a kind: given, found on its standard port, or private and not yet started.

    Raises InvalidOption for a kind that is not in KINDS, ServerMissing saying what was looked for.
    """
    recipe = _recipe(kind)
    variable = f"INFRA_TEST_{kind.upper()}_URL"
    if url := env.get(variable):
        return _GivenServer(kind, url)
    url = recipe.standard_url
    if speaks(recipe, recipe.port) and (recipe.lets_in is None or recipe.lets_in(url)):
        return _GivenServer(kind, url)
    if missing := recipe.missing():
        msg = (
            f"no {kind} server: {variable} is not set, none on port {recipe.port} of this machine "
            f"lets the tests in, and there is no {missing} to start a private one with"
        )
        raise ServerMissing(msg, kind=kind)
    return _PrivateServer(recipe)


async def start_private_server(kind: str) -> Server:
    """
    Return a server of the caller's own, started: to be stopped, restarted, killed.

    Raises InvalidOption, ServerMissing when a binary is missing, ServerFailed.
    """
    recipe = _recipe(kind)
    if missing := recipe.missing():
        msg = f"no private {kind} server: there is no {missing} on PATH"
        raise ServerMissing(msg, kind=kind)
    server = _PrivateServer(recipe)
    await server.start()
    return server


def _recipe(kind: str) -> Recipe:
    if kind not in RECIPES:
        msg = f"{kind!r:.64} is no kind of server; kinds are {', '.join(KINDS)}"
        raise InvalidOption(msg)
    return RECIPES[kind]


class _GivenServer:
    """A server that somebody else runs."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self.url = url

    async def start(self) -> None:
        """Nothing to do: it runs."""

    async def stop(self) -> None:
        raise self._refused("stopped")

    async def restart(self) -> None:
        raise self._refused("restarted")

    async def kill(self) -> None:
        raise self._refused("killed")

    def _refused(self, what: str) -> ServerNotOurs:
        msg = (
            f"this {self.name} server was not started here, so it is not {what}: "
            "ask for a private one"
        )
        return ServerNotOurs(msg, kind=self.name)


class _PrivateServer:
    """A server in a folder of its own; all its processes are one group."""

    def __init__(self, recipe: Recipe) -> None:
        self.name = recipe.kind
        self._recipe = recipe
        self._port = free_port()
        self.url = recipe.url.format(port=self._port)
        self._home: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._given_up = False

    async def start(self) -> None:
        self._given_up = False
        starting = asyncio.ensure_future(asyncio.to_thread(self._start))
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            # Ctrl-C arrives here: the thread would go on, and leave a server that nobody stops.
            self._given_up = True
            await asyncio.wait([starting])
            await asyncio.to_thread(self._stop)
            raise

    async def stop(self) -> None:
        await asyncio.to_thread(self._stop)

    async def restart(self) -> None:
        await asyncio.to_thread(self._end, signal.SIGTERM)
        await self.start()

    async def kill(self) -> None:
        await asyncio.to_thread(self._end, signal.SIGKILL)

    def _start(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        first = self._home is None
        if self._home is None:
            self._home = self._make_home()
        try:
            if first and self._recipe.prepare:
                self._run(self._recipe.prepare(self._home), as_account=True)
            self._launch(self._home)
            self._wait_until(lambda: speaks(self._recipe, self._port))
            # One that answers may still be recovering, and lets nobody in meanwhile.
            if first and self._recipe.finish:
                finish = self._recipe.finish(self._home, self._port)
                self._wait_until(lambda: self._succeeds(finish))
            if self._recipe.lets_in:
                lets_in = self._recipe.lets_in
                self._wait_until(lambda: lets_in(self.url))
        except BaseException:
            self._stop()
            raise

    def _make_home(self) -> Path:
        home = Path(tempfile.mkdtemp(prefix=f"infra-{self.name}-"))
        if account := self._account():
            os.chown(home, account.pw_uid, account.pw_gid)
        return home

    def _account(self) -> pwd.struct_passwd | None:
        """Return whom to run as when we are root: the server's own account, else nobody."""
        if os.geteuid() != 0:
            return None
        try:
            return pwd.getpwnam(self._recipe.account)
        except KeyError:
            return pwd.getpwnam("nobody")

    def _options(self, *, as_account: bool) -> dict[str, Any]:
        assert self._home is not None
        # TMPDIR: a MariaDB that starts removes what others have there under a name like its own.
        environment = os.environ | {"HOME": str(self._home), "TMPDIR": str(self._home)}
        if self._recipe.environment:
            environment |= self._recipe.environment(self._home, self._port)
        options: dict[str, Any] = {"cwd": self._home, "env": environment}
        if as_account and (account := self._account()):
            options |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        return options

    def _run(self, command: list[str], *, as_account: bool = False) -> None:
        result = self._result(command, as_account=as_account)
        if result.returncode:
            raise self._failed(f"{Path(command[0]).name} failed", result.stdout)

    def _succeeds(self, command: list[str]) -> bool:
        return self._result(command).returncode == 0

    def _result(
        self, command: list[str], *, as_account: bool = False
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(  # noqa: S603 -- our own command
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=self._recipe.timeout,
            check=False,
            **self._options(as_account=as_account),
        )

    def _launch(self, home: Path) -> None:
        with (home / "server.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 -- our own command
                self._recipe.command(home, self._port),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C in the terminal is the test run's, not theirs
                **self._options(as_account=True),
            )

    def _wait_until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds; ServerFailed when the server ends or time runs out first."""
        until = time.monotonic() + self._recipe.timeout
        while not holds():
            ended = self._process is None or self._process.poll() is not None
            if ended or self._given_up or time.monotonic() > until:
                what = "the server ended" if ended else "the server does not answer"
                raise self._failed(what, self._log())
            time.sleep(0.02)

    def _log(self) -> bytes:
        log = None if self._home is None else self._home / "server.log"
        return log.read_bytes() if log and log.exists() else b""

    def _end(self, sign: signal.Signals) -> None:
        """End all its processes with a signal, and whatever is left after ten seconds with -9."""
        process = self._process
        if process is None:
            return
        for attempt in (sign, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, attempt)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
        self._process = None
        # The first process is gone; the others of its group may hold port, files and shared memory
        # a moment longer.
        until = time.monotonic() + 10
        with contextlib.suppress(ProcessLookupError):
            while time.monotonic() < until:
                os.killpg(process.pid, 0)
                time.sleep(0.01)

    def _stop(self) -> None:
        self._end(signal.SIGTERM)
        if self._home is not None:
            shutil.rmtree(self._home, ignore_errors=True)
            self._home = None

    def _failed(self, what: str, log: bytes) -> ServerFailed:
        tail = log.decode(errors="replace")[-1500:]
        return ServerFailed(f"private {self.name}: {what}:\n{tail}", kind=self.name)
