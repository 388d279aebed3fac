"""More than one process: started fresh, told to end through a pipe, started again when they die."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from contextlib import closing
from functools import partial
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

import attrs

from infra_http.errors import HttpConfigError
from infra_http.middleware._answers import log
from infra_http.server.app import ServerApp
from infra_http.server.drain import Drain
from infra_http.server.ending import CANCEL, DRAIN, SIGNALS, from_parent
from infra_http.server.listening import address, bind, forget

if TYPE_CHECKING:
    import socket
    from multiprocessing.connection import Connection

    from infra_http.server.ending import Ending
    from infra_http.server.settings import ServerSettings

__all__ = ["supervise"]

_READY = "ready"
_RESTART_WAIT = 1.0  # seconds between two starts in the place of one that died
_KILL_GRACE = 10.0  # seconds beyond the drain's times


def supervise(path: str, settings: ServerSettings, name: str) -> int:
    """Serve with as many workers as the settings say; return the exit code.

    The parent holds the signals and tells the workers. A worker that dies is replaced; one that
    does not come up at the start ends them all, with 1.
    """
    if os.name != "posix":
        message = "more than one worker needs a POSIX system; run one, or several behind a proxy"
        raise HttpConfigError(message)
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        message = "run() is called while a worker imports the program: put it under __main__"
        raise HttpConfigError(message)
    with closing(bind(settings)) as bound:
        code = _Supervisor(path, settings, name, bound).run()
    forget(settings)
    return code


@attrs.define(eq=False)
class _Worker:
    process: Any
    pipe: Connection
    born: float
    ready: bool = False
    silent: bool = False  # it has said what it has to say


class _Supervisor:
    """The parent: a loop over signals, pipes and the ends of processes."""

    def __init__(
        self, path: str, settings: ServerSettings, name: str, bound: socket.socket
    ) -> None:
        self._arguments = (path, settings, name, bound)
        self._count = settings.workers
        self._address = address(bound, tls=settings.ssl_certfile is not None)
        self._announced = False
        self._context = multiprocessing.get_context("spawn")
        self._workers: list[_Worker] = []
        self._asked = 0
        self._told = 0
        self._code = 0
        self._deadline = float("inf")
        self._wake_read, self._wake_write = os.pipe()

    def run(self) -> int:
        before = {}
        if threading.current_thread() is threading.main_thread():
            before = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        try:
            self._workers = [self._spawn() for _ in range(self._count)]
            while self._workers:
                self._turn()
        finally:
            for worker in self._workers:
                worker.process.kill()
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(self._wake_read)
            os.close(self._wake_write)
        return self._code

    def _on_signal(self, number: int, frame: Any) -> None:
        self._asked += 1
        os.write(self._wake_write, b"!")

    def _spawn(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_work, args=(*self._arguments, theirs), name="infra-http-worker"
        )
        process.start()
        theirs.close()
        return _Worker(process, ours, time.monotonic())

    def _turn(self) -> None:
        sources: list[Any] = [self._wake_read]
        sources += [worker.process.sentinel for worker in self._workers]
        sources += [worker.pipe for worker in self._workers if not worker.silent]
        found = wait(sources, timeout=0.5 if self._told else None)
        if self._wake_read in found:
            os.read(self._wake_read, 64)
        for worker in [*self._workers]:
            if worker.pipe in found:
                self._hear(worker)
            if worker.process.sentinel in found:
                self._bury(worker)
        if self._asked > self._told:
            self._tell()
        if time.monotonic() > self._deadline:
            log.error("killing workers that did not end in time")
            self._code = 1
            self._deadline = float("inf")
            for worker in self._workers:
                worker.process.kill()

    def _hear(self, worker: _Worker) -> None:
        worker.silent = True
        try:
            word, self._seconds = worker.pipe.recv()
        except (EOFError, OSError):  # it ended; its sentinel says so too
            return
        worker.ready = word == _READY
        if not self._announced and all(one.ready for one in self._workers):
            self._announced = True
            log.info("serving on %s with %d workers", self._address, self._count)

    _seconds = 35.0  # how long a drain may take, as the workers say

    def _tell(self) -> None:
        self._told = self._asked
        self._arguments[-1].close()  # the workers have their own; after theirs nobody listens
        self._deadline = time.monotonic() + _KILL_GRACE + (self._seconds if self._told == 1 else 0)
        for worker in self._workers:
            try:
                worker.pipe.send(DRAIN if self._told == 1 else CANCEL)
            except OSError:  # it is ending by itself
                pass

    def _bury(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.process.join()
        worker.pipe.close()
        code = worker.process.exitcode
        if self._told or self._asked:
            self._code = max(self._code, int(code != 0))
        elif not worker.ready:
            log.error("a worker did not start (exit %s); ending", code)
            self._code = 1
            self._asked = max(self._asked, 1)
        elif code == 0:  # it was asked to end by somebody else, and did
            log.info("a worker ended; ending")
            self._asked = max(self._asked, 1)
        else:
            log.error("a worker died (exit %s) and is started again", code)
            time.sleep(max(0.0, worker.born + _RESTART_WAIT - time.monotonic()))
            self._workers.append(self._spawn())


def _work(
    path: str, settings: ServerSettings, name: str, bound: socket.socket, pipe: Connection
) -> None:
    """What a worker process does."""
    from infra_http.server.run import in_new_loop, load, serve_bound

    app = load(path)
    drain = app.drain if isinstance(app, ServerApp) else Drain()

    def ready() -> None:
        try:
            pipe.send((_READY, drain.delay + drain.timeout))
        except OSError:  # the parent is gone, and the pipe's end says so to `from_parent`
            pass

    async def main(ending: Ending) -> tuple[int, int]:
        return await serve_bound(app, settings, name, bound, ending, ready)

    sys.exit(in_new_loop(main, partial(from_parent, pipe=pipe)))
