"""The story of the service: real results in, an honest order out, one more result over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmark_exchange.domain.leaderboard import Leaderboard, LeaderboardEntry
from benchmark_exchange.ranking.intervals import critical_value
from benchmark_exchange.resources import Resources, admin_token
from benchmark_exchange.server import running
from benchmark_exchange.services.boards import VERIFIED_BOARD
from infra_http import AsyncClient, CallOptions

__all__ = ["TABLE", "tell"]

TABLE = Path(__file__).parents[2] / "data" / "alpaca_eval_2" / "leaderboard.csv"
_BAR = 36


async def tell(resources: Resources, say: Callable[[str], object]) -> dict[str, Any]:
    """Import the real table, show the boards, submit a result; return the numbers said."""
    report = await resources.imports.run(TABLE)
    benchmark = await resources.catalogue.get(report.benchmark)
    say(f"Imported {report.rows} real results of AlpacaEval 2, {len(report.findings)} finding:")
    for model, finding in report.findings:
        say(f"  {model}: {finding}")
    states = await resources.results.count_by_state(benchmark.version.id)
    say("States: " + ", ".join(f"{count} {state}" for state, count in sorted(states.items())))
    board = await resources.boards.leaderboard(report.benchmark)
    _say_board(board, say)
    neighbours, different = _neighbours(board)
    first = [entry.model for entry in board.entries if entry.rank == 1]
    say("")
    say(
        f"Of {neighbours} neighbours only {different} differ significantly; "
        f"{len(first)} models share the first place:"
    )
    say("  " + ", ".join(first))
    say("")
    say("The verified board's first ten:")
    verified = await resources.boards.leaderboard(report.benchmark, board=VERIFIED_BOARD)
    for entry in verified.entries[:10]:
        say(_line(entry, verified.total))
    after = await _submit(resources, report.benchmark)
    say("")
    say(f"One more result over HTTP: {after['state']}, as {after['id']}")
    again = await resources.boards.leaderboard(report.benchmark)
    say(f"The board went from revision {board.revision} to {again.revision}, {again.total} models")
    return {
        "imported": report.rows,
        "findings": [list(finding) for finding in report.findings],
        "states": states,
        "models": board.total,
        "first": first,
        "neighbours_that_differ": different,
        "revision": again.revision,
    }


def _say_board(board: Leaderboard, say: Callable[[str], object]) -> None:
    say("")
    say(f"{board.title}, all {board.total} models. Place: from the best to the worst one that the")
    say(f"uncertainty leaves open; win rate in {board.metric.unit}, with its 95 % interval.")
    say("")
    for entry in board.entries:
        say(_line(entry, board.total))


def _line(entry: LeaderboardEntry, total: int) -> str:
    places = f"{entry.rank}-{entry.rank_high}" if entry.rank < entry.rank_high else str(entry.rank)
    mark = {"verified": "*", "disputed": "!"}.get(entry.state, " ")
    interval = f"{entry.ci_low:5.1f} to {entry.ci_high:4.1f}"
    return (
        f"{places:>8} {mark} {entry.model[:34]:<34} {entry.score:5.1f}  {interval}  "
        f"|{_bar(entry, total)}|"
    )


def _bar(entry: LeaderboardEntry, total: int) -> str:
    """Draw the places from rank to rank_high on a line that holds them all."""
    per_place = (_BAR - 1) / max(total - 1, 1)
    low, high = (round((place - 1) * per_place) for place in (entry.rank, entry.rank_high))
    return " " * low + "=" * (high - low + 1) + " " * (_BAR - 1 - high)


def _neighbours(board: Leaderboard) -> tuple[int, int]:
    """Return how many pairs of rows follow each other, and how many of them differ for sure."""
    z = critical_value(board.metric.confidence)
    pairs = list(pairwise(board.entries))
    different = sum(
        abs(a.score - b.score) > z * (a.standard_error**2 + b.standard_error**2) ** 0.5
        for a, b in pairs
    )
    return len(pairs), different


async def _submit(resources: Resources, slug: str) -> dict[str, Any]:
    body = {
        "model": "my-model",
        "version": "2026-11",
        "score": 31.24,
        "standard_error": 1.4,
        "n": 805,
        "counts": {"wins": 251, "losses": 553, "draws": 1},
        "artifact_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    }
    token = admin_token(resources.settings)
    once = CallOptions(idempotency_key="the-demo-submits-once")
    async with running(resources) as url, AsyncClient(raise_errors=True) as client:
        response = await client.post(
            f"{url}/v1/benchmarks/{slug}/submissions",
            json=body,
            headers={"Authorization": f"Bearer {token.reveal()}"},
            extensions={"infra": once},
        )
        answer: dict[str, Any] = response.json()
    return answer
