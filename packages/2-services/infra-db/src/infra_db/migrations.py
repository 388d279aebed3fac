"""Alembic's revisions, run one process at a time and one transaction a revision.

A directory holds revision files, in `versions/` or directly. It is a path, or `package:folder` for
revisions that a package brings; those keep their place in a table of their own, so that an
application and the packages it uses migrate independently. An `env.py` is not run: the database is
the one that is passed in.
"""

from __future__ import annotations

import asyncio
import importlib.util
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import event

from infra_db._autogenerate import Difference, compare, write
from infra_db._runner import only_runner
from infra_db.errors import LockTimeout, MigrationError
from infra_db.transaction import ambient
from infra_errors import InfraError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, MetaData

    from infra_db.database import Database

__all__ = ["Difference", "check", "current", "downgrade", "migrate"]

_TRIES = 5  # of a revision whose locks were not free


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


async def written(db: Database, metadata: MetaData) -> tuple[str, str, str]:
    """Return the bodies of an upgrade and a downgrade to the models, and the imports they need."""
    async with db.reading() as connection:
        return await connection.run_sync(write, metadata)


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
        return (*found, *await connection.run_sync(compare, metadata))


def head_of(directory: str | Path) -> str | None:
    """Return the newest revision of a directory, None where there is none yet."""
    revisions = _Revisions.open(directory)
    revisions.require_one_head()
    heads = revisions.script.get_heads()
    return heads[0] if heads else None


@attrs.frozen
class _Revisions:
    script: ScriptDirectory
    table: str

    @classmethod
    def open(cls, directory: str | Path) -> _Revisions:
        folder = folder_of(directory)
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


def folder_of(directory: str | Path) -> Path:
    """Return the folder that a path, or `package:folder`, names."""
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
    done: list[str] = []
    async with only_runner(db, revisions.table, lock_timeout):
        for attempt in range(1, _TRIES + 1):
            try:
                async with db.acquire(db.engine) as connection:
                    await connection.run_sync(_apply, revisions, steps, done)
                break
            except MigrationError as error:
                # Somebody reads the table that a revision changes; it was rolled back whole.
                again = isinstance(error.__cause__, LockTimeout) and attempt < _TRIES
                if not again or not db.capabilities.transactional_ddl:
                    raise
                await asyncio.sleep(0.05 * attempt)
    return tuple(done)


def _apply(
    connection: Connection,
    revisions: _Revisions,
    steps: Callable[[Any, Any], Any],
    done: list[str],
) -> None:
    running: list[str] = []
    whole = connection.dialect.name in {"sqlite", "postgresql"}
    kept = _Kept(connection, whole=whole)

    def note(**step: Any) -> None:
        _require_intact_keys(connection)
        if not whole:
            connection.commit()
        kept.clear()
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
            "transactional_ddl": whole,
            "render_as_batch": connection.dialect.name == "sqlite",
            "on_version_apply": [note],
        },
    )
    with (
        _patient(connection),
        _loose_keys(connection),
        _translated(running, kept),
        Operations.context(context),
        kept.watching(),
    ):
        context.run_migrations()
        connection.commit()


class _Kept:
    """What the revision at work did that no rollback undoes, where DDL commits by itself."""

    def __init__(self, connection: Connection, *, whole: bool) -> None:
        self._connection = connection
        self._whole = whole
        self._statements: list[str] = []

    def clear(self) -> None:
        self._statements.clear()

    def after(self, _: Any, __: Any, statement: str, *___: Any) -> None:
        if statement.split(None, 1)[0].upper() in {"CREATE", "ALTER", "DROP", "RENAME", "TRUNCATE"}:
            self._statements.append(" ".join(statement.split()[:3]))

    @contextmanager
    def watching(self) -> Iterator[None]:
        if self._whole:
            yield
            return
        event.listen(self._connection, "after_cursor_execute", self.after)
        try:
            yield
        finally:
            event.remove(self._connection, "after_cursor_execute", self.after)

    def __str__(self) -> str:
        if not self._statements:
            return "was rolled back"
        return f"has already done, and this server keeps: {'; '.join(self._statements)}"


@contextmanager
def _patient(connection: Connection) -> Iterator[None]:
    """Let DDL run as long as it takes, and wait but shortly for its locks: others queue behind."""
    told = _DDL_LIMITS.get(connection.dialect.name)
    if told is None:
        yield
        return
    is_mariadb = bool(getattr(connection.dialect, "is_mariadb", False))
    connection.exec_driver_sql(told if not is_mariadb else _MARIADB_LIMITS)
    connection.commit()
    try:
        yield
    finally:
        connection.invalidate()  # its limits are not those of the pool's other connections


_DDL_LIMITS = {
    "postgresql": "SELECT set_config('lock_timeout', '5s', false), "
    "set_config('statement_timeout', '0', false)",
    "mysql": "SET SESSION lock_wait_timeout = 5, max_execution_time = 0",
}
_DDL_LIMITS["mariadb"] = _DDL_LIMITS["mysql"]
_MARIADB_LIMITS = "SET SESSION lock_wait_timeout = 5, max_statement_time = 0"


@contextmanager
def _translated(running: list[str] | None = None, kept: _Kept | None = None) -> Iterator[None]:
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
        message = f"{where} failed and {kept or 'was rolled back'}: {what}"
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
