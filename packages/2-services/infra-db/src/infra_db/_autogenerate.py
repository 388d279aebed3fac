"""What a database lacks of the models: told as differences, or written as a revision."""

from __future__ import annotations

import re
from textwrap import indent
from typing import TYPE_CHECKING, Any

import attrs
from alembic.autogenerate import compare_metadata, produce_migrations, render_python_code
from alembic.runtime.migration import MigrationContext

from infra_db._fts_postgres import COLUMN
from infra_db.search import missing_search

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, MetaData

__all__ = ["Difference", "compare", "write"]


@attrs.frozen
class Difference:
    """One thing in which the database is not what the models or the revisions say."""

    kind: str
    table: str | None
    detail: str


def compare(connection: Connection, metadata: MetaData) -> tuple[Difference, ...]:
    """Return in what the database differs from the models."""
    context = MigrationContext.configure(
        connection, opts={"include_object": _ours(metadata), "compare_type": True}
    )
    searched = [
        Difference("add_search", table, "the search index is missing: create_search(...)")
        for table in missing_search(connection, metadata)
    ]
    return (
        *searched,
        *(
            _difference(change)
            for entry in compare_metadata(context, metadata)
            for change in (entry if isinstance(entry, list) else [entry])
        ),
    )


def _ours(metadata: MetaData) -> Callable[..., bool]:
    def ours(thing: Any, name: str | None, kind: str, reflected: bool, _: Any) -> bool:
        if reflected and (name == COLUMN or (kind == "index" and COLUMN in thing.columns)):
            return False  # a search index, which is asked for by itself
        return not (kind == "table" and reflected and name not in metadata.tables)

    return ours


def _difference(change: tuple[Any, ...]) -> Difference:
    kind = str(change[0])
    if kind.startswith("modify_"):
        table, column = str(change[2]), str(change[3])
        return Difference(kind, table, f"{table}.{column}: {change[-2]!r} should be {change[-1]!r}")
    subject = change[-1]
    owner = getattr(subject, "table", subject)
    name = getattr(subject, "name", None) or type(subject).__name__
    return Difference(kind, getattr(owner, "name", None), f"{kind} {name}")


def write(connection: Connection, metadata: MetaData) -> tuple[str, str, str]:
    """Return the bodies of an upgrade and a downgrade to the models, and the imports they need."""
    context = MigrationContext.configure(
        connection,
        opts={"include_object": _ours(metadata), "compare_type": True, "render_as_batch": False},
    )
    script = produce_migrations(context, metadata)
    assert script.upgrade_ops is not None
    assert script.downgrade_ops is not None
    up, down = (
        indent(render_python_code(ops, migration_context=context).strip(), "    ")
        for ops in (script.upgrade_ops, script.downgrade_ops)
    )
    modules = {found[1] for found in _FOREIGN.finditer(up + down)} - {"sa", "op"}
    return up, down, "".join(f"import {name}\n" for name in sorted(modules)) + "\n" * bool(modules)


_FOREIGN = re.compile(r"(?<![\w.])((?:[a-z_]\w*)(?:\.[a-z_]\w*)*)\.[A-Z]\w*\(")
