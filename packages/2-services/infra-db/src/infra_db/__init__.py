"""Transactions that retry and never leak, and repositories over your own SQLAlchemy models.

>>> import asyncio
>>> from sqlalchemy.orm import Mapped, mapped_column
>>> from infra_db import Base, IdMixin, Repository, connect
>>> class Planet(IdMixin, Base):
...     __tablename__ = "planet"
...     name: Mapped[str] = mapped_column(unique=True)
>>> async def main():
...     async with connect("memory://") as db:
...         await db.create_all(Base.metadata)
...         planets = Repository(db, Planet)
...         await planets.create({"name": "Mars"})
...         return await planets.get_by(name="Mars")
>>> asyncio.run(main()).name
'Mars'
"""

from infra_db._touch import create_touch_trigger, touch_trigger
from infra_db.backends import Backend, Capabilities
from infra_db.budget import Budget, query_budget
from infra_db.database import TX_RETRY, Database, Health, PoolStatus, connect
from infra_db.errors import (
    AccessDenied,
    CapabilityError,
    DatabaseUnavailable,
    ForeignKeyViolation,
    LockTimeout,
    MigrationError,
    OutcomeUnknown,
    PoolExhausted,
    QueryBudgetExceeded,
    QueryError,
    RecordNotFound,
    SchemaDrift,
    StaleVersion,
    StatementTimeout,
    StorageFull,
    TransactionConflict,
    TransactionStateError,
    UniqueViolation,
)
from infra_db.filters import Filter, any_of
from infra_db.latest import latest_per
from infra_db.memory import MemoryRepository
from infra_db.models import Base, IdMixin, SoftDeleteMixin, TimestampMixin, VersionMixin
from infra_db.paging import Page, Sort
from infra_db.protocol import AsyncRepository
from infra_db.repository import Change, Repository
from infra_db.search import SearchHit, SearchIndex
from infra_db.settings import DatabaseConfig, DatabaseSettings, Isolation
from infra_db.transaction import Transaction
from infra_db.types import FoldedStr, JsonDict, UtcDateTime
from infra_db.versioned import VersionedMixin, VersionedRepository, VersionInfo

__all__ = [
    "AccessDenied",
    "AsyncRepository",
    "Backend",
    "Base",
    "Budget",
    "Capabilities",
    "CapabilityError",
    "Change",
    "Database",
    "DatabaseConfig",
    "DatabaseSettings",
    "DatabaseUnavailable",
    "Filter",
    "FoldedStr",
    "ForeignKeyViolation",
    "Health",
    "IdMixin",
    "Isolation",
    "JsonDict",
    "LockTimeout",
    "MemoryRepository",
    "MigrationError",
    "OutcomeUnknown",
    "Page",
    "PoolExhausted",
    "PoolStatus",
    "QueryBudgetExceeded",
    "QueryError",
    "RecordNotFound",
    "Repository",
    "SchemaDrift",
    "SearchHit",
    "SearchIndex",
    "SoftDeleteMixin",
    "Sort",
    "StaleVersion",
    "StatementTimeout",
    "StorageFull",
    "TX_RETRY",
    "TimestampMixin",
    "Transaction",
    "TransactionConflict",
    "TransactionStateError",
    "UniqueViolation",
    "UtcDateTime",
    "VersionInfo",
    "VersionMixin",
    "VersionedMixin",
    "VersionedRepository",
    "any_of",
    "connect",
    "create_touch_trigger",
    "latest_per",
    "query_budget",
    "touch_trigger",
]
