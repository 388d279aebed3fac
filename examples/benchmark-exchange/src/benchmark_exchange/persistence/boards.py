"""Published boards on SQL: one row a board, replaced in the transaction that changes it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import attrs

from benchmark_exchange.domain.ids import BenchmarkVersionId, SubmissionId
from benchmark_exchange.domain.leaderboard import Board, LeaderboardEntry
from benchmark_exchange.persistence.tables import BenchmarkVersionRow, BoardRow
from benchmark_exchange.ports import Published
from infra_db import Database, Repository
from infra_json import to_json_value

__all__ = ["SqlBoardRepository"]


class SqlBoardRepository:
    """All boards of a benchmark version share one revision, which grows by one a publication."""

    def __init__(self, db: Database, *, clock: Callable[[], float]) -> None:
        self._rows = Repository[BoardRow, UUID](db, BoardRow)
        self._versions = Repository[BenchmarkVersionRow, UUID](db, BenchmarkVersionRow)
        self._clock = clock

    async def lock(self, version: BenchmarkVersionId) -> None:
        """Keep others from changing this version's boards until the transaction ends."""
        await self._versions.require(version.uuid, for_update=True)

    async def publish(
        self, version: BenchmarkVersionId, boards: dict[Board, tuple[LeaderboardEntry, ...]]
    ) -> int:
        """Replace the boards and return their new revision; call it inside a transaction."""
        stored = await self._rows.get_all(benchmark_version_id=version.uuid, limit=1000)
        by_name = {row.board: row for row in stored}
        revision = 1 + max((row.revision for row in stored), default=0)
        for board, entries in boards.items():
            values = {
                "revision": revision,
                "published_at": datetime.fromtimestamp(self._clock(), UTC),
                "entries": [to_json_value(entry) for entry in entries],
            }
            if row := by_name.get(board.name):
                await self._rows.update(row.id, values)
            else:
                key = {"benchmark_version_id": version.uuid, "board": board.name}
                await self._rows.create(key | values)
        return revision

    async def published(self, version: BenchmarkVersionId, board: Board) -> Published | None:
        """Return a board as it was last published, or None when it never was."""
        row = await self._rows.get_by(benchmark_version_id=version.uuid, board=board.name)
        if row is None:
            return None
        entries = tuple(_entry(entry) for entry in row.entries)
        return Published(revision=row.revision, at=row.published_at, entries=entries)


_FIELDS = [field.name for field in attrs.fields(LeaderboardEntry) if field.name != "submission"]


def _entry(stored: dict[str, Any]) -> LeaderboardEntry:
    values = {name: stored[name] for name in _FIELDS}
    return LeaderboardEntry(submission=SubmissionId.parse(stored["submission"]), **values)
