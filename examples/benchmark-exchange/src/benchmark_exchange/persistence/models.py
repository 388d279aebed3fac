"""Models and model versions on SQL."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from benchmark_exchange.domain._check import slug_of
from benchmark_exchange.domain.ids import ModelId, ModelVersionId
from benchmark_exchange.domain.model import ModelRef, ModelVersion
from benchmark_exchange.persistence.tables import ModelRow, ModelVersionRow
from infra_db import Database, Filter, Repository
from infra_id import uuid7

__all__ = ["SqlModelRepository"]


class SqlModelRepository:
    """Finds models by name and versions by label; makes what is missing."""

    def __init__(self, db: Database) -> None:
        self._models = Repository[ModelRow, UUID](db, ModelRow)
        self._versions = Repository[ModelVersionRow, UUID](db, ModelVersionRow)

    async def get_or_create(self, refs: Iterable[ModelRef]) -> dict[ModelRef, ModelVersion]:
        """Return the version of every reference, at most 1,000; call it inside a transaction."""
        wanted = {ref.label: ref for ref in refs}
        models = await self._models_of({ref.name for ref in wanted.values()})
        found = await self._versions.get_all(Filter("label", "in", list(wanted)), limit=1000)
        versions = {row.label: row.id for row in found}
        missing = [ref for label, ref in wanted.items() if label not in versions]
        rows = [
            ModelVersionRow(id=uuid7(), model_id=models[ref.name].id, label=ref.label)
            for ref in missing
        ]
        await self._versions.insert_many(rows)
        versions |= {row.label: row.id for row in rows}
        return {
            ref: ModelVersion(
                id=ModelVersionId.from_uuid(versions[label]),
                model=ModelId.from_uuid(models[ref.name].id),
                slug=models[ref.name].slug,
                label=label,
            )
            for label, ref in wanted.items()
        }

    async def _models_of(self, names: set[str]) -> dict[str, ModelRow]:
        found = await self._models.get_all(Filter("name", "in", sorted(names)), limit=1000)
        models = {row.name: row for row in found}
        for name in sorted(names - models.keys()):
            slug = await self._free_slug(slug_of(name))
            models[name] = await self._models.create({"slug": slug, "name": name})
        return models

    async def _free_slug(self, slug: str) -> str:
        """Return the slug, or the first of `slug-2`, `slug-3`, … that nobody has."""
        candidate, number = slug, 1
        while await self._models.exists(slug=candidate):
            number += 1
            suffix = f"-{number}"
            candidate = slug[: 63 - len(suffix)].rstrip("-") + suffix
        return candidate
