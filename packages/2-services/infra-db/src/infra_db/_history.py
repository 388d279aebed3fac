"""What the version table of one model holds: its statements, its rows, and what they describe."""

from __future__ import annotations

import json
from datetime import datetime  # noqa: TC003  # attrs reads the annotation
from typing import TYPE_CHECKING, Any, Literal, cast

import attrs
from sqlalchemy import Select, select
from sqlalchemy.orm import attributes, make_transient_to_detached

from infra_db._versions import ContentCodec, default_of, version_table
from infra_db.types import UtcDateTime
from infra_errors import ValidationError
from infra_json import diff

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import ColumnElement, Row
    from sqlalchemy.engine import Dialect

    from infra_db._mapping import ModelMap

__all__ = ["History", "VersionInfo", "check_number", "described"]


@attrs.frozen
class VersionInfo:
    """One version: who recorded it, when, and what it changed.

    `patch` is the JSON Patch (RFC 6902) from the version before, `changed` the fields it touches;
    `content` is what was stored, with fields that the model no longer has; `sha256` is that of its
    canonical JSON (RFC 8785), in hex.
    """

    version: int
    operation: Literal["create", "update", "delete", "restore"]
    recorded_at: datetime
    recorded_by: str | None
    changed: tuple[str, ...]
    patch: list[dict[str, object]]
    content: dict[str, Any]
    sha256: str


class History:
    """The versions of one model's rows."""

    def __init__(self, mapping: ModelMap, unversioned: frozenset[str], dialect: Dialect) -> None:
        self.codec = ContentCodec(mapping, unversioned, dialect)
        self.table = version_table(mapping.table)
        self._map = mapping
        self._dialect = dialect

    def key(self, id: Any) -> dict[str, Any]:
        """The columns that name a row; `db.invalid_id`."""
        key = self._map.key(id)
        return {f"entity_{self._map.fields[name].stored.name}": key[name] for name in key}

    def of(self, id: Any) -> Select[Any]:
        """Select a row's versions."""
        return select(self.table).where(
            *(self.table.c[name] == value for name, value in self.key(id).items())
        )

    def last(self, id: Any) -> Select[Any]:
        """Select a row's newest version."""
        newest = self.of(id).order_by(self.table.c.version.desc()).limit(1)
        # MySQL's repeatable reads would not see what was recorded since the first of them.
        return newest if self._dialect.update_returning else newest.with_for_update()

    def at(self, version: int | None, as_of: datetime | None) -> ColumnElement[bool]:
        """The condition for one version, or for those recorded by a time."""
        if version is not None and as_of is not None:
            message = "ask for a version or for a time, not for both"
            raise ValidationError(message, code="db.invalid_filter")
        if version is not None:
            check_number(version, 1, "version")
            return self.table.c.version == version
        UtcDateTime().process_bind_param(as_of, self._dialect)  # refuses a naive one
        return self.table.c.recorded_at <= as_of

    def rebuilt(self, id: Any, found: Row[Any], head: Any | None, begun: datetime | None) -> Any:
        """Build a model instance as it was at a version; what no version holds is the head's."""
        mapping = self._map
        values = self.codec.decode(json.loads(found.content))
        values |= mapping.key(id) | {"version": found.version, "updated_at": found.recorded_at}
        values["deleted_at"] = found.recorded_at if found.operation == "delete" else None
        values["created_at"] = getattr(head, "created_at", begun)
        for name in self.codec.unversioned & mapping.fields.keys():
            values[name] = default_of(mapping.fields[name]) if head is None else getattr(head, name)
        instance = mapping.model.__mapper__.class_manager.new_instance()
        for name, value in values.items():
            if mapping.has(name):
                attributes.set_committed_value(instance, name, value)
        make_transient_to_detached(instance)
        return instance


def described(rows: Sequence[Row[Any]], after: int, limit: int) -> Iterator[VersionInfo]:
    """Tell what each version above `after` changed, for at most `limit`."""
    before: dict[str, Any] = {}
    for row in rows:
        content = json.loads(row.content)
        if row.operation == "create":
            before = {}
        if row.version > after and limit > 0:
            limit -= 1
            yield _info(row, before, content)
        before = content


def _info(row: Row[Any], before: dict[str, Any], content: dict[str, Any]) -> VersionInfo:
    patch = cast("list[dict[str, object]]", diff(before, content).to_list())
    return VersionInfo(
        version=row.version,
        operation=row.operation,
        recorded_at=row.recorded_at,
        recorded_by=row.recorded_by,
        changed=tuple(sorted({_field_of(str(step["path"])) for step in patch})),
        patch=patch,
        content=content,
        sha256=row.sha256,
    )


def _field_of(path: str) -> str:
    return path.split("/", 2)[1].replace("~1", "/").replace("~0", "~")


def check_number(value: int, least: int, name: str) -> None:
    """Raise ValidationError for what is no version's number."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        message = f"{name} is a version's number, at least {least}"
        raise ValidationError(message, code="db.invalid_limit")
