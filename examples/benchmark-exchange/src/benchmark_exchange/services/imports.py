"""
Importing a file so that a crash at any moment loses nothing and doubles nothing.

The file is read whole first: a malformed one writes nothing. Then its rows go in by chunks, each
one transaction that also counts the chunk as done. A row's artifact is its canonical JSON, so a row
that is there already is known by its digest and not stored again. The last transaction marks the
job done and publishes the boards: half a table never stands on one. It also adopts the rows that
an import which was never finished left behind, when this file holds them too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import attrs

from benchmark_exchange.domain.benchmark import Benchmark
from benchmark_exchange.domain.model import ModelRef
from benchmark_exchange.domain.submission import NewSubmission, findings_of
from benchmark_exchange.importers import alpaca_eval
from benchmark_exchange.importers.alpaca_eval import ImportedResult, ResultTable
from benchmark_exchange.ports import (
    Checked,
    ImportJob,
    ImportRepository,
    ModelRepository,
    SubmissionRepository,
    UnitOfWork,
)
from benchmark_exchange.services.boards import BoardService
from benchmark_exchange.services.catalogue import CatalogueService, Importer
from benchmark_exchange.services.submissions import check, check_open
from infra_json import canonicalize

__all__ = ["CHUNK", "ImportReport", "ImportService"]

CHUNK = 50
PUBLISHER = "AlpacaEval"


@attrs.frozen(kw_only=True)
class ImportReport:
    """What an import did. `imported` counts the rows stored by this run."""

    benchmark: str
    rows: int
    imported: int
    findings: tuple[tuple[str, str], ...]
    unchanged: bool


class ImportService:
    """Imports result tables."""

    def __init__(
        self,
        catalogue: CatalogueService,
        models: ModelRepository,
        submissions: SubmissionRepository,
        imports: ImportRepository,
        boards: BoardService,
        unit: UnitOfWork,
    ) -> None:
        self._catalogue = catalogue
        self._models = models
        self._submissions = submissions
        self._imports = imports
        self._boards = boards
        self._unit = unit

    async def run(self, path: Path, *, slug: str | None = None) -> ImportReport:
        """
        Import a file into a benchmark, by default the one the importer brings.

        Raises BadImport, before anything is written, for a file that is no such table or is
        malformed in any row; NoSuchThing for an unknown benchmark. The same file again changes
        nothing.
        """
        table = alpaca_eval.read(path)
        named = await self._catalogue.get(slug) if slug is not None else None
        brought, importer = await self._catalogue.ensure(
            alpaca_eval.ALPACA_EVAL_2, publisher=PUBLISHER
        )
        benchmark = named or brought
        job = await self._open(table, benchmark)
        results = [_submission(row, importer) for row in table.rows]
        findings = tuple((new.model.label, text) for new in results for text in findings_of(new))
        if job.done:
            return _report(table, benchmark, None, findings)
        for new in results:
            check_open(benchmark, new)
        imported = 0
        for chunk in _chunks(results):
            imported += await self._store(chunk, benchmark, job, importer)
        await self._finish(results, benchmark, job, importer)
        return _report(table, benchmark, imported, findings)

    async def _open(self, table: ResultTable, benchmark: Benchmark) -> ImportJob:
        async def work() -> ImportJob:
            return await self._imports.open(
                source_name=table.name,
                source_sha256=table.sha256,
                importer=alpaca_eval.IMPORTER,
                benchmark_version=benchmark.version.id,
                rows_total=len(table.rows),
            )

        return await self._unit(work)

    async def _store(
        self,
        chunk: Sequence[NewSubmission],
        benchmark: Benchmark,
        job: ImportJob,
        importer: Importer,
    ) -> int:
        async def work() -> int:
            artifacts = [new.artifact_sha256 for new in chunk]
            known = await self._submissions.known(benchmark.version.id, importer.user, artifacts)
            missing = [new for new in chunk if new.artifact_sha256 not in known]
            if not missing:
                return 0
            models = await self._models.get_or_create(new.model for new in missing)
            checked = [check(new, models) for new in missing]
            await self._submissions.create(checked, benchmark=benchmark, job=job.id)
            findings = _count_findings(checked)
            await self._imports.advance(job.id, rows=len(missing), findings=findings)
            return len(missing)

        return await self._unit(work)

    async def _finish(
        self,
        results: Sequence[NewSubmission],
        benchmark: Benchmark,
        job: ImportJob,
        importer: Importer,
    ) -> None:
        async def work() -> None:
            for chunk in _chunks(results):
                artifacts = [new.artifact_sha256 for new in chunk]
                await self._submissions.adopt(
                    benchmark.version.id, importer.user, artifacts, job=job.id
                )
            await self._imports.finish(job.id)
            await self._boards.publish(benchmark)

        await self._unit(work)


def _submission(row: ImportedResult, importer: Importer) -> NewSubmission:
    return NewSubmission(
        model=ModelRef(row.model),
        submitter=importer.user,
        organization=importer.organization,
        artifact_sha256=sha256(canonicalize(row.details)).hexdigest(),
        score=row.score,
        standard_error=row.standard_error,
        n=row.n,
        counts=row.counts,
        claimed_win_rate=row.claimed_win_rate,
        source_mode=row.mode,
        details=dict(row.details),
        verified=row.mode == "verified",
    )


def _chunks(results: Sequence[NewSubmission]) -> Iterator[Sequence[NewSubmission]]:
    for start in range(0, len(results), CHUNK):
        yield results[start : start + CHUNK]


def _count_findings(checked: Sequence[Checked]) -> int:
    return sum(len(one.findings) for one in checked)


def _report(
    table: ResultTable,
    benchmark: Benchmark,
    imported: int | None,
    findings: tuple[tuple[str, str], ...],
) -> ImportReport:
    """Tell of a run; `imported` None when the file had been imported before."""
    return ImportReport(
        benchmark=benchmark.slug,
        rows=len(table.rows),
        imported=imported or 0,
        findings=findings,
        unchanged=imported is None,
    )
