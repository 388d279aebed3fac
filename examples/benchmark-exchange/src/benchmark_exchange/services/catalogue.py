"""Which benchmarks there are."""

from __future__ import annotations

import attrs

from benchmark_exchange.domain.benchmark import Benchmark, BenchmarkStatus, NewBenchmark
from benchmark_exchange.domain.errors import NoSuchThing
from benchmark_exchange.domain.ids import OrganizationId, UserId
from benchmark_exchange.ports import AccountRepository, BenchmarkRepository, Page, UnitOfWork

__all__ = ["CatalogueService", "Importer"]

ADMIN = "admin"


@attrs.frozen
class Importer:
    """Whom imported results are submitted by, and for which organisation."""

    user: UserId
    organization: OrganizationId


class CatalogueService:
    """Reads benchmarks, and makes those that the service itself brings."""

    def __init__(
        self, benchmarks: BenchmarkRepository, accounts: AccountRepository, unit: UnitOfWork
    ) -> None:
        self._benchmarks = benchmarks
        self._accounts = accounts
        self._unit = unit

    async def get(self, slug: str, *, version: int | None = None) -> Benchmark:
        """Return a benchmark by its slug, in any letter case; NoSuchThing when there is none."""
        benchmark = await self._benchmarks.get_by_slug(slug, version=version)
        if benchmark is None:
            message = f"there is no benchmark {slug[:64]!r}"
            raise NoSuchThing(message)
        return benchmark

    async def list(
        self,
        *,
        status: BenchmarkStatus | None = None,
        category: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Benchmark]:
        """Return a page of benchmarks, by slug."""
        return await self._benchmarks.list(
            status=status, category=category, limit=limit, cursor=cursor
        )

    async def administrator(self) -> UserId:
        """Return the account that the admin token acts as, made at its first use."""

        async def work() -> UserId:
            return await self._accounts.ensure_user(ADMIN, "Administrator", role="admin")

        return await self._unit(work)

    async def ensure(self, new: NewBenchmark, *, publisher: str) -> tuple[Benchmark, Importer]:
        """Return a benchmark that the service brings, with its publisher, made if missing."""

        async def work() -> tuple[Benchmark, Importer]:
            user = await self._accounts.ensure_user("importer", "Importer", role="verifier")
            slug = publisher.lower().replace(" ", "-")
            organization = await self._accounts.ensure_organization(slug, publisher, owner=user)
            benchmark = await self._benchmarks.get_by_slug(new.slug)
            if benchmark is None:
                owned = attrs.evolve(new, organization=organization)
                benchmark = await self._benchmarks.create(owned, by=user)
            return benchmark, Importer(user, organization)

        return await self._unit(work)
