"""What the servers make of our statements: indexes used, statements prepared once, pools shared."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Index, MetaData, String, event, insert, literal, select, text
from sqlalchemy.orm import Mapped, mapped_column

from infra_db import Base, IdMixin, Repository, SearchIndex, VersionedMixin, VersionedRepository
from infra_db import connect as connect_to

if TYPE_CHECKING:
    from uuid import UUID

    from infra_db import Database


class Own(Base):
    __abstract__ = True
    metadata = MetaData(naming_convention=Base.metadata.naming_convention)


class Item(IdMixin, VersionedMixin, Own):
    __tablename__ = "item"
    __table_args__ = (Index(None, "rank", "id"),)

    name: Mapped[str] = mapped_column(String(40), unique=True)
    rank: Mapped[int]
    words: Mapped[str] = mapped_column(default="")


SearchIndex(Item, {"words": "A"})
VERSIONS = Own.metadata.tables["item_versions"]
ROWS = 100_000


async def _use_everything(items: VersionedRepository[Item, UUID], ids: list[UUID]) -> None:
    await items.get_by_id(ids[0])
    await items.get_by(name="n7")
    await items.get_many(ids[:5])
    await items.get_all(rank=77)
    await items.exists(rank=77)
    await items.count(rank=77)
    for sort in (["rank"], ["-rank"], []):
        page = await items.page(sort=sort, limit=20)
        page = await items.page(sort=sort, limit=20, cursor=page.next_cursor)
        await items.page(sort=sort, limit=20, cursor=page.prev_cursor)
    await items.update(ids[0], {"words": "quick brown"})
    await items.get_by_id(ids[0], version=2)
    await items.get_by_id(ids[0], as_of=datetime.now(UTC))
    await items.get_version_history(ids[0])
    await items.search("quick bro")
    await items.delete(ids[1])


async def _plan(db: Database, statement: str, params: Any) -> str:
    verb = "EXPLAIN QUERY PLAN" if db.engine.dialect.name == "sqlite" else "EXPLAIN"
    async with db.acquire(db.autocommit) as connection:
        result = await connection.exec_driver_sql(f"{verb} {statement}", params)
        return "\n".join(" | ".join(str(cell) for cell in row) for row in result)


# How each server calls reading a whole table; an index read in its order is none.
_WHOLE = {
    "sqlite": re.compile(r"SCAN item(_versions)?\b(?!.* USING )"),
    "postgresql": re.compile(r"Seq Scan on item"),
    "mysql": re.compile(r"\| item(_versions)? \| ALL \|"),
}


async def _no_whole_table_is_read(url: str) -> None:
    async with connect_to(url, min_connections=1) as db:
        await db.create_all(Own.metadata)
        items: VersionedRepository[Item, UUID] = VersionedRepository(db, Item)
        plain = insert(Item)
        for start in range(0, ROWS, 10_000):
            rows = [{"name": f"n{n}", "rank": n % 1_000} for n in range(start, start + 10_000)]
            await db.execute(plain, rows)
        recorded = {"operation": "create", "content": "{}", "sha256": "", "version": 1}
        values = [*recorded.values(), datetime(2026, 1, 1, tzinfo=UTC)]
        columns = [
            literal(value, VERSIONS.c[name].type)
            for name, value in zip([*recorded, "recorded_at"], values, strict=True)
        ]
        names = ["entity_id", *recorded, "recorded_at"]
        await db.execute(insert(VERSIONS).from_select(names, select(Item.id, *columns)))
        if db.engine.dialect.name != "sqlite":
            tables = "TABLE item, item_versions" if db.engine.dialect.name == "mysql" else ""
            async with db.acquire(db.autocommit) as connection:
                await connection.execute(text(f"ANALYZE {tables}"))
        ids = [item.id for item in await items.get_all(limit=5)]
        sent: list[tuple[str, Any]] = []

        def note(_: Any, __: Any, statement: str, params: Any, *___: Any) -> None:
            if statement.split(None, 1)[0] in {"SELECT", "UPDATE", "DELETE"}:
                sent.append((statement, params))

        listened = db.engine.sync_engine, "before_cursor_execute", note
        autocommit = db.autocommit.sync_engine, "before_cursor_execute", note
        for one in (listened, autocommit):
            event.listen(*one)
        await _use_everything(items, ids)
        for one in (listened, autocommit):
            event.remove(*one)
        assert len(sent) > 15
        whole = _WHOLE[db.engine.dialect.name]
        for statement, params in sent:
            plan = await _plan(db, statement, params)
            assert not whole.search(plan), f"{statement}\n{plan}"


async def test_no_repository_query_reads_a_whole_table(tmp_path: Any) -> None:
    await _no_whole_table_is_read(f"sqlite:///{tmp_path / 'plans.db'}")


async def test_no_repository_query_reads_a_whole_table_on_servers(server_url: str) -> None:
    await _no_whole_table_is_read(server_url)


@pytest.mark.parametrize("fast", [True, False])
async def test_a_thousand_equal_queries_are_prepared_once(server_url: str, fast: bool) -> None:
    if "postgres" not in server_url:
        pytest.skip("only PostgreSQL lists what is prepared")
    listed = text(
        "SELECT statement FROM pg_prepared_statements "
        "WHERE statement LIKE '%FROM item%' AND statement NOT LIKE '%pg_prepared%'"
    )
    options: dict[str, Any] = {"min_connections": 1, "max_connections": 1, "fast_reads": fast}
    for prepared, expected in ((True, 1), (False, 0)):
        async with connect_to(server_url, prepared=prepared, **options) as db:
            await db.create_all(Own.metadata)
            items = Repository(db, Item)
            for number in range(1_000):
                await items.get_by(name=f"n{number}")
            assert expected == len(await db.fetch_all(listed))


async def test_of_25_units_of_work_20_run_and_5_wait(server_url: str) -> None:
    async with connect_to(server_url) as db:
        assert 5 == db.pool_status().size
        running, go_on = asyncio.Semaphore(0), asyncio.Event()

        async def work() -> None:
            async with db.transaction():
                await db.ping()
                running.release()
                await go_on.wait()

        async with asyncio.TaskGroup() as group:
            for _ in range(25):
                group.create_task(work())
            for _ in range(20):
                await running.acquire()
            await asyncio.sleep(0.05)
            status = db.pool_status()
            go_on.set()
        assert (20, 5, 20) == (status.in_use, status.waiting, status.max)
        assert 0 == db.pool_status().in_use


async def test_each_connection_is_in_utc_and_strict(server_url: str) -> None:
    async with connect_to(server_url, min_connections=1) as db:
        if db.engine.dialect.name == "postgresql":
            assert "UTC" == (await db.fetch_all(text("SHOW timezone")))[0][0]
            return
        asked = text("SELECT @@time_zone, @@sql_mode, @@character_set_client, @@tx_isolation")
        ((zone, mode, charset, isolation),) = await db.fetch_all(asked)
        assert ("+00:00", "utf8mb4", "READ-COMMITTED") == (zone, charset, isolation)
        assert "STRICT_ALL_TABLES" in mode


async def test_sql_in_a_value_is_a_value_and_ids_are_of_the_server_s_own_type(
    server_url: str,
) -> None:
    async with connect_to(server_url, min_connections=1) as db:
        await db.create_all(Own.metadata)
        items = Repository(db, Item)
        hostile = "'; DROP TABLE item;--"
        made = await items.create({"name": hostile, "rank": 1, "words": hostile})
        assert made.id == (await items.require(made.id)).id
        assert [made.id] == [item.id for item in await items.get_all(name=hostile)]
        kind = text(
            "SELECT data_type FROM information_schema.columns WHERE table_name = 'item' "
            "AND column_name = 'id'"
        )
        ((name,),) = await db.fetch_all(kind)
        native = {"uuid"} if db.engine.dialect.name == "postgresql" else {"uuid", "char"}
        assert name in native  # MariaDB has one, MySQL has none
