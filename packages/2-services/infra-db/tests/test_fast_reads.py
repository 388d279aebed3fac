"""Reads past SQLAlchemy's execution give what the ordinary way gives, and step aside when asked."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from sqlalchemy import ForeignKey, LargeBinary, MetaData, Numeric, String, event, inspect
from sqlalchemy.orm import Mapped, mapped_column, relationship
from sqlalchemy.orm.exc import DetachedInstanceError

from infra_db import Database, Filter, FoldedStr, IdMixin, Repository, connect
from infra_db.models import Base, SoftDeleteMixin, TimestampMixin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class _Base(Base):
    __abstract__ = True
    metadata = MetaData(naming_convention=Base.metadata.naming_convention)


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Thing(IdMixin, TimestampMixin, SoftDeleteMixin, _Base):
    __tablename__ = "fast_thing"

    name: Mapped[str] = mapped_column(String(50), unique=True)
    folded: Mapped[str] = mapped_column(FoldedStr(50), default="a")
    price: Mapped[Decimal] = mapped_column(Numeric(12, 4), default=Decimal("1.5"))
    ratio: Mapped[float] = mapped_column(default=0.25)
    big: Mapped[int] = mapped_column(default=7)
    flag: Mapped[bool] = mapped_column(default=True)
    day: Mapped[date | None]
    span: Mapped[timedelta | None]
    blob: Mapped[bytes | None] = mapped_column(LargeBinary)
    color: Mapped[Color | None]
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)
    parts: Mapped[list[Part]] = relationship()


class Part(IdMixin, _Base):
    __tablename__ = "fast_part"

    thing_id: Mapped[Any] = mapped_column(ForeignKey("fast_thing.id"))


async def _check(url: str) -> None:
    async with (
        connect(url, min_connections=1) as fast,
        connect(url, min_connections=1, fast_reads=False) as slow,
    ):
        await fast.create_all(_Base.metadata)
        things = Repository(fast, Thing)
        assert (things._fast() is not None) == fast.capabilities.fast_reads
        assert Repository(slow, Thing)._fast() is None
        made = [
            await things.create(
                {
                    "name": f"n{n}",
                    "folded": "Straße",
                    "price": Decimal(n) / 8,
                    "day": date(2026, 1, 2) if n else None,
                    "span": timedelta(seconds=90) if n else None,
                    "blob": bytes([n]) if n else None,
                    "color": Color.RED if n else None,
                    "data": {"n": [n, None, {"é": 1.5}]},
                }
            )
            for n in range(5)
        ]
        await things.delete(made[4].id)
        plain = Repository(slow, Thing)

        def row(thing: Any) -> dict[str, Any] | None:
            return None if thing is None else things._map.to_row(thing)

        for one in made:
            for id in (one.id, str(one.id)):
                assert row(await plain.get_by_id(id)) == row(await things.get_by_id(id))
            for deleted in (False, True):
                assert row(await plain.get_by_id(one.id, include_deleted=deleted)) == row(
                    await things.get_by_id(one.id, include_deleted=deleted)
                )
            assert row(await plain.get_by(name=one.name)) == row(await things.get_by(name=one.name))
        assert row(await plain.get_by(day=None)) == row(await things.get_by(day=None))
        for options in (
            {"sort": "-name"},
            {"limit": 2, "skip": 1},
            {"color": Color.RED, "sort": ["price"]},
            {"folded": "STRASSE"},
            {"day": None},
        ):
            given: Any = options
            assert [row(it) for it in await plain.get_all(**given)] == [
                row(it) for it in await things.get_all(**given)
            ]
        some = Filter("name", "in", ["n1", "n2", "nobody"])
        assert [row(it) for it in await plain.get_all(some)] == [
            row(it) for it in await things.get_all(some)
        ]
        assert await things.exists(name="n1")
        assert not await things.exists(name="n9")
        ids = [one.id for one in made]
        assert list(await plain.get_many(ids)) == list(await things.get_many(ids))
        first, again = await plain.page(limit=2), await things.page(limit=2)
        assert first.next_cursor == again.next_cursor
        second = await things.page(limit=2, cursor=first.next_cursor)
        assert [row(it) for it in second.items] == [
            row(it) for it in (await plain.page(limit=2, cursor=first.next_cursor)).items
        ]


async def test_both_ways_give_the_same_rows_on_a_file(tmp_path: Any) -> None:
    await _check(f"sqlite:///{tmp_path / 'fast.db'}")


async def test_both_ways_give_the_same_rows_on_servers(server_url: str) -> None:
    await _check(server_url)


@pytest.fixture
async def db() -> AsyncIterator[Database]:
    async with connect("memory://") as db:
        await db.create_all(_Base.metadata)
        yield db


async def test_what_is_read_is_detached_and_can_be_given_to_a_session(db: Database) -> None:
    made = await Repository(db, Thing).create({"name": "a"})
    found = await Repository(db, Thing).require(made.id)
    assert inspect(found).detached
    with pytest.raises(DetachedInstanceError):
        _ = found.parts
    async with db.transaction() as tx:
        merged = await tx.session.merge(found)
        merged.name = "b"
    found.name = "c"
    found.data["x"] = 1
    async with db.transaction() as tx:
        tx.session.add(found)
    again = await Repository(db, Thing).require(made.id)
    assert ("c", {"x": 1}) == (again.name, again.data)


async def test_a_listener_that_wants_every_statement_sees_it(db: Database) -> None:
    made = await Repository(db, Thing).create({"name": "a"})
    seen: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        seen.append(statement)

    await Repository(db, Thing).require(made.id)
    assert [] == seen
    event.listen(db.engine.sync_engine, "before_cursor_execute", note)
    await Repository(db, Thing).require(made.id)
    assert 1 == len(seen)


async def test_inside_a_transaction_its_own_writes_are_read(db: Database) -> None:
    things = Repository(db, Thing)
    async with db.transaction():
        made = await things.create({"name": "a"})
        assert made.id == (await things.require(made.id)).id
    assert made.id == (await things.require(made.id)).id


async def test_a_read_that_is_cancelled_gives_its_connection_up(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path / 'fast.db'}"
    async with connect(url, min_connections=1, max_connections=2) as db:
        await db.create_all(_Base.metadata)
        things = Repository(db, Thing)
        made = await things.create({"name": "a"})
        for n in range(100):
            task = asyncio.create_task(things.get_by_id(made.id))
            for _ in range(n % 12):
                await asyncio.sleep(0)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                pass
        assert 0 == db.pool_status().in_use
        assert "a" == (await things.require(made.id)).name


async def test_a_closed_database_says_so(db: Database) -> None:
    await db.aclose()
    with pytest.raises(Exception, match="was closed"):
        await Repository(db, Thing).get_by_id(uuid4())
