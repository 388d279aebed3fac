"""PostgreSQL over asyncpg."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import Connection, Insert, Table, event, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from infra_db._errormap_postgres import translate, unreachable
from infra_db.backends import HOOKS, Capabilities
from infra_db.backends._server import make_engine, require_driver, split_url, tls
from infra_errors import InfraError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Engine
    from sqlalchemy.engine import ExceptionContext
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from infra_db.settings import DatabaseSettings, Isolation

__all__ = ["PostgresBackend"]

_DRIVER = "postgresql+asyncpg"
_FAILED = "infra_db_failed"  # the error that ended the transaction, until it is rolled back
_IDLE_IN_TRANSACTION = 60_000  # milliseconds


class PostgresBackend:
    """`postgresql://` and `postgres://`."""

    name = "postgresql"
    schemes = ("postgresql", "postgres", "postgresql+asyncpg")

    def create_engine(self, settings: DatabaseSettings) -> AsyncEngine:
        """Make the engine; see `Backend`."""
        url, options = split_url(settings, driver=_DRIVER, drivers=[_DRIVER])
        mode, context = tls(options)
        require_driver("asyncpg", extra="postgres")
        # Nothing is prepared under a name where a proxy hands the connection to another client
        # at the end of each transaction.
        prepared: dict[str, Any] = {} if settings.prepared else _UNPREPARED
        return make_engine(
            url,
            settings,
            connect_args={
                "ssl": context or mode,
                "timeout": settings.connect_timeout,
                "server_settings": _startup(settings),
                **prepared,
            },
        )

    def prepare(self, engine: AsyncEngine) -> None:
        """Install error translation; see `Backend`."""
        event.listen(engine.sync_engine, "handle_error", _handle_error)
        for name in ("begin", "rollback"):
            event.listen(engine.sync_engine, name, _forgive)
        event.listen(engine.sync_engine, "rollback_savepoint", _forgive)

    def options(self, mode: str, isolation: Isolation | None) -> dict[str, Any]:
        """Say how such a transaction begins; see `Backend`."""
        if mode == "auto":
            return {"isolation_level": "AUTOCOMMIT"}
        found: dict[str, Any] = {"postgresql_readonly": True} if mode == "read" else {}
        if isolation is not None:
            found["isolation_level"] = isolation.value
        return found

    def capabilities(self, server_version: tuple[int, ...] | None) -> Capabilities:
        """Say what PostgreSQL can do: the same in every version that is still maintained."""
        return Capabilities(
            returning=True,
            transactional_ddl=True,
            skip_locked=True,
            fast_reads=True,
            statement_timeout=True,
        )

    def unreachable(self, error: Exception, engine: AsyncEngine) -> InfraError:
        """Translate what a refused connection raised; see `Backend`."""
        return unreachable(error, engine.url)

    async def fetch(self, connection: Any, sql: str, arguments: Sequence[Any]) -> Sequence[Any]:
        """Run a SELECT on asyncpg's connection; see `Backend`."""
        rows: Sequence[Any] = await connection.driver_connection.fetch(sql, *arguments)
        return rows

    def translate(self, error: Exception, engine: Engine) -> InfraError:
        """Say in our tree what asyncpg raised; see `Backend`."""
        return translate(error, engine.url)

    def failure(self, connection: AsyncConnection) -> InfraError | None:
        """Return what ended the open transaction; its COMMIT would silently roll back."""
        inner = connection.sync_connection
        if inner is None or inner.invalidated:
            return None
        found: InfraError | None = inner.info.get(_FAILED)
        return found

    async def lock(self, connection: AsyncConnection, name: str, timeout: float | None) -> None:  # noqa: ASYNC109
        """Take a transaction's advisory lock; see `Backend`."""
        if timeout is not None:
            milliseconds = str(max(1, round(timeout * 1000)))
            before = await connection.scalar(select(func.current_setting("lock_timeout")))
            await connection.execute(select(func.set_config("lock_timeout", milliseconds, True)))
        key = func.hashtextextended(name, 0)
        await connection.execute(select(func.pg_advisory_xact_lock(key)))
        if timeout is not None:
            await connection.execute(select(func.set_config("lock_timeout", before, True)))

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


_UNPREPARED: dict[str, Any] = {
    "statement_cache_size": 0,
    "prepared_statement_cache_size": 0,
    "prepared_statement_name_func": lambda: f"__infra_db_{uuid4().hex}__",
}


def _startup(settings: DatabaseSettings) -> dict[str, str]:
    found = {
        "application_name": settings.application_name,
        "timezone": "UTC",
        "idle_in_transaction_session_timeout": str(_IDLE_IN_TRANSACTION),
    }
    for name, seconds in (
        ("statement_timeout", settings.query_timeout),
        ("lock_timeout", settings.lock_timeout),
    ):
        if seconds is not None:
            found[name] = str(max(1, round(seconds * 1000)))
    return found


def _handle_error(context: ExceptionContext) -> BaseException | None:
    engine = context.engine
    if engine is None or HOOKS not in engine.get_execution_options():
        return None
    error = context.original_exception
    if isinstance(error, InfraError):
        return error
    if not isinstance(context.sqlalchemy_exception, DBAPIError):
        return None
    found = translate(error, engine.url)
    connection = context.connection
    if connection is None or connection.invalidated:
        return found
    if getattr(error, "sqlstate", None) == "25P02":
        # "the transaction is aborted" says nothing: what aborted it does
        first: InfraError | None = connection.info.get(_FAILED)
        return first or found
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.info[_FAILED] = found
    return found


def _forgive(connection: Connection, *_: Any) -> None:
    if not connection.invalidated:  # a lost connection took its transaction along
        connection.info.pop(_FAILED, None)
