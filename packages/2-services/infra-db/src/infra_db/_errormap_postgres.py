"""PostgreSQL's errors in our words, by SQLSTATE (PostgreSQL manual, appendix A)."""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING, Any

from infra_db.errors import (
    AccessDenied,
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
from infra_errors import InfraError, ValidationError

if TYPE_CHECKING:
    from sqlalchemy import URL

__all__ = ["translate", "unreachable"]

# "Key (a, lower(b))=(…) already exists.": the names, never the values
_KEY = re.compile(r"Key \((.*?)\)=\(")


def translate(error: BaseException, url: URL) -> InfraError:
    """Say in our tree what the server, or the driver about it, said."""
    driver = error.__cause__ or error
    state = getattr(error, "sqlstate", None) or getattr(driver, "sqlstate", None) or ""
    found = _violation(state, driver) or _refusal(state, url)
    if found is None and not state and not isinstance(driver, ValueError | TypeError):
        return unreachable(driver, url)
    kind = type(driver).__name__
    why = ""
    if state.startswith("42"):  # about the statement's own text, which holds no bound value
        why = f": {driver.args[0]}" if driver.args else ""
    else:
        for one in (error, driver):
            _silence(one)
    return found or QueryError(f"PostgreSQL refused the statement: {kind} ({state}){why}")


def _silence(error: BaseException) -> None:
    """Take the values of the statement out of what a log would print of the cause."""
    error.args = ("the server's text is left out: it quotes values",)
    for name in ("detail", "message"):
        if getattr(error, name, None) is not None:
            setattr(error, name, None)


def unreachable(error: BaseException, url: URL) -> InfraError:
    """Say in our tree why a connection could not be made, or was lost."""
    state = getattr(error, "sqlstate", None) or ""
    if state:
        return _refusal(state, url) or DatabaseUnavailable(_at(url, f"refused us ({state})"))
    if isinstance(error, ssl.SSLError):
        why = getattr(error, "verify_message", "") or "the TLS handshake failed"
        return DatabaseUnavailable(_at(url, f"was not trusted: {why}"), retryable=False)
    if isinstance(error, TimeoutError):
        return DatabaseUnavailable(_at(url, "did not answer in time"))
    return DatabaseUnavailable(_at(url, f"cannot be reached: {type(error).__name__}"))


def _at(url: URL, what: str) -> str:
    return f"the database server {url.host}:{url.port or 5432} {what}"


def _violation(state: str, driver: Any) -> InfraError | None:
    constraint = getattr(driver, "constraint_name", None)
    table = getattr(driver, "table_name", None)
    if state == "23505":
        found = _KEY.search(getattr(driver, "detail", None) or "")
        fields = tuple(part.strip().strip('"') for part in found[1].split(",")) if found else ()
        message = f"another row of {table} already has this {' and '.join(fields) or 'value'}"
        return UniqueViolation(message, fields=fields, constraint=constraint, table=table)
    if state in {"23503", "23001"}:
        message = "the row refers to one that does not exist, or another row still refers to it"
        return ForeignKeyViolation(message, constraint=constraint, table=table)
    if state == "23502":
        column = getattr(driver, "column_name", None)
        message = f"{table}.{column} must not be null"
        return ValidationError(message, code="db.not_null", field=column)
    if state == "23514":
        message = f"the check constraint {constraint} does not hold"
        return ValidationError(message, code="db.check", constraint=constraint)
    if state == "22001":
        return ValidationError("a text is longer than its column", code="db.too_long")
    return None


def _refusal(state: str, url: URL) -> InfraError | None:
    if state == "40P01":
        message = "two transactions waited for each other; this one was ended: run it again"
        return TransactionConflict(message, code="db.deadlock")
    if state in {"40001", "40002"}:
        return TransactionConflict("another transaction changed what this one saw; run it again")
    if state == "57014":
        return StatementTimeout("the statement ran longer than query_timeout and was stopped")
    if state == "55P03":
        return LockTimeout("a lock was not free within lock_timeout")
    if state == "25006":
        message = "a write was attempted in a read-only transaction"
        return TransactionStateError(message, code="db.read_only")
    if state == "53100":
        return StorageFull(_at(url, "cannot grow: its disk is full"))
    if state == "42501":
        return AccessDenied("this database user may not do that: its rights lack it")
    if state.startswith("28"):
        return AccessDenied(_at(url, "refused the user name or password"))
    if state == "3D000":
        return DatabaseUnavailable(_at(url, f"has no database {url.database}"), retryable=False)
    if state in {"25P03", "57P05"}:
        return DatabaseUnavailable("the server closed a connection that stood idle too long")
    if state.startswith(("08", "53", "57P", "58")):
        return DatabaseUnavailable(_at(url, f"is not available ({state})"))
    return None
