"""Every table of the exchange."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from infra_db import FoldedStr, JsonDict, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Text is compared exactly, as on the other databases.
EXACT: dict[str, Any] = {
    f"{server}_{option}": value
    for server in ("mysql", "mariadb")
    for option, value in (("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("username", FoldedStr(length=64), nullable=False),
        sa.Column("email", FoldedStr(length=254), nullable=True),
        sa.Column("display_name", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=True),
        sa.Column("disabled_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
        sa.UniqueConstraint("username", name=op.f("uq_users_username")),
        **EXACT,
    )
    op.create_table(
        "organizations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", FoldedStr(length=63), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("verified_at", UtcDateTime(), nullable=True),
        sa.Column("verified_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["verified_by"], ["users.id"], name=op.f("fk_organizations_verified_by_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organizations")),
        sa.UniqueConstraint("slug", name=op.f("uq_organizations_slug")),
        **EXACT,
    )
    op.create_index(
        op.f("ix_organizations_verified_by"), "organizations", ["verified_by"], unique=False
    )
    op.create_table(
        "benchmarks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", FoldedStr(length=63), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("category", sa.String(length=63), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=True),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("current_version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["author_id"], ["users.id"], name=op.f("fk_benchmarks_author_id_users")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_benchmarks_organization_id_organizations"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_benchmarks")),
        sa.UniqueConstraint("slug", name=op.f("uq_benchmarks_slug")),
        **EXACT,
    )
    op.create_index(op.f("ix_benchmarks_author_id"), "benchmarks", ["author_id"], unique=False)
    op.create_index(
        op.f("ix_benchmarks_organization_id"), "benchmarks", ["organization_id"], unique=False
    )
    op.create_table(
        "members",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("joined_at", UtcDateTime(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_members_organization_id_organizations"),
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_members_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_members")),
        sa.UniqueConstraint(
            "organization_id", "user_id", name=op.f("uq_members_organization_id_user_id")
        ),
        **EXACT,
    )
    op.create_index(op.f("ix_members_user_id"), "members", ["user_id"], unique=False)
    op.create_table(
        "models",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", FoldedStr(length=63), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_models_organization_id_organizations"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_models")),
        sa.UniqueConstraint("name", name=op.f("uq_models_name")),
        sa.UniqueConstraint("slug", name=op.f("uq_models_slug")),
        **EXACT,
    )
    op.create_index(op.f("ix_models_organization_id"), "models", ["organization_id"], unique=False)
    op.create_table(
        "benchmark_versions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("benchmark_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("spec", JsonDict(), nullable=False),
        sa.Column("metric", JsonDict(), nullable=False),
        sa.Column("changelog", sa.Text(), nullable=False),
        sa.Column("dataset_sha256", sa.String(length=64), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["benchmark_id"],
            ["benchmarks.id"],
            name=op.f("fk_benchmark_versions_benchmark_id_benchmarks"),
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["users.id"], name=op.f("fk_benchmark_versions_created_by_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_benchmark_versions")),
        sa.UniqueConstraint(
            "benchmark_id", "number", name=op.f("uq_benchmark_versions_benchmark_id_number")
        ),
        **EXACT,
    )
    op.create_index(
        op.f("ix_benchmark_versions_created_by"), "benchmark_versions", ["created_by"], unique=False
    )
    op.create_table(
        "model_versions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.String(length=200), nullable=False),
        sa.Column("released_at", UtcDateTime(), nullable=True),
        sa.Column("context", sa.Integer(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_model_versions_model_id_models")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_versions")),
        sa.UniqueConstraint("label", name=op.f("uq_model_versions_label")),
        **EXACT,
    )
    op.create_index(
        op.f("ix_model_versions_model_id"), "model_versions", ["model_id"], unique=False
    )
    op.create_table(
        "boards",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("benchmark_version_id", sa.Uuid(), nullable=False),
        sa.Column("board", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("published_at", UtcDateTime(), nullable=False),
        sa.Column("entries", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["benchmark_version_id"],
            ["benchmark_versions.id"],
            name=op.f("fk_boards_benchmark_version_id_benchmark_versions"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_boards")),
        sa.UniqueConstraint(
            "benchmark_version_id", "board", name=op.f("uq_boards_benchmark_version_id_board")
        ),
        **EXACT,
    )
    op.create_table(
        "comparisons",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("benchmark_version_id", sa.Uuid(), nullable=False),
        sa.Column("left_id", sa.Uuid(), nullable=False),
        sa.Column("right_id", sa.Uuid(), nullable=False),
        sa.Column("outcome", sa.String(length=8), nullable=False),
        sa.Column("voter_hash", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["benchmark_version_id"],
            ["benchmark_versions.id"],
            name=op.f("fk_comparisons_benchmark_version_id_benchmark_versions"),
        ),
        sa.ForeignKeyConstraint(
            ["left_id"], ["model_versions.id"], name=op.f("fk_comparisons_left_id_model_versions")
        ),
        sa.ForeignKeyConstraint(
            ["right_id"], ["model_versions.id"], name=op.f("fk_comparisons_right_id_model_versions")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comparisons")),
        **EXACT,
    )
    op.create_index(
        op.f("ix_comparisons_benchmark_version_id"),
        "comparisons",
        ["benchmark_version_id"],
        unique=False,
    )
    op.create_index(op.f("ix_comparisons_left_id"), "comparisons", ["left_id"], unique=False)
    op.create_index(op.f("ix_comparisons_right_id"), "comparisons", ["right_id"], unique=False)
    op.create_table(
        "import_jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source_name", sa.String(length=255), nullable=False),
        sa.Column("source_sha256", sa.String(length=64), nullable=False),
        sa.Column("importer", sa.String(length=63), nullable=False),
        sa.Column("benchmark_version_id", sa.Uuid(), nullable=False),
        sa.Column("rows_total", sa.Integer(), nullable=False),
        sa.Column("rows_done", sa.Integer(), nullable=False),
        sa.Column("findings", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["benchmark_version_id"],
            ["benchmark_versions.id"],
            name=op.f("fk_import_jobs_benchmark_version_id_benchmark_versions"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_jobs")),
        sa.UniqueConstraint(
            "source_sha256",
            "importer",
            "benchmark_version_id",
            name=op.f("uq_import_jobs_source_sha256_importer_benchmark_version_id"),
        ),
        **EXACT,
    )
    op.create_index(
        op.f("ix_import_jobs_benchmark_version_id"),
        "import_jobs",
        ["benchmark_version_id"],
        unique=False,
    )
    op.create_table(
        "submissions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("benchmark_version_id", sa.Uuid(), nullable=False),
        sa.Column("model_version_id", sa.Uuid(), nullable=False),
        sa.Column("submitter_id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=True),
        sa.Column("import_job_id", sa.Uuid(), nullable=True),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("standard_error", sa.Double(), nullable=True),
        sa.Column("n", sa.Integer(), nullable=True),
        sa.Column("wins", sa.Integer(), nullable=True),
        sa.Column("losses", sa.Integer(), nullable=True),
        sa.Column("draws", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("visibility", sa.String(length=16), nullable=False),
        sa.Column("source_mode", sa.String(length=58), nullable=True),
        sa.Column("artifact_sha256", sa.String(length=64), nullable=False),
        sa.Column("findings", sa.JSON(), nullable=False),
        sa.Column("details", JsonDict(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["benchmark_version_id"],
            ["benchmark_versions.id"],
            name=op.f("fk_submissions_benchmark_version_id_benchmark_versions"),
        ),
        sa.ForeignKeyConstraint(
            ["import_job_id"],
            ["import_jobs.id"],
            name=op.f("fk_submissions_import_job_id_import_jobs"),
        ),
        sa.ForeignKeyConstraint(
            ["model_version_id"],
            ["model_versions.id"],
            name=op.f("fk_submissions_model_version_id_model_versions"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_submissions_organization_id_organizations"),
        ),
        sa.ForeignKeyConstraint(
            ["submitter_id"], ["users.id"], name=op.f("fk_submissions_submitter_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_submissions")),
        sa.UniqueConstraint(
            "benchmark_version_id",
            "submitter_id",
            "artifact_sha256",
            name="uq_submissions_artifact",
        ),
        **EXACT,
    )
    op.create_index(
        op.f("ix_submissions_benchmark_version_id_state"),
        "submissions",
        ["benchmark_version_id", "state"],
        unique=False,
    )
    op.create_index(
        op.f("ix_submissions_import_job_id"), "submissions", ["import_job_id"], unique=False
    )
    op.create_index(
        op.f("ix_submissions_model_version_id"), "submissions", ["model_version_id"], unique=False
    )
    op.create_index(
        op.f("ix_submissions_organization_id"), "submissions", ["organization_id"], unique=False
    )
    op.create_index(
        op.f("ix_submissions_submitter_id"), "submissions", ["submitter_id"], unique=False
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("submitter_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("body_sha256", sa.String(length=64), nullable=False),
        sa.Column("submission_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["submission_id"],
            ["submissions.id"],
            name=op.f("fk_idempotency_keys_submission_id_submissions"),
        ),
        sa.ForeignKeyConstraint(
            ["submitter_id"], ["users.id"], name=op.f("fk_idempotency_keys_submitter_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_idempotency_keys")),
        sa.UniqueConstraint(
            "submitter_id", "key", name=op.f("uq_idempotency_keys_submitter_id_key")
        ),
        **EXACT,
    )
    op.create_index(
        op.f("ix_idempotency_keys_submission_id"),
        "idempotency_keys",
        ["submission_id"],
        unique=False,
    )
    op.create_table(
        "submission_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("submission_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("by_id", sa.Uuid(), nullable=True),
        sa.Column("detail", JsonDict(), nullable=False),
        sa.ForeignKeyConstraint(
            ["by_id"], ["users.id"], name=op.f("fk_submission_events_by_id_users")
        ),
        sa.ForeignKeyConstraint(
            ["submission_id"],
            ["submissions.id"],
            name=op.f("fk_submission_events_submission_id_submissions"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_submission_events")),
        **EXACT,
    )
    op.create_index(
        op.f("ix_submission_events_by_id"), "submission_events", ["by_id"], unique=False
    )
    op.create_index(
        op.f("ix_submission_events_submission_id"),
        "submission_events",
        ["submission_id"],
        unique=False,
    )
    op.create_table(
        "verifications",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("submission_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("verifier_id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=True),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("note", sa.String(length=2000), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_verifications_organization_id_organizations"),
        ),
        sa.ForeignKeyConstraint(
            ["submission_id"],
            ["submissions.id"],
            name=op.f("fk_verifications_submission_id_submissions"),
        ),
        sa.ForeignKeyConstraint(
            ["verifier_id"], ["users.id"], name=op.f("fk_verifications_verifier_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verifications")),
        **EXACT,
    )
    op.create_index(
        op.f("ix_verifications_organization_id"), "verifications", ["organization_id"], unique=False
    )
    op.create_index(
        op.f("ix_verifications_submission_id"), "verifications", ["submission_id"], unique=False
    )
    op.create_index(
        op.f("ix_verifications_verifier_id"), "verifications", ["verifier_id"], unique=False
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_verifications_verifier_id"), table_name="verifications")
    op.drop_index(op.f("ix_verifications_submission_id"), table_name="verifications")
    op.drop_index(op.f("ix_verifications_organization_id"), table_name="verifications")
    op.drop_table("verifications")
    op.drop_index(op.f("ix_submission_events_submission_id"), table_name="submission_events")
    op.drop_index(op.f("ix_submission_events_by_id"), table_name="submission_events")
    op.drop_table("submission_events")
    op.drop_index(op.f("ix_idempotency_keys_submission_id"), table_name="idempotency_keys")
    op.drop_table("idempotency_keys")
    op.drop_index(op.f("ix_submissions_submitter_id"), table_name="submissions")
    op.drop_index(op.f("ix_submissions_organization_id"), table_name="submissions")
    op.drop_index(op.f("ix_submissions_model_version_id"), table_name="submissions")
    op.drop_index(op.f("ix_submissions_import_job_id"), table_name="submissions")
    op.drop_index(op.f("ix_submissions_benchmark_version_id_state"), table_name="submissions")
    op.drop_table("submissions")
    op.drop_index(op.f("ix_import_jobs_benchmark_version_id"), table_name="import_jobs")
    op.drop_table("import_jobs")
    op.drop_index(op.f("ix_comparisons_right_id"), table_name="comparisons")
    op.drop_index(op.f("ix_comparisons_left_id"), table_name="comparisons")
    op.drop_index(op.f("ix_comparisons_benchmark_version_id"), table_name="comparisons")
    op.drop_table("comparisons")
    op.drop_table("boards")
    op.drop_index(op.f("ix_model_versions_model_id"), table_name="model_versions")
    op.drop_table("model_versions")
    op.drop_index(op.f("ix_benchmark_versions_created_by"), table_name="benchmark_versions")
    op.drop_table("benchmark_versions")
    op.drop_index(op.f("ix_models_organization_id"), table_name="models")
    op.drop_table("models")
    op.drop_index(op.f("ix_members_user_id"), table_name="members")
    op.drop_table("members")
    op.drop_index(op.f("ix_benchmarks_organization_id"), table_name="benchmarks")
    op.drop_index(op.f("ix_benchmarks_author_id"), table_name="benchmarks")
    op.drop_table("benchmarks")
    op.drop_index(op.f("ix_organizations_verified_by"), table_name="organizations")
    op.drop_table("organizations")
    op.drop_table("users")
