"""Import jobs and idempotency keys on SQL: what makes doing a thing twice harmless."""

from __future__ import annotations

from uuid import UUID

from benchmark_exchange.domain.ids import BenchmarkVersionId, ImportJobId, SubmissionId, UserId
from benchmark_exchange.persistence.tables import IdempotencyRow, ImportJobRow
from benchmark_exchange.ports import ImportJob, StoredAnswer
from infra_db import Database, Repository

__all__ = ["SqlIdempotencyRepository", "SqlImportRepository"]


class SqlImportRepository:
    """One row a file, importer and benchmark version; it says how far the import has come."""

    def __init__(self, db: Database) -> None:
        self._rows = Repository[ImportJobRow, UUID](db, ImportJobRow)

    async def open(
        self,
        *,
        source_name: str,
        source_sha256: str,
        importer: str,
        benchmark_version: BenchmarkVersionId,
        rows_total: int,
    ) -> ImportJob:
        """Return the job of this very file, begun now if it never was."""
        key = {
            "source_sha256": source_sha256,
            "importer": importer,
            "benchmark_version_id": benchmark_version.uuid,
        }
        row = await self._rows.get_by(**key)
        if row is None:
            fresh = {"rows_total": rows_total, "rows_done": 0, "findings": 0, "state": "running"}
            row = await self._rows.create({**key, "source_name": source_name[:255], **fresh})
        return _job(row)

    async def advance(self, id: ImportJobId, *, rows: int, findings: int) -> None:
        """Count a chunk as done; call it in the chunk's transaction."""
        row = await self._rows.require(id.uuid, for_update=True)
        changed = {"rows_done": row.rows_done + rows, "findings": row.findings + findings}
        await self._rows.update(id.uuid, changed)

    async def finish(self, id: ImportJobId) -> None:
        """Mark the job done; its rows may stand on boards from now on."""
        row = await self._rows.require(id.uuid)
        await self._rows.update(id.uuid, {"state": "done", "rows_done": row.rows_total})


class SqlIdempotencyRepository:
    """Which submission a key of a submitter led to."""

    def __init__(self, db: Database) -> None:
        self._rows = Repository[IdempotencyRow, UUID](db, IdempotencyRow)

    async def find(self, submitter: UserId, key: str) -> StoredAnswer | None:
        """Return what the key was used for, or None."""
        row = await self._rows.get_by(submitter_id=submitter.uuid, key=key)
        if row is None:
            return None
        submission = SubmissionId.from_uuid(row.submission_id)
        return StoredAnswer(body_sha256=row.body_sha256, submission=submission)

    async def keep(
        self, submitter: UserId, key: str, *, body_sha256: str, submission: SubmissionId
    ) -> None:
        """Remember the use of a key; call it in the submission's transaction."""
        await self._rows.create(
            {
                "submitter_id": submitter.uuid,
                "key": key,
                "body_sha256": body_sha256,
                "submission_id": submission.uuid,
            }
        )


def _job(row: ImportJobRow) -> ImportJob:
    return ImportJob(
        id=ImportJobId.from_uuid(row.id),
        source_name=row.source_name,
        source_sha256=row.source_sha256,
        importer=row.importer,
        benchmark_version=BenchmarkVersionId.from_uuid(row.benchmark_version_id),
        rows_total=row.rows_total,
        rows_done=row.rows_done,
        findings=row.findings,
        done=row.state == "done",
    )
