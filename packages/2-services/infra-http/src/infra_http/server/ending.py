"""Who asks a server to end: signals of this process, or the parent of a worker."""

from __future__ import annotations

import asyncio
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from multiprocessing.connection import Connection

__all__ = ["CANCEL", "DRAIN", "Ending", "from_parent", "from_signals"]

DRAIN, CANCEL = "drain", "cancel"
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Ending:
    """`first`: drain. `second`: do not wait any longer."""

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self.second = asyncio.Event()

    def ask(self) -> None:
        """Ask once more."""
        (self.second if self.first.is_set() else self.first).set()


@contextmanager
def from_signals(ending: Ending) -> Iterator[None]:
    """Let SIGTERM and SIGINT ask, as long as the body runs; only in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with _handling(dict.fromkeys(SIGNALS, ending.ask)):
        yield


@contextmanager
def from_parent(ending: Ending, pipe: Connection) -> Iterator[None]:
    """Let the parent of this worker ask, by its words or by its end.

    A SIGTERM to the whole group reaches the worker too and counts once; a SIGINT is the parent's.
    """
    loop = asyncio.get_running_loop()

    def heard() -> None:
        try:
            word = pipe.recv()
        except (EOFError, OSError):
            loop.remove_reader(pipe.fileno())
            ending.first.set()
            return
        ending.first.set()
        if word == CANCEL:
            ending.second.set()

    loop.add_reader(pipe.fileno(), heard)
    handlers = {signal.SIGTERM: ending.first.set, signal.SIGINT: lambda: None}
    try:
        with _handling(handlers):
            yield
    finally:
        loop.remove_reader(pipe.fileno())


@contextmanager
def _handling(handlers: Mapping[signal.Signals, Callable[[], object]]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in handlers}
    for number, handler in handlers.items():
        try:
            loop.add_signal_handler(number, handler)
        except NotImplementedError:  # Windows

            def asked(_: int, frame: Any, handler: Callable[[], object] = handler) -> None:
                loop.call_soon_threadsafe(handler)

            signal.signal(number, asked)
    try:
        yield
    finally:
        for number, handler_before in before.items():
            try:
                loop.remove_signal_handler(number)
            except NotImplementedError:
                pass
            signal.signal(number, handler_before)
