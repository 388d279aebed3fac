"""Opening, settings, and what the errors say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Column, ForeignKey, Integer, MetaData, Table, insert, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine

from infra_db import (
    CapabilityError,
    Database,
    DatabaseSettings,
    DatabaseUnavailable,
    ForeignKeyViolation,
    QueryError,
    Repository,
    SchemaDrift,
    connect,
)
from infra_db.testing import Note
from infra_errors import ConfigError, SecretUrl, ValidationError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("url", "options", "code"),
    [
        ("nosuch://host/db", {}, "db.unknown_scheme"),
        ("postgresql://host", {}, "db.config"),
        ("postgresql:///db", {}, "db.config"),
        ("postgresql://host/db?sslmode=maybe", {}, "db.config"),
        ("postgresql://host/db?sslrootcert=/nowhere", {}, "db.config"),
        ("postgresql://host/db?pool=3", {}, "db.config"),
        ("mysql://host/db?charset=latin1", {}, "db.config"),
        ("not a url", {}, "db.config"),
        ("", {}, "db.config"),
        ("sqlite:///a.db?mode=ro", {}, "db.config"),
        ("sqlite://host/a.db", {}, "db.config"),
        ("memory:///a.db", {}, "db.config"),
        ("memory://", {"max_connection": 3}, "db.config"),
        ("memory://", {"min_connections": 5, "max_connections": 2}, "db.config"),
        ("memory://", {"max_connections": 0}, "db.config"),
        ("memory://", {"query_timeout": 0}, "db.config"),
        ("memory://", {"synchronous": "off"}, "db.config"),
        ("memory://", {"cursor_keys": ("short",)}, "db.config"),
    ],
)
def test_a_wrong_url_or_option_is_refused_without_io(
    url: str, options: dict[str, Any], code: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        connect(url, **options)
    assert code == caught.value.code


async def test_settings_and_secret_urls_open_it_as_well(tmp_path: Path) -> None:
    url = SecretUrl(f"sqlite:///{tmp_path / 'app.db'}")
    async with connect(url) as db:
        await db.ping()
    async with connect(DatabaseSettings(url=url, max_connections=7), min_connections=2) as db:
        assert (2, 7) == (db.pool_status().idle, db.pool_status().max)
    assert "app.db-wal" not in {path.name for path in tmp_path.iterdir()}


def test_each_setting_names_its_environment_variable() -> None:
    names = [field.metadata["env"] for field in DatabaseSettings.__attrs_attrs__]
    assert all(name.startswith("DATABASE_") for name in names)
    assert len(names) == len(set(names))


async def test_a_missing_folder_a_folder_and_a_text_file_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("this is not a database, " * 100, encoding="utf-8")
    cases = {
        tmp_path / "nowhere" / "app.db": "does not exist",
        tmp_path: "cannot be opened",
        tmp_path / "notes.txt": "is not a SQLite database",
    }
    for path, what in cases.items():
        db = connect(f"sqlite:///{path}")
        with pytest.raises(DatabaseUnavailable) as caught:
            await db.ping()
        assert "db.connection" == caught.value.code
        assert what in caught.value.message
        assert not caught.value.retryable
        health = await db.health()
        assert (False, "db.connection") == (health.ok, health.error)
        await db.aclose()


async def test_five_failures_in_a_row_open_the_breaker(tmp_path: Path) -> None:
    db = connect(f"sqlite:///{tmp_path / 'nowhere' / 'app.db'}")
    for _ in range(5):
        with pytest.raises(DatabaseUnavailable):
            await db.ping()
    with pytest.raises(DatabaseUnavailable) as caught:
        await db.ping()
    assert "db.breaker_open" == caught.value.code
    await db.aclose()


async def test_every_connection_is_durable_and_keeps_foreign_keys(tmp_path: Path) -> None:
    async with connect(f"sqlite:///{tmp_path / 'app.db'}") as db:
        for pragma, expected in (("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)):
            row = await db.fetch_one(text(f"PRAGMA {pragma}"))
            assert row is not None
            assert expected == row[0]


async def test_a_foreign_key_violation_is_a_conflict() -> None:
    metadata = MetaData()
    Table("parent", metadata, Column("id", Integer, primary_key=True))
    child = Table("child", metadata, Column("parent_id", ForeignKey("parent.id")))
    async with connect("memory://") as db:
        await db.create_all(metadata)
        with pytest.raises(ForeignKeyViolation):
            await db.execute(insert(child).values(parent_id=1))


async def test_sql_as_a_string_is_refused_and_bad_sql_explained() -> None:
    async with connect("memory://") as db:
        with pytest.raises(QueryError):
            await db.execute("DELETE FROM note")  # type: ignore[arg-type]  # the fault under test
        with pytest.raises(QueryError, match="no such table"):
            await db.fetch_all(text("SELECT * FROM nowhere"))


async def test_more_rows_than_the_limit_are_not_cut_silently() -> None:
    async with connect("memory://") as db:
        await db.create_all(Note.metadata)
        await Repository(db, Note).insert_many([{"title": "a"}, {"title": "b"}])
        with pytest.raises(ValidationError) as caught:
            await db.fetch_all(select(Note.title), limit=1)
        assert "db.invalid_limit" == caught.value.code


async def test_a_missing_column_is_listed() -> None:
    metadata = MetaData()
    Table(Note.__tablename__, metadata, Column("id", Integer), Column("colour", Integer))
    Table("absent", metadata, Column("id", Integer))
    async with connect("memory://") as db:
        await db.create_all(Note.metadata)
        with pytest.raises(SchemaDrift) as caught:
            await db.check_schema(metadata)
    table = f"column {Note.__tablename__}.colour"
    assert {table, "table absent"} == set(caught.value.differences)


def test_a_capability_that_is_missing_is_an_error_at_once() -> None:
    db = connect("memory://")
    db.capabilities.require("returning", "transactional_ddl")
    with pytest.raises(CapabilityError):
        db.capabilities.require("skip_locked")


async def test_an_engine_of_the_application_stays_its_own(tmp_path: Path) -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'app.db'}")
    async with engine.connect() as early:
        await early.execute(text("SELECT 1"))
    db = Database.from_engine(engine, clock=lambda: 0.0)
    async with db:
        await db.create_all(Note.metadata)
        notes = Repository(db, Note)
        made = await notes.create({"title": "Straße"})
        assert 1970 == made.created_at.year
        async with db.transaction(read_only=True):
            assert 1 == await notes.count()
        assert (await notes.update(made.id, {"rank": 1})).version == 2
    async with engine.connect() as connection:
        assert (
            1
            == (
                await connection.execute(text("SELECT count(*) FROM " + Note.__tablename__))
            ).scalar()
        )
        with pytest.raises(IntegrityError):
            await connection.execute(insert(Note).values(title="Straße"))
    await engine.dispose()
