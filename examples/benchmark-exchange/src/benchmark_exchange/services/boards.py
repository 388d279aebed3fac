"""Boards: made from the accepted results, stored in the transaction that changes one of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmark_exchange.domain.benchmark import Benchmark, Metric, MetricKind
from benchmark_exchange.domain.errors import NoSuchThing, invalid
from benchmark_exchange.domain.leaderboard import Board, Leaderboard, LeaderboardEntry, Per
from benchmark_exchange.ports import (
    BenchmarkRepository,
    BoardRepository,
    Standing,
    SubmissionRepository,
)
from benchmark_exchange.ranking.intervals import Ranked, Scored, agresti_coull_error, rank

__all__ = [
    "ACCEPTED_BOARD",
    "MAX_LIMIT",
    "STORED",
    "VERIFIED_BOARD",
    "BoardService",
    "board_entries",
]

ACCEPTED_BOARD = Board("accepted")
VERIFIED_BOARD = Board("verified")
STORED = (ACCEPTED_BOARD, VERIFIED_BOARD)
MAX_LIMIT = 1000


class BoardService:
    """Publishes boards and reads them."""

    def __init__(
        self,
        benchmarks: BenchmarkRepository,
        submissions: SubmissionRepository,
        boards: BoardRepository,
    ) -> None:
        self._benchmarks = benchmarks
        self._submissions = submissions
        self._boards = boards

    async def publish(self, benchmark: Benchmark) -> int:
        """Make the boards anew; call it in the transaction that changed a result."""
        await self._boards.lock(benchmark.version.id)
        standings = await self._submissions.standings(benchmark.version.id)
        metric = benchmark.version.metric
        made = {board: board_entries(standings, metric, board) for board in STORED}
        return await self._boards.publish(benchmark.version.id, made)

    async def leaderboard(
        self,
        slug: str,
        *,
        version: int | None = None,
        board: Board = ACCEPTED_BOARD,
        per: Per = Per.MODEL,
        limit: int = 250,
    ) -> Leaderboard:
        """
        Return a board of a benchmark, its first `limit` rows (1 to 1,000).

        Raises NoSuchThing for an unknown benchmark or version, InvalidEntity for the limit.
        """
        if not 1 <= limit <= MAX_LIMIT:
            message = f"limit is 1 to {MAX_LIMIT}, not {limit}"
            raise invalid("limit", message)
        benchmark = await self._benchmarks.get_by_slug(slug, version=version)
        if benchmark is None:
            message = f"there is no benchmark {slug[:64]!r}" + (
                f", version {version}" * bool(version)
            )
            raise NoSuchThing(message)
        metric = benchmark.version.metric
        stored = board in STORED and per is Per.MODEL
        published = await self._boards.published(
            benchmark.version.id, board if stored else ACCEPTED_BOARD
        )
        if published and stored:
            entries = published.entries
        else:
            standings = await self._submissions.standings(benchmark.version.id)
            entries = board_entries(standings, metric, board, per)
        return Leaderboard(
            benchmark=benchmark.slug,
            title=benchmark.version.title,
            version=benchmark.version.number,
            metric=metric,
            board=board,
            per=per,
            revision=published.revision if published else 0,
            published_at=published.at if published else None,
            entries=entries[:limit],
            total=len(entries),
        )


def board_entries(
    standings: Sequence[Standing], metric: Metric, board: Board, per: Per = Per.MODEL
) -> tuple[LeaderboardEntry, ...]:
    """Return the rows of a board in their order: rank, better score, older, smaller id."""
    on_board = [standing for standing in standings if _stands_on(standing, board)]
    chosen = _chosen(on_board, metric, per)
    scored = [Scored(pair, pair[0].score, _error_of(pair[0], metric)) for pair in chosen]
    ranked = rank(scored, lower_is_better=metric.lower_is_better, confidence=metric.confidence)
    sign = 1 if metric.lower_is_better else -1

    def place(row: Ranked) -> tuple[object, ...]:
        standing: Standing = row.entry.key[0]
        return row.rank, sign * row.entry.score, standing.created_at, str(standing.submission)

    return tuple(_entry(row, metric) for row in sorted(ranked, key=place))


def _stands_on(standing: Standing, board: Board) -> bool:
    if board.mode is not None:
        return standing.source_mode == board.mode
    return board == ACCEPTED_BOARD or standing.state == "verified"


def _chosen(standings: Iterable[Standing], metric: Metric, per: Per) -> list[tuple[Standing, int]]:
    """Return the results that get a row, each with how many its model has on this board."""
    ordered = sorted(
        standings, key=lambda standing: (standing.created_at, str(standing.submission))
    )
    attempts: dict[str, int] = {}
    for standing in ordered:
        attempts[standing.model] = attempts.get(standing.model, 0) + 1
    chosen: dict[str, Standing] = {}
    for standing in ordered:
        if per is Per.MODEL:
            chosen[standing.model] = standing
        elif per is Per.NONE:
            chosen[str(standing.submission)] = standing
        elif _is_better(standing, chosen.get(str(standing.submitter)), metric):
            chosen[str(standing.submitter)] = standing
    return [(standing, attempts[standing.model]) for standing in chosen.values()]


def _is_better(standing: Standing, than: Standing | None, metric: Metric) -> bool:
    if than is None:
        return True
    if metric.lower_is_better:
        return standing.score < than.score
    return standing.score > than.score


def _error_of(standing: Standing, metric: Metric) -> float:
    """Return the standard error: as given, else of a proportion with n, else 0."""
    if standing.standard_error is not None:
        return standing.standard_error
    if metric.kind is not MetricKind.PROPORTION or not standing.n:
        return 0.0
    scale = metric.maximum or 1.0
    wins = standing.wins if standing.wins is not None else standing.score / scale * standing.n
    return scale * agresti_coull_error(wins, standing.n)


def _entry(row: Ranked, metric: Metric) -> LeaderboardEntry:
    standing, attempts = row.entry.key
    return LeaderboardEntry(
        rank=row.rank,
        rank_high=row.rank_high,
        model=standing.model,
        score=standing.score,
        standard_error=row.entry.standard_error,
        uncertain=row.entry.standard_error > 0,
        ci_low=metric.clip(row.ci_low),
        ci_high=metric.clip(row.ci_high),
        n=standing.n,
        state=standing.state,
        attempts=attempts,
        submission=standing.submission,
    )
