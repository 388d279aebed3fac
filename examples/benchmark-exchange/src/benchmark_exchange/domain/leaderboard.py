"""Boards: which results stand on them, and the interval of ranks that each may have."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import attrs

from benchmark_exchange.domain.benchmark import Metric
from benchmark_exchange.domain.errors import invalid
from benchmark_exchange.domain.ids import SubmissionId

__all__ = ["Board", "Leaderboard", "LeaderboardEntry", "Per"]


@attrs.frozen
class Board:
    """Which results stand on a board: `accepted`, `verified`, or `mode:<source_mode>`."""

    name: str

    def __attrs_post_init__(self) -> None:
        known = self.name in {"accepted", "verified"}
        if not known and not (self.name.startswith("mode:") and 5 < len(self.name) <= 64):
            message = f"{self.name[:64]!r} is no board: accepted, verified or mode:<source mode>"
            raise invalid("board", message)

    @property
    def mode(self) -> str | None:
        """The source mode that a `mode:` board shows, else None."""
        kind, _, mode = self.name.partition(":")
        return mode if kind == "mode" else None


class Per(StrEnum):
    """What has one row: a model version (its latest result), a user (the best), every result."""

    MODEL = "model"
    USER = "user"
    NONE = "none"


@attrs.frozen(kw_only=True)
class LeaderboardEntry:
    """One row. `rank` to `rank_high` are the places that the uncertainty leaves open."""

    rank: int
    rank_high: int
    model: str
    score: float
    standard_error: float
    uncertain: bool
    ci_low: float
    ci_high: float
    n: int | None
    state: str
    attempts: int
    submission: SubmissionId


@attrs.frozen(kw_only=True)
class Leaderboard:
    """A board as it was published: derived from the accepted results, never edited."""

    benchmark: str
    title: str
    version: int
    metric: Metric
    board: Board
    per: Per
    revision: int
    published_at: datetime | None
    entries: tuple[LeaderboardEntry, ...]
    total: int
