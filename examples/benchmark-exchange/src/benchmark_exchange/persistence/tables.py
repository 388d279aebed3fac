"""Every table of the exchange. What a later part of the service needs is here from the start."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, Index, MetaData, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from infra_db import Base, FoldedStr, IdMixin, JsonDict, TimestampMixin, UtcDateTime, VersionMixin

__all__ = [
    "BenchmarkRow",
    "BenchmarkVersionRow",
    "BoardRow",
    "ComparisonRow",
    "IdempotencyRow",
    "ImportJobRow",
    "MemberRow",
    "ModelRow",
    "ModelVersionRow",
    "OrganizationRow",
    "SubmissionEventRow",
    "SubmissionRow",
    "Table",
    "UserRow",
    "VerificationRow",
]


class Table(Base):
    """The base of these tables alone: nobody else's are compared with the migrations."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Base.metadata.naming_convention)


class UserRow(Table, IdMixin, TimestampMixin):
    __tablename__ = "users"

    username: Mapped[str] = mapped_column(FoldedStr(64), unique=True)
    email: Mapped[str | None] = mapped_column(FoldedStr(254), unique=True)
    display_name: Mapped[str] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(16))
    password_hash: Mapped[str | None] = mapped_column(String(255), info={"private": True})
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class OrganizationRow(Table, IdMixin, TimestampMixin, VersionMixin):
    __tablename__ = "organizations"

    slug: Mapped[str] = mapped_column(FoldedStr(63), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    verified_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    verified_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))


class MemberRow(Table, IdMixin, TimestampMixin):
    __tablename__ = "members"
    __table_args__ = (UniqueConstraint("organization_id", "user_id"),)

    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    role: Mapped[str] = mapped_column(String(16))
    joined_at: Mapped[datetime] = mapped_column(UtcDateTime)


class BenchmarkRow(Table, IdMixin, TimestampMixin, VersionMixin):
    __tablename__ = "benchmarks"

    slug: Mapped[str] = mapped_column(FoldedStr(63), unique=True)
    status: Mapped[str] = mapped_column(String(16))
    category: Mapped[str] = mapped_column(String(63))
    organization_id: Mapped[UUID | None] = mapped_column(ForeignKey("organizations.id"))
    author_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    current_version: Mapped[int]


class BenchmarkVersionRow(Table, IdMixin, TimestampMixin):
    __tablename__ = "benchmark_versions"
    __table_args__ = (UniqueConstraint("benchmark_id", "number"),)

    benchmark_id: Mapped[UUID] = mapped_column(ForeignKey("benchmarks.id"))
    number: Mapped[int]
    title: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(Text)
    spec: Mapped[dict[str, Any]] = mapped_column(JsonDict)
    metric: Mapped[dict[str, Any]] = mapped_column(JsonDict)
    changelog: Mapped[str] = mapped_column(Text)
    dataset_sha256: Mapped[str | None] = mapped_column(String(64))
    created_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))


class ModelRow(Table, IdMixin, TimestampMixin):
    __tablename__ = "models"

    slug: Mapped[str] = mapped_column(FoldedStr(63), unique=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    organization_id: Mapped[UUID | None] = mapped_column(ForeignKey("organizations.id"))


class ModelVersionRow(Table, IdMixin, TimestampMixin):
    __tablename__ = "model_versions"

    model_id: Mapped[UUID] = mapped_column(ForeignKey("models.id"))
    label: Mapped[str] = mapped_column(String(200), unique=True)
    released_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    context: Mapped[int | None]


class ImportJobRow(Table, IdMixin, TimestampMixin):
    __tablename__ = "import_jobs"
    __table_args__ = (UniqueConstraint("source_sha256", "importer", "benchmark_version_id"),)

    source_name: Mapped[str] = mapped_column(String(255))
    source_sha256: Mapped[str] = mapped_column(String(64))
    importer: Mapped[str] = mapped_column(String(63))
    benchmark_version_id: Mapped[UUID] = mapped_column(ForeignKey("benchmark_versions.id"))
    rows_total: Mapped[int]
    rows_done: Mapped[int]
    findings: Mapped[int]
    state: Mapped[str] = mapped_column(String(16))


class SubmissionRow(Table, IdMixin, TimestampMixin):
    __tablename__ = "submissions"
    __table_args__ = (
        UniqueConstraint(
            *("benchmark_version_id", "submitter_id", "artifact_sha256"),
            name="uq_submissions_artifact",  # the conventional name is too long for PostgreSQL
        ),
        Index(None, "benchmark_version_id", "state"),
    )

    benchmark_version_id: Mapped[UUID] = mapped_column(ForeignKey("benchmark_versions.id"))
    model_version_id: Mapped[UUID] = mapped_column(ForeignKey("model_versions.id"))
    submitter_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    organization_id: Mapped[UUID | None] = mapped_column(ForeignKey("organizations.id"))
    import_job_id: Mapped[UUID | None] = mapped_column(ForeignKey("import_jobs.id"))
    score: Mapped[float]
    standard_error: Mapped[float | None]
    n: Mapped[int | None]
    wins: Mapped[int | None]
    losses: Mapped[int | None]
    draws: Mapped[int | None]
    state: Mapped[str] = mapped_column(String(16))
    visibility: Mapped[str] = mapped_column(String(16))
    source_mode: Mapped[str | None] = mapped_column(String(58))
    artifact_sha256: Mapped[str] = mapped_column(String(64))
    findings: Mapped[list[str]] = mapped_column(JSON)
    details: Mapped[dict[str, Any]] = mapped_column(JsonDict)


class SubmissionEventRow(Table, IdMixin):
    __tablename__ = "submission_events"

    submission_id: Mapped[UUID] = mapped_column(ForeignKey("submissions.id"))
    kind: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    by_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    detail: Mapped[dict[str, Any]] = mapped_column(JsonDict)


class VerificationRow(Table, IdMixin, TimestampMixin):
    __tablename__ = "verifications"

    submission_id: Mapped[UUID] = mapped_column(ForeignKey("submissions.id"))
    kind: Mapped[str] = mapped_column(String(16))
    verdict: Mapped[str] = mapped_column(String(16))
    verifier_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    organization_id: Mapped[UUID | None] = mapped_column(ForeignKey("organizations.id"))
    score: Mapped[float | None]
    note: Mapped[str] = mapped_column(String(2000))


class ComparisonRow(Table, IdMixin, TimestampMixin):
    __tablename__ = "comparisons"

    benchmark_version_id: Mapped[UUID] = mapped_column(ForeignKey("benchmark_versions.id"))
    left_id: Mapped[UUID] = mapped_column(ForeignKey("model_versions.id"))
    right_id: Mapped[UUID] = mapped_column(ForeignKey("model_versions.id"))
    outcome: Mapped[str] = mapped_column(String(8))
    voter_hash: Mapped[str] = mapped_column(String(64))
    source: Mapped[str] = mapped_column(String(64))


class BoardRow(Table, IdMixin, TimestampMixin):
    __tablename__ = "boards"
    __table_args__ = (UniqueConstraint("benchmark_version_id", "board"),)

    benchmark_version_id: Mapped[UUID] = mapped_column(ForeignKey("benchmark_versions.id"))
    board: Mapped[str] = mapped_column(String(64))
    revision: Mapped[int]
    published_at: Mapped[datetime] = mapped_column(UtcDateTime)
    entries: Mapped[list[dict[str, Any]]] = mapped_column(JSON)


class IdempotencyRow(Table, IdMixin, TimestampMixin):
    __tablename__ = "idempotency_keys"
    __table_args__ = (UniqueConstraint("submitter_id", "key"),)

    submitter_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    key: Mapped[str] = mapped_column(String(255))
    body_sha256: Mapped[str] = mapped_column(String(64))
    submission_id: Mapped[UUID] = mapped_column(ForeignKey("submissions.id"))
