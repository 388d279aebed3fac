"""One runner of migrations at a time: by the server's lock, or beside the file of SQLite."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from sqlalchemy import text

from infra_db.errors import MigrationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from infra_db.database import Database

__all__ = ["only_runner"]

_POLL = 0.05  # seconds between two tries for the runner's lock

# Alembic's `op` is one name for the whole process, so two databases take turns as well.
_in_process = threading.Lock()


_SERVER_LOCKS = {
    "postgresql": (
        "SELECT pg_try_advisory_lock(hashtextextended(:name, 0))",
        "SELECT pg_advisory_unlock(hashtextextended(:name, 0))",
    ),
    "mysql": (
        "SELECT GET_LOCK(LEFT(SHA2(CONCAT(DATABASE(), :name), 256), 64), 0)",
        "SELECT RELEASE_LOCK(LEFT(SHA2(CONCAT(DATABASE(), :name), 256), 64))",
    ),
}


@asynccontextmanager
async def only_runner(db: Database, table: str, limit: float) -> AsyncIterator[None]:
    """Hold the lock for the block; MigrationError `db.migration_locked` after `limit` seconds."""
    name = db.engine.dialect.name
    locks = _SERVER_LOCKS.get("mysql" if name == "mariadb" else name)
    if locks is not None:
        async with _server_lock(db, locks, table, limit):
            yield
        return
    async with _polled(_free_in_process, _in_process.release, limit):
        path = db.engine.url.database
        if not path or path.startswith("file:"):
            yield
            return
        # The database's own lock is free between two revisions; this one is held for all of them,
        # and the system lets go of it when the process dies.
        lock = sqlite3.connect(f"{path}-migrating", timeout=0, isolation_level=None)
        try:
            async with _polled(_async(lambda: _exclusive(lock)), lambda: None, limit):
                yield
        finally:
            lock.close()


@asynccontextmanager
async def _server_lock(
    db: Database, locks: tuple[str, str], table: str, limit: float
) -> AsyncIterator[None]:
    # Held by a connection of its own, so that the server lets go of it when the process dies.
    take, give = (text(sql).bindparams(name=f"infra-db migrations {table}") for sql in locks)
    async with db.acquire(db.autocommit) as connection:

        async def taken() -> bool:
            return bool(await connection.scalar(take))

        async with (
            _polled(taken, lambda: None, limit),
            _polled(_free_in_process, _in_process.release, limit),
        ):
            try:
                yield
            finally:
                await connection.execute(give)


async def _free_in_process() -> bool:
    return _in_process.acquire(blocking=False)


def _async(take: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    async def taken() -> bool:
        return take()

    return taken


def _exclusive(lock: sqlite3.Connection) -> bool:
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            return False
        raise
    return True


@asynccontextmanager
async def _polled(
    take: Callable[[], Awaitable[bool]], give_back: Callable[[], object], limit: float
) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(limit):
            while not await take():  # noqa: ASYNC110  # the holder is another process
                await asyncio.sleep(_POLL)
    except TimeoutError as error:
        message = f"another process was still migrating after {limit:g} s"
        raise MigrationError(message, code="db.migration_locked", retryable=True) from error
    try:
        yield
    finally:
        give_back()
