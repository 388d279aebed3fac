"""One type of id a kind of thing, so that a model cannot be passed where a benchmark belongs."""

from __future__ import annotations

from infra_id import TypedId

__all__ = [
    "BenchmarkId",
    "BenchmarkVersionId",
    "ImportJobId",
    "ModelId",
    "ModelVersionId",
    "OrganizationId",
    "SubmissionId",
    "UserId",
    "VerificationId",
]


class BenchmarkId(TypedId):
    """A benchmark, all its versions together."""

    prefix = "bmk"


class BenchmarkVersionId(TypedId):
    """One immutable version of a benchmark: what results refer to."""

    prefix = "bmv"


class SubmissionId(TypedId):
    """One result that somebody submitted."""

    prefix = "sub"


class UserId(TypedId):
    """A person or service that acts."""

    prefix = "usr"


class OrganizationId(TypedId):
    """A group of users that results and benchmarks belong to."""

    prefix = "org"


class ModelId(TypedId):
    """A model, all its versions together."""

    prefix = "mdl"


class ModelVersionId(TypedId):
    """One version of a model, under the label its results were published with."""

    prefix = "mdv"


class VerificationId(TypedId):
    """One check of a result by somebody else."""

    prefix = "ver"


class ImportJobId(TypedId):
    """One file that is or was imported."""

    prefix = "imp"
