"""A database: its pool, its transactions, and statements outside any repository."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, Self, TypeVar

import attrs
from sqlalchemy import Delete, Executable, MetaData, Row, Update, inspect, literal, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.pool import QueuePool
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.util.concurrency import greenlet_spawn

from infra_db import budget
from infra_db import transaction as _tx
from infra_db._fast import FastReads
from infra_db._telemetry import Telemetry
from infra_db.backends import HOOKS, Backend, Capabilities, backend_for
from infra_db.errors import (
    DatabaseUnavailable,
    LockTimeout,
    PoolExhausted,
    QueryError,
    SchemaDrift,
    TransactionConflict,
)
from infra_db.settings import DatabaseSettings, Isolation
from infra_db.transaction import Transaction, ambient
from infra_errors import (
    CircuitBreaker,
    CircuitOpenError,
    ConfigError,
    InfraError,
    RetryPolicy,
    SecretUrl,
    ValidationError,
    Violation,
)
from infra_id import uuid7

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from uuid import UUID

__all__ = ["TX_RETRY", "Database", "Health", "PoolStatus", "connect"]

T = TypeVar("T")


def _may_repeat(error: Exception) -> bool:
    if isinstance(error, TransactionConflict | LockTimeout):
        return True
    lost = isinstance(error, DatabaseUnavailable) and error.code == "db.connection"
    return lost and bool(getattr(error, "retryable", False))


TX_RETRY = RetryPolicy(attempts=5, base=0.02, cap=1.0, on=_may_repeat)
"""How `Database.run` repeats: five attempts, full jitter, only what a repetition can cure."""


@attrs.frozen
class Health:
    """Whether the database answers, after how many seconds, or with which error code."""

    ok: bool
    latency: float | None = None
    error: str | None = None


@attrs.frozen
class PoolStatus:
    """Connections open, in use and idle, calls that wait for one, and how many there may be."""

    size: int
    in_use: int
    idle: int
    waiting: int
    max: int


@attrs.frozen
class _Hooks:
    clock: Callable[[], float]
    id_factory: Callable[[], UUID]
    lock_timeout: float | None


def connect(
    url: str | SecretUrl | DatabaseSettings,
    /,
    *,
    clock: Callable[[], float] = time.time,
    id_factory: Callable[[], UUID] = uuid7,
    rng: Callable[[], float] = random.random,
    **options: Any,
) -> Database:
    """Make a database from its URL; no I/O until it is entered or first used.

    `url`: `sqlite:///file.db`, `sqlite:///:memory:`, `memory://`, or whole settings. `options` are
    the fields of `DatabaseSettings`. `clock` gives wall seconds for timestamps, `id_factory` the
    keys of `IdMixin`, `rng` the jitter of retries.

    Raises ConfigError `db.config` for a bad option or URL, `db.unknown_scheme` for a scheme that
    no backend has.
    """
    settings = _settings(url, options)
    try:
        scheme = make_url(settings.url.reveal()).drivername
    except ArgumentError as error:
        message = "the database URL cannot be parsed; write it like sqlite:///app.db"
        raise ConfigError(message, code="db.config") from error
    backend = backend_for(scheme)
    engine = backend.create_engine(settings)
    return Database(engine, backend, settings, clock=clock, id_factory=id_factory, rng=rng)


def _settings(url: str | SecretUrl | DatabaseSettings, options: dict[str, Any]) -> DatabaseSettings:
    known = {field.name for field in attrs.fields(DatabaseSettings)} - {"url"}
    unknown = sorted(set(options) - known)
    if unknown:
        message = f"unknown database option {', '.join(unknown)}; known are {sorted(known)}"
        raise ConfigError(message, code="db.config", options=unknown)
    if isinstance(url, DatabaseSettings):
        return attrs.evolve(url, **options)
    return DatabaseSettings(url=url, **options)


class Database:
    """One database with its connections; made by `connect` or `from_engine`.

    `async with` opens it at once and closes it; otherwise the first use opens it. Calls made
    inside `transaction()` by the task that opened it join it; outside, each is a unit of its own.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        backend: Backend,
        settings: DatabaseSettings,
        *,
        clock: Callable[[], float] = time.time,
        id_factory: Callable[[], UUID] = uuid7,
        rng: Callable[[], float] = random.random,
        owns_engine: bool = True,
    ) -> None:
        hooks = _Hooks(clock, id_factory, settings.lock_timeout)
        self.settings = settings
        self.backend = backend
        self.clock = clock
        self.id_factory = id_factory
        self.engine = engine.execution_options(**{HOOKS: hooks})
        backend.prepare(self.engine)
        budget.watch(self.engine.sync_engine)
        system = "mariadb" if settings.url.reveal().startswith("mariadb") else backend.name
        self.telemetry = Telemetry(self.engine.sync_engine, system)
        self._reader = self.engine.execution_options(**backend.options("read", None))
        self.autocommit = self.engine.execution_options(**backend.options("auto", None))
        self._rng = rng
        self._owns_engine = owns_engine
        self._opening = asyncio.Lock()
        self._opened = self._closed = False
        self._waiting = 0
        self._pool = self.engine.sync_engine.pool
        # Our own pools ask before they roll back; others do so at once, which may wait.
        self._resets_at_once = owns_engine
        can = backend.capabilities(None).fast_reads and settings.fast_reads
        self.fast_reads = FastReads(self, backend) if can else None
        self._breaker = CircuitBreaker("database", consecutive=5, open_for=5.0, counts=_is_outage)

    @classmethod
    def from_engine(cls, engine: AsyncEngine, **options: Any) -> Self:
        """Use an engine that the application already has; `aclose()` then leaves it open.

        `options` are those of `connect`. The engine's own pool and connection settings stay, and
        so do its errors where it is used directly.
        """
        objects = {
            key: options.pop(key) for key in ("clock", "id_factory", "rng") if key in options
        }
        backend = backend_for(engine.dialect.name)
        url = SecretUrl(engine.url.render_as_string(hide_password=False))
        return cls(engine, backend, _settings(url, options), owns_engine=False, **objects)

    @property
    def capabilities(self) -> Capabilities:
        """What this database can do."""
        return self.backend.capabilities(self.engine.dialect.__dict__.get("server_version_info"))

    def transaction(
        self,
        *,
        isolation: Isolation | None = None,
        read_only: bool = False,
        timeout: float | None = None,
    ) -> AbstractAsyncContextManager[Transaction]:
        """Open a transaction for this task: commit at the end, roll back on an exception.

        Inside another one it is a savepoint. `isolation` is the least that will do; a savepoint
        cannot ask for another than its transaction has. `timeout` in seconds cuts the whole block
        with StatementTimeout. Raises ValidationError `db.invalid_isolation`.
        """
        level = _isolation(isolation)
        return self._transaction(level, read_only, timeout)

    @asynccontextmanager
    async def _transaction(
        self, isolation: Isolation | None, read_only: bool, limit: float | None, attempt: int = 1
    ) -> AsyncIterator[Transaction]:
        outer = ambient(self)
        if outer is not None:
            if isolation is not None and isolation is not outer.isolation:
                message = f"this transaction does not run at {isolation}; ask for it at the outside"
                raise ValidationError(message, code="db.invalid_isolation")
            async with _tx.savepoint(outer, read_only=read_only, limit=limit) as tx:
                yield tx
            return
        await self._open()
        engine = self._reader if read_only else self.engine
        async with _tx.begin(
            self,
            engine,
            isolation=isolation,
            read_only=read_only,
            limit=limit,
            attempt=attempt,
        ) as tx:
            yield tx

    async def run(
        self,
        fn: Callable[[Transaction], Awaitable[T]],
        /,
        *,
        isolation: Isolation | None = None,
        read_only: bool = False,
        retry: RetryPolicy = TX_RETRY,
    ) -> T:
        """Call `fn` in a transaction, and again from its start if another one got in its way.

        Repeated are TransactionConflict, LockTimeout and a connection lost before COMMIT. Inside
        another transaction nothing is repeated: the outermost `run` does.
        """
        level = _isolation(isolation)
        attempt = 0

        async def once() -> T:
            nonlocal attempt
            attempt += 1
            async with self._transaction(level, read_only, None, attempt) as tx:
                return await fn(tx)

        if ambient(self) is not None:
            return await once()
        if self._rng is not random.random:
            retry = retry.with_(rng=self._rng)
        return await retry.arun(once)

    @asynccontextmanager
    async def session(self, *, read_only: bool = False) -> AsyncIterator[AsyncSession]:
        """A plain SQLAlchemy session: the caller commits; what is left is rolled back at the end.

        It belongs to no transaction of ours. Unless `read_only`, it holds SQLite's write lock from
        its first statement to its commit.
        """
        await self._open()
        engine = self._reader if read_only else self.engine
        try:
            async with AsyncSession(engine, expire_on_commit=False) as session:
                with _tx.dropped("a session"), _tx.stale_data():
                    yield session
        except PoolTimeout as error:
            raise self._exhausted() from error

    async def execute(self, stmt: Executable, params: Any = None) -> int:
        """Run a statement that writes; return how many rows it touched.

        `params` is a mapping, or a list of them for many rows. An UPDATE or DELETE without WHERE is
        ValidationError `db.unbounded_write`: who means all rows writes `.where(true())`. A string
        is QueryError: SQL text goes through `sqlalchemy.text` with bound parameters.
        """
        _require_construct(stmt)
        if isinstance(stmt, Update | Delete) and stmt.whereclause is None:
            message = "this would change every row of the table; add .where(true()) if it should"
            raise ValidationError(message, code="db.unbounded_write")
        async with self.writing() as tx:
            async with self.statement(tx) as connection:
                result = await connection.execute(stmt, params)
            return max(result.rowcount, 0) if hasattr(result, "rowcount") else 0

    async def fetch_all(
        self, stmt: Executable, params: Any = None, *, limit: int = 10_000
    ) -> list[Row[Any]]:
        """Run a statement and return its rows; more than `limit` is ValidationError.

        For more than fits in memory use `Repository.stream`.
        """
        _require_construct(stmt)
        async with self._fetching(stmt) as connection:
            result = await connection.execute(stmt, params)
            rows = list(result.fetchmany(limit + 1))
        if len(rows) > limit:
            message = f"the statement has more than {limit} rows; give it a LIMIT or pass limit="
            raise ValidationError(message, code="db.invalid_limit")
        return rows

    async def fetch_one(self, stmt: Executable, params: Any = None) -> Row[Any] | None:
        """Run a statement and return its first row, or None."""
        _require_construct(stmt)
        async with self._fetching(stmt) as connection:
            result = await connection.execute(stmt, params)
            return result.first()

    async def create_all(self, metadata: MetaData) -> None:
        """Create the tables that are missing. For a schema that changes, use migrations."""
        async with self.writing() as tx, self.statement(tx) as connection:
            await connection.run_sync(metadata.create_all)

    async def check_schema(self, metadata: MetaData) -> None:
        """Raise SchemaDrift listing each table and column of the models that is missing."""
        async with self.reading() as connection:
            missing = await connection.run_sync(_missing, metadata)
        if missing:
            message = f"the database lacks {len(missing)} of the models' tables and columns"
            violations = [Violation("", line, "missing") for line in missing]
            raise SchemaDrift(message, violations=violations)

    async def ping(self) -> None:
        """Ask the database for an answer; raises what stands in the way."""
        await self.fetch_one(select(literal(1)))

    async def health(self, timeout: float = 2.0) -> Health:  # noqa: ASYNC109  # house name
        """Ping within `timeout` seconds; never raises."""
        started = time.monotonic()
        try:
            async with _tx.cut(timeout, "the health check"):
                await self.ping()
        except Exception as error:  # noqa: BLE001  # the answer says what it was
            return Health(ok=False, error=getattr(error, "code", type(error).__name__))
        return Health(ok=True, latency=time.monotonic() - started)

    def pool_status(self) -> PoolStatus:
        """Count the connections."""
        pool = self.engine.sync_engine.pool
        if not isinstance(pool, QueuePool):
            return PoolStatus(size=0, in_use=0, idle=0, waiting=self._waiting, max=0)
        in_use, idle = pool.checkedout(), pool.checkedin()
        most = pool.size() + max(pool._max_overflow, 0)  # no public name for it
        return PoolStatus(in_use + idle, in_use, idle, self._waiting, most)

    async def aclose(self) -> None:
        """Close all idle connections; a second time does nothing."""
        if self._closed:
            return
        self._closed = True
        if self._owns_engine:
            await self.engine.dispose()

    async def __aenter__(self) -> Self:
        try:
            await self._open()
            await self._warm_up()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    # ---- what repositories and migrations build on; not for applications -------------------------

    @asynccontextmanager
    async def acquire(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        """Take a connection from the pool for the block, behind the circuit breaker."""
        connection = await self._take(engine)
        try:
            yield connection
        finally:
            await connection.close()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """The connection to read with: the task's transaction, else one that begins none."""
        tx = ambient(self)
        if tx is not None:
            async with self.statement(tx) as connection:
                yield connection
            return
        await self._open()
        async with (
            _tx.cut(self._statement_limit(), "the statement"),
            self.acquire(self.autocommit) as it,
        ):
            yield it

    @asynccontextmanager
    async def fast_slot(self) -> AsyncIterator[Any]:
        """A pooled connection for a read past SQLAlchemy: bounded in time, behind the breaker."""
        if not self._opened:
            await self._open()
        if self._closed:
            raise self._is_closed()
        self._waiting += 1
        waiting = True
        limit = asyncio.timeout(self._statement_limit())
        try:
            with self._breaker.allow():
                async with limit:
                    with self.telemetry.connecting():
                        connection = await greenlet_spawn(self._pool.connect)
                    self._waiting -= 1
                    waiting = False
                    try:
                        yield connection
                    finally:
                        if self._resets_at_once:
                            connection.close()
                        else:
                            await greenlet_spawn(connection.close)
        except CircuitOpenError as error:
            raise self._left_alone(error) from error
        except PoolTimeout as error:
            raise self._exhausted() from error
        except (OSError, DBAPIError) as error:
            if isinstance(error, InfraError):
                raise
            if limit.expired():
                raise _tx.too_late(self._statement_limit(), "the statement") from error
            raise self.backend.unreachable(error, self.engine) from error
        finally:
            self._waiting -= waiting

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Transaction]:
        """The transaction to write in: the task's own, else one for this call."""
        tx = ambient(self)
        if tx is None:
            async with self._transaction(None, False, None) as own:
                yield own
            return
        tx.require_writable()
        yield tx

    @asynccontextmanager
    async def statement(self, tx: Transaction) -> AsyncIterator[AsyncConnection]:
        """The transaction's connection for one statement, after what its session holds back."""
        await tx.flush()
        async with _tx.cut(self._statement_limit(), "the statement"):
            with tx.statement() as connection:
                yield connection

    @asynccontextmanager
    async def _fetching(self, stmt: Executable) -> AsyncIterator[AsyncConnection]:
        if isinstance(stmt, UpdateBase):
            async with self.writing() as tx, self.statement(tx) as connection:
                yield connection
        else:
            async with self.reading() as connection:
                yield connection

    def _statement_limit(self) -> float | None:
        timeout = self.settings.query_timeout
        return None if timeout is None else timeout + 1.0  # the server's own comes first

    async def _take(self, engine: AsyncEngine) -> AsyncConnection:
        if self._closed:
            raise self._is_closed()
        self._waiting += 1
        try:
            with self.telemetry.connecting(), self._breaker.allow():
                return await self._connect(engine)
        except CircuitOpenError as error:
            raise self._left_alone(error) from error
        except PoolTimeout as error:
            raise self._exhausted() from error
        finally:
            self._waiting -= 1

    async def _connect(self, engine: AsyncEngine) -> AsyncConnection:
        # The server may leave a connection half made for longer than the driver's own limit.
        try:
            return await engine.connect()
        except PoolTimeout:
            raise
        except (OSError, TimeoutError, DBAPIError) as error:
            if isinstance(error, InfraError):
                raise
            raise self.backend.unreachable(error, engine) from error

    def _is_closed(self) -> DatabaseUnavailable:
        message = "the database was closed; connect again"
        return DatabaseUnavailable(message, retryable=False)

    def _left_alone(self, error: CircuitOpenError) -> DatabaseUnavailable:
        message = "the database was unreachable five times in a row; it is left alone a while"
        return DatabaseUnavailable(message, code="db.breaker_open", retry_after=error.retry_after)

    def _exhausted(self) -> PoolExhausted:
        status, timeout = self.pool_status(), self.settings.pool_timeout
        message = (
            f"no connection became free in {timeout:g} s: {status.in_use} of {status.max} in use"
        )
        return PoolExhausted(message, in_use=status.in_use, max=status.max)

    async def _open(self) -> None:
        if self._opened:
            return
        async with self._opening:
            if not self._opened:
                async with self.acquire(self.autocommit) as connection:
                    await connection.execute(select(literal(1)))
                self._opened = True

    async def _warm_up(self) -> None:
        # The minimum is opened together: taken one by one, the pool would hand out the same one.
        count = min(self.settings.min_connections, self.pool_status().max)
        taken = await asyncio.gather(
            *(self._take(self.autocommit) for _ in range(count)), return_exceptions=True
        )
        for connection in taken:
            if isinstance(connection, AsyncConnection):
                await connection.close()
        for failure in taken:
            if isinstance(failure, BaseException):
                raise failure


def _is_outage(error: BaseException) -> bool | None:
    return True if isinstance(error, DatabaseUnavailable) else None


def _isolation(value: Isolation | str | None) -> Isolation | None:
    if value is None:
        return None
    try:
        return Isolation(value)
    except ValueError as error:
        message = f"unknown isolation level; known are {', '.join(Isolation)}"
        raise ValidationError(message, code="db.invalid_isolation") from error


def _require_construct(stmt: object) -> None:
    if not isinstance(stmt, Executable):
        message = (
            "SQL as a string is refused: pass a SQLAlchemy construct, or text() with bindparams"
        )
        raise QueryError(message)


def _missing(connection: Any, metadata: MetaData) -> list[str]:
    inspector = inspect(connection)
    missing = []
    for table in metadata.sorted_tables:
        if not inspector.has_table(table.name, schema=table.schema):
            missing.append(f"table {table.fullname}")
            continue
        there = {column["name"] for column in inspector.get_columns(table.name, table.schema)}
        missing += [
            f"column {table.fullname}.{c.name}" for c in table.columns if c.name not in there
        ]
    return missing
