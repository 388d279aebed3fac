"""infra-db beside its peers: `python benchmarks/bench_db.py`.

PostgreSQL, and MariaDB for the pages, come from infra-sim: the servers of INFRA_TEST_POSTGRES_URL
and INFRA_TEST_MYSQL_URL, those on loopback, or private ones. Tables named `bench_…` are made there
and removed.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import aiosqlite
import asyncpg
import attrs
from _bench import Row, at_most_times, faster, imported, report
from sqlalchemy import MetaData, String, insert, select
from sqlalchemy.ext.asyncio import async_sessionmaker
from sqlalchemy.orm import Mapped, mapped_column

from infra_db import Base, Database, IdMixin, Repository, TimestampMixin, connect
from infra_db.versioned import VersionedMixin, VersionedRepository
from infra_id import uuid7, uuid7_batch
from infra_sim.servers import find_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from _bench import Timer

DEEP = 200_000
BATCH = 10_000
COLUMNS = "id, name, kind, size, ratio, note, created_at, updated_at"


class _Base(Base):
    __abstract__ = True
    metadata = MetaData(naming_convention=Base.metadata.naming_convention)


class Thing(IdMixin, TimestampMixin, _Base):
    __tablename__ = "bench_thing"

    name: Mapped[str] = mapped_column(String(50), unique=True)
    kind: Mapped[str] = mapped_column(String(20), default="a")
    size: Mapped[int] = mapped_column(default=1)
    ratio: Mapped[float] = mapped_column(default=0.5)
    note: Mapped[str | None]


class Deep(IdMixin, _Base):
    __tablename__ = "bench_deep"

    rank: Mapped[int] = mapped_column(index=True)


class Kept(IdMixin, TimestampMixin, VersionedMixin, _Base):
    __tablename__ = "bench_kept"

    name: Mapped[str] = mapped_column(String(50))
    size: Mapped[int] = mapped_column(default=1)


@attrs.frozen
class Entity:
    id: UUID
    name: str
    kind: str
    size: int
    ratio: float
    note: str | None
    created_at: Any
    updated_at: Any


class Entities(Repository[Entity, UUID]):
    model = Thing
    entity = Entity


class Clock:
    """Times awaited calls in one loop, where pools live."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner

    def __call__(self, fn: Callable[[], Awaitable[object]]) -> Timer:
        async def repeat(times: int) -> float:
            start = time.perf_counter()
            for _ in range(times):
                await fn()
            return time.perf_counter() - start

        return lambda times: self._runner.run(repeat(times))


async def _filled(stack: AsyncExitStack, url: str) -> Database:
    db = await stack.enter_async_context(connect(url, min_connections=5, max_connections=5))
    async with db.engine.begin() as connection:
        await connection.run_sync(_Base.metadata.drop_all)
        await connection.run_sync(_Base.metadata.create_all)

    async def forget() -> None:
        async with db.engine.begin() as connection:
            await connection.run_sync(_Base.metadata.drop_all)

    stack.push_async_callback(forget)
    return db


def gets(clock: Clock, db: Database, url: str, things: list[UUID]) -> AsyncIterator[Row] | Any:
    """Reads of one row."""
    models, entities = Repository[Thing, UUID](db, Thing), Entities(db)
    one = things[0]
    sql = f"SELECT {COLUMNS} FROM bench_thing"
    held = clock._runner.run(asyncpg.connect(url))
    direct = clock(lambda: held.fetchrow(f"{sql} WHERE id = $1", one))
    yield Row(
        "get, entity",
        clock(lambda: entities.get_by_id(one)),
        at_most_times(1.3),
        direct,
        "asyncpg, held",
    )
    yield Row(
        "get, model",
        clock(lambda: models.get_by_id(one)),
        at_most_times(1.4),
        direct,
        "asyncpg, held",
    )
    sessions = async_sessionmaker(db.engine, expire_on_commit=False)

    async def by_session() -> object:
        async with sessions() as session:
            return await session.get(Thing, one)

    yield Row(
        "get, model",
        clock(lambda: models.get_by_id(one)),
        faster(4),
        clock(by_session),
        "SQLAlchemy session",
    )
    from advanced_alchemy.repository import SQLAlchemyAsyncRepository

    class Advanced(SQLAlchemyAsyncRepository[Any]):
        model_type: Any = Thing

    async def by_advanced() -> object:
        async with sessions() as session:
            return await Advanced(session=session).get(one)

    yield Row(
        "get, model",
        clock(lambda: models.get_by_id(one)),
        faster(5),
        clock(by_advanced),
        "advanced-alchemy",
    )
    pool = clock._runner.run(_pool(url))

    async def ours16() -> None:
        await asyncio.gather(*(many(lambda: models.get_by_id(one)) for _ in range(16)))

    async def theirs16() -> None:
        await asyncio.gather(
            *(many(lambda: pool.fetchrow(f"{sql} WHERE id = $1", one)) for _ in range(16))
        )

    async def many(fn: Callable[[], Awaitable[object]]) -> None:
        for _ in range(20):
            await fn()

    yield Row(
        "320 gets, 16 tasks on 5 connections",
        clock(ours16),
        at_most_times(1 / 0.9),
        clock(theirs16),
        "asyncpg pool",
    )
    clock._runner.run(pool.close())
    clock._runner.run(held.close())


def writes(clock: Clock, db: Database, url: str) -> Any:
    """Many rows, and one in a transaction."""
    models = Repository[Thing, UUID](db, Thing)
    numbers = iter(range(10**9))

    def rows() -> list[dict[str, Any]]:
        return [{"name": f"w{next(numbers)}", "note": "n" * 20} for _ in range(BATCH)]

    async def ours() -> None:
        await models.insert_many(rows())

    held = clock._runner.run(asyncpg.connect(url))
    names = ["id", "name", "kind", "size", "ratio", "note", "created_at", "updated_at"]

    async def copy() -> None:
        from datetime import UTC, datetime

        now = datetime.now(UTC)
        ids = uuid7_batch(BATCH)
        records = [
            (UUID(i), r["name"], "a", 1, 0.5, r["note"], now, now)
            for i, r in zip(ids, rows(), strict=True)
        ]
        await held.copy_records_to_table("bench_thing", records=records, columns=names)

    yield Row("insert_many(10,000)", clock(ours), at_most_times(1.7), clock(copy), "COPY")
    fixed = [{"name": f"u{n}", "note": "n" * 20} for n in range(BATCH)]

    async def upsert() -> None:
        await models.upsert_many(fixed, on=["name"])

    yield Row("upsert_many(10,000)", clock(upsert), at_most_times(3), clock(copy), "COPY")
    sessions = async_sessionmaker(db.engine, expire_on_commit=False)
    from advanced_alchemy.repository import SQLAlchemyAsyncRepository

    class Advanced(SQLAlchemyAsyncRepository[Any]):
        model_type: Any = Thing

    async def advanced() -> None:
        async with sessions() as session:
            data = [Thing(**row) for row in fixed[:1000]]
            await Advanced(session=session).upsert_many(data, match_fields=["name"])
            await session.commit()

    async def upsert_thousand() -> None:
        await models.upsert_many(fixed[:1000], on=["name"])

    yield Row(
        "upsert_many(1,000)",
        clock(upsert_thousand),
        faster(10),
        clock(advanced),
        "advanced-alchemy",
    )

    async def in_transaction() -> None:
        async with db.transaction():
            await db.execute(insert(Thing).values(name=f"t{next(numbers)}"))

    async def in_core() -> None:
        async with db.engine.begin() as connection:
            await connection.execute(insert(Thing).values(name=f"t{next(numbers)}"))

    yield Row(
        "transaction and one insert",
        clock(in_transaction),
        at_most_times(1.15),
        clock(in_core),
        "Core",
    )
    clock._runner.run(held.close())


def pages(clock: Clock, name: str, db: Database) -> Any:
    """A page deep in a table against the first one."""
    deep = Repository[Deep, UUID](db, Deep)

    async def fill() -> None:
        for start in range(0, DEEP, 20_000):
            await deep.insert_many({"rank": n // 3} for n in range(start, start + 20_000))

    clock._runner.run(fill())
    for title, sort in (("same", ["rank", "id"]), ("mixed", ["-rank", "id"])):

        async def at(where: str | None, sort: list[str] = sort) -> Any:
            return await deep.page(sort=sort, cursor=where)

        async def middle(sort: list[str] = sort) -> str:
            cursor = None
            for _ in range(100):
                found = await deep.page(sort=sort, cursor=cursor, limit=1000)
                cursor = found.next_cursor
            assert cursor is not None
            return cursor

        cursor = clock._runner.run(middle())
        yield Row(
            f"page of 50 at 100,000, {title} direction, {name}",
            clock(lambda c=cursor, a=at: a(c)),
            at_most_times(1.25),
            clock(lambda a=at: a(None)),
            "its first page",
        )
    if name == "PostgreSQL":
        yield Row(
            "page with count_cap=1000",
            clock(lambda: deep.page(count_cap=1000)),
            at_most_times(1.6),
            clock(deep.page),
            "page",
        )


def versioned(clock: Clock, db: Database) -> Any:
    """The latest of a versioned row against a plain one."""
    kept, plain = VersionedRepository[Kept, UUID](db, Kept), Repository[Thing, UUID](db, Thing)
    one = clock._runner.run(kept.create({"name": "a"}))
    other = clock._runner.run(plain.create({"name": "plain"}))
    yield Row(
        "versioned get of the latest",
        clock(lambda: kept.get_by_id(one.id)),
        at_most_times(1.1),
        clock(lambda: plain.get_by_id(other.id)),
        "plain get",
    )


def embedded(clock: Clock, stack: AsyncExitStack, folder: Path) -> Any:
    """SQLite."""
    db = clock._runner.run(_filled(stack, f"sqlite:///{folder / 'bench.db'}"))
    models = Repository[Thing, UUID](db, Thing)
    made = clock._runner.run(models.create({"name": "a"}))
    held = clock._runner.run(_open(folder / "bench.db"))
    sql = f"SELECT {COLUMNS} FROM bench_thing WHERE id = ?"
    key = made.id.hex

    async def direct() -> object:
        return await held.execute_fetchall(sql, (key,))

    async def core() -> object:
        async with db.engine.connect() as connection:
            return (
                await connection.execute(select(Thing.__table__).where(Thing.id == made.id))
            ).first()

    yield Row(
        "get, SQLite",
        clock(lambda: models.get_by_id(made.id)),
        at_most_times(1.6),
        clock(direct),
        "aiosqlite",
    )
    yield Row(
        "get, SQLite",
        clock(lambda: models.get_by_id(made.id)),
        faster(1.5),
        clock(core),
        "SQLAlchemy Core",
    )
    numbers = iter(range(10**9))

    async def ours() -> None:
        await models.insert_many({"name": f"s{next(numbers)}"} for _ in range(BATCH))

    def plain(times: int) -> float:
        connection = sqlite3.connect(folder / "bench.db", isolation_level=None)
        start = time.perf_counter()
        for _ in range(times):
            ids = [i.replace("-", "") for i in uuid7_batch(BATCH)]
            rows = [
                (
                    i,
                    f"p{next(numbers)}",
                    "a",
                    1,
                    0.5,
                    None,
                    "2026-01-01 00:00:00.000000",
                    "2026-01-01 00:00:00.000000",
                )
                for i in ids
            ]
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                f"INSERT INTO bench_thing ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
            connection.execute("COMMIT")
        took = time.perf_counter() - start
        connection.close()
        return took

    yield Row("insert_many(10,000), SQLite", clock(ours), at_most_times(1.4), plain, "sqlite3")
    yield from pages(clock, "SQLite", db)
    clock._runner.run(held.close())


async def _pool(url: str) -> Any:
    return await asyncpg.create_pool(url, min_size=5, max_size=5)


async def _open(path: Path) -> aiosqlite.Connection:
    return await aiosqlite.connect(path)


def main() -> None:
    """Print the table."""
    with asyncio.Runner() as runner, tempfile.TemporaryDirectory() as folder:
        clock = Clock(runner)
        stack = AsyncExitStack()
        servers = {kind: find_server(kind) for kind in ("postgres", "mysql")}
        for server in servers.values():
            runner.run(server.start())
        try:
            url = servers["postgres"].url
            db = runner.run(_filled(stack, url))
            rows = [{"id": uuid7(), "name": f"n{n}"} for n in range(1000)]
            things = Repository[Thing, UUID](db, Thing)
            runner.run(things.insert_many([Thing(**row) for row in rows]))
            ids = [row["id"] for row in rows]
            report("infra-db, PostgreSQL", gets(clock, db, url, ids))
            report("infra-db, writes", writes(clock, db, url))
            report("infra-db, versions", versioned(clock, db))
            report("infra-db, pages", pages(clock, "PostgreSQL", db))
            report("infra-db, SQLite", embedded(clock, stack, Path(folder)))
            other = runner.run(_filled(stack, servers["mysql"].url))
            report("infra-db, MariaDB", pages(clock, "MariaDB", other))
            base = imported("sqlalchemy.ext.asyncio")
            report(
                "infra-db, import",
                [
                    Row(
                        "import infra_db",
                        imported("infra_db"),
                        at_most_times(1.3),
                        base,
                        "sqlalchemy.ext.asyncio",
                    )
                ],
            )
        finally:
            runner.run(stack.aclose())
            for server in servers.values():
                runner.run(server.stop())


if __name__ == "__main__":
    main()
