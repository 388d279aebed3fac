"""Results and their history on SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, or_, select, update

from benchmark_exchange.domain.benchmark import Benchmark
from benchmark_exchange.domain.ids import (
    BenchmarkId,
    BenchmarkVersionId,
    ImportJobId,
    ModelVersionId,
    OrganizationId,
    SubmissionId,
    UserId,
)
from benchmark_exchange.domain.submission import (
    ACCEPTED,
    Counts,
    Submission,
    SubmissionEvent,
    SubmissionState,
    Visibility,
)
from benchmark_exchange.persistence.tables import (
    BenchmarkRow,
    BenchmarkVersionRow,
    ImportJobRow,
    ModelVersionRow,
    SubmissionEventRow,
    SubmissionRow,
    VerificationRow,
)
from benchmark_exchange.ports import Checked, Standing
from infra_db import Database, Filter, Repository, Sort
from infra_id import uuid7

__all__ = ["SqlSubmissionRepository"]

_BOARD_LIMIT = 20_000
_COLUMNS = SubmissionRow.__table__.columns


class SqlSubmissionRepository:
    """Each result, one row of history a step, one row a verification."""

    def __init__(self, db: Database, *, clock: Callable[[], float]) -> None:
        self._db = db
        self._rows = Repository[SubmissionRow, UUID](db, SubmissionRow)
        self._events = Repository[SubmissionEventRow, UUID](db, SubmissionEventRow)
        self._verifications = Repository[VerificationRow, UUID](db, VerificationRow)
        self._clock = clock

    async def create(
        self, news: Sequence[Checked], *, benchmark: Benchmark, job: ImportJobId | None = None
    ) -> list[SubmissionId]:
        """Store results with their history; call it inside a transaction."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        rows = [_row(checked, benchmark, job) for checked in news]
        await self._rows.insert_many([SubmissionRow(**row) for row in rows])
        events = [_created(row, now) for row in rows]
        await self._events.insert_many(events)
        reruns = [_rerun(row) for row in rows if row["state"] == SubmissionState.VERIFIED]
        if reruns:
            await self._verifications.insert_many(reruns)
        return [SubmissionId.from_uuid(row["id"]) for row in rows]

    async def get_by_id(self, id: SubmissionId) -> Submission | None:
        """Return a result, or None."""
        statement = (
            select(
                *_COLUMNS,
                ModelVersionRow.label,
                BenchmarkRow.id.label("benchmark_id"),
                BenchmarkRow.slug,
            )
            .join(ModelVersionRow, ModelVersionRow.id == SubmissionRow.model_version_id)
            .join(BenchmarkVersionRow, BenchmarkVersionRow.id == SubmissionRow.benchmark_version_id)
            .join(BenchmarkRow, BenchmarkRow.id == BenchmarkVersionRow.benchmark_id)
            .where(SubmissionRow.id == id.uuid)
        )
        row = await self._db.fetch_one(statement)
        return _submission(row) if row else None

    async def check_duplicate(
        self, version: BenchmarkVersionId, submitter: UserId, artifact_sha256: str
    ) -> SubmissionId | None:
        """Return the result that this submitter made of the same artifact, or None."""
        row = await self._rows.get_by(
            benchmark_version_id=version.uuid,
            submitter_id=submitter.uuid,
            artifact_sha256=artifact_sha256,
        )
        return SubmissionId.from_uuid(row.id) if row else None

    async def known(
        self, version: BenchmarkVersionId, submitter: UserId, artifacts: Iterable[str]
    ) -> set[str]:
        """Return those of at most 10,000 artifacts that are stored already."""
        statement = select(SubmissionRow.artifact_sha256).where(
            SubmissionRow.benchmark_version_id == version.uuid,
            SubmissionRow.submitter_id == submitter.uuid,
            SubmissionRow.artifact_sha256.in_(list(artifacts)),
        )
        return {row[0] for row in await self._db.fetch_all(statement)}

    async def adopt(
        self,
        version: BenchmarkVersionId,
        submitter: UserId,
        artifacts: Iterable[str],
        *,
        job: ImportJobId,
    ) -> None:
        """Give this import those of the artifacts (at most 10,000) that an unfinished one has."""
        unfinished = select(ImportJobRow.id).where(ImportJobRow.state != "done")
        statement = (
            update(SubmissionRow)
            .where(
                SubmissionRow.benchmark_version_id == version.uuid,
                SubmissionRow.submitter_id == submitter.uuid,
                SubmissionRow.artifact_sha256.in_(list(artifacts)),
                SubmissionRow.import_job_id.in_(unfinished),
            )
            .values(import_job_id=job.uuid)
        )
        await self._db.execute(statement)

    async def events(self, id: SubmissionId) -> tuple[SubmissionEvent, ...]:
        """Return the history of a result, oldest first."""
        by_submission = Filter("submission_id", "eq", id.uuid)
        rows = await self._events.get_all(by_submission, sort=(Sort("id"),), limit=1000)
        return tuple(
            SubmissionEvent(
                kind=row.kind,
                at=row.at,
                by=UserId.from_uuid(row.by_id) if row.by_id else None,
                detail=dict(row.detail),
            )
            for row in rows
        )

    async def standings(self, version: BenchmarkVersionId) -> tuple[Standing, ...]:
        """
        Return the accepted public results, oldest first.

        Rows of an unfinished import are not among them: half a table would give false ranks.
        """
        statement = (
            select(*_COLUMNS, ModelVersionRow.label)
            .join(ModelVersionRow, ModelVersionRow.id == SubmissionRow.model_version_id)
            .outerjoin(ImportJobRow, ImportJobRow.id == SubmissionRow.import_job_id)
            .where(
                SubmissionRow.benchmark_version_id == version.uuid,
                SubmissionRow.state.in_([state.value for state in ACCEPTED]),
                SubmissionRow.visibility == Visibility.PUBLIC.value,
                or_(SubmissionRow.import_job_id.is_(None), ImportJobRow.state == "done"),
            )
            .order_by(SubmissionRow.created_at, SubmissionRow.id)
        )
        rows = await self._db.fetch_all(statement, limit=_BOARD_LIMIT)
        return tuple(_standing(row) for row in rows)

    async def count_by_state(self, version: BenchmarkVersionId) -> dict[str, int]:
        """Return how many results are in each state."""
        statement = (
            select(SubmissionRow.state, func.count().label("number"))
            .where(SubmissionRow.benchmark_version_id == version.uuid)
            .group_by(SubmissionRow.state)
        )
        return {row.state: row.number for row in await self._db.fetch_all(statement)}


def _row(checked: Checked, benchmark: Benchmark, job: ImportJobId | None) -> dict[str, Any]:
    new, counts = checked.new, checked.new.counts
    return {
        "id": uuid7(),
        "benchmark_version_id": benchmark.version.id.uuid,
        "model_version_id": checked.model.id.uuid,
        "submitter_id": new.submitter.uuid,
        "organization_id": new.organization.uuid if new.organization else None,
        "import_job_id": job.uuid if job else None,
        "score": new.score,
        "standard_error": new.standard_error,
        "n": new.n,
        "wins": counts.wins if counts else None,
        "losses": counts.losses if counts else None,
        "draws": counts.draws if counts else None,
        "state": checked.state.value,
        "visibility": new.visibility.value,
        "source_mode": new.source_mode,
        "artifact_sha256": new.artifact_sha256,
        "findings": list(checked.findings),
        "details": new.details,
    }


def _created(row: dict[str, Any], now: datetime) -> dict[str, Any]:
    return {
        "submission_id": row["id"],
        "kind": "created",
        "at": now,
        "by_id": row["submitter_id"],
        "detail": {"state": row["state"], "findings": row["findings"]},
    }


def _rerun(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "submission_id": row["id"],
        "kind": "rerun",
        "verdict": "passed",
        "verifier_id": row["submitter_id"],
        "organization_id": row["organization_id"],
        "score": row["score"],
        "note": "the source's own maintainers ran it again",
    }


def _counts(row: Row[Any]) -> Counts | None:
    if row.wins is None or row.losses is None:
        return None
    return Counts(wins=row.wins, losses=row.losses, draws=row.draws or 0)


def _standing(row: Row[Any]) -> Standing:
    counts = _counts(row)
    return Standing(
        submission=SubmissionId.from_uuid(row.id),
        model=row.label,
        submitter=UserId.from_uuid(row.submitter_id),
        score=row.score,
        standard_error=row.standard_error,
        n=row.n,
        wins=counts.wins + counts.draws / 2 if counts else None,
        state=row.state,
        source_mode=row.source_mode,
        created_at=row.created_at,
    )


def _submission(row: Row[Any]) -> Submission:
    return Submission(
        id=SubmissionId.from_uuid(row.id),
        benchmark=BenchmarkId.from_uuid(row.benchmark_id),
        benchmark_slug=row.slug,
        benchmark_version=BenchmarkVersionId.from_uuid(row.benchmark_version_id),
        model_version=ModelVersionId.from_uuid(row.model_version_id),
        model=row.label,
        submitter=UserId.from_uuid(row.submitter_id),
        organization=OrganizationId.from_uuid(row.organization_id) if row.organization_id else None,
        score=row.score,
        standard_error=row.standard_error,
        n=row.n,
        counts=_counts(row),
        state=SubmissionState(row.state),
        visibility=Visibility(row.visibility),
        source_mode=row.source_mode,
        artifact_sha256=row.artifact_sha256,
        findings=tuple(row.findings),
        import_job=ImportJobId.from_uuid(row.import_job_id) if row.import_job_id else None,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
