"""MySQL and MariaDB over asyncmy, or aiomysql where nothing can be compiled."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Connection,
    Insert,
    Table,
    UniqueConstraint,
    event,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.exc import DBAPIError

from infra_db._errormap_mysql import translate, unreachable
from infra_db.backends import HOOKS, ISOLATION, MODE, Capabilities
from infra_db.backends._server import make_engine, require_driver, split_url, tls, within
from infra_db.errors import CapabilityError, DatabaseUnavailable, LockTimeout
from infra_errors import InfraError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Engine
    from sqlalchemy.engine import ExceptionContext
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
    from sqlalchemy.pool import PoolResetState

    from infra_db.settings import DatabaseSettings, Isolation

__all__ = ["MysqlBackend"]

_LOCKED = "infra_db_locked"  # whether the connection holds named locks
_LONGEST_NAME = 64  # of a named lock


class MysqlBackend:
    """`mysql://` and `mariadb://`."""

    name = "mysql"
    schemes = ("mysql", "mariadb", "mysql+asyncmy", "mysql+aiomysql")

    def create_engine(self, settings: DatabaseSettings) -> AsyncEngine:
        """Make the engine; see `Backend`."""
        driver = "asyncmy" if find_spec("asyncmy") or not find_spec("aiomysql") else "aiomysql"
        drivers = ["mysql+asyncmy", "mysql+aiomysql"]
        url, options = split_url(settings, driver=f"mysql+{driver}", drivers=drivers)
        _, context = tls(options)
        connect = require_driver(url.get_driver_name(), extra="mysql").connect
        secured = {} if context is None else {"ssl": context}
        engine = make_engine(
            url,
            settings,
            pool_reset_on_return=None,  # our own below asks first whether there is anything to do
            connect_args={
                "charset": "utf8mb4",
                "autocommit": True,  # a transaction is one that was begun
                "async_creator_fn": within(settings.connect_timeout, connect),
                **secured,
            },
        )

        def connected(connection: Any, _: Any) -> None:
            cursor = connection.cursor()
            cursor.execute("SELECT VERSION()")
            for statement in _startup(settings, cursor.fetchone()[0]):
                cursor.execute(statement)
            cursor.close()

        event.listen(engine.sync_engine, "connect", connected)
        return engine

    def prepare(self, engine: AsyncEngine) -> None:
        """Install error translation and transaction begin; see `Backend`."""
        event.listen(engine.sync_engine, "begin", _begin)
        event.listen(engine.sync_engine, "handle_error", _handle_error)
        event.listen(engine.sync_engine.pool, "reset", _reset)

    def options(self, mode: str, isolation: Isolation | None) -> dict[str, Any]:
        """Say how such a transaction begins; see `Backend`."""
        return {MODE: mode} | ({} if isolation is None else {ISOLATION: isolation.value})

    def capabilities(self, server_version: tuple[int, ...] | None) -> Capabilities:
        """Say what the server can do: what the two and their versions have in common."""
        return Capabilities(skip_locked=True, statement_timeout=True, full_text=True)

    def unreachable(self, error: Exception, engine: AsyncEngine) -> InfraError:
        """Translate what a refused connection raised; see `Backend`."""
        return unreachable(error, engine.url)

    async def fetch(self, connection: Any, sql: str, arguments: Sequence[Any]) -> Sequence[Any]:
        """Refuse: neither driver has a way that is shorter than SQLAlchemy's."""
        raise CapabilityError("fast reads need asyncpg or aiosqlite", missing=["fast_reads"])

    def translate(self, error: Exception, engine: Engine) -> InfraError:
        """Say in our tree what the driver raised; see `Backend`."""
        return translate(error, engine.url, None)

    def failure(self, connection: AsyncConnection) -> InfraError | None:
        """Return None: a statement that fails leaves the transaction open here."""

    async def lock(self, connection: AsyncConnection, name: str, timeout: float | None) -> None:  # noqa: ASYNC109
        """Take a named lock, given back when the connection is; see `Backend`."""
        info = (await connection.get_raw_connection())._connection_record.info
        info[_LOCKED] = True
        seconds = -1 if timeout is None else timeout
        key = func.left(func.concat(func.database(), ".", func.sha2(name, 256)), _LONGEST_NAME)
        got = await connection.scalar(select(func.get_lock(key, seconds)))
        if got != 1:
            message = f"the lock {name} was not free within {timeout:g} s"
            raise LockTimeout(message)

    def upsert(
        self, table: Table, *, on: Sequence[str], update: Sequence[str], count_up: Sequence[str]
    ) -> Insert:
        """Build INSERT … ON DUPLICATE KEY UPDATE; see `Backend`."""
        others = [names for names in _unique_keys(table) if names != set(on)]
        if others:
            listed = " and ".join(", ".join(sorted(names)) for names in others)
            message = (
                f"{table.name} is unique in {listed} as well, and this server cannot tell by "
                f"which of its keys a row was taken"
            )
            raise CapabilityError(message, missing=["upsert"])
        statement = insert(table)
        if not update:
            return statement.on_duplicate_key_update({on[0]: table.c[on[0]]})
        changes: dict[str, Any] = {name: statement.inserted[name] for name in update}
        # A bound parameter after VALUES would keep the driver from sending rows together.
        changes |= {name: table.c[name] + literal_column("1") for name in count_up}
        return statement.on_duplicate_key_update(changes)


def _unique_keys(table: Table) -> list[set[str]]:
    """What must be unique besides the primary key, which our ids make so."""
    constraints = [
        set(c.columns.keys()) for c in table.constraints if isinstance(c, UniqueConstraint)
    ]
    return constraints + [set(index.columns.keys()) for index in table.indexes if index.unique]


def _startup(settings: DatabaseSettings, version: str) -> list[str]:
    """Return what each new connection is told."""
    is_mariadb = "mariadb" in version.lower()
    found = [
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "SET SESSION time_zone = '+00:00'",
        "SET SESSION sql_mode = CONCAT_WS(',', @@sql_mode, 'STRICT_ALL_TABLES')",
    ]
    if settings.query_timeout is not None:
        found.append(
            f"SET SESSION max_statement_time = {settings.query_timeout:.3f}"
            if is_mariadb
            else f"SET SESSION max_execution_time = {round(settings.query_timeout * 1000)}"
        )
    if settings.lock_timeout is not None:
        seconds = max(1, round(settings.lock_timeout))
        found.append(
            f"SET SESSION innodb_lock_wait_timeout = {seconds}, lock_wait_timeout = {seconds}"
        )
    return found


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    mode = options.get(MODE, "write")
    if mode == "auto":
        return
    if isolation := options.get(ISOLATION):
        connection.exec_driver_sql(f"SET TRANSACTION ISOLATION LEVEL {isolation}")
    connection.exec_driver_sql("START TRANSACTION READ ONLY" if mode == "read" else "BEGIN")


def _reset(connection: Any, record: Any, state: PoolResetState) -> None:
    if state.terminate_only or not state.asyncio_safe:
        return
    if connection.driver_connection.get_transaction_status():
        connection.rollback()
    if record.info.pop(_LOCKED, False):
        cursor = connection.cursor()
        cursor.execute("DO RELEASE_ALL_LOCKS()")
        cursor.close()


def _handle_error(context: ExceptionContext) -> BaseException | None:
    engine = context.engine
    if engine is None or HOOKS not in engine.get_execution_options():
        return None
    error = context.original_exception
    if isinstance(error, InfraError):
        return error
    if not isinstance(context.sqlalchemy_exception, DBAPIError):
        return None
    if (context.statement or "").startswith("DESCRIBE "):
        return None  # SQLAlchemy asks so whether a table exists, and reads the answer itself
    running = context.execution_context
    statement = getattr(running, "invoked_statement", None)
    found = translate(error, engine.url, getattr(statement, "table", None))
    if len(error.args) > 1 and not isinstance(found, DatabaseUnavailable):
        error.args = (error.args[0], "the server's text is left out: it quotes values")
    return found
