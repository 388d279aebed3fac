"""MySQL's and MariaDB's errors in our words, by error number."""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table, UniqueConstraint

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

_KEY = re.compile(r"for key '(?:[^']*\.)?([^'.]+)'")  # the text before it quotes the value
_COLUMN = re.compile(r"(?:Column|Field|for column) [`']([^`']+)[`']")
_CHECK = re.compile(r"(?:CONSTRAINT|constraint) [`']([^`']+)[`']")


def translate(error: BaseException, url: URL, table: object) -> InfraError:
    """
    Say in our tree what the server, or the driver about it, said.

    `table` is the statement's: the server names the violated key, not its columns.
    """
    number, text = _told(error)
    found = _violation(number, text, table) or _refusal(number, url)
    if found is not None:
        return found
    if number is None or number in _LOST:
        return unreachable(error, url)
    return QueryError(f"the server refused the statement (error {number})", number=number)


def unreachable(error: BaseException, url: URL) -> InfraError:
    """Say in our tree why a connection could not be made, or was lost."""
    number, _ = _told(error)
    found = _refusal(number, url)
    if found is not None:
        return found
    reason = error.__cause__ or error
    if isinstance(reason, ssl.SSLError):
        why = getattr(reason, "verify_message", "") or "the TLS handshake failed"
        return DatabaseUnavailable(_at(url, f"was not trusted: {why}"), retryable=False)
    if isinstance(error, TimeoutError):
        return DatabaseUnavailable(_at(url, "did not answer in time"))
    return DatabaseUnavailable(_at(url, "cannot be reached, or it closed the connection"))


# Client and server numbers of a connection that is not, or no longer, there.
_LOST = {0, 1040, 1053, 1077, 1152, 1158, 1159, 1160, 1161, 1927, *range(2000, 2100)}


def _told(error: BaseException) -> tuple[int | None, str]:
    arguments: tuple[object, ...] = getattr(error, "args", ())
    if len(arguments) > 1 and isinstance(arguments[0], int):
        return arguments[0], str(arguments[1])
    return None, ""


def _at(url: URL, what: str) -> str:
    return f"the database server {url.host}:{url.port or 3306} {what}"


def _violation(number: int | None, text: str, table: object) -> InfraError | None:
    if number in {1062, 1586}:
        found = _KEY.search(text)
        constraint = found[1] if found else None
        fields = _columns(table, constraint)
        name = table.name if isinstance(table, Table) else "the table"
        message = f"another row of {name} already has this {' and '.join(fields) or 'value'}"
        return UniqueViolation(message, fields=fields, constraint=constraint, table=name)
    if number in {1216, 1217, 1451, 1452}:
        found = _CHECK.search(text)
        message = "the row refers to one that does not exist, or another row still refers to it"
        return ForeignKeyViolation(message, constraint=found[1] if found else None)
    if number in {1048, 1364}:
        found = _COLUMN.search(text)
        column = found[1] if found else "a column"
        return ValidationError(f"{column} must not be null", code="db.not_null", field=column)
    if number in {3819, 4025}:
        found = _CHECK.search(text)
        constraint = found[1].rpartition(".")[2] if found else "of the table"
        message = f"the check constraint {constraint} does not hold"
        return ValidationError(message, code="db.check", constraint=constraint)
    if number == 1406:
        found = _COLUMN.search(text)
        message = f"the text is longer than {found[1] if found else 'its column'} holds"
        return ValidationError(message, code="db.too_long")
    return None


def _columns(table: object, key: str | None) -> tuple[str, ...]:
    if not isinstance(table, Table) or key is None:
        return ()
    if key == "PRIMARY":
        return tuple(table.primary_key.columns.keys())
    named: list[Any] = [
        *table.indexes,
        *(c for c in table.constraints if isinstance(c, UniqueConstraint)),
    ]
    for one in named:
        if one.name == key:
            return tuple(one.columns.keys())
    return (key,) if key in table.columns else ()


def _refusal(number: int | None, url: URL) -> InfraError | None:
    if number == 1213:
        message = "two transactions waited for each other; this one was ended: run it again"
        return TransactionConflict(message, code="db.deadlock")
    if number == 1020:
        return TransactionConflict("another transaction changed what this one saw; run it again")
    if number in {1205, 3572}:
        return LockTimeout("a lock was not free within lock_timeout")
    if number in {1317, 1969, 3024}:
        return StatementTimeout("the statement ran longer than query_timeout and was stopped")
    if number in {1021, 1114}:
        return StorageFull(_at(url, "cannot grow: its disk is full"))
    if number in {1290, 1792, 1836}:
        message = "a write was attempted in a read-only transaction"
        return TransactionStateError(message, code="db.read_only")
    if number in {1044, 1045, 1698}:
        return AccessDenied(_at(url, "refused the user name or password"))
    if number in {1142, 1143, 1227}:
        return AccessDenied("this database user may not do that: its rights lack it")
    if number == 1049:
        return DatabaseUnavailable(_at(url, f"has no database {url.database}"), retryable=False)
    return None
