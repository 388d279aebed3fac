"""Taking a result: once, whatever the network does, with its checks and its place on the boards."""

from __future__ import annotations

from benchmark_exchange.domain.benchmark import Benchmark, BenchmarkStatus
from benchmark_exchange.domain.errors import (
    DuplicateSubmission,
    IdempotencyMismatch,
    NoSuchThing,
    NotActive,
)
from benchmark_exchange.domain.ids import SubmissionId
from benchmark_exchange.domain.model import ModelRef, ModelVersion
from benchmark_exchange.domain.submission import (
    NewSubmission,
    Submission,
    SubmissionEvent,
    SubmissionState,
    Visibility,
    findings_of,
)
from benchmark_exchange.ports import (
    BenchmarkRepository,
    Checked,
    IdempotencyRepository,
    ModelRepository,
    SubmissionRepository,
    UnitOfWork,
)
from benchmark_exchange.services.boards import BoardService

__all__ = ["SubmissionService", "check", "check_open"]


def check_open(benchmark: Benchmark, new: NewSubmission) -> None:
    """Refuse a result that this benchmark cannot take now (NotActive, InvalidEntity)."""
    if benchmark.status is not BenchmarkStatus.ACTIVE:
        message = f"{benchmark.slug} is {benchmark.status}, only active benchmarks take results"
        raise NotActive(message)
    benchmark.version.metric.check_score(new.score)


class SubmissionService:
    """Accepts results and shows them."""

    def __init__(
        self,
        benchmarks: BenchmarkRepository,
        models: ModelRepository,
        submissions: SubmissionRepository,
        keys: IdempotencyRepository,
        boards: BoardService,
        unit: UnitOfWork,
    ) -> None:
        self._benchmarks = benchmarks
        self._models = models
        self._submissions = submissions
        self._keys = keys
        self._boards = boards
        self._unit = unit

    async def submit(
        self, slug: str, new: NewSubmission, *, key: str, body_sha256: str
    ) -> Submission:
        """
        Take a result under an idempotency key and return it as it stands.

        The same key with the same body returns the same result again and changes nothing. Raises
        IdempotencyMismatch for another body, DuplicateSubmission for the same artifact under
        another key, NotActive, NoSuchThing, InvalidEntity. Everything commits together: the
        result, its history, the key, the boards.
        """

        async def work() -> SubmissionId:
            stored = await self._keys.find(new.submitter, key)
            if stored is not None and stored.body_sha256 == body_sha256:
                return stored.submission
            if stored is not None:
                message = "this idempotency key was used with another body: use a new key"
                raise IdempotencyMismatch(message, submission=str(stored.submission))
            made = await self._take(slug, new)
            await self._keys.keep(new.submitter, key, body_sha256=body_sha256, submission=made)
            return made

        return await self.get(await self._unit(work), viewer_is_admin=True)

    async def _take(self, slug: str, new: NewSubmission) -> SubmissionId:
        benchmark = await self._benchmarks.get_by_slug(slug)
        if benchmark is None:
            message = f"there is no benchmark {slug[:64]!r}"
            raise NoSuchThing(message)
        check_open(benchmark, new)
        twin = await self._submissions.check_duplicate(
            benchmark.version.id, new.submitter, new.artifact_sha256
        )
        if twin is not None:
            message = f"this artifact was submitted before, as {twin}"
            raise DuplicateSubmission(message, submission=str(twin))
        models = await self._models.get_or_create([new.model])
        checked = check(new, models)
        (made,) = await self._submissions.create([checked], benchmark=benchmark)
        await self._boards.publish(benchmark)
        return made

    async def get(self, id: SubmissionId, *, viewer_is_admin: bool = False) -> Submission:
        """Return a result; NoSuchThing when there is none, or none that the viewer may see."""
        submission = await self._submissions.get_by_id(id)
        hidden = submission is not None and submission.visibility is Visibility.PRIVATE
        if submission is None or (hidden and not viewer_is_admin):
            message = f"there is no submission {id}"
            raise NoSuchThing(message)
        return submission

    async def history(
        self, id: SubmissionId, *, viewer_is_admin: bool = False
    ) -> tuple[SubmissionEvent, ...]:
        """Return the steps of a result that the viewer may see, oldest first."""
        await self.get(id, viewer_is_admin=viewer_is_admin)
        return await self._submissions.events(id)


def check(new: NewSubmission, models: dict[ModelRef, ModelVersion]) -> Checked:
    """Return a result with its findings, and the state that they and its source lead to."""
    findings = findings_of(new)
    state = SubmissionState.VERIFIED if new.verified else SubmissionState.CHECKED
    if findings:
        state = SubmissionState.DISPUTED
    return Checked(new=new, model=models[new.model], state=state, findings=findings)
