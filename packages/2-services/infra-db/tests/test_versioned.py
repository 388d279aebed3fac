"""Versioned rows beyond their contract: types, changed models, refusals, migrations."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID, uuid4

import attrs
import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import (
    BigInteger,
    Column,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from infra_db import (
    Base,
    CapabilityError,
    Change,
    IdMixin,
    Repository,
    Transaction,
    VersionedMixin,
    VersionedRepository,
    connect,
)
from infra_db._versions import version_table
from infra_db.migrations import check
from infra_errors import ConfigError, InfraError, ValidationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy import Connection

    from infra_db import Database


class Own(Base):
    __abstract__ = True
    metadata = MetaData(naming_convention=Base.metadata.naming_convention)


class Colour(Enum):
    RED = 1
    BLUE = 2


class Everything(VersionedMixin, Own):
    __tablename__ = "everything"
    __unversioned__: ClassVar[frozenset[str]] = frozenset({"seen"})

    number: Mapped[int] = mapped_column(primary_key=True)
    colour: Mapped[Colour] = mapped_column(default=Colour.RED)
    price: Mapped[Decimal | None] = mapped_column(Numeric(12, 2))
    big: Mapped[int] = mapped_column(BigInteger, default=0)
    raw: Mapped[bytes | None] = mapped_column(LargeBinary)
    day: Mapped[date | None]
    moment: Mapped[datetime | None]
    span: Mapped[timedelta | None] = mapped_column(Interval)
    other: Mapped[UUID | None]
    note: Mapped[str] = mapped_column(String(50), server_default="none yet")
    seen: Mapped[bool] = mapped_column(default=False)


class Plain(IdMixin, Own):
    __tablename__ = "plain"
    name: Mapped[str]


VALUES: dict[str, Any] = {
    "colour": Colour.BLUE,
    "price": Decimal("10.50"),
    "big": 2**60 + 1,
    "raw": b"\x00\xff",
    "day": date(2026, 2, 3),
    "moment": datetime(2026, 2, 3, 4, 5, 6, 789, UTC),
    "span": timedelta(days=1, seconds=5),
    "other": UUID(int=7),
    "note": "n",
}


@pytest.fixture
async def memory() -> AsyncIterator[Database]:
    async with connect("memory://") as db:
        await db.create_all(Own.metadata)
        yield db


async def _round_trip(url: str) -> None:
    async with connect(url, min_connections=1) as db:
        await db.create_all(Own.metadata)
        rows = VersionedRepository(db, Everything)
        made = await rows.create(VALUES)
        await rows.update(made.number, {"note": "later", "price": None, "raw": None})
        old = await rows.get_by_id(made.number, version=1)
        assert old is not None
        assert VALUES == {name: getattr(old, name) for name in VALUES}
        back = await rows.revert(made.number, 1)
        assert VALUES == {name: getattr(back, name) for name in VALUES}


async def test_every_type_comes_back_from_a_version_as_it_went_in() -> None:
    await _round_trip("memory://")


async def test_every_type_comes_back_on_servers_too(server_url: str) -> None:
    await _round_trip(server_url)


async def _forge(db: Database, content: dict[str, Any]) -> int:
    """Record version 2 of a row as a model of another time would have."""
    rows = VersionedRepository(db, Everything)
    made = await rows.create({"note": "x"})
    await db.execute(
        insert(version_table(Everything.__table__)).values(  # type: ignore[arg-type]  # it is a Table
            entity_number=made.number,
            version=2,
            operation="update",
            content=json.dumps(content),
            sha256="0" * 64,
            recorded_at=datetime.now(UTC),
        )
    )
    await db.execute(update(Everything).where(Everything.number == made.number).values(version=2))
    return made.number


async def test_a_column_added_later_takes_its_default_and_a_removed_one_stays_in_the_content(
    memory: Database,
) -> None:
    number = await _forge(memory, {"former": [1], "big": 5})
    rows = VersionedRepository(memory, Everything)
    old = await rows.get_by_id(number, version=2)
    assert old is not None
    assert (5, Colour.RED, "none yet", None) == (old.big, old.colour, old.note, old.price)
    info = (await rows.get_version_history(number))[1]
    assert {"former": [1], "big": 5} == info.content
    assert "former" in info.changed
    back = await rows.revert(number, 2)
    assert (5, "none yet") == (back.big, back.note)


async def test_an_id_used_again_continues_its_history(memory: Database) -> None:
    rows = VersionedRepository(memory, Everything)
    first = await rows.create({"note": "one"})
    await rows.delete(first.number)
    again = await rows.create({"note": "two"})
    assert first.number == again.number  # SQLite gives a free number again
    assert 3 == again.version == (await rows.require(again.number)).version
    history = await rows.get_version_history(again.number)
    assert ["create", "delete", "create"] == [info.operation for info in history]


async def test_recorded_at_never_decreases_when_the_clock_goes_back() -> None:
    now = [1_000_000.0]
    async with connect("memory://", clock=lambda: now[0]) as db:
        await db.create_all(Own.metadata)
        rows = VersionedRepository(db, Everything)
        made = await rows.create({"note": "one"})
        now[0] -= 60
        await rows.update(made.number, {"note": "two"})
        one, two = await rows.get_version_history(made.number)
        assert one.recorded_at == two.recorded_at
        found = await rows.get_by_id(made.number, as_of=two.recorded_at)
        assert found is not None
        assert "two" == found.note


async def test_changes_are_told_with_who_made_them(memory: Database) -> None:
    told: list[Change] = []

    class Watched(VersionedRepository[Everything, int]):
        async def on_change(self, tx: Transaction, change: Change) -> None:
            told.append(change)

    rows = Watched(memory)
    made = await rows.create({"note": "x"}, by="ann")
    await rows.update(made.number, {"note": "y"}, by="bob")
    await rows.update(made.number, {"seen": True}, by="cid")
    await rows.revert(made.number, 1, by="dan")
    await rows.delete(made.number, by="eve")
    assert [
        ("create", "ann"),
        ("update", "bob"),
        ("status", "cid"),
        ("update", "dan"),
        ("delete", "eve"),
    ] == [(change.operation, change.by) for change in told]


async def test_entities_come_back_from_old_versions(memory: Database) -> None:
    @attrs.frozen
    class Thing:
        number: int
        note: str

    class Things(VersionedRepository[Any, int]):
        model = Everything
        entity = Thing

    things = Things(memory)
    made = await things.create({"note": "one"})
    await things.update(made.number, {"note": "two"})
    assert Thing(made.number, "one") == await things.get_by_id(made.number, version=1)


async def test_what_cannot_be_versioned_is_refused(memory: Database) -> None:
    with pytest.raises(ConfigError):
        VersionedRepository(memory, Plain)
    rows = VersionedRepository(memory, Everything)
    with pytest.raises(CapabilityError):
        await rows.upsert_many([{"note": "x"}], on=["number"])
    with pytest.raises(CapabilityError):
        await rows.get_by_slug("x")
    with pytest.raises(CapabilityError):
        await rows.restore(1)
    made = await rows.create({"note": "x"})
    for call in (
        rows.update(made.number, {}),
        rows.insert_many([], chunk=0),
        rows.get_version_history(made.number, limit=0),
        rows.get_version_history(made.number, after=-1),
    ):
        with pytest.raises(ValidationError):
            await call


async def test_an_unversioned_field_that_is_none_is_a_configuration_error(memory: Database) -> None:
    class Elsewhere(Base):
        __abstract__ = True
        metadata = MetaData()

    class Wrong(IdMixin, VersionedMixin, Elsewhere):
        __tablename__ = "wrong"
        __unversioned__: ClassVar[frozenset[str]] = frozenset({"views"})

    with pytest.raises(ConfigError, match="views"):
        VersionedRepository(memory, Wrong)


async def test_the_version_table_belongs_to_the_metadata_of_its_model() -> None:
    table = Own.metadata.tables["everything_versions"]
    assert ["entity_number", "version"] == [column.name for column in table.primary_key]
    assert "plain_versions" not in Own.metadata.tables


async def _migrated_table_is_written_once(db: Database) -> None:
    made: list[Table] = []

    def upgrade(connection: Connection) -> None:
        # What autogenerate writes into a revision: the columns, and nothing of the model.
        columns = [
            Column(column.name, column.type, primary_key=column.primary_key)
            for column in Own.metadata.tables["everything_versions"].columns
        ]
        operations = Operations(MigrationContext.configure(connection))
        made.append(operations.create_table("x_versions", *columns))

    async with db.engine.begin() as connection:
        await connection.run_sync(upgrade)
    (table,) = made
    values = {"operation": "create", "content": "{}", "sha256": "0", "version": 1}
    await db.execute(insert(table).values(entity_number=1, recorded_at=datetime.now(UTC), **values))
    for forging in (update(table).values(content=""), delete(table)):
        with pytest.raises(InfraError):
            await db.execute(forging.where(table.c.version == 1))
    assert [("{}",)] == [tuple(row) for row in await db.fetch_all(select(table.c.content))]


async def test_a_version_table_that_a_migration_made_is_written_once_too(memory: Database) -> None:
    await _migrated_table_is_written_once(memory)


async def test_a_migrated_version_table_is_written_once_on_servers(server_url: str) -> None:
    async with connect(server_url, min_connections=1) as db:
        await _migrated_table_is_written_once(db)


async def test_the_check_of_a_schema_is_content_with_version_tables(server_url: str) -> None:
    async with connect(server_url, min_connections=1) as db:
        await db.create_all(Own.metadata)
        assert () == await check(db, Own.metadata)
        async with db.engine.begin() as connection:
            await connection.run_sync(Own.metadata.drop_all)
            await connection.run_sync(Own.metadata.create_all)  # nothing of the first is in its way


async def test_of_an_unknown_id_there_is_no_history(memory: Database) -> None:
    assert [] == await VersionedRepository(memory, Everything).get_version_history(7)
    with pytest.raises(ValidationError):
        await VersionedRepository(memory, Everything).get_version_history(uuid4())  # type: ignore[arg-type]  # the fault


async def test_the_plain_repository_still_reads_versioned_rows(memory: Database) -> None:
    made = await VersionedRepository(memory, Everything).create({"note": "x"})
    assert "x" == (await Repository(memory, Everything).require(made.number)).note
