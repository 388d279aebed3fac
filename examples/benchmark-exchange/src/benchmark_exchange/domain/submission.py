"""A submitted result: its numbers, their uncertainty, and what can become of it."""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from typing import Any

import attrs

from benchmark_exchange.domain._check import check_count, check_finite
from benchmark_exchange.domain.errors import IllegalTransition, invalid
from benchmark_exchange.domain.ids import (
    BenchmarkId,
    BenchmarkVersionId,
    ImportJobId,
    ModelVersionId,
    OrganizationId,
    SubmissionId,
    UserId,
)
from benchmark_exchange.domain.model import ModelRef

__all__ = [
    "ACCEPTED",
    "Counts",
    "NewSubmission",
    "Submission",
    "SubmissionEvent",
    "SubmissionState",
    "Visibility",
    "check_transition",
    "findings_of",
]


class SubmissionState(StrEnum):
    """Where a result stands; rejected and retracted are final."""

    PENDING = "pending"
    CHECKED = "checked"
    VERIFIED = "verified"
    DISPUTED = "disputed"
    REJECTED = "rejected"
    RETRACTED = "retracted"


class Visibility(StrEnum):
    """Who may see a result."""

    PUBLIC = "public"
    PRIVATE = "private"


_S = SubmissionState
ACCEPTED = frozenset({_S.CHECKED, _S.VERIFIED, _S.DISPUTED})
_LEADS_TO = {
    _S.PENDING: {_S.CHECKED, _S.DISPUTED, _S.REJECTED, _S.RETRACTED},
    _S.CHECKED: {_S.VERIFIED, _S.DISPUTED, _S.REJECTED, _S.RETRACTED},
    _S.VERIFIED: {_S.DISPUTED, _S.RETRACTED},
    _S.DISPUTED: {_S.VERIFIED, _S.REJECTED, _S.RETRACTED},
    _S.REJECTED: frozenset[SubmissionState](),
    _S.RETRACTED: frozenset[SubmissionState](),
}


def check_transition(old: SubmissionState, new: SubmissionState) -> None:
    """Raise IllegalTransition, naming both states, when *old* does not lead to *new*."""
    if new not in _LEADS_TO[old]:
        message = f"a {old} submission cannot become {new}"
        raise IllegalTransition(message, old=old.value, new=new.value)


@attrs.frozen(kw_only=True)
class Counts:
    """How a comparison with a baseline went, item by item."""

    wins: int
    losses: int
    draws: int = 0

    def __attrs_post_init__(self) -> None:
        check_count("submission", "wins", self.wins)
        check_count("submission", "losses", self.losses)
        check_count("submission", "draws", self.draws)

    @property
    def total(self) -> int:
        """How many items were compared."""
        return self.wins + self.losses + self.draws

    @property
    def win_rate(self) -> float:
        """Wins in percent, a draw counting half; 0 when nothing was compared."""
        return 100 * (self.wins + self.draws / 2) / self.total if self.total else 0.0


@attrs.frozen(kw_only=True)
class NewSubmission:
    """What somebody submits; refused (`exchange.invalid_submission`) when it breaks a rule."""

    model: ModelRef
    submitter: UserId
    artifact_sha256: str
    score: float
    standard_error: float | None = None
    n: int | None = None
    counts: Counts | None = None
    claimed_win_rate: float | None = None
    source_mode: str | None = None
    organization: OrganizationId | None = None
    visibility: Visibility = attrs.field(default=Visibility.PUBLIC, converter=Visibility)
    details: dict[str, Any] = attrs.Factory(dict)
    verified: bool = False

    def __attrs_post_init__(self) -> None:
        check_finite("submission", "score", self.score)
        if self.standard_error is not None:
            check_finite("submission", "standard_error", self.standard_error)
            if self.standard_error < 0:
                message = f"a standard error is 0 or more, not {self.standard_error}"
                raise invalid("submission", message)
        if self.n is not None:
            check_count("submission", "n", self.n, least=1)
        if not re.fullmatch(r"[0-9a-f]{64}", self.artifact_sha256):
            message = "artifact_sha256 is 64 lower-case hexadecimal digits"
            raise invalid("submission", message)


def findings_of(new: NewSubmission) -> tuple[str, ...]:
    """Return how a result contradicts itself, one sentence each; empty when it does not."""
    found = []
    if new.counts is not None and new.n is not None and new.counts.total != new.n:
        found.append(f"wins, losses and draws add up to {new.counts.total}, n is {new.n}")
    if new.counts is not None and new.claimed_win_rate is not None:
        counted = new.counts.win_rate
        if not abs(counted - new.claimed_win_rate) <= 0.01:
            found.append(f"counts say {counted:.3f}, file says {new.claimed_win_rate:.3f}")
    return tuple(found)


@attrs.frozen(kw_only=True)
class Submission:
    """A result as it stands."""

    id: SubmissionId
    benchmark: BenchmarkId
    benchmark_slug: str
    benchmark_version: BenchmarkVersionId
    model_version: ModelVersionId
    model: str
    submitter: UserId
    organization: OrganizationId | None
    score: float
    standard_error: float | None
    n: int | None
    counts: Counts | None
    state: SubmissionState
    visibility: Visibility
    source_mode: str | None
    artifact_sha256: str
    findings: tuple[str, ...]
    import_job: ImportJobId | None
    created_at: datetime
    updated_at: datetime


@attrs.frozen(kw_only=True)
class SubmissionEvent:
    """One step in the history of a result."""

    kind: str
    at: datetime
    by: UserId | None
    detail: dict[str, Any]
