"""SQLite's errors in our words, chosen by extended result code (https://sqlite.org/rescode.html)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from infra_db.errors import (
    DatabaseUnavailable,
    ForeignKeyViolation,
    LockTimeout,
    QueryError,
    StatementTimeout,
    StorageFull,
    TransactionConflict,
    TransactionStateError,
    UniqueViolation,
)
from infra_errors import DatabaseError, InfraError, ValidationError

if TYPE_CHECKING:
    import sqlite3

__all__ = ["translate"]


def translate(error: sqlite3.Error, *, path: str, read_only: bool) -> InfraError:
    """Say in our tree what SQLite said.

    `path` is the database file named in messages about the file itself; `read_only` tells that
    the transaction was opened for reading, which SQLite reports like a file it may not write.
    """
    name = getattr(error, "sqlite_errorname", "") or ""
    text = str(error)
    if name.startswith("SQLITE_CONSTRAINT"):
        return _constraint(name, text)
    if name.startswith("SQLITE_READONLY") and read_only:
        message = "a write was attempted in a read-only transaction"
        return TransactionStateError(message, code="db.read_only")
    if name == "SQLITE_BUSY_SNAPSHOT":
        return TransactionConflict("another transaction wrote what this one had read; run it again")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return LockTimeout("another connection held the database's write lock for too long")
    if name == "SQLITE_INTERRUPT":
        return StatementTimeout("the statement ran longer than query_timeout and was interrupted")
    if name == "SQLITE_FULL":
        return StorageFull(f"the database {path} cannot grow: the disk is full")
    return _file(name, text, path) or QueryError(f"SQLite refused the statement: {text}")


def _constraint(name: str, text: str) -> InfraError:
    detail = text.partition(": ")[2]
    if name in {
        "SQLITE_CONSTRAINT_UNIQUE",
        "SQLITE_CONSTRAINT_PRIMARYKEY",
        "SQLITE_CONSTRAINT_ROWID",
    }:
        return _unique(detail)
    if name == "SQLITE_CONSTRAINT_FOREIGNKEY":
        message = "the row refers to one that does not exist, or another row still refers to it"
        return ForeignKeyViolation(message)
    if name == "SQLITE_CONSTRAINT_NOTNULL":
        column = detail.rpartition(".")[2]
        return ValidationError(f"{detail} must not be null", code="db.not_null", field=column)
    if name == "SQLITE_CONSTRAINT_CHECK":
        message = f"the check constraint {detail} does not hold"
        return ValidationError(message, code="db.check", constraint=detail)
    return QueryError(f"a constraint refused the statement: {text}")


def _unique(detail: str) -> DatabaseError:
    # "users.email, users.tenant" for plain columns, "index 'ix_name'" for an expression index.
    if detail.startswith("index "):
        constraint = detail.removeprefix("index ").strip("'")
        message = f"another row already has this value (unique index {constraint})"
        return UniqueViolation(message, fields=(), constraint=constraint)
    fields = tuple(part.rpartition(".")[2] for part in detail.split(", "))
    table = detail.partition(".")[0]
    message = f"another row of {table} already has this {' and '.join(fields)}"
    return UniqueViolation(message, fields=fields, table=table)


# What is wrong with the file, and that trying again will not help.
_FILE_FAULTS = {
    "SQLITE_CANTOPEN": "cannot be opened: its folder is missing, or it may not be read or written",
    "SQLITE_NOTADB": "is not a SQLite database",
    "SQLITE_CORRUPT": "is damaged",
    "SQLITE_READONLY": "may not be written: check the rights of the file and its folder",
    "SQLITE_PERM": "may not be used: check the rights of the file and its folder",
    "SQLITE_IOERR": "cannot be read or written: the disk reported an error",
}


def _file(name: str, text: str, path: str) -> DatabaseError | None:
    if name.startswith("SQLITE_CANTOPEN") and not Path(path).parent.is_dir():
        message = f"the folder of the database {path} does not exist: make it first"
        return DatabaseUnavailable(message, retryable=False, sqlite=name)
    for prefix, fault in _FILE_FAULTS.items():
        if name.startswith(prefix):
            message = f"the database {path} {fault}"
            return DatabaseUnavailable(message, retryable=False, sqlite=name)
    if "no active connection" in text or "connection closed" in text.lower():
        return DatabaseUnavailable(f"the connection to {path} was closed")
    return None
