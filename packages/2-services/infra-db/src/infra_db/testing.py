"""What every database and every repository must do, as pytest classes to inherit.

    class TestMyDatabase(DatabaseContract):
        async def make_database(self, **options):
            return connect("mydb://…", **options)

The tests are coroutines: run them with pytest-asyncio in auto mode. `make_database` returns a
database that the test enters and closes; `make_repository` a repository of `Note` that is ready.
"""

from __future__ import annotations

import asyncio
from datetime import datetime  # noqa: TC003  # SQLAlchemy reads the annotation
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import MetaData, String, func, insert, select, update
from sqlalchemy.orm import Mapped, mapped_column

from infra_db._transactional import transactional
from infra_db.errors import (
    RecordNotFound,
    StaleVersion,
    TransactionConflict,
    TransactionStateError,
    UniqueViolation,
)
from infra_db.filters import Filter, any_of
from infra_db.models import Base, IdMixin, SoftDeleteMixin, TimestampMixin, VersionMixin
from infra_db.paging import Sort
from infra_db.testing_versioned import Article, VersionedRepositoryContract
from infra_db.types import UtcDateTime
from infra_errors import ValidationError

if TYPE_CHECKING:
    from infra_db.database import Database
    from infra_db.repository import Repository

__all__ = [
    "Article",
    "DatabaseContract",
    "Note",
    "RepositoryContract",
    "VersionedRepositoryContract",
    "transactional",
]


class _ContractBase(Base):
    """A metadata of its own, so that these tables never mix with an application's."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Base.metadata.naming_convention)


class Note(IdMixin, TimestampMixin, VersionMixin, SoftDeleteMixin, _ContractBase):
    """The model of both contracts."""

    __tablename__ = "infra_db_contract_note"

    title: Mapped[str] = mapped_column(String(50), unique=True)
    body: Mapped[str | None]
    rank: Mapped[int] = mapped_column(default=0)
    status: Mapped[str] = mapped_column(String(20), default="draft")
    due: Mapped[datetime | None] = mapped_column(UtcDateTime)
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)


async def _titles(db: Database) -> list[str]:
    return [row.title for row in await db.fetch_all(select(Note.title).order_by(Note.title))]


class DatabaseContract:
    """What every backend must do."""

    async def make_database(self, **options: Any) -> Database:
        """Return a new, empty database; override it."""
        pytest.fail("override make_database(self, **options)")

    async def test_it_answers_a_ping_and_reports_its_health(self) -> None:
        async with await self.make_database() as db:
            await db.ping()
            assert (await db.health()).ok

    async def test_closing_twice_is_closing_once(self) -> None:
        db = await self.make_database()
        async with db:
            pass
        await db.aclose()
        assert not (await db.health()).ok

    async def test_the_first_use_opens_it_once_for_all_who_come(self) -> None:
        db = await self.make_database()
        try:
            await asyncio.gather(*(db.ping() for _ in range(10)))
            assert db.pool_status().in_use == 0
        finally:
            await db.aclose()

    async def test_what_a_transaction_wrote_is_there_after_it(self) -> None:
        async with await self.make_database() as db:
            await db.create_all(Note.metadata)
            async with db.transaction():
                await db.execute(insert(Note).values(title="kept"))
            assert await _titles(db) == ["kept"]

    async def test_an_exception_rolls_back_and_is_raised_unchanged(self) -> None:
        async with await self.make_database() as db:
            await db.create_all(Note.metadata)
            error = KeyError("mine")
            with pytest.raises(KeyError) as caught:  # noqa: PT012  # the block is the case
                async with db.transaction():
                    await db.execute(insert(Note).values(title="lost"))
                    raise error
            assert caught.value is error
            assert await _titles(db) == []

    async def test_a_failed_savepoint_leaves_the_outer_transaction_whole(self) -> None:
        async with await self.make_database() as db:
            await db.create_all(Note.metadata)
            async with db.transaction():
                await db.execute(insert(Note).values(title="outer"))
                with pytest.raises(KeyError):  # noqa: PT012  # the block is the case
                    async with db.transaction():
                        await db.execute(insert(Note).values(title="inner"))
                        raise KeyError
                await db.execute(insert(Note).values(title="later"))
            assert await _titles(db) == ["later", "outer"]

    async def test_a_child_task_does_not_join(self) -> None:
        async with await self.make_database() as db:
            async with db.transaction():
                with pytest.raises(TransactionStateError) as caught:
                    await asyncio.create_task(db.ping())
            assert caught.value.code == "db.foreign_task"

    async def test_a_transaction_that_has_ended_cannot_be_used(self) -> None:
        async with await self.make_database() as db:
            async with db.transaction() as tx:
                pass
            with pytest.raises(TransactionStateError) as caught:
                tx.after_commit(lambda: None)
            assert caught.value.code == "db.transaction_closed"

    async def test_a_write_in_a_read_only_transaction_is_refused(self) -> None:
        async with await self.make_database() as db:
            await db.create_all(Note.metadata)
            with pytest.raises(TransactionStateError) as caught:
                async with db.transaction(read_only=True) as tx:
                    await tx.connection.execute(insert(Note).values(title="no"))
            assert caught.value.code == "db.read_only"
            await db.execute(insert(Note).values(title="yes"))
            assert await _titles(db) == ["yes"]

    async def test_after_commit_runs_in_order_and_only_after_a_commit(self) -> None:
        async with await self.make_database() as db:
            seen: list[str] = []
            async with db.transaction() as tx:
                tx.after_commit(lambda: seen.append("first"))
                with pytest.raises(KeyError):  # noqa: PT012  # the block is the case
                    async with db.transaction() as inner:
                        inner.after_commit(lambda: seen.append("dropped"))
                        raise KeyError
                async with db.transaction() as inner:
                    inner.after_commit(lambda: seen.append("second"))
                assert seen == []
            assert seen == ["first", "second"]

    async def test_run_repeats_the_whole_function_after_a_conflict(self) -> None:
        async with await self.make_database(rng=lambda: 1.0) as db:
            await db.create_all(Note.metadata)
            attempts: list[int] = []

            async def work(tx: Any) -> int:
                attempts.append(tx.attempt)
                await db.execute(insert(Note).values(title=f"try {tx.attempt}"))
                if tx.attempt < 3:
                    raise TransactionConflict("somebody else was first")
                return 42

            assert await db.run(work) == 42
            assert attempts == [1, 2, 3]
            assert await _titles(db) == ["try 3"]

    async def test_concurrent_increments_lose_none(self) -> None:
        async with await self.make_database() as db:
            await db.create_all(Note.metadata)
            await db.execute(insert(Note).values(title="counter", rank=0))

            async def increment(_: Any) -> None:
                row = await db.fetch_one(select(Note.rank).with_for_update())
                assert row is not None
                await db.execute(
                    update(Note).where(Note.title == "counter").values(rank=row[0] + 1)
                )

            await asyncio.gather(*(db.run(increment) for _ in range(10)))
            assert [row.rank for row in await db.fetch_all(select(Note.rank))] == [10]

    async def test_a_cancelled_transaction_leaves_nothing_and_the_pool_whole(self) -> None:
        async with await self.make_database() as db:
            await db.create_all(Note.metadata)
            begun = asyncio.Event()

            async def work() -> None:
                async with db.transaction():
                    await db.execute(insert(Note).values(title="half"))
                    begun.set()
                    await asyncio.Event().wait()

            task = asyncio.create_task(work())
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert db.pool_status().in_use == 0
            assert await _titles(db) == []

    async def test_a_write_of_all_rows_must_be_meant(self) -> None:
        async with await self.make_database() as db:
            with pytest.raises(ValidationError) as caught:
                await db.execute(update(Note).values(rank=1))
            assert caught.value.code == "db.unbounded_write"

    async def test_missing_tables_are_listed(self) -> None:
        async with await self.make_database() as db:
            await db.create_all(Note.metadata)
            await db.check_schema(Note.metadata)
            assert (await db.fetch_all(select(func.count()).select_from(Note)))[0][0] == 0


class RepositoryContract:
    """What every repository of `Note` must do."""

    async def make_repository(self, **options: Any) -> Repository[Note, UUID]:
        """Return an empty repository of `Note`; `options` are its class attributes. Override it."""
        pytest.fail("override make_repository(self, **options)")

    async def test_a_created_row_is_read_back_equal(self) -> None:
        notes = await self.make_repository()
        made = await notes.create({"title": "one", "data": {"a": [1]}})
        read = await notes.require(made.id)
        assert (read.title, read.data, read.version) == ("one", {"a": [1]}, 1)
        assert read.created_at == read.updated_at == made.created_at
        assert read.created_at.utcoffset() is not None

    async def test_an_absent_id_is_none_and_a_wrong_one_an_error(self) -> None:
        notes = await self.make_repository()
        assert await notes.get_by_id(uuid4()) is None
        with pytest.raises(RecordNotFound):
            await notes.require(uuid4())
        with pytest.raises(ValidationError) as caught:
            await notes.get_by_id("not-a-uuid")  # type: ignore[arg-type]  # the fault under test
        assert caught.value.code == "db.invalid_id"

    async def test_an_id_may_come_as_text(self) -> None:
        notes = await self.make_repository()
        made = await notes.create({"title": "one"})
        assert (await notes.require(str(made.id))).id == made.id  # type: ignore[arg-type]  # documented

    async def test_unknown_and_protected_fields_are_refused(self) -> None:
        notes = await self.make_repository()
        for values, code in (
            ({"title": "x", "titel": "y"}, "db.unknown_field"),
            ({"title": "x", "id": uuid4()}, "db.not_writable"),
            ({"title": "x", "version": 9}, "db.not_writable"),
            ({}, "db.not_null"),
            ({"title": None}, "db.not_null"),
            ({"title": "x" * 51}, "db.too_long"),
        ):
            with pytest.raises(ValidationError) as caught:
                await notes.create(values)
            assert caught.value.code == code

    async def test_a_taken_unique_value_names_its_field(self) -> None:
        notes = await self.make_repository()
        await notes.create({"title": "one"})
        with pytest.raises(UniqueViolation) as caught:
            await notes.create({"title": "one"})
        assert caught.value.fields == ("title",)

    async def test_a_misspelt_filter_never_returns_all_rows(self) -> None:
        notes = await self.make_repository()
        with pytest.raises(ValidationError) as caught:
            await notes.get_all(titel="one")
        assert caught.value.code == "db.unknown_field"

    @pytest.mark.parametrize("limit", [-1, 0, 1001, True])
    async def test_a_limit_out_of_bounds_is_refused(self, limit: int) -> None:
        notes = await self.make_repository()
        with pytest.raises(ValidationError) as caught:
            await notes.get_all(limit=limit)
        assert caught.value.code == "db.invalid_limit"

    async def test_filters_mean_what_python_means(self) -> None:
        notes = await self.make_repository()
        rows = [("Ann_1", "x", 1), ("ann%2", None, 2), ("Bob", "y", 3), ("Straße", None, 4)]
        await notes.insert_many([{"title": t, "body": b, "rank": r} for t, b, r in rows])
        cases: list[tuple[Any, list[str]]] = [
            (Filter("body", "eq", None), ["Straße", "ann%2"]),
            (Filter("body", "ne", "x"), ["Bob", "Straße", "ann%2"]),
            (Filter("body", "not_in", ["x", None]), ["Bob"]),
            (Filter("body", "in", ["y", None]), ["Bob", "Straße", "ann%2"]),
            (Filter("body", "in", []), []),
            (Filter("rank", "between", (2, 3)), ["Bob", "ann%2"]),
            (Filter("rank", "gt", 3), ["Straße"]),
            (Filter("title", "contains", "%"), ["ann%2"]),
            (Filter("title", "contains", "_"), ["Ann_1"]),
            (Filter("title", "contains", "nn"), ["Ann_1", "ann%2"]),
            (Filter("title", "startswith", "ann"), ["ann%2"]),
            (Filter("title", "endswith", "1"), ["Ann_1"]),
            (Filter("title", "icontains", "ANN"), ["Ann_1", "ann%2"]),
            (Filter("title", "ieq", "STRASSE"), ["Straße"]),
            (Filter("title", "eq", "bob"), []),
            (any_of(Filter("rank", "eq", 1), Filter("rank", "eq", 4)), ["Ann_1", "Straße"]),
            (any_of(), []),
        ]
        for where, expected in cases:
            found = await notes.get_all(where, sort=[Sort("title")])
            assert expected == [note.title for note in found], where
            assert len(expected) == await notes.count(where)
            assert bool(expected) == await notes.exists(where)

    @pytest.mark.parametrize(
        "sort", [[], ["rank"], ["-rank"], ["-body", "rank"], ["due", "-title"]]
    )
    async def test_pages_hold_every_row_once_in_both_directions(self, sort: list[str]) -> None:
        notes = await self.make_repository()
        await notes.insert_many(
            [
                {"title": f"n{i:02}", "rank": i % 4, "body": None if i % 3 else f"b{i % 2}"}
                for i in range(23)
            ]
        )
        expected = [note.title for note in await notes.get_all(sort=sort, limit=100)]
        page = await notes.page(sort=sort, limit=5)
        forward = [note.title for note in page.items]
        while page.next_cursor is not None:
            page = await notes.page(sort=sort, limit=5, cursor=page.next_cursor)
            forward += [note.title for note in page.items]
        assert expected == forward
        backward = [note.title for note in reversed(page.items)]
        while page.prev_cursor is not None:
            page = await notes.page(sort=sort, limit=5, cursor=page.prev_cursor)
            backward += [note.title for note in reversed(page.items)]
        assert expected == backward[::-1]
        assert expected == [note.title async for note in notes.stream(sort=sort, batch=4)]

    async def test_nulls_stand_where_the_sort_says_in_both_directions(self) -> None:
        notes = await self.make_repository()
        await notes.insert_many([{"title": "a", "body": None}, {"title": "b", "body": "x"}])
        for field in ("body", "-body"):
            last = await notes.get_all(sort=[Sort(field)])
            assert [note.title for note in last] == ["b", "a"]
            first = await notes.get_all(sort=[Sort(field, nulls="first")])
            assert [note.title for note in first] == ["a", "b"]

    async def test_a_cursor_of_another_list_or_altered_is_refused(self) -> None:
        notes = await self.make_repository()
        await notes.insert_many([{"title": f"n{i}", "rank": i} for i in range(5)])
        cursor = (await notes.page(limit=2, sort=["rank"])).next_cursor
        assert cursor is not None
        flipped = ("A" if cursor[3] != "A" else "B").join((cursor[:3], cursor[4:]))
        wrong: list[tuple[str, dict[str, Any]]] = [
            (cursor, {"sort": ["-rank"]}),
            (cursor, {"sort": ["rank"], "status": "draft"}),
            (flipped, {"sort": ["rank"]}),
            (cursor[:-2], {"sort": ["rank"]}),
            ("", {"sort": ["rank"]}),
            ("x" * 5000, {"sort": ["rank"]}),
            ("ü", {"sort": ["rank"]}),
        ]
        for text, arguments in wrong:
            with pytest.raises(ValidationError) as caught:
                await notes.page(limit=2, cursor=text, **arguments)
            assert caught.value.code == "db.invalid_cursor"

    async def test_counting_stops_at_its_cap(self) -> None:
        notes = await self.make_repository()
        await notes.insert_many([{"title": f"n{i}"} for i in range(5)])
        assert (await notes.page(limit=1)).count is None
        capped = await notes.page(limit=1, count_cap=3)
        assert (capped.count, capped.count_capped) == (3, True)
        whole = await notes.page(limit=1, count_cap=100)
        assert (whole.count, whole.count_capped) == (5, False)

    async def test_an_update_changes_what_it_names_and_counts_up(self) -> None:
        notes = await self.make_repository()
        made = await notes.create({"title": "one", "rank": 7})
        changed = await notes.update(made.id, {"title": "two"})
        assert (changed.title, changed.rank, changed.version) == ("two", 7, 2)
        with pytest.raises(ValidationError):
            await notes.update(made.id, {})
        with pytest.raises(RecordNotFound):
            await notes.update(uuid4(), {"title": "x"})

    async def test_of_two_writers_with_one_version_one_is_told(self) -> None:
        notes = await self.make_repository()
        made = await notes.create({"title": "one"})
        outcomes = await asyncio.gather(
            *(notes.update(made.id, {"rank": i}, expected_version=1) for i in (1, 2)),
            return_exceptions=True,
        )
        (stale,) = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        assert isinstance(stale, StaleVersion)
        assert (stale.expected, stale.actual) == (1, 2)

    async def test_a_soft_deleted_row_is_hidden_until_restored(self) -> None:
        notes = await self.make_repository()
        made = await notes.create({"title": "one"})
        assert await notes.delete(made.id) is True
        assert await notes.delete(made.id) is False
        with pytest.raises(RecordNotFound):
            await notes.delete(made.id, strict=True)
        assert await notes.get_by_id(made.id) is None
        assert await notes.get_all() == []
        assert await notes.get_by_id(made.id, include_deleted=True) is not None
        assert (await notes.restore(made.id)).deleted_at is None
        assert await notes.exists(title="one")
        assert await notes.delete(made.id, hard=True) is True
        assert await notes.get_by_id(made.id, include_deleted=True) is None

    async def test_upsert_takes_the_last_of_equal_rows(self) -> None:
        notes = await self.make_repository()
        await notes.create({"title": "a", "rank": 1})
        rows = [{"title": "a", "rank": 2}, {"title": "b", "rank": 3}, {"title": "a", "rank": 4}]
        assert await notes.upsert_many(rows, on=["title"]) == 3
        found = {note.title: note.rank for note in await notes.get_all()}
        assert found == {"a": 4, "b": 3}
        await notes.upsert_many([{"title": "a", "rank": 9}], on=["title"], update=[])
        assert (await notes.get_by(title="a")).rank == 4  # type: ignore[union-attr]  # it is there

    async def test_a_batch_with_a_bad_row_writes_none(self) -> None:
        notes = await self.make_repository()
        rows = [{"title": f"n{i}"} for i in range(5)] + [{"title": "n0"}]
        with pytest.raises(UniqueViolation):
            await notes.insert_many(rows, chunk=2)
        assert await notes.count() == 0

    async def test_many_ids_are_read_at_once(self) -> None:
        notes = await self.make_repository()
        await notes.insert_many([{"title": f"n{i}"} for i in range(3)])
        ids = [note.id for note in await notes.get_all()]
        found = await notes.get_many([*ids, uuid4()])
        assert set(found) == set(ids)

    async def test_a_status_follows_the_transitions(self) -> None:
        notes = await self.make_repository(transitions={"draft": frozenset({"live"})})
        made = await notes.create({"title": "one"})
        assert (await notes.update_status(made.id, "live")).status == "live"
        with pytest.raises(ValidationError) as caught:
            await notes.update_status(made.id, "draft")
        assert caught.value.code == "db.illegal_transition"
