"""A database inside one transaction that never commits: each test leaves it as it was."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from infra_db import transaction as _tx
from infra_db.database import Database
from infra_db.errors import PoolExhausted
from infra_db.transaction import Transaction, ambient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from infra_db.settings import Isolation

__all__ = ["transactional"]


@asynccontextmanager
async def transactional(db: Database) -> AsyncIterator[Database]:
    """Yield the database bound to one connection, and roll everything back at the end.

    Transactions inside are savepoints, and so is each call outside of one; `after_commit` runs when
    they end. Tasks take turns on the one connection, so a fixture may yield it to a test. Make the
    tables before: on MySQL a CREATE TABLE would commit.
    """
    async with db.acquire(db.engine) as connection:
        await connection.begin()
        try:
            yield _Bound(db, connection)
        finally:
            await connection.rollback()


class _Bound(Database):
    """All of a database on one connection, which is in a transaction already."""

    def __init__(self, db: Database, connection: AsyncConnection) -> None:
        self.__dict__.update(db.__dict__)
        self._connection = connection
        self._turn = asyncio.Lock()
        self.fast_reads = None  # it takes connections of its own
        self._opened = True

    @asynccontextmanager
    async def acquire(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        async with self._alone():
            nested = await self._connection.begin_nested()
            try:
                yield self._connection
            except BaseException:
                await nested.rollback()
                raise
            await nested.commit()

    @asynccontextmanager
    async def session(self, *, read_only: bool = False) -> AsyncIterator[AsyncSession]:
        async with (
            self._alone(),
            AsyncSession(
                self._connection,
                expire_on_commit=False,
                join_transaction_mode="create_savepoint",
            ) as session,
        ):
            with _tx.stale_data():
                yield session

    async def aclose(self) -> None:
        """Do nothing: the connection is the test's."""

    @asynccontextmanager
    async def _transaction(
        self, isolation: Isolation | None, read_only: bool, limit: float | None, attempt: int = 1
    ) -> AsyncIterator[Transaction]:
        if ambient(self) is not None:
            async with super()._transaction(isolation, read_only, limit, attempt) as tx:
                yield tx
            return
        async with self.acquire(self.engine) as connection:
            tx = Transaction(
                self, connection, isolation=isolation, read_only=read_only, attempt=attempt
            )
            try:
                async with _tx._ambient(tx), _tx.cut(limit, "the transaction"):
                    yield tx
                    await _tx._flush_all(tx)
                    _tx._require_whole(tx)
            finally:
                tx._open = False
                if tx._session is not None:
                    await tx._session.close()
        await _tx._run_callbacks(tx._callbacks)

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        limit: Any = self.settings.pool_timeout
        try:
            async with asyncio.timeout(limit):
                await self._turn.acquire()
        except TimeoutError as error:
            message = f"the test's one connection was not free in {limit:g} s: a task still has it"
            raise PoolExhausted(message, in_use=1, max=1) from error
        try:
            yield
        finally:
            self._turn.release()
