"""One unit of work: what a transaction holds, who may use it, and how it ends.

`Database.transaction()` opens one; `begin` and `savepoint` here say how it begins and ends.
"""

from __future__ import annotations

import asyncio
import logging
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.orm.exc import StaleDataError

from infra_db.errors import (
    DatabaseUnavailable,
    OutcomeUnknown,
    StaleVersion,
    StatementTimeout,
    TransactionStateError,
)
from infra_errors import DatabaseError, InfraError, ValidationError

if TYPE_CHECKING:
    from infra_db.database import Database
    from infra_db.settings import Isolation

__all__ = ["Transaction"]

_log = logging.getLogger("infra_db")
_LONG = 30.0  # seconds that a transaction may be held without a word about it
_GRACE = 2.0  # seconds that a cancelled task still waits for its COMMIT or ROLLBACK

Callback = Callable[[], Awaitable[None] | None]


class Transaction:
    """An open transaction, or a savepoint inside one; `Database.transaction()` makes it.

    `attempt` counts from 1 the times that `Database.run` has called its function.
    """

    def __init__(
        self,
        database: Database,
        connection: AsyncConnection,
        *,
        outer: Transaction | None = None,
        isolation: Isolation | None = None,
        read_only: bool = False,
        attempt: int = 1,
    ) -> None:
        self.database = database
        self.attempt = attempt
        self.isolation = isolation
        self.read_only = read_only
        self._connection = connection
        self._around: Transaction | None = None  # what was open in the task when this one began
        self._root: Transaction = outer._root if outer is not None else self
        self._task = asyncio.current_task()
        self._open = True
        self._busy = False
        self._session: AsyncSession | None = None
        self._callbacks: list[Callback] = []

    @property
    def connection(self) -> AsyncConnection:
        """SQLAlchemy's connection, inside this transaction; do not commit or close it."""
        self._require_open()
        return self._connection

    @property
    def session(self) -> AsyncSession:
        """SQLAlchemy's session on this connection; flushed before the transaction commits."""
        self._require_open()
        root = self._root
        if root._session is None:
            root._session = AsyncSession(
                bind=self._connection,
                expire_on_commit=False,
                join_transaction_mode="rollback_only",
            )
        return root._session

    def after_commit(self, fn: Callback) -> None:
        """Call this once the outermost transaction is durably committed, in order of asking.

        A callback's own error is logged; it undoes nothing and stops no other. Those of a
        savepoint that is rolled back are dropped.
        """
        self._require_open()
        self._callbacks.append(fn)

    async def lock(self, name: str, *, timeout: float | None = None) -> None:  # noqa: ASYNC109  # house name
        """Hold a lock of this name until the transaction ends.

        It excludes who asks for the same name, nobody else. `timeout` in seconds, by default the
        settings' `lock_timeout`; past it LockTimeout. On SQLite every transaction that may write
        excludes all others already, so there is nothing to wait for. Raises TransactionStateError
        `db.read_only` in a read-only transaction.
        """
        self.require_writable()
        if not name:
            message = "a lock needs a name"
            raise ValidationError(message, code="db.check")
        limit = self.database.settings.lock_timeout if timeout is None else timeout
        await self.flush()
        with self.statement() as connection:
            await self.database.backend.lock(connection, name, limit)

    def require_writable(self) -> None:
        """Raise TransactionStateError unless it is open and may write."""
        self._require_open()
        if self.read_only:
            message = "a write was attempted in a read-only transaction"
            raise TransactionStateError(message, code="db.read_only")

    def _require_open(self) -> None:
        if not (self._open and self._root._open):
            message = "this transaction has ended; open a new one"
            raise TransactionStateError(message, code="db.transaction_closed")

    @contextmanager
    def statement(self) -> Iterator[AsyncConnection]:
        """Take the connection for one statement; a second one meanwhile is `db.concurrent_use`."""
        self._require_open()
        root = self._root
        if root._busy:
            message = "two statements at once in one transaction; await them one after the other"
            raise TransactionStateError(message, code="db.concurrent_use")
        root._busy = True
        try:
            yield self._connection
        finally:
            root._busy = False

    def held(self, identity: Any) -> Any | None:
        """The instance with this identity that the session holds, if any."""
        session = self._root._session
        return None if session is None else session.identity_map.get(identity)

    async def flush(self) -> None:
        """Send what the session still holds back, so that the next statement sees it."""
        session = self._root._session
        if session is not None and (session.new or session.dirty or session.deleted):
            with self.statement(), stale_data():
                await session.flush()


_current: ContextVar[Transaction | None] = ContextVar("infra_db_transaction", default=None)


def ambient(database: Database) -> Transaction | None:
    """Find this task's open transaction on the database.

    Raises TransactionStateError `db.foreign_task` when the one in sight belongs to the task that
    started this one. A task that outlives it is free again.
    """
    tx = _current.get()
    while tx is not None and (tx.database is not database or not tx._open):
        tx = tx._around
    if tx is None or not tx._root._open:
        return None
    if tx._task is not asyncio.current_task():
        message = (
            "a task started inside a transaction does not join it; pass the transaction on with "
            "repository.using(tx), or start the task after it"
        )
        raise TransactionStateError(message, code="db.foreign_task")
    return tx


@asynccontextmanager
async def begin(
    database: Database,
    engine: AsyncEngine,
    *,
    isolation: Isolation | None,
    read_only: bool,
    limit: float | None,
    attempt: int = 1,
) -> AsyncIterator[Transaction]:
    """Open the outermost transaction, and end it with the block."""
    async with database.acquire(engine) as connection, _watched():
        if isolation is not None:
            mode = "read" if read_only else "write"
            await connection.execution_options(**database.backend.options(mode, isolation))
        await connection.begin()
        tx = Transaction(
            database, connection, isolation=isolation, read_only=read_only, attempt=attempt
        )
        try:
            async with _ambient(tx), cut(limit, "the transaction"):
                with dropped("a transaction"):
                    yield tx
                await _flush_all(tx)
                _require_whole(tx)
        except BaseException as error:
            tx._open = False
            await _undo(_rollback(tx), connection, error)
            raise
        tx._open = False
        cancelled = await _commit(tx)
    await _run_callbacks(tx._callbacks)
    if cancelled is not None:
        raise cancelled


@asynccontextmanager
async def _watched() -> AsyncIterator[None]:
    since = time.monotonic()
    try:
        yield
    finally:
        held = time.monotonic() - since
        if held > _LONG:
            _log.warning("a transaction was held for %.0f s", held)


@asynccontextmanager
async def savepoint(
    outer: Transaction, *, read_only: bool, limit: float | None
) -> AsyncIterator[Transaction]:
    """Open a savepoint inside a transaction, and release or roll it back with the block."""
    session = outer.session
    await outer.flush()
    with outer.statement():
        nested = await session.begin_nested()
        await session.connection()  # only this sends SAVEPOINT: begin_nested waits for a first use
    tx = Transaction(
        outer.database,
        outer.connection,
        outer=outer,
        isolation=outer.isolation,
        read_only=read_only or outer.read_only,
        attempt=outer.attempt,
    )
    try:
        async with _ambient(tx), cut(limit, "the transaction"):
            yield tx
            await tx.flush()
            with tx.statement(), stale_data():
                await nested.commit()
    except BaseException as error:
        tx._open = False
        await _undo(nested.rollback() if nested.is_active else _nothing(), None, error)
        raise
    tx._open = False
    outer._callbacks.extend(tx._callbacks)


@asynccontextmanager
async def _ambient(tx: Transaction) -> AsyncIterator[None]:
    tx._around = _current.get()
    _current.set(tx)
    try:
        yield
    finally:
        # by value: one that was dropped is ended in another context, where a token is refused
        if _current.get() is tx:
            _current.set(tx._around)


@contextmanager
def dropped(what: str) -> Iterator[None]:
    """Warn when the block is not left but collected: somebody entered it by hand and let it go."""
    try:
        yield
    except GeneratorExit:
        message = f"{what} was dropped without being closed; it is rolled back: use `async with`"
        _log.warning(message)
        warnings.warn(message, ResourceWarning, stacklevel=2)
        raise


@asynccontextmanager
async def cut(seconds: float | None, what: str) -> AsyncIterator[None]:
    """End the block with StatementTimeout after so many seconds."""
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            yield
    except TimeoutError as error:
        if limit.expired() and not isinstance(error, InfraError):
            raise too_late(seconds, what) from error
        raise


def too_late(seconds: float | None, what: str) -> StatementTimeout:
    """Make the error of what took longer than it may."""
    return StatementTimeout(f"{what} took longer than {seconds:g} s and was stopped")


@contextmanager
def stale_data() -> Iterator[None]:
    """Translate the one conflict that SQLAlchemy finds by itself, in a flush."""
    try:
        yield
    except StaleDataError as error:
        message = "a row of the session was changed or removed since it was read"
        raise StaleVersion(message) from error


async def _flush_all(tx: Transaction) -> None:
    if tx._session is not None:
        with tx.statement(), stale_data():
            await tx._session.commit()  # flushes; the COMMIT itself is ours


def _require_whole(tx: Transaction) -> None:
    """Raise what a statement raised and the caller passed over: there is nothing to commit."""
    failed = tx.database.backend.failure(tx._connection)
    if failed is not None:
        raise failed


async def _rollback(tx: Transaction) -> None:
    if tx._session is not None:
        await tx._session.rollback()
        await tx._session.close()
    await tx._connection.rollback()


async def _nothing() -> None:
    return


async def _undo(
    rollback: Awaitable[None], connection: AsyncConnection | None, error: BaseException
) -> None:
    """Roll back although the task is cancelled; a connection that does not manage is discarded."""
    task = asyncio.ensure_future(rollback)
    cancelled = await _settle(task)
    failure = None if task.cancelled() or not task.done() else task.exception()
    if failure is not None:
        error.add_note(f"rolling back failed as well: {type(failure).__name__}: {failure}")
    if connection is not None and (failure is not None or not task.done() or task.cancelled()):
        await connection.invalidate()
    if cancelled is not None and not isinstance(error, asyncio.CancelledError):
        raise cancelled


async def _commit(tx: Transaction) -> asyncio.CancelledError | None:
    """Commit; return the cancellation that came meanwhile, to be raised after the callbacks."""
    connection = tx._connection
    task = asyncio.ensure_future(connection.commit())
    cancelled = await _settle(task)
    if cancelled is not None and (not task.done() or task.cancelled()):
        await connection.invalidate()
        raise cancelled
    error = task.exception()
    if error is None:
        if tx._session is not None:
            await tx._session.close()
        return cancelled
    await _undo(_rollback(tx), connection, error)
    if isinstance(error, DatabaseError) and not isinstance(error, DatabaseUnavailable):
        raise error  # the database itself refused: nothing was written
    message = "the connection failed during COMMIT: it is not known whether it took place"
    raise OutcomeUnknown(message) from error


async def _settle(task: asyncio.Future[Any]) -> asyncio.CancelledError | None:
    """Wait for the task; once cancelled ourselves, for at most two seconds more."""
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError as cancelled:
        try:
            await asyncio.wait([task], timeout=_GRACE)
        except asyncio.CancelledError:
            pass  # asked twice: the answer stays the same
        if not task.done():
            task.cancel()
        return cancelled
    return None


async def _run_callbacks(callbacks: list[Callback]) -> None:
    for callback in callbacks:
        try:
            waiting = callback()
            if waiting is not None:
                await waiting
        except Exception:  # noqa: BLE001  # it is logged, and the commit stands
            _log.exception("after_commit callback failed", extra={"event": "db.after_commit"})
