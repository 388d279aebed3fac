"""Health: named checks that say what is up, run together, rarely, and never for too long."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import attrs

from infra_http.errors import HttpConfigError

if TYPE_CHECKING:
    from infra_http.server.drain import Drain

__all__ = ["Check", "Health", "HealthReport"]

Check: TypeAlias = Callable[[], Awaitable[object]]
State = Literal["up", "down"]

_CACHED = 1.0  # seconds: many probes are one run
_log = logging.getLogger("infra_http.health")


@attrs.frozen
class HealthReport:
    """What the checks said: each by name, and all together."""

    status: State
    checks: Mapping[str, State] = attrs.field(factory=dict)

    @property
    def http_status(self) -> int:
        """200 or 503."""
        return 200 if self.status == "up" else 503


class Health:
    """A set of checks: `await health.report()`.

    A check is an asynchronous function without arguments that raises when its thing is down; the
    `ping` of every resource of the family is one. All run at once; who asks while they run waits
    for the same run, and what they said holds for a second.

    Args:
        checks: by name. Names are shown to whoever asks, messages of errors never.
        optional: names that are shown, and that do not make the whole down.
        timeout: seconds that a check may take; longer is down.
        clock: seconds.

    Raises:
        ConfigError: `http.config`, an optional name without a check, or no positive timeout.
    """

    def __init__(
        self,
        checks: Mapping[str, Check],
        *,
        optional: Collection[str] = (),
        timeout: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if unknown := sorted({*optional} - checks.keys()):
            message = f"health: no check is called {', '.join(unknown)}"
            raise HttpConfigError(message)
        if not timeout > 0:
            message = "health: the timeout is a number of seconds above 0"
            raise HttpConfigError(message)
        self._checks = dict(checks)
        self._optional = frozenset(optional)
        self._timeout = timeout
        self._clock = clock
        self._run: asyncio.Task[HealthReport] | None = None
        self._last = HealthReport("up")
        self._until = float("-inf")

    async def report(self) -> HealthReport:
        """Run the checks, or return what they said less than a second ago. Never raises."""
        if not self._checks:
            return self._last
        if self._clock() < self._until:
            return self._last
        if self._run is None or self._run.done():
            self._run = asyncio.create_task(self._all())
        return await asyncio.shield(self._run)  # who asked may leave; the others still wait

    async def _all(self) -> HealthReport:
        tasks = {name: asyncio.ensure_future(_call(one)) for name, one in self._checks.items()}
        await asyncio.wait(tasks.values(), timeout=self._timeout)
        checks: dict[str, State] = {}
        for name, task in tasks.items():
            checks[name] = "up"
            if not task.done():
                task.cancel()
                checks[name] = "down"
                _log.warning("health check %s took longer than %s s", name, self._timeout)
            elif task.cancelled() or (error := task.exception()) is not None:
                checks[name] = "down"
                _log.warning(
                    "health check %s is down", name, exc_info=None if task.cancelled() else error
                )
        is_down = any(
            state == "down" and name not in self._optional for name, state in checks.items()
        )
        self._last = HealthReport("down" if is_down else "up", checks)
        self._until = self._clock() + _CACHED
        return self._last


async def _call(check: Check) -> None:
    await check()


async def readiness(health: Health, drain: Drain, *, is_starting: bool) -> HealthReport:
    """Return the report, down while the server starts or drains whatever the checks say."""
    if drain.draining or is_starting:
        return HealthReport("down")
    return await health.report()


def body_of(report: HealthReport) -> dict[str, Any]:
    """Return the JSON body of a health answer."""
    return {"status": report.status, "checks": dict(report.checks)}
