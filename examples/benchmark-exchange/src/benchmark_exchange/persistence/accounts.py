"""Users and organisations on SQL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from benchmark_exchange.domain.ids import OrganizationId, UserId
from benchmark_exchange.persistence.tables import MemberRow, OrganizationRow, UserRow
from infra_db import Database, Repository

__all__ = ["SqlAccountRepository"]


class SqlAccountRepository:
    """Finds or makes the accounts the service acts as; call it inside a transaction."""

    def __init__(self, db: Database, *, clock: Callable[[], float]) -> None:
        self._users = Repository[UserRow, UUID](db, UserRow)
        self._organizations = Repository[OrganizationRow, UUID](db, OrganizationRow)
        self._members = Repository[MemberRow, UUID](db, MemberRow)
        self._clock = clock

    async def ensure_user(self, username: str, display_name: str, *, role: str) -> UserId:
        """Return the user of that name, made now if there is none."""
        row = await self._users.get_by(username=username)
        if row is None:
            values = {"username": username, "display_name": display_name, "role": role}
            row = await self._users.create(values)
        return UserId.from_uuid(row.id)

    async def ensure_organization(self, slug: str, name: str, *, owner: UserId) -> OrganizationId:
        """Return the organisation of that slug, made now with its owner if there is none."""
        row = await self._organizations.get_by(slug=slug)
        if row is None:
            row = await self._organizations.create({"slug": slug, "name": name})
            await self._members.create(
                {
                    "organization_id": row.id,
                    "user_id": owner.uuid,
                    "role": "owner",
                    "joined_at": datetime.fromtimestamp(self._clock(), UTC),
                }
            )
        return OrganizationId.from_uuid(row.id)
