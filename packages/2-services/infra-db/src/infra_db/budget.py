"""How many statements a piece of code may send: a loop that queries is found by a test."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

from infra_db.errors import QueryBudgetExceeded
from infra_errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy.engine import Engine

__all__ = ["Budget", "query_budget"]

_LISTED = 10  # of the statements, in the error
# What a connection is told about itself and its transaction is no statement of the caller's.
_UNCOUNTED = frozenset(
    {"BEGIN", "COMMIT", "PRAGMA", "RELEASE", "ROLLBACK", "SAVEPOINT", "SET", "START"}
)
_TABLE = re.compile(r"\b(?:FROM|INTO|UPDATE|TABLE)\s+([\w.\"`]+)", re.IGNORECASE)


class Budget:
    """The statements that were sent so far: `count` in all, `statements` by their SQL."""

    def __init__(self, outer: Budget | None = None) -> None:
        self.statements: Counter[str] = Counter()
        self._outer = outer

    @property
    def count(self) -> int:
        """How many statements were sent."""
        return self.statements.total()

    def add(self, statement: str) -> None:
        """Count a statement, here and in the budgets around this one."""
        self.statements[statement] += 1
        if self._outer is not None:
            self._outer.add(statement)


_current: ContextVar[Budget | None] = ContextVar("infra_db_budget", default=None)


@asynccontextmanager
async def query_budget(max: int, *, repeats: int | None = 5) -> AsyncIterator[Budget]:
    """Raise QueryBudgetExceeded at the end of the block if it sent too many statements.

    `max` is how many it may send, `repeats` how often the same one (None: as often as `max`).
    Counted are those of this task and of the tasks started inside, on all databases of infra-db.
    """
    if max < 0 or (repeats is not None and repeats < 1):
        message = "a budget is at least 0 statements, and each of them at least once"
        raise ValidationError(message, code="db.invalid_limit")
    budget = Budget(_current.get())
    token = _current.set(budget)
    try:
        yield budget
    finally:
        _current.reset(token)
    _require_within(budget, max, repeats)


def count(statement: str) -> None:
    """Count a statement that is about to be sent."""
    budget = _current.get()
    if budget is not None and statement.split(None, 1)[0].upper() not in _UNCOUNTED:
        budget.add(statement)


def watch(engine: Engine) -> None:
    """Count what is sent through the engine's connections."""
    event.listen(engine, "before_cursor_execute", _count)


def _count(_: Any, __: Any, statement: str, *___: Any) -> None:
    count(statement)


def _require_within(budget: Budget, most: int, repeats: int | None) -> None:
    repeated = budget.statements.most_common(1)
    too_often = repeats is not None and bool(repeated) and repeated[0][1] > repeats
    if budget.count <= most and not too_often:
        return
    listed = ", ".join(f"{n}x {summary(s)}" for s, n in budget.statements.most_common(_LISTED))
    limit = f"{most} were allowed" + (f", {repeats} of each" if repeats is not None else "")
    message = f"{budget.count} statements were sent, {limit}: {listed}"
    raise QueryBudgetExceeded(message, count=budget.count, max=most)


def summary(statement: str) -> str:
    """Return a statement's verb and table; its text might hold values."""
    verb = statement.split(None, 1)[0].upper()
    table = _TABLE.search(statement)
    name = table[1].replace('"', "").replace("`", "") if table else ""
    return f"{verb} {name}".strip()
