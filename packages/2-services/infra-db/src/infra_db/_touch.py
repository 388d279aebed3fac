"""`updated_at` kept by the database itself, for what writes past SQLAlchemy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Table, event

from infra_errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

__all__ = ["create_touch_trigger", "touch_trigger"]


def touch_trigger(table: Table) -> None:
    """Give the table a trigger that sets `updated_at` when an UPDATE leaves it as it was.

    `touch_trigger(User.__table__)` beside the model; `create_all` makes it, a revision calls
    `create_touch_trigger`. Statements that SQLAlchemy builds set `updated_at` by the database's
    clock and are left alone; the trigger's time is the server's, in UTC. Raises ConfigError
    `db.config` for a table without `updated_at`.
    """
    if "updated_at" not in table.columns:
        message = f"{table.name} has no updated_at to keep"
        raise ConfigError(message, code="db.config")

    def create(made: Table, connection: Connection, **_: Any) -> None:
        create_touch_trigger(connection, made.name, schema=made.schema)

    def drop(gone: Table, connection: Connection, **_: Any) -> None:
        if connection.dialect.name == "postgresql":
            names = _names(gone.name, gone.schema, connection.dialect.identifier_preparer.quote)
            connection.exec_driver_sql("DROP FUNCTION IF EXISTS {function}()".format(**names))

    event.listen(table, "after_create", create)
    event.listen(table, "after_drop", drop)


def create_touch_trigger(connection: Connection, table: str, *, schema: str | None = None) -> None:
    """Make a table's trigger in a revision: `create_touch_trigger(op.get_bind(), "user")`."""
    dialect = "mysql" if connection.dialect.name == "mariadb" else connection.dialect.name
    names = _names(table, schema, connection.dialect.identifier_preparer.quote)
    for statement in _CREATE[dialect]:
        connection.exec_driver_sql(statement.format(**names))


def _names(table: str, schema: str | None, quote: Callable[[str], str]) -> dict[str, str]:
    before = "" if schema is None else f"{quote(schema)}."
    trigger = quote(f"{table[:50]}_touch")
    return {"on": before + quote(table), "trigger": trigger, "function": before + trigger}


_CREATE = {
    "sqlite": (
        """CREATE TRIGGER {trigger} AFTER UPDATE ON {on} WHEN new.updated_at IS old.updated_at
        BEGIN UPDATE {on} SET updated_at = strftime('%Y-%m-%d %H:%M:%f000', 'now')
        WHERE rowid = new.rowid; END""",
    ),
    "postgresql": (
        """CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF new.updated_at IS NOT DISTINCT FROM old.updated_at THEN
        new.updated_at := clock_timestamp(); END IF; RETURN new; END $$""",
        """CREATE TRIGGER {trigger} BEFORE UPDATE ON {on}
        FOR EACH ROW EXECUTE FUNCTION {function}()""",
    ),
    # Not ON UPDATE CURRENT_TIMESTAMP: that is in the time zone of whoever happens to write.
    "mysql": (
        """CREATE TRIGGER {trigger} BEFORE UPDATE ON {on} FOR EACH ROW SET new.updated_at =
        IF(new.updated_at <=> old.updated_at, UTC_TIMESTAMP(6), new.updated_at)""",
    ),
}
