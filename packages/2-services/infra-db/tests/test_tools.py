"""The smaller tools: latest_per, query_budget, transactional, touch_trigger."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import ForeignKey, Index, MetaData, insert, select, text
from sqlalchemy.orm import Mapped, mapped_column

from infra_db import (
    Base,
    IdMixin,
    Isolation,
    Repository,
    Sort,
    TimestampMixin,
    UniqueViolation,
    connect,
    create_touch_trigger,
    latest_per,
    query_budget,
    touch_trigger,
)
from infra_db.budget import summary
from infra_db.errors import PoolExhausted, QueryBudgetExceeded, TransactionStateError
from infra_db.testing import Note, transactional
from infra_errors import ConfigError, ValidationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from infra_db import Database


class Own(Base):
    __abstract__ = True
    metadata = MetaData(naming_convention=Base.metadata.naming_convention)


class Reading(Own):
    __tablename__ = "reading"
    __table_args__ = (Index(None, "sensor", "taken", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    sensor: Mapped[int]
    taken: Mapped[int | None]


class Shelf(IdMixin, Own):
    __tablename__ = "shelf"
    name: Mapped[str]


class Jar(TimestampMixin, Own):
    __tablename__ = "jar"
    id: Mapped[int] = mapped_column(primary_key=True)
    shelf: Mapped[Any | None] = mapped_column(ForeignKey("shelf.id"))
    fill: Mapped[int] = mapped_column(default=0)


touch_trigger(Jar.__table__)  # type: ignore[arg-type]  # it is a Table


@pytest.fixture
async def memory() -> AsyncIterator[Database]:
    async with connect("memory://") as db:
        await db.create_all(Own.metadata)
        await db.create_all(Note.metadata)
        yield db


@pytest.fixture
async def on_server(server_url: str) -> AsyncIterator[Database]:
    async with connect(server_url, min_connections=1) as db:
        await db.create_all(Own.metadata)
        await db.create_all(Note.metadata)
        yield db


class _Tools:
    # ---- latest_per ------------------------------------------------------------------------------

    async def test_the_latest_of_each_is_what_python_chooses(self, db: Database) -> None:
        chance = random.Random(3)
        rows = [
            {"id": n, "sensor": n % 7, "taken": chance.choice([None, *range(10)])}
            for n in range(1, 200)
        ]
        await db.execute(insert(Reading), rows)
        for order, rank in (
            ("-taken", lambda row: (row["taken"] is None, -(row["taken"] or 0), row["id"])),
            ("taken", lambda row: (row["taken"] is None, row["taken"] or 0, row["id"])),
        ):
            expected = sorted(
                min((row for row in rows if row["sensor"] == sensor), key=rank)["id"]
                for sensor in range(7)
            )
            statement = latest_per(Reading, key=["sensor"], order=[Sort(order)])
            found = await db.fetch_all(statement.where(Reading.sensor >= 0))
            assert expected == sorted(row.id for row in found)

    async def test_unknown_fields_make_no_group(self, db: Database) -> None:
        for key, order in ((["x"], ["id"]), (["id"], ["x"]), ([], ["id"]), (["id"], [])):
            with pytest.raises(ValidationError):
                latest_per(Reading, key=key, order=order)

    # ---- query_budget ----------------------------------------------------------------------------

    async def test_a_loop_that_queries_is_over_its_budget(self, db: Database) -> None:
        notes = Repository(db, Note)
        await notes.insert_many([{"title": f"n{i}"} for i in range(8)])
        ids = [note.id for note in await notes.get_all()]
        with pytest.raises(QueryBudgetExceeded) as caught:  # the block is the case
            async with query_budget(20) as budget:
                for id in ids:
                    await notes.require(id)
        assert 8 == budget.count
        assert "8x SELECT infra_db_contract_note" in str(caught.value)
        async with query_budget(1):
            await notes.get_many(ids)

    async def test_all_statements_count_also_of_child_tasks_and_the_inner_budget(
        self, db: Database
    ) -> None:
        notes = Repository(db, Note)
        with pytest.raises(QueryBudgetExceeded):  # the block is the case
            async with query_budget(2, repeats=None) as outer:
                async with query_budget(2, repeats=None) as inner, asyncio.TaskGroup() as group:
                    group.create_task(notes.count())
                    group.create_task(notes.get_all())
                await notes.exists()
        assert (2, 3) == (inner.count, outer.count)

    async def test_a_transaction_is_no_statement_and_an_error_is_not_hidden(
        self, db: Database
    ) -> None:
        async with query_budget(1) as budget, db.transaction(), db.transaction():
            await db.execute(insert(Shelf).values(name="x"))
        assert 1 == budget.count
        with pytest.raises(KeyError):
            async with query_budget(0):
                await db.ping()
                raise KeyError
        with pytest.raises(ValidationError):
            async with query_budget(-1):
                pass

    # ---- transactional ---------------------------------------------------------------------------

    async def test_what_happens_inside_never_was(self, db: Database) -> None:
        told: list[str] = []
        async with transactional(db) as bound:
            notes = Repository(bound, Note)
            await notes.create({"title": "alone"})
            async with bound.transaction(isolation=Isolation.SERIALIZABLE) as tx:
                tx.after_commit(lambda: told.append("committed"))
                tx.session.add(Note(title="by session"))
                await notes.create({"title": "by repository"})
            assert ["committed"] == told
            with pytest.raises(KeyError):  # the block is the case
                async with bound.transaction():
                    await notes.create({"title": "undone"})
                    raise KeyError
            with pytest.raises(UniqueViolation):
                await notes.create({"title": "alone"})
            async with bound.session() as session:
                session.add(Note(title="plain session"))
                await session.commit()
            titles = [note.title for note in await notes.get_all(sort=["title"])]
            assert ["alone", "by repository", "by session", "plain session"] == titles
            await bound.aclose()
        assert 0 == await Repository(db, Note).count()
        assert 0 == db.pool_status().in_use

    async def test_tasks_take_turns_on_the_one_connection(self, db: Database) -> None:
        async with transactional(db) as bound:
            notes = Repository(bound, Note)

            async def work(number: int) -> None:
                async with bound.transaction():
                    await notes.create({"title": f"n{number}"})
                    await asyncio.sleep(0)
                    await notes.count()

            await asyncio.gather(*(work(number) for number in range(10)))
            assert 10 == await notes.count()

            async def run(_: Any) -> int:
                return await notes.count()

            assert 10 == await bound.run(run)
            async with bound.transaction(read_only=True):
                with pytest.raises(TransactionStateError):
                    await notes.create({"title": "x"})
        assert 0 == await Repository(db, Note).count()

    # ---- touch_trigger ---------------------------------------------------------------------------

    async def test_raw_sql_touches_updated_at_and_our_own_time_stays(self, db: Database) -> None:
        jars = Repository(db, Jar)
        early = datetime(2020, 1, 1, tzinfo=UTC)
        await jars.add(Jar(id=1, created_at=early, updated_at=early))
        await db.execute(text("UPDATE jar SET fill = 1 WHERE id = 1"))
        touched = (await jars.require(1)).updated_at
        assert abs((datetime.now(UTC) - touched).total_seconds()) < 60
        assert early == (await jars.require(1)).created_at
        await db.execute(Jar.__table__.update().where(Jar.id == 1).values(updated_at=early))  # type: ignore[attr-defined]  # it is a Table
        assert early == (await jars.require(1)).updated_at

    async def test_a_revision_makes_the_trigger(self, db: Database) -> None:
        async with db.engine.begin() as connection:
            await connection.run_sync(create_touch_trigger, "infra_db_contract_note")
        notes = Repository(db, Note)
        made = await notes.create({"title": "x"})
        await asyncio.sleep(0.002)
        await db.execute(text("UPDATE infra_db_contract_note SET title = 'y'"))
        assert made.updated_at < (await notes.require(made.id)).updated_at


class TestToolsInMemory(_Tools):
    @pytest.fixture
    def db(self, memory: Database) -> Database:
        return memory

    async def test_the_latest_of_each_comes_from_the_index(self, db: Database) -> None:
        statement = latest_per(Reading, key=["sensor"], order=["taken"])
        sql = str(statement.compile(db.engine.sync_engine, compile_kwargs={"literal_binds": True}))
        plan = " ".join(str(row) for row in await db.fetch_all(text(f"EXPLAIN QUERY PLAN {sql}")))
        assert "USING COVERING INDEX" in plan

    async def test_a_task_that_keeps_the_connection_is_named(self) -> None:
        async with connect("memory://", pool_timeout=0.05) as db, transactional(db) as bound:
            async with bound.session() as session:
                await session.execute(select(1))
                with pytest.raises(PoolExhausted):
                    await bound.ping()
            await bound.ping()


class TestToolsOnServers(_Tools):
    @pytest.fixture
    def db(self, on_server: Database) -> Database:
        return on_server


def test_a_table_without_updated_at_has_nothing_to_touch() -> None:
    with pytest.raises(ConfigError):
        touch_trigger(Shelf.__table__)  # type: ignore[arg-type]  # it is a Table


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT a FROM t WHERE x = 'secret'", "SELECT t"),
        ('insert into "s"."t" values (1)', "INSERT s.t"),
        ("UPDATE `t` SET a = 1", "UPDATE t"),
        ("SELECT 1", "SELECT"),
    ],
)
def test_a_summary_is_verb_and_table(statement: str, expected: str) -> None:
    assert expected == summary(statement)
