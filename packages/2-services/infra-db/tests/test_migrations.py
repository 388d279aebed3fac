"""Migrations: applied once, by one runner, each whole or not at all."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, text

from infra_db import MigrationError, connect
from infra_db.migrations import check, current, downgrade, migrate
from infra_errors import ValidationError

if TYPE_CHECKING:
    from pathlib import Path

REVISION = """
revision = {name!r}
down_revision = {after!r}
import os, signal, time
import sqlalchemy as sa
from alembic import op

def upgrade():
    {up}

def downgrade():
    {down}
"""
PARENT = 'op.create_table("parent", sa.Column("id", sa.Integer, primary_key=True))'
CHILD = (
    'op.create_table("child", sa.Column("id", sa.Integer, primary_key=True), '
    'sa.Column("parent_id", sa.Integer, sa.ForeignKey("parent.id", ondelete="CASCADE")))'
)
WIDEN = (
    'op.execute("INSERT INTO parent VALUES (1)"); op.execute("INSERT INTO child VALUES (1, 1)")\n'
    '    with op.batch_alter_table("parent") as batch:\n'
    '        batch.add_column(sa.Column("name", sa.String(9), nullable=False, server_default=""))\n'
    '    with op.batch_alter_table("parent") as batch:\n'
    '        batch.alter_column("name", type_=sa.String(20))'
)


def write(folder: Path, name: str, after: str | None, up: str, down: str = "pass") -> None:
    (folder / "versions").mkdir(parents=True, exist_ok=True)
    body = REVISION.format(name=name, after=after, up=up, down=down)
    (folder / "versions" / f"{name}.py").write_text(body, encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations"
    write(folder, "r1", None, PARENT, 'op.drop_table("parent")')
    write(folder, "r2", "r1", CHILD, 'op.drop_table("child")')
    return folder


@pytest.mark.parametrize("kind", ["file", "memory"])
async def test_up_down_and_up_again(kind: str, folder: Path, tmp_path: Path) -> None:
    url = "memory://" if kind == "memory" else f"sqlite:///{tmp_path / 'app.db'}"
    async with connect(url) as db:
        assert () == await current(db)
        assert ("r1", "r2") == await migrate(db, directory=folder)
        assert () == await migrate(db, directory=folder)
        assert ("r2",) == await current(db)
        assert ("r2",) == await downgrade(db, "r1", directory=folder, confirm=True)
        assert ("r2",) == await migrate(db, directory=folder)
        assert 0 == db.pool_status().in_use


async def test_going_back_must_be_confirmed(folder: Path) -> None:
    async with connect("memory://") as db:
        with pytest.raises(ValidationError):
            await downgrade(db, "base", directory=folder, confirm=False)


async def test_rebuilding_a_table_keeps_the_rows_that_refer_to_it(folder: Path) -> None:
    write(folder, "r3", "r2", WIDEN)
    async with connect("memory://") as db:
        await migrate(db, directory=folder)
        assert [(1, 1)] == [tuple(row) for row in await db.fetch_all(text("SELECT * FROM child"))]
        assert [(1,)] == [tuple(row) for row in await db.fetch_all(text("PRAGMA foreign_keys"))]


async def test_a_failing_revision_leaves_the_one_before_it(folder: Path) -> None:
    write(folder, "r3", "r2", 'op.create_table("half", sa.Column("id", sa.Integer)); 1 / 0')
    async with connect("memory://") as db:
        with pytest.raises(MigrationError) as caught:
            await migrate(db, directory=folder)
        assert "db.migration_failed" == caught.value.code
        assert "r3" in caught.value.message
        assert ("r2",) == await current(db)
        rows = await db.fetch_all(text("SELECT name FROM sqlite_master WHERE name = 'half'"))
        assert [] == rows


async def test_a_revision_may_not_leave_rows_that_refer_to_nothing(folder: Path) -> None:
    write(folder, "r3", "r2", 'op.execute("INSERT INTO child VALUES (1, 99)")')
    async with connect("memory://") as db:
        with pytest.raises(MigrationError):
            await migrate(db, directory=folder)
        assert ("r2",) == await current(db)


async def test_several_heads_are_refused(folder: Path) -> None:
    write(folder, "other", "r1", "pass")
    async with connect("memory://") as db:
        with pytest.raises(MigrationError) as caught:
            await migrate(db, directory=folder)
        assert "db.multiple_heads" == caught.value.code


async def test_a_missing_folder_and_an_unknown_target_say_so(folder: Path, tmp_path: Path) -> None:
    async with connect("memory://") as db:
        with pytest.raises(MigrationError):
            await migrate(db, directory=tmp_path / "nowhere")
        with pytest.raises(MigrationError):
            await migrate(db, "r9", directory=folder)


async def test_a_package_keeps_its_place_in_a_table_of_its_own(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "a_package_with_tables"
    write(package / "revisions", "p1", None, 'op.create_table("p", sa.Column("id", sa.Integer))')
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    name = "a_package_with_tables:revisions"
    async with connect("memory://") as db:
        assert ("p1",) == await migrate(db, directory=name)
        assert ("r1", "r2") == await migrate(db, directory=folder)
        assert ("p1",) == await current(db, directory=name)
        assert 1 == len(
            await db.fetch_all(text("SELECT * FROM a_package_with_tables_alembic_version"))
        )


async def test_migrating_inside_a_transaction_is_refused(folder: Path) -> None:
    async with connect("memory://") as db, db.transaction():
        with pytest.raises(MigrationError):
            await migrate(db, directory=folder)


async def test_check_lists_what_differs(folder: Path) -> None:
    metadata = MetaData()
    Table("parent", metadata, Column("id", Integer, primary_key=True), Column("name", String(5)))
    async with connect("memory://") as db:
        await migrate(db, "r1", directory=folder)
        found = await check(db, metadata, directory=folder)
    assert {("not_at_head", None), ("add_column", "parent")} == {(d.kind, d.table) for d in found}


async def test_a_second_runner_gives_up_at_its_lock_timeout(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    runner = sqlite3.connect(f"{path}-migrating", isolation_level=None)
    runner.execute("BEGIN EXCLUSIVE")
    async with connect(f"sqlite:///{path}") as db:
        with pytest.raises(MigrationError) as caught:
            await migrate(db, directory=folder, lock_timeout=0.1)
        assert "db.migration_locked" == caught.value.code
        runner.close()
        assert ("r1", "r2") == await migrate(db, directory=folder)


RUNNER = """
import asyncio, sys
from infra_db import connect
from infra_db.migrations import migrate

async def main():
    async with connect(sys.argv[1]) as db:
        print(",".join(await migrate(db, directory=sys.argv[2])))

asyncio.run(main())
"""


async def test_of_two_processes_one_migrates_and_the_other_finds_it_done(
    folder: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", RUNNER, f"sqlite:///{tmp_path / 'app.db'}", str(folder)]
    both = [
        await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE) for _ in range(2)
    ]
    said = [(await process.communicate())[0].decode().strip() for process in both]
    assert ["", "r1,r2"] == sorted(said)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
async def test_a_runner_killed_in_a_revision_leaves_the_one_before_it(
    folder: Path, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'app.db'}"
    kill = 'op.create_table("half", sa.Column("id", sa.Integer)); os.kill(os.getpid(), 9)'
    write(folder, "r3", "r2", kill)
    command = [sys.executable, "-c", RUNNER, url, str(folder)]
    process = await asyncio.create_subprocess_exec(*command)
    assert -signal.SIGKILL == await process.wait()
    write(folder, "r3", "r2", 'op.create_table("half", sa.Column("id", sa.Integer))')
    async with connect(url) as db:
        assert ("r2",) == await current(db)
        assert ("r3",) == await migrate(db, directory=folder)
