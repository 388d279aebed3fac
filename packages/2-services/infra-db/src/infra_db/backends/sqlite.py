"""SQLite on a file, and in memory: the default that needs no server.

One writer at a time is SQLite's rule. A transaction that may write therefore begins IMMEDIATE, and
the tasks of one engine queue for that in order of arrival, instead of each polling the file's lock.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import aiosqlite
from sqlalchemy import URL, Connection, Insert, Table, event, make_url
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool
from sqlalchemy.util.concurrency import await_

from infra_db._errormap_sqlite import translate
from infra_db.backends import HOOKS, MODE, Capabilities
from infra_db.errors import DatabaseUnavailable, LockTimeout
from infra_errors import ConfigError, InfraError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Engine
    from sqlalchemy.engine import ExceptionContext
    from sqlalchemy.pool import PoolResetState

    from infra_db.settings import DatabaseSettings, Isolation

__all__ = ["SqliteBackend"]

_OLDEST = (3, 36, 0)  # RETURNING came with 3.35, in-memory databases shared by name with 3.36
_FOREVER = 1e6  # seconds; SQLite takes milliseconds in 31 bits
_OPS_BETWEEN_DEADLINE_CHECKS = 20_000  # about a millisecond of SQLite's virtual machine


class SqliteBackend:
    """`sqlite:///file.db`, `sqlite:///:memory:` and `memory://`."""

    name = "sqlite"
    schemes = ("sqlite", "sqlite+aiosqlite", "memory")

    def create_engine(self, settings: DatabaseSettings) -> AsyncEngine:
        """Make the engine; see `Backend`."""
        url = make_url(settings.url.reveal())
        if sqlite3.sqlite_version_info < _OLDEST:
            message = f"SQLite {sqlite3.sqlite_version} is too old: 3.36 or newer is needed"
            raise ConfigError(message, code="db.config")
        if url.query or url.host:
            message = "a SQLite URL has neither host nor options: write sqlite:///path/to/file.db"
            raise ConfigError(message, code="db.config", options=sorted(url.query))
        in_memory = url.database in {None, "", ":memory:"}
        if not in_memory and url.drivername == "memory":
            message = "memory:// takes no path; for a file write sqlite:///path/to/file.db"
            raise ConfigError(message, code="db.config")
        if in_memory:
            return _memory_engine(settings)
        path = Path(url.database or "").absolute()
        file_url = URL.create("sqlite+aiosqlite", database=str(path))
        small, large = settings.min_connections, settings.max_connections
        return _engine(file_url, settings, pool_size=small, max_overflow=large - small)

    def prepare(self, engine: AsyncEngine) -> None:
        """Install error translation and transaction begin; see `Backend`."""
        queue = _WriteQueue()
        event.listen(engine.sync_engine, "begin", queue.begin)
        event.listen(engine.sync_engine, "handle_error", _handle_error)
        event.listen(engine.sync_engine.pool, "checkout", _ensure_functions)
        event.listen(engine.sync_engine.pool, "checkin", queue.release)
        event.listen(engine.sync_engine.pool, "reset", _reset)

    def options(self, mode: str, isolation: Isolation | None) -> dict[str, Any]:
        """Say how such a transaction begins: SQLite's are serializable; see `Backend`."""
        return {MODE: mode}

    def unreachable(self, error: Exception, engine: AsyncEngine) -> InfraError:
        """Translate what a refused connection raised; see `Backend`."""
        message = f"the database {engine.url.database} cannot be opened: {type(error).__name__}"
        return DatabaseUnavailable(message, retryable=False)

    async def fetch(self, connection: Any, sql: str, arguments: Sequence[Any]) -> Sequence[Any]:
        """Run a SELECT on aiosqlite's connection; see `Backend`."""
        deadline = connection.info.get("infra_db_deadline")
        limit = connection.info.get("infra_db_query_timeout")
        if deadline is not None and limit is not None:
            deadline[0] = time.monotonic() + limit
        rows: Sequence[Any] = await connection.driver_connection.execute_fetchall(sql, arguments)
        if deadline is not None:
            deadline[0] = float("inf")
        return rows

    def translate(self, error: Exception, engine: Engine) -> InfraError:
        """Say in our tree what aiosqlite raised; see `Backend`."""
        if isinstance(error, sqlite3.Error):
            return translate(error, path=str(engine.url.database), read_only=False)
        message = f"the connection to {engine.url.database} was closed"
        return DatabaseUnavailable(message)

    def failure(self, connection: AsyncConnection) -> InfraError | None:
        """Return None: a statement that fails leaves the transaction open here."""

    async def lock(self, connection: AsyncConnection, name: str, timeout: float | None) -> None:  # noqa: ASYNC109
        """Do nothing: a transaction that may write excludes all others already."""

    def capabilities(self, server_version: tuple[int, ...] | None) -> Capabilities:
        """Say what SQLite can do: the same in every version that we accept."""
        return Capabilities(
            returning=True,
            transactional_ddl=True,
            fast_reads=True,
            statement_timeout=True,
            full_text=True,
        )

    def upsert(
        self, table: Table, *, on: Sequence[str], update: Sequence[str], count_up: Sequence[str]
    ) -> Insert:
        """Build INSERT … ON CONFLICT; see `Backend`."""
        statement = insert(table)
        if not update:
            return statement.on_conflict_do_nothing(index_elements=list(on))
        changes: dict[str, Any] = {name: statement.excluded[name] for name in update}
        changes |= {name: table.c[name] + 1 for name in count_up}
        return statement.on_conflict_do_update(index_elements=list(on), set_=changes)


def _engine(url: URL, settings: DatabaseSettings, **pool: Any) -> AsyncEngine:
    engine = create_async_engine(
        url,
        poolclass=AsyncAdaptedQueuePool,
        pool_timeout=settings.pool_timeout,
        pool_use_lifo=True,
        pool_recycle=round(settings.max_lifetime),
        pool_reset_on_return=None,  # our own reset below asks first whether there is anything to do
        hide_parameters=True,
        connect_args={
            "timeout": settings.lock_timeout or _FOREVER,
            "isolation_level": None,
            "async_creator_fn": _open,
        },
        **pool,
    )
    connecting = _Connecting(settings)
    event.listen(engine.sync_engine, "connect", connecting)
    event.listen(engine.sync_engine.pool, "invalidate", _stop)
    event.listen(engine.sync_engine, "before_cursor_execute", connecting.start_clock)
    event.listen(engine.sync_engine, "after_cursor_execute", connecting.stop_clock)
    return engine


async def _open(*args: Any, **options: Any) -> aiosqlite.Connection:
    connection = aiosqlite.connect(*args, **options)
    connection._thread.daemon = True  # as SQLAlchemy's own creator does
    opening = asyncio.ensure_future(connection)
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        # Left alone, its thread would make a connection that nobody has and nobody closes.
        opening.add_done_callback(lambda _: connection.stop())
        await asyncio.wait([opening])
        raise
    except sqlite3.Error:
        # Its thread still reports its end to the loop, which might be closed by then.
        while connection._thread.is_alive():  # noqa: ASYNC110  # a thread sets no asyncio.Event
            await asyncio.sleep(0.001)
        raise


def _memory_engine(settings: DatabaseSettings) -> AsyncEngine:
    # A cancelled statement costs its connection. So that it does not cost the data, the database
    # has a name inside this process and a second connection, never used, that keeps it alive.
    name = f"file:/infra-db-{uuid4().hex}?vfs=memdb"
    url = URL.create(
        "sqlite+aiosqlite", database=name.partition("?")[0], query={"vfs": "memdb", "uri": "true"}
    )
    engine = _engine(url, settings, pool_size=1, max_overflow=0)
    anchors: list[sqlite3.Connection] = []

    def hold(*_: object) -> None:
        if not anchors:
            anchors.append(sqlite3.connect(name, uri=True, check_same_thread=False))

    def let_go(_: object) -> None:
        while anchors:
            anchors.pop().close()

    event.listen(engine.sync_engine, "do_connect", hold)
    event.listen(engine.sync_engine, "engine_disposed", let_go)
    return engine


class _Connecting:
    """What each new connection is told, and the deadline of the statement it runs."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self._settings = settings

    def __call__(self, connection: Any, record: Any) -> None:
        settings = self._settings
        _functions(connection, record)
        deadline = record.info["infra_db_deadline"] = [float("inf")]
        record.info["infra_db_query_timeout"] = settings.query_timeout
        cursor = connection.cursor()
        for pragma in ("foreign_keys=ON", f"synchronous={settings.synchronous}", "journal_mode"):
            cursor.execute(f"PRAGMA {pragma}")
        if cursor.fetchone()[0] == "delete":
            self._enter_wal(cursor)
        cursor.close()

        def is_late() -> int:
            return time.monotonic() > deadline[0]

        handler = connection.driver_connection.set_progress_handler
        await_(handler(is_late, _OPS_BETWEEN_DEADLINE_CHECKS))

    def start_clock(self, connection: Connection, *_: object) -> None:
        deadline = connection.info.get("infra_db_deadline")
        if deadline is not None and self._settings.query_timeout is not None:
            deadline[0] = time.monotonic() + self._settings.query_timeout

    def stop_clock(self, connection: Connection, *_: object) -> None:
        # Else a COMMIT long after the last statement would be taken for a late one.
        deadline = connection.info.get("infra_db_deadline")
        if deadline is not None:
            deadline[0] = float("inf")

    def _enter_wal(self, cursor: Any) -> None:
        # The switch needs the file for itself and does not wait for it as statements do.
        give_up = time.monotonic() + (self._settings.lock_timeout or _FOREVER)
        while True:
            try:
                cursor.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > give_up:
                    raise
                await_(asyncio.sleep(0.02))
            else:
                return


def _functions(connection: Any, record: Any) -> None:
    def casefold(text: object) -> object:
        return text.casefold() if isinstance(text, str) else text

    record.info["infra_db_functions"] = True
    connection.create_function("infra_casefold", 1, casefold, deterministic=True)


def _ensure_functions(connection: Any, record: Any, _: object) -> None:
    # Connections of an application's own engine may have been opened before we met it.
    if "infra_db_functions" not in record.info:
        _functions(connection, record)


class _WriteQueue:
    """The FIFO queue of those who want to write, in front of the file's own lock."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._holder: object = None

    def begin(self, connection: Connection) -> None:
        options = connection.get_execution_options()
        mode = options.get(MODE, "write")
        if mode == "auto":
            return
        if mode == "read":
            connection.info["infra_db_query_only"] = True
            connection.exec_driver_sql("PRAGMA query_only=ON")
            connection.exec_driver_sql("BEGIN")
            return
        # The pool's record is the one name for "this connection until it is checked in".
        record = connection.connection._connection_record
        if self._holder is not record:
            await_(self._acquire(options[HOOKS].lock_timeout))
            self._holder = record
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    async def _acquire(self, limit: float | None) -> None:
        try:
            async with asyncio.timeout(limit):
                await self._lock.acquire()
        except TimeoutError as error:
            message = f"the database's write lock was not free within {limit:g} s"
            raise LockTimeout(message) from error

    def release(self, _: object, record: object) -> None:
        if self._holder is record:
            self._holder = None
            self._lock.release()


def _reset(connection: Any, record: Any, state: PoolResetState) -> None:
    if state.terminate_only or not state.asyncio_safe:
        return
    if connection.driver_connection.in_transaction:
        connection.rollback()
    if record.info.pop("infra_db_query_only", False):
        cursor = connection.cursor()
        cursor.execute("PRAGMA query_only=OFF")
        cursor.close()


def _stop(connection: Any, record: Any, _: object) -> None:
    # A statement whose task was cancelled still runs in the connection's thread: its deadline is
    # now. (SQLite's interrupt() would hit the ROLLBACK as well.) And without the ROLLBACK a cursor
    # that is still alive would put off the closing of the connection, locks and all.
    record.info.get("infra_db_deadline", [0.0])[0] = 0.0
    driver = connection.driver_connection
    if driver is not None and driver._connection is not None:
        driver._tx.put_nowait((None, driver._connection.rollback))


def _handle_error(context: ExceptionContext) -> BaseException | None:
    engine = context.engine
    if engine is None or HOOKS not in engine.get_execution_options():
        return None
    error = context.original_exception
    if isinstance(error, InfraError):
        return error
    if not isinstance(error, sqlite3.Error):
        return None
    connection = context.connection
    mode = connection.get_execution_options().get(MODE) if connection is not None else None
    return translate(error, path=str(engine.url.database), read_only=mode == "read")
