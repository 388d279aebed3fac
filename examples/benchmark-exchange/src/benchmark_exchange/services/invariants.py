"""What must hold of the stored data at every moment, checked from the data alone."""

from __future__ import annotations

from benchmark_exchange.domain.benchmark import Benchmark
from benchmark_exchange.ports import BenchmarkRepository, BoardRepository, SubmissionRepository
from benchmark_exchange.services.boards import STORED, board_entries

__all__ = ["check"]


async def check(
    benchmarks: BenchmarkRepository, submissions: SubmissionRepository, boards: BoardRepository
) -> list[str]:
    """Return what is wrong, one sentence each; empty when the data is sound."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = await benchmarks.list(cursor=cursor)
        for benchmark in page.items:
            found += await _boards(benchmark, submissions, boards)
            found += await _history(benchmark, submissions)
        cursor = page.next_cursor
        if cursor is None:
            return found


async def _boards(
    benchmark: Benchmark, submissions: SubmissionRepository, boards: BoardRepository
) -> list[str]:
    """Every stored board says what the accepted results say, and all have one revision."""
    found = []
    standings = await submissions.standings(benchmark.version.id)
    revisions = set()
    for board in STORED:
        published = await boards.published(benchmark.version.id, board)
        if published is None:
            if standings:
                found.append(f"{benchmark.slug}: {board.name} was never published")
            continue
        revisions.add(published.revision)
        if published.entries != board_entries(standings, benchmark.version.metric, board):
            found.append(f"{benchmark.slug}: {board.name} is not what its results say")
    if len(revisions) > 1:
        found.append(f"{benchmark.slug}: boards of revisions {sorted(revisions)} side by side")
    return found


async def _history(benchmark: Benchmark, submissions: SubmissionRepository) -> list[str]:
    """Every result was created once."""
    found = []
    for standing in await submissions.standings(benchmark.version.id):
        events = await submissions.events(standing.submission)
        created = sum(event.kind == "created" for event in events)
        if created != 1:
            found.append(f"{standing.submission}: {created} `created` events")
    return found
