"""Migrations on real servers: one runner at a time, and what a failure leaves behind."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import inspect, text

from infra_db import Database, MigrationError, connect
from infra_db.migrations import current, downgrade, migrate

if TYPE_CHECKING:
    from pathlib import Path

REVISION = """
revision = {name!r}
down_revision = {after!r}
import sqlalchemy as sa
from alembic import op

def upgrade():
    {up}

def downgrade():
    {down}
"""
PROGRAM = """
import asyncio, sys
from infra_db import connect
from infra_db.migrations import migrate

async def main():
    async with connect(sys.argv[1], min_connections=1) as db:
        print(",".join(await migrate(db, directory=sys.argv[2])))

asyncio.run(main())
"""


def write(folder: Path, name: str, after: str | None, up: str, down: str = "pass") -> None:
    folder.mkdir(exist_ok=True)
    body = REVISION.format(name=name, after=after, up=up, down=down)
    (folder / f"{name}.py").write_text(body, encoding="utf-8")


def table(name: str) -> str:
    return f'op.create_table("{name}", sa.Column("id", sa.Integer, primary_key=True))'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations"
    write(folder, "r1", None, table("one"), 'op.drop_table("one")')
    write(folder, "r2", "r1", table("two"), 'op.drop_table("two")')
    return folder


async def tables(db: Database) -> set[str]:
    async with db.reading() as connection:
        return set(await connection.run_sync(lambda sync: inspect(sync).get_table_names()))


async def test_up_down_and_up_again(server_url: str, folder: Path) -> None:
    async with connect(server_url, min_connections=1) as db:
        assert ("r1", "r2") == await migrate(db, directory=folder)
        assert () == await migrate(db, directory=folder)
        assert ("r2",) == await current(db)
        assert ("r2",) == await downgrade(db, "r1", directory=folder, confirm=True)
        assert {"one", "alembic_version"} == await tables(db)
        assert ("r2",) == await migrate(db, directory=folder)
        assert 0 == db.pool_status().in_use


async def test_a_failing_revision_says_what_is_left_of_it(server_url: str, folder: Path) -> None:
    write(folder, "r3", "r2", f"{table('half')}; {table('one')}")
    async with connect(server_url, min_connections=1) as db:
        with pytest.raises(MigrationError) as caught:
            await migrate(db, directory=folder)
        assert ("r2",) == await current(db)
        if db.engine.dialect.name == "postgresql":
            assert "r3 failed and was rolled back" in caught.value.message
            assert "half" not in await tables(db)
        else:
            assert "this server keeps: CREATE TABLE half" in caught.value.message
            assert "half" in await tables(db)


async def test_a_second_runner_gives_up_at_its_lock_timeout(server_url: str, folder: Path) -> None:
    write(folder, "r3", "r2", "import time; time.sleep(1.5)")
    async with connect(server_url, min_connections=1) as db:
        await migrate(db, "r2", directory=folder)
        first = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, server_url, str(folder), stdout=asyncio.subprocess.PIPE
        )
        for _ in range(200):  # until it holds the lock
            await asyncio.sleep(0.05)
            held = await db.fetch_all(text(HELD[db.engine.dialect.name]))
            if held and held[0][0]:
                break
        with pytest.raises(MigrationError) as caught:
            await migrate(db, directory=folder, lock_timeout=0.2)
        assert "db.migration_locked" == caught.value.code
        assert (b"r3\n", None) == await first.communicate()
        assert () == await migrate(db, directory=folder)


HELD = {
    "postgresql": "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'",
    "mysql": "SELECT IS_USED_LOCK(LEFT(SHA2(CONCAT(DATABASE(), "
    "'infra-db migrations alembic_version'), 256), 64)) IS NOT NULL",
}


async def test_of_two_processes_one_migrates_and_the_other_finds_it_done(
    server_url: str, folder: Path
) -> None:
    racers = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, server_url, str(folder), stdout=asyncio.subprocess.PIPE
        )
        for _ in range(2)
    ]
    outputs = [(await racer.communicate())[0].decode().strip() for racer in racers]
    assert ["", "r1,r2"] == sorted(outputs)


async def test_a_table_that_is_read_is_waited_for_and_the_revision_tried_again(
    server_url: str, folder: Path
) -> None:
    write(folder, "r3", "r2", 'op.add_column("one", sa.Column("a", sa.Integer))')
    async with connect(server_url, min_connections=2) as db:
        await migrate(db, "r2", directory=folder)
        reader = await db.engine.connect()
        await reader.execute(text("SELECT * FROM one"))

        async def leave() -> None:
            await asyncio.sleep(1)
            await reader.close()

        async with asyncio.TaskGroup() as group:
            group.create_task(leave())
            done = group.create_task(migrate(db, directory=folder))
        assert ("r3",) == done.result()
        (limit,) = await db.fetch_all(text(LIMIT[db.engine.dialect.name]))
        assert limit[0] in {"10s", 10}


LIMIT = {"postgresql": "SHOW lock_timeout", "mysql": "SELECT @@lock_wait_timeout"}
