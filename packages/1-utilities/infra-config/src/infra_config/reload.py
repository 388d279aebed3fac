"""Settings that are read again when their files change."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Generic, NoReturn, TypeVar

from infra_config._explain import walked
from infra_config._stamp import Stamp
from infra_config.binder import plan_in
from infra_config.paths import render
from infra_errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from infra_config.load import Loaded

__all__ = ["Reloader"]

T = TypeVar("T")
_log = logging.getLogger("infra_config")


class Reloader(Generic[T]):
    """
    Holds what was read last, and reads again when a file of it has changed.

    Compared are modification time, size and inode of each file read or looked for, of secret
    files and folders; so a file replaced by rename and a swapped symlink are seen. The environment
    is not watched. Settings that cannot be read leave `current` as it is until the next change.

    A change counts when two looks in a row see the same of every file, and none changed while it
    was read: half a file may read well. A writer that pauses for longer than `interval` in the
    middle of a file cannot be told from one that is done, so replace a file by rename.

    Args:
        factory: reads the settings: `lambda: load(Settings, FileSource("config.toml"))`.
        interval: seconds between two looks; a change is read after one to two of them.
        on_error: gets what the factory raised; it is logged as an ERROR when None.
        sleep: waits for so many seconds; `asyncio.sleep` when None.
        on_change: gets the old, the new, and the dot paths of the settings that differ, after
            `current` is the new.

    Raises what the factory raises the first time. What a callback raises leaves `check` and `run`.
    """

    def __init__(
        self,
        factory: Callable[[], Loaded[T]],
        *,
        interval: float = 2.0,
        on_error: Callable[[ConfigError], object] | None = None,
        sleep: Callable[[float], Awaitable[object]] | None = None,
        on_change: Callable[[Loaded[T], Loaded[T], tuple[str, ...]], object] | None = None,
    ) -> None:
        self._factory = factory
        self._interval = interval
        self._on_error = on_error or _logged
        self._sleep = sleep
        self._on_change = on_change
        self.current: Loaded[T] = factory()
        self._stamps = _stamps_of(self.current)
        self._unsettled: tuple[Stamp, ...] = ()

    def check(self) -> bool:
        """Look once; read again if a change is there that the last look saw too. Whether it did."""
        seen = _seen(self._stamps)
        if seen == self._stamps:
            self._unsettled = ()
            return False
        if seen != self._unsettled:
            self._unsettled = seen
            return False
        try:
            new = self._factory()
        except ConfigError as exc:
            if _seen(seen) == seen:
                self._stamps = seen
                self._on_error(exc)
            return False
        stamps = _stamps_of(new)
        if _seen(stamps) != stamps or _seen(seen) != seen:
            return False
        old, self.current = self.current, new
        self._stamps = stamps
        if self._on_change is not None:
            self._on_change(old, new, tuple(_changed(old, new)))
        return True

    async def run(self) -> NoReturn:
        """Look again and again, until cancelled."""
        sleep = self._sleep
        if sleep is None:
            import asyncio

            sleep = asyncio.sleep
        while True:
            await sleep(self._interval)
            self.check()


def _seen(stamps: tuple[Stamp, ...]) -> tuple[Stamp, ...]:
    """Return what the same files look like now."""
    now = {path: Stamp.of(path) for path in (stamp.path for stamp in stamps)}
    return tuple(now[stamp.path] for stamp in stamps)


def _stamps_of(loaded: Loaded[T]) -> tuple[Stamp, ...]:
    return tuple(stamp for layer in loaded._layers for stamp in layer.files)


def _changed(old: Loaded[T], new: Loaded[T]) -> Iterator[str]:
    """Yield the dot path of each setting that differs."""
    for path, field in new._plan.walk():
        if plan_in(field.kind) is not None:
            continue
        if walked(old._plan, old.value, path) != walked(new._plan, new.value, path):
            yield render(path)


def _logged(error: ConfigError) -> None:
    _log.error("settings stay as they were: %s", error)
