"""Alembic's revisions, run one process at a time and one transaction a revision.

A directory holds revision files, in `versions/` or directly. It is a path, or `package:folder` for
revisions that a package brings; those keep their place in a table of their own, so that an
application and the packages it uses migrate independently. An `env.py` is not run: the database is
the one that is passed in.
"""

from __future__ import annotations

import asyncio
import importlib.util
import sqlite3
import threading
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
from alembic.autogenerate import compare_metadata
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from infra_db.errors import MigrationError
from infra_db.transaction import ambient
from infra_errors import InfraError, ValidationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from sqlalchemy import Connection, MetaData

    from infra_db.database import Database

__all__ = ["Difference", "check", "current", "downgrade", "migrate"]

_POLL = 0.05  # seconds between two tries for the runner's lock


@attrs.frozen
class Difference:
    """One thing in which the database is not what the models or the revisions say."""

    kind: str
    table: str | None
    detail: str


async def migrate(
    db: Database,
    target: str = "head",
    *,
    directory: str | Path = "migrations",
    lock_timeout: float = 60.0,
) -> tuple[str, ...]:
    """Apply the revisions up to `target`; return those applied, none if it was there already.

    Another process that migrates is waited for, at most `lock_timeout` seconds
    (`db.migration_locked`). A revision that fails leaves the database at the one before it. Raises
    MigrationError `db.migration_failed`, `db.multiple_heads`.
    """
    revisions = _Revisions.open(directory)
    if target == "head":
        revisions.require_one_head()
    return await _run(db, revisions, revisions.up(target), lock_timeout)


async def downgrade(
    db: Database,
    target: str,
    *,
    directory: str | Path = "migrations",
    confirm: bool,
    lock_timeout: float = 60.0,
) -> tuple[str, ...]:
    """Undo the revisions down to `target` (a revision, `-1`, `base`); return those undone.

    It destroys data, hence `confirm=True`; else ValidationError `db.unconfirmed`.
    """
    if confirm is not True:
        message = f"going back to {target} removes what came after it; pass confirm=True to do so"
        raise ValidationError(message, code="db.unconfirmed")
    revisions = _Revisions.open(directory)
    return await _run(db, revisions, revisions.down(target), lock_timeout)


async def current(db: Database, *, directory: str | Path = "migrations") -> tuple[str, ...]:
    """The revisions the database is at; empty before the first."""
    table = _version_table(directory)
    async with db.reading() as connection:
        return await connection.run_sync(lambda sync: _heads(sync, table))


async def check(
    db: Database, metadata: MetaData, *, directory: str | Path | None = None
) -> tuple[Difference, ...]:
    """Compare the database with the models, and with the newest revision if `directory` is given.

    Tables that the models do not know are left alone: they belong to somebody else.
    """
    found: list[Difference] = []
    if directory is not None:
        heads = set(_Revisions.open(directory).script.get_heads())
        here = set(await current(db, directory=directory))
        found += [
            Difference("not_at_head", None, f"{name} is not applied") for name in heads - here
        ]
    async with db.reading() as connection:
        return (*found, *await connection.run_sync(_compare, metadata))


@attrs.frozen
class _Revisions:
    script: ScriptDirectory
    table: str

    @classmethod
    def open(cls, directory: str | Path) -> _Revisions:
        folder = _folder(directory)
        if not folder.is_dir():
            message = f"there is no folder of migrations at {folder}"
            raise MigrationError(message)
        versions = folder / "versions"
        location = versions if versions.is_dir() else folder
        return cls(ScriptDirectory(folder, version_locations=[location]), _version_table(directory))

    def require_one_head(self) -> None:
        with _translated():
            heads = self.script.get_heads()
        if len(heads) > 1:
            message = f"the migrations have several heads, {', '.join(sorted(heads))}: merge them"
            raise MigrationError(message, code="db.multiple_heads", heads=sorted(heads))

    def up(self, target: str) -> Callable[[Any, Any], Any]:
        # Both are what alembic's own commands call.
        return lambda heads, _: self.script._upgrade_revs(target, heads)

    def down(self, target: str) -> Callable[[Any, Any], Any]:
        return lambda heads, _: self.script._downgrade_revs(target, heads)


def _folder(directory: str | Path) -> Path:
    package, colon, inside = str(directory).partition(":")
    if not colon or Path(directory).is_dir():
        return Path(directory)
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        message = f"{directory} names the package {package}, which cannot be found"
        raise MigrationError(message)
    return Path(spec.submodule_search_locations[0]) / inside


def _version_table(directory: str | Path) -> str:
    package, colon, _ = str(directory).partition(":")
    if not colon or Path(directory).is_dir():
        return "alembic_version"
    return f"{package.replace('.', '_')}_alembic_version"


async def _run(
    db: Database, revisions: _Revisions, steps: Callable[[Any, Any], Any], lock_timeout: float
) -> tuple[str, ...]:
    if ambient(db) is not None:
        message = "migrations open transactions of their own: call this outside of one"
        raise MigrationError(message)
    async with _only_runner(db, lock_timeout), db.acquire(db.engine) as connection:
        return await connection.run_sync(_apply, revisions, steps)


def _apply(
    connection: Connection, revisions: _Revisions, steps: Callable[[Any, Any], Any]
) -> tuple[str, ...]:
    done: list[str] = []
    running: list[str] = []

    def note(**step: Any) -> None:
        _require_intact_keys(connection)
        done.append(step["step"].up_revision_id or "")

    def each(heads: Any, context: Any) -> Iterator[Any]:
        for step in steps(heads, context):
            running[:] = [step.revision.revision]
            yield step

    context = MigrationContext.configure(
        connection,
        opts={
            "fn": each,
            "version_table": revisions.table,
            "transaction_per_migration": True,
            "transactional_ddl": True,
            "render_as_batch": connection.dialect.name == "sqlite",
            "on_version_apply": [note],
        },
    )
    with _loose_keys(connection), _translated(running), Operations.context(context):
        context.run_migrations()
        connection.commit()
    return tuple(done)


@contextmanager
def _translated(running: list[str] | None = None) -> Iterator[None]:
    where = f"revision {running[0]}" if running else "migrating"
    try:
        yield
    except MigrationError:
        raise
    except CommandError as error:
        raise MigrationError(f"{where}: {error}") from error
    except Exception as error:
        where = f"revision {running[0]}" if running else where
        what = (
            error.message if isinstance(error, InfraError) else f"{type(error).__name__}: {error}"
        )
        message = f"{where} failed and was rolled back: {what}"
        raise MigrationError(message, revision=running[0] if running else None) from error


@contextmanager
def _loose_keys(connection: Connection) -> Iterator[None]:
    # A batch operation rebuilds a table by dropping it, which with foreign keys on would delete
    # the rows that refer to it. They are checked at the end of each revision instead.
    if connection.dialect.name != "sqlite":
        yield
        return
    driver: Any = connection.connection.dbapi_connection
    _pragma(driver, "foreign_keys=OFF")
    try:
        yield
    finally:
        if connection.in_transaction():
            connection.rollback()
        if not connection.invalidated:
            _pragma(driver, "foreign_keys=ON")


def _pragma(driver: Any, text: str) -> None:
    cursor = driver.cursor()  # past SQLAlchemy, which would begin a transaction for it
    cursor.execute(f"PRAGMA {text}")
    cursor.close()


def _require_intact_keys(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        return
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
    if broken:
        tables = sorted({str(row[0]) for row in broken})
        message = f"the revision leaves rows of {', '.join(tables)} that refer to nothing"
        raise MigrationError(message, tables=tables)


def _heads(connection: Connection, table: str) -> tuple[str, ...]:
    context = MigrationContext.configure(connection, opts={"version_table": table})
    return context.get_current_heads()


def _compare(connection: Connection, metadata: MetaData) -> tuple[Difference, ...]:
    def ours(thing: Any, name: str | None, kind: str, reflected: bool, _: Any) -> bool:
        return not (kind == "table" and reflected and name not in metadata.tables)

    context = MigrationContext.configure(
        connection, opts={"include_object": ours, "compare_type": True}
    )
    return tuple(
        _difference(change)
        for entry in compare_metadata(context, metadata)
        for change in (entry if isinstance(entry, list) else [entry])
    )


def _difference(change: tuple[Any, ...]) -> Difference:
    kind = str(change[0])
    if kind.startswith("modify_"):
        table, column = str(change[2]), str(change[3])
        return Difference(kind, table, f"{table}.{column}: {change[-2]!r} should be {change[-1]!r}")
    subject = change[-1]
    owner = getattr(subject, "table", subject)
    name = getattr(subject, "name", None) or type(subject).__name__
    return Difference(kind, getattr(owner, "name", None), f"{kind} {name}")


# ---- one runner at a time ------------------------------------------------------------------------

# Alembic's `op` is one name for the whole process, so two databases take turns as well.
_in_process = threading.Lock()


@asynccontextmanager
async def _only_runner(db: Database, limit: float) -> AsyncIterator[None]:
    async with _polled(lambda: _in_process.acquire(blocking=False), _in_process.release, limit):
        path = db.engine.url.database
        if db.engine.dialect.name != "sqlite" or not path or path.startswith("file:"):
            yield
            return
        # The database's own lock is free between two revisions; this one is held for all of them,
        # and the system lets go of it when the process dies.
        lock = sqlite3.connect(f"{path}-migrating", timeout=0, isolation_level=None)
        try:
            async with _polled(lambda: _exclusive(lock), lambda: None, limit):
                yield
        finally:
            lock.close()


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
    take: Callable[[], bool], give_back: Callable[[], object], limit: float
) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(limit):
            while not take():  # noqa: ASYNC110  # the holder is another process
                await asyncio.sleep(_POLL)
    except TimeoutError as error:
        message = f"another process was still migrating after {limit:g} s"
        raise MigrationError(message, code="db.migration_locked", retryable=True) from error
    try:
        yield
    finally:
        give_back()
