"""What infra-db raises on purpose.

    DatabaseError
    ├── RecordNotFound         (NotFoundError)           db.not_found
    ├── UniqueViolation        (ConflictError)           db.unique_violation
    ├── ForeignKeyViolation    (ConflictError)           db.foreign_key_violation
    ├── StaleVersion           (ConflictError)           db.stale_version
    ├── TransactionConflict    (ConflictError, retry)    db.serialization_failure, db.deadlock
    ├── StatementTimeout       (DeadlineExceededError)   db.statement_timeout
    ├── LockTimeout            (DeadlineExceededError, retry)   db.lock_timeout
    ├── PoolExhausted          (UnavailableError)        db.pool_exhausted
    ├── DatabaseUnavailable    (UnavailableError, retry) db.connection, db.breaker_open
    ├── AccessDenied           (PermissionDeniedError)   db.access_denied
    ├── OutcomeUnknown         (UnavailableError)        db.outcome_unknown
    ├── StorageFull                                      db.storage_full
    ├── QueryError                                       db.query
    ├── TransactionStateError                            db.transaction_closed, db.foreign_task,
    │                                                    db.concurrent_use, db.read_only
    ├── MigrationError                                   db.migration_failed, db.migration_locked,
    │                                                    db.multiple_heads
    ├── SchemaDrift                                      db.schema_drift
    ├── QueryBudgetExceeded                              db.query_budget
    └── CapabilityError                                  db.unsupported

Bad input is `infra_errors.ValidationError`, bad settings `infra_errors.ConfigError`, both with a
code that begins with `db.`. No message holds a value that was sent to the database.
"""

from __future__ import annotations

from typing import cast

from infra_errors import (
    ConflictError,
    DatabaseError,
    DeadlineExceededError,
    NotFoundError,
    PermissionDeniedError,
    Status,
    UnavailableError,
)

__all__ = [
    "AccessDenied",
    "CapabilityError",
    "DatabaseUnavailable",
    "ForeignKeyViolation",
    "LockTimeout",
    "MigrationError",
    "OutcomeUnknown",
    "PoolExhausted",
    "QueryBudgetExceeded",
    "QueryError",
    "RecordNotFound",
    "SchemaDrift",
    "StaleVersion",
    "StatementTimeout",
    "StorageFull",
    "TransactionConflict",
    "TransactionStateError",
    "UniqueViolation",
]


class RecordNotFound(DatabaseError, NotFoundError):
    """The row is not there, or is soft-deleted."""

    code = "db.not_found"
    default_message = "no such record"


class UniqueViolation(DatabaseError, ConflictError):
    """Another row already holds the value of a unique column or index."""

    code = "db.unique_violation"

    @property
    def fields(self) -> tuple[str, ...]:
        """The columns of the violated constraint; empty when the server names only the index."""
        return tuple(cast("tuple[str, ...]", self.context.get("fields") or ()))

    @property
    def constraint(self) -> str | None:
        """The constraint's or index's name, when the server tells it."""
        return cast("str | None", self.context.get("constraint"))


class ForeignKeyViolation(DatabaseError, ConflictError):
    """The row points to one that is not there, or others still point to it."""

    code = "db.foreign_key_violation"


class StaleVersion(DatabaseError, ConflictError):
    """The row was changed since it was read: `expected` is not its `actual` version."""

    code = "db.stale_version"

    @property
    def expected(self) -> int | None:
        """The version the caller had read."""
        return cast("int | None", self.context.get("expected"))

    @property
    def actual(self) -> int | None:
        """The version the row has now."""
        return cast("int | None", self.context.get("actual"))


class TransactionConflict(DatabaseError, ConflictError):
    """Two transactions collided and this one lost; the whole of it may be repeated."""

    code = "db.serialization_failure"
    retryable = True


class StatementTimeout(DatabaseError, DeadlineExceededError):
    """A statement or a transaction ran longer than it may."""

    code = "db.statement_timeout"
    retryable = False


class LockTimeout(DatabaseError, DeadlineExceededError):
    """A lock was held by somebody else for longer than `lock_timeout`."""

    code = "db.lock_timeout"
    retryable = True


class PoolExhausted(DatabaseError, UnavailableError):
    """No connection became free within `pool_timeout`."""

    code = "db.pool_exhausted"


class DatabaseUnavailable(DatabaseError, UnavailableError):
    """The database cannot be reached or opened."""

    code = "db.connection"


class AccessDenied(DatabaseError, PermissionDeniedError):
    """The server refused the user, or what this user asked for."""

    code = "db.access_denied"


class StorageFull(DatabaseError):
    """The database has no room left on its disk; what was being written is rolled back."""

    code = "db.storage_full"
    status = Status.RESOURCE_EXHAUSTED
    http_status = 507
    retryable = False


class OutcomeUnknown(DatabaseError, UnavailableError):
    """The connection broke while COMMIT was under way: it may or may not have happened."""

    code = "db.outcome_unknown"
    retryable = False


class QueryError(DatabaseError):
    """The database refused the statement."""

    code = "db.query"


class TransactionStateError(DatabaseError):
    """A transaction was used when, where or for what it cannot be used."""

    code = "db.transaction_closed"


class MigrationError(DatabaseError):
    """A migration could not be started or finished."""

    code = "db.migration_failed"


class SchemaDrift(DatabaseError):
    """The database's tables are not those of the models; `differences` lists how."""

    code = "db.schema_drift"

    @property
    def differences(self) -> tuple[str, ...]:
        """One line a difference."""
        return tuple(violation.message for violation in self.violations)


class QueryBudgetExceeded(DatabaseError):
    """More statements were sent than `query_budget` allows."""

    code = "db.query_budget"


class CapabilityError(DatabaseError):
    """This backend or this model cannot do what was asked."""

    code = "db.unsupported"
    status = Status.UNIMPLEMENTED
