"""The harness of the benchmarks: both sides of a comparison, interleaved, in one run.

Each side runs in several rounds that take turns, and the fastest round counts: what disturbs a
machine makes a round slower, never faster, and hits both sides alike.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

__all__ = [
    "Fact",
    "Goal",
    "Row",
    "Timer",
    "at_most",
    "at_most_times",
    "awaited",
    "called",
    "faster",
    "imported",
    "report",
]

ROUNDS = 9
ROUND_SECONDS = 0.01

Timer = Callable[[int], float]  # seconds that so many repetitions took
Goal = tuple[str, Callable[[float, float | None], bool]]  # text, and whether ours and peer meet it


@dataclass(frozen=True)
class Row:
    """One comparison: an operation, how ours and the peer's are timed, and what is wanted."""

    operation: str
    ours: Timer
    goal: Goal
    peer: Timer | None = None
    peer_name: str = ""


@dataclass(frozen=True)
class Fact:
    """A row without a time: what was found, and whether that was wanted."""

    operation: str
    found: str
    goal: str
    met: bool


def called(fn: Callable[[], object]) -> Timer:
    """Time calls of a function."""

    def timer(times: int) -> float:
        repetitions = range(times)
        start = time.perf_counter()
        for _ in repetitions:
            fn()
        return time.perf_counter() - start

    return timer


def awaited(fn: Callable[[], Awaitable[object]]) -> Timer:
    """Time awaited calls of an async function, in one event loop a round."""

    async def repeat(times: int) -> float:
        repetitions = range(times)
        start = time.perf_counter()
        for _ in repetitions:
            await fn()
        return time.perf_counter() - start

    return lambda times: asyncio.run(repeat(times))


def imported(module: str = "") -> Timer:
    """Time a fresh interpreter that imports a module, or nothing: always one repetition."""

    def timer(times: int) -> float:
        command = [sys.executable, "-c", f"import {module}" if module else ""]
        start = time.perf_counter()
        for _ in range(times):
            subprocess.run(command, check=True)
        return time.perf_counter() - start

    return timer


def at_most(seconds: float, *, over_peer: bool = False) -> Goal:
    """Ours takes at most this long, or this much longer than the peer."""
    text = f"≤ {_readable(seconds)}" + (" over it" if over_peer else "")
    return text, lambda ours, peer: ours - (peer or 0 if over_peer else 0) <= seconds


def at_most_times(share: float) -> Goal:
    """Ours takes at most this share of the peer's time."""
    return f"≤ {share:g}×", lambda ours, peer: peer is not None and ours <= share * peer


def faster(times: float) -> Goal:
    """Ours is at least so many times faster than the peer."""
    return f"≥ {times:g}× faster", lambda ours, peer: peer is not None and peer >= times * ours


def report(title: str, rows: Iterable[Row | Fact]) -> None:
    """Measure each row and print it, as a Markdown table."""
    print(f"## {title}\n")
    print("| operation | ours | peer | ratio | goal | met |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        cells, met = _fact(row) if isinstance(row, Fact) else _measured(row)
        print(f"| {' | '.join([*cells, 'yes' if met else '**no**'])} |", flush=True)


def _fact(row: Fact) -> tuple[list[str], bool]:
    return [row.operation, row.found, "–", "–", row.goal], row.met


def _measured(row: Row) -> tuple[list[str], bool]:
    sides = [row.ours] if row.peer is None else [row.ours, row.peer]
    best = _fastest(sides)
    ours, peer = best[0], best[1] if row.peer else None
    text, is_met = row.goal
    theirs = "–" if peer is None else f"{_readable(peer)} {row.peer_name}"
    return [row.operation, _readable(ours), theirs, _ratio(ours, peer), text], is_met(ours, peer)


def _ratio(ours: float, peer: float | None) -> str:
    if peer is None:
        return "–"
    return f"{peer / ours:.1f}× faster" if peer > 2 * ours else f"{ours / peer:.2f}×"


def _fastest(sides: list[Timer]) -> list[float]:
    """Return each side's seconds for one repetition, in its fastest round."""
    times = [_repetitions(timer) for timer in sides]
    best = [float("inf")] * len(sides)
    for _ in range(ROUNDS):
        for side, timer in enumerate(sides):
            best[side] = min(best[side], timer(times[side]) / times[side])
    return best


def _repetitions(timer: Timer) -> int:
    """Return how often to repeat, so that a round takes about ROUND_SECONDS; this warms up too."""
    times = 1
    while (took := timer(times)) < ROUND_SECONDS / 4:
        times *= 4
    return max(1, round(times * ROUND_SECONDS / took))


def _readable(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"
