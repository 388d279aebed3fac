"""What the services need of storage: one Protocol a repository, written in the domain's words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

import attrs

from benchmark_exchange.domain.benchmark import Benchmark, BenchmarkStatus, NewBenchmark
from benchmark_exchange.domain.ids import (
    BenchmarkId,
    BenchmarkVersionId,
    ImportJobId,
    OrganizationId,
    SubmissionId,
    UserId,
)
from benchmark_exchange.domain.leaderboard import Board, LeaderboardEntry
from benchmark_exchange.domain.model import ModelRef, ModelVersion
from benchmark_exchange.domain.submission import (
    NewSubmission,
    Submission,
    SubmissionEvent,
    SubmissionState,
)

__all__ = [
    "AccountRepository",
    "BenchmarkRepository",
    "BoardRepository",
    "Checked",
    "IdempotencyRepository",
    "ImportJob",
    "ImportRepository",
    "ModelRepository",
    "Page",
    "Published",
    "Standing",
    "StoredAnswer",
    "SubmissionRepository",
    "UnitOfWork",
]


T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class UnitOfWork(Protocol):
    """Run a piece of work whose changes commit together or not at all; repeated on a conflict."""

    async def __call__(self, work: Callable[[], Awaitable[T]], /) -> T: ...


class Page(Protocol[T_co]):
    """A part of a list, and the cursor of the next; infra_db.Page is one."""

    @property
    def items(self) -> tuple[T_co, ...]: ...
    @property
    def next_cursor(self) -> str | None: ...


@attrs.frozen(kw_only=True)
class Standing:
    """What a board is made from: one accepted result."""

    submission: SubmissionId
    model: str
    submitter: UserId
    score: float
    standard_error: float | None
    n: int | None
    wins: float | None
    state: str
    source_mode: str | None
    created_at: datetime


@attrs.frozen(kw_only=True)
class Checked:
    """A new result with its model and the outcome of its checks."""

    new: NewSubmission
    model: ModelVersion
    state: SubmissionState
    findings: tuple[str, ...]


@attrs.frozen(kw_only=True)
class ImportJob:
    """One file being imported, or imported: `rows_done` grows by one committed chunk at a time."""

    id: ImportJobId
    source_name: str
    source_sha256: str
    importer: str
    benchmark_version: BenchmarkVersionId
    rows_total: int
    rows_done: int
    findings: int
    done: bool


@attrs.frozen(kw_only=True)
class Published:
    """A board as it was stored in the transaction that last changed it."""

    revision: int
    at: datetime
    entries: tuple[LeaderboardEntry, ...]


@attrs.frozen(kw_only=True)
class StoredAnswer:
    """What a call with an idempotency key was answered, and the digest of its body."""

    body_sha256: str
    submission: SubmissionId


class AccountRepository(Protocol):
    """Users and organisations: in this cut just the ones the service itself acts as."""

    async def ensure_user(self, username: str, display_name: str, *, role: str) -> UserId: ...
    async def ensure_organization(
        self, slug: str, name: str, *, owner: UserId
    ) -> OrganizationId: ...


class BenchmarkRepository(Protocol):
    """Benchmarks and their versions."""

    async def create(self, new: NewBenchmark, *, by: UserId) -> Benchmark: ...
    async def get_by_id(self, id: BenchmarkId) -> Benchmark | None: ...
    async def get_by_slug(self, slug: str, *, version: int | None = None) -> Benchmark | None: ...
    async def list(
        self,
        *,
        status: BenchmarkStatus | None = None,
        category: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Benchmark]: ...


class ModelRepository(Protocol):
    """Models and the labels their results were published under."""

    async def get_or_create(self, refs: Iterable[ModelRef]) -> dict[ModelRef, ModelVersion]: ...


class SubmissionRepository(Protocol):
    """Results and their history."""

    async def create(
        self, news: Sequence[Checked], *, benchmark: Benchmark, job: ImportJobId | None = None
    ) -> list[SubmissionId]: ...
    async def get_by_id(self, id: SubmissionId) -> Submission | None: ...
    async def check_duplicate(
        self, version: BenchmarkVersionId, submitter: UserId, artifact_sha256: str
    ) -> SubmissionId | None: ...
    async def known(
        self, version: BenchmarkVersionId, submitter: UserId, artifacts: Iterable[str]
    ) -> set[str]: ...
    async def adopt(
        self,
        version: BenchmarkVersionId,
        submitter: UserId,
        artifacts: Iterable[str],
        *,
        job: ImportJobId,
    ) -> None: ...
    async def events(self, id: SubmissionId) -> tuple[SubmissionEvent, ...]: ...
    async def standings(self, version: BenchmarkVersionId) -> tuple[Standing, ...]: ...
    async def count_by_state(self, version: BenchmarkVersionId) -> dict[str, int]: ...


class BoardRepository(Protocol):
    """The boards as they were last published."""

    async def lock(self, version: BenchmarkVersionId) -> None: ...
    async def publish(
        self, version: BenchmarkVersionId, boards: dict[Board, tuple[LeaderboardEntry, ...]]
    ) -> int: ...
    async def published(self, version: BenchmarkVersionId, board: Board) -> Published | None: ...


class ImportRepository(Protocol):
    """Import jobs: what makes a second import of a file, or one after a crash, safe."""

    async def open(
        self,
        *,
        source_name: str,
        source_sha256: str,
        importer: str,
        benchmark_version: BenchmarkVersionId,
        rows_total: int,
    ) -> ImportJob: ...
    async def advance(self, id: ImportJobId, *, rows: int, findings: int) -> None: ...
    async def finish(self, id: ImportJobId) -> None: ...


class IdempotencyRepository(Protocol):
    """Answers kept by submitter and key, so that a repeated call changes nothing."""

    async def find(self, submitter: UserId, key: str) -> StoredAnswer | None: ...
    async def keep(
        self, submitter: UserId, key: str, *, body_sha256: str, submission: SubmissionId
    ) -> None: ...
