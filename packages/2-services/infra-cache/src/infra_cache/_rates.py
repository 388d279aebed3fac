"""The arithmetic of rate limits, in whole microseconds: state in, decision and new state out.

Memory and SQLite call these; on Redis the same steps stand in Lua.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from infra_cache.protocol import RateState

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["gcra_step", "window_step"]


def gcra_step(
    now: int, tats: Sequence[int], cost: int, rates: Sequence[tuple[int, int]]
) -> tuple[RateState, list[int]]:
    """Spend `cost` from all buckets or none (generic cell rate algorithm, ITU-T I.371).

    `tats`: each rate's theoretical arrival time in µs, what is missing counts as now. `rates`:
    (µs an item, burst). Cost 0 looks only, below 0 gives back.
    """
    times = [max(now, tat) for tat in tats] + [now] * (len(rates) - len(tats))
    # A clock that went back must not lock a bucket for longer than it takes to fill.
    times = [min(tat, now + step * burst) for tat, (step, burst) in zip(times, rates, strict=True)]
    wanted = max(cost, 1)  # a look says when one item would pass
    waits = [
        tat + step * wanted - step * burst - now
        for tat, (step, burst) in zip(times, rates, strict=True)
    ]
    wait = max(0, *waits)
    allowed = cost < 0 or wait == 0
    if allowed and cost:
        times = [max(now, tat + step * cost) for tat, (step, _) in zip(times, rates, strict=True)]
    remaining = min(
        (now + step * burst - tat) // step for tat, (step, burst) in zip(times, rates, strict=True)
    )
    reset = max(tat - now for tat in times)
    return RateState(allowed, remaining, 0 if allowed else wait, reset), times


def window_step(
    now: int, log: Sequence[int], cost: int, rates: Sequence[tuple[int, int]]
) -> tuple[RateState, list[int]]:
    """Log `cost` hits if no window would then hold more than its limit.

    `log`: the µs of the hits so far, ascending. `rates`: (µs a window, limit). Cost 0 looks only,
    below 0 takes back the newest hits.
    """
    longest = max(per for per, _ in rates)
    kept = list(log[bisect_right(log, now - longest) :])
    if cost < 0:
        kept = kept[: max(0, len(kept) + cost)]
    wanted = max(cost, 1)
    wait = 0
    for per, limit in rates:
        inside = kept[bisect_right(kept, now - per) :]
        over = len(inside) + wanted - limit
        if over > 0:
            wait = max(wait, inside[over - 1] + per - now)
    allowed = cost < 0 or wait == 0
    if allowed and cost > 0:
        at = max(now, kept[-1]) if kept else now
        kept += [at] * cost
    remaining = min(limit - len(kept) + bisect_right(kept, now - per) for per, limit in rates)
    reset = max(0, kept[-1] + longest - now) if kept else 0
    return RateState(allowed, max(0, remaining), 0 if allowed else wait, reset), kept
