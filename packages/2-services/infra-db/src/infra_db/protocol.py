"""What a repository offers: `Repository` over a database, `MemoryRepository` over a dict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

    from infra_db.filters import Where
    from infra_db.paging import Page, Sort
    from infra_db.search import SearchHit

__all__ = ["AsyncRepository"]

E = TypeVar("E")
ID = TypeVar("ID")


class AsyncRepository(Protocol[E, ID]):
    """What code that wants rows, and no database, asks for; each method is as on `Repository`."""

    async def get_by_id(
        self, id: ID, *, include_deleted: bool = False, for_update: bool = False
    ) -> E | None:
        """The row with this id, or None."""

    async def require(
        self, id: ID, *, include_deleted: bool = False, for_update: bool = False
    ) -> E:
        """The row with this id; RecordNotFound."""

    async def get_by(self, **unique: Any) -> E | None:
        """The row with these values, or None."""

    async def get_many(self, ids: Iterable[ID]) -> dict[ID, E]:
        """The rows with these ids, by id."""

    async def get_all(
        self,
        *where: Where,
        skip: int = 0,
        limit: int = 100,
        sort: Sequence[Sort | str] = (),
        **filters: Any,
    ) -> list[E]:
        """Rows in order."""

    async def page(
        self,
        *where: Where,
        limit: int = 50,
        cursor: str | None = None,
        sort: Sequence[Sort | str] = (),
        count_cap: int = 0,
        **filters: Any,
    ) -> Page[E]:
        """A page by cursor."""

    def stream(
        self, *where: Where, sort: Sequence[Sort | str] = (), batch: int = 500, **filters: Any
    ) -> AsyncIterator[E]:
        """All rows, read in batches."""

    async def count(self, *where: Where, cap: int | None = None, **filters: Any) -> int:
        """How many rows."""

    async def exists(self, *where: Where, **filters: Any) -> bool:
        """Whether there is such a row."""

    async def create(self, values: Mapping[str, Any]) -> E:
        """Insert a row of these values."""

    async def add(self, entity: E) -> E:
        """Insert this object."""

    async def insert_many(self, rows: Iterable[Mapping[str, Any] | E], *, chunk: int = 1000) -> int:
        """Insert all rows or none."""

    async def upsert_many(
        self,
        rows: Iterable[Mapping[str, Any] | E],
        *,
        on: Sequence[str],
        update: Sequence[str] | None = None,
        chunk: int = 1000,
    ) -> int:
        """Insert all rows, or update those whose unique fields are taken."""

    async def update(
        self, id: ID, values: Mapping[str, Any], *, expected_version: int | None = None
    ) -> E:
        """Change these fields of a row."""

    async def delete(
        self,
        id: ID,
        *,
        strict: bool = False,
        hard: bool = False,
        expected_version: int | None = None,
    ) -> bool:
        """Remove a row, or mark it deleted."""

    async def restore(self, id: ID) -> E:
        """Undo a soft delete."""

    async def update_status(
        self, id: ID, status: str, *, by: str | None = None, expected_version: int | None = None
    ) -> E:
        """Change the status to one that may follow."""

    async def search(self, query: str, *where: Where, limit: int = 20) -> list[SearchHit[E]]:
        """The rows that the text finds."""
