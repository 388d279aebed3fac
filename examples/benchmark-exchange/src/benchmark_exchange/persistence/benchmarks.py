"""Benchmarks and their versions on SQL."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import attrs

from benchmark_exchange.domain.benchmark import (
    Benchmark,
    BenchmarkStatus,
    BenchmarkVersion,
    Metric,
    NewBenchmark,
)
from benchmark_exchange.domain.errors import SlugTaken
from benchmark_exchange.domain.ids import BenchmarkId, BenchmarkVersionId, OrganizationId, UserId
from benchmark_exchange.persistence.tables import BenchmarkRow, BenchmarkVersionRow
from infra_db import Database, Page, Repository, Sort, UniqueViolation

__all__ = ["SqlBenchmarkRepository"]


class SqlBenchmarkRepository:
    """The head row holds what a list needs; each version is a row of its own."""

    def __init__(self, db: Database) -> None:
        self._heads = Repository[BenchmarkRow, UUID](db, BenchmarkRow)
        self._versions = Repository[BenchmarkVersionRow, UUID](db, BenchmarkVersionRow)

    async def create(self, new: NewBenchmark, *, by: UserId) -> Benchmark:
        """Store a benchmark and its version 1; SlugTaken when the slug is taken in any case."""
        try:
            head = await self._heads.create(
                {
                    "slug": new.slug,
                    "status": new.status.value,
                    "category": new.category,
                    "organization_id": new.organization.uuid if new.organization else None,
                    "author_id": by.uuid,
                    "current_version": 1,
                }
            )
        except UniqueViolation as exc:
            message = f"there is a benchmark {new.slug!r} already: choose another slug"
            raise SlugTaken(message, slug=new.slug) from exc
        version = await self._versions.create(
            {
                "benchmark_id": head.id,
                "number": 1,
                "title": new.title,
                "description": new.description,
                "spec": {},
                "metric": attrs.asdict(new.metric),
                "changelog": "",
                "created_by": by.uuid,
            }
        )
        return _benchmark(head, version)

    async def get_by_id(self, id: BenchmarkId) -> Benchmark | None:
        """Return a benchmark with its latest version, or None."""
        return await self._with_version(await self._heads.get_by_id(id.uuid), None)

    async def get_by_slug(self, slug: str, *, version: int | None = None) -> Benchmark | None:
        """Return a benchmark with the version asked for, the latest by default, or None."""
        return await self._with_version(await self._heads.get_by(slug=slug), version)

    async def list(
        self,
        *,
        status: BenchmarkStatus | None = None,
        category: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Benchmark]:
        """Return a page of benchmarks, by slug."""
        filters: dict[str, Any] = {}
        if status is not None:
            filters["status"] = status.value
        if category is not None:
            filters["category"] = category
        page = await self._heads.page(limit=limit, cursor=cursor, sort=(Sort("slug"),), **filters)
        items = [await self._with_version(head, None) for head in page.items]
        found = tuple(item for item in items if item is not None)
        return attrs.evolve(page, items=found)  # type: ignore[arg-type, return-value]  # same page, mapped

    async def _with_version(
        self, head: BenchmarkRow | None, number: int | None
    ) -> Benchmark | None:
        if head is None:
            return None
        wanted = head.current_version if number is None else number
        version = await self._versions.get_by(benchmark_id=head.id, number=wanted)
        return _benchmark(head, version) if version else None


def _benchmark(head: BenchmarkRow, version: BenchmarkVersionRow) -> Benchmark:
    organization = head.organization_id
    return Benchmark(
        id=BenchmarkId.from_uuid(head.id),
        slug=head.slug,
        status=BenchmarkStatus(head.status),
        category=head.category,
        organization=OrganizationId.from_uuid(organization) if organization else None,
        current_version=head.current_version,
        lock_version=head.version,
        created_at=head.created_at,
        updated_at=head.updated_at,
        version=BenchmarkVersion(
            id=BenchmarkVersionId.from_uuid(version.id),
            number=version.number,
            title=version.title,
            description=version.description,
            metric=Metric(**version.metric),
            created_at=version.created_at,
            created_by=UserId.from_uuid(version.created_by),
        ),
    )
