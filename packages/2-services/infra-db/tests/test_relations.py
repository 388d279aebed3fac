"""Relationships of the application's own models, through repositories and sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from sqlalchemy import Column, ForeignKey, MetaData, Table, delete, func, insert, select
from sqlalchemy.orm import Mapped, mapped_column, relationship, selectinload

from infra_db import Base, IdMixin, Repository, UniqueViolation, connect, query_budget

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from infra_db import Database


class Own(Base):
    __abstract__ = True
    metadata = MetaData(naming_convention=Base.metadata.naming_convention)


user_roles = Table(
    "user_roles",
    Own.metadata,
    Column("user_id", ForeignKey("user.id", ondelete="CASCADE"), primary_key=True),
    Column("role_id", ForeignKey("role.id", ondelete="CASCADE"), primary_key=True),
)


class Role(IdMixin, Own):
    __tablename__ = "role"
    level: Mapped[int]


class User(IdMixin, Own):
    __tablename__ = "user"
    number: Mapped[int]
    roles: Mapped[list[Role]] = relationship(secondary=user_roles)
    letters: Mapped[list[Letter]] = relationship(
        back_populates="user", cascade="all, delete-orphan", passive_deletes=True
    )


class Letter(IdMixin, Own):
    __tablename__ = "letter"
    user_id: Mapped[UUID] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    user: Mapped[User] = relationship(back_populates="letters")


class _Relations:
    async def test_a_list_with_its_relations_takes_two_queries_however_long(
        self, db: Database
    ) -> None:
        users = Repository(db, User)
        roles = [Role(level=level) for level in range(3)]
        async with db.transaction() as tx:
            tx.session.add_all(roles)
            tx.session.add_all(
                User(number=n, roles=[roles[n % 3], roles[(n + 1) % 3]]) for n in range(50)
            )
        async with query_budget(3):
            found = await users.options(selectinload(User.roles)).get_all(sort=["number"])
        assert [{n % 3, (n + 1) % 3} for n in range(50)] == [
            {role.level for role in user.roles} for user in found
        ]

    async def test_an_association_is_made_once_and_goes_with_its_sides(self, db: Database) -> None:
        users, roles = Repository(db, User), Repository(db, Role)
        user, role = await users.create({"number": 1}), await roles.create({"level": 1})
        link = insert(user_roles).values(user_id=user.id, role_id=role.id)
        await db.execute(link)
        with pytest.raises(UniqueViolation):
            await db.execute(link)
        await users.delete(user.id)
        assert [(0,)] == [
            tuple(row) for row in await db.fetch_all(select(func.count()).select_from(user_roles))
        ]
        assert await roles.exists(level=1)

    async def test_children_go_with_their_parent_by_session_and_by_sql(self, db: Database) -> None:
        letters = Repository(db, Letter)
        async with db.transaction() as tx:
            first, second = User(number=1), User(number=2)
            first.letters, second.letters = [Letter(), Letter()], [Letter()]
            tx.session.add_all([first, second])
            await tx.session.flush()
            first.letters.pop()
        assert 2 == await letters.count()  # the orphan is gone
        async with db.transaction() as tx:
            loaded = await tx.session.get(User, first.id)
            await tx.session.delete(loaded)
        assert [second.id] == [letter.user_id for letter in await letters.get_all()]
        await db.execute(delete(User).where(User.id == second.id))
        assert 0 == await letters.count()


class TestRelationsInMemory(_Relations):
    @pytest.fixture
    async def db(self) -> AsyncIterator[Database]:
        async with connect("memory://") as db:
            await db.create_all(Own.metadata)
            yield db


class TestRelationsOnServers(_Relations):
    @pytest.fixture
    async def db(self, server_url: str) -> AsyncIterator[Database]:
        async with connect(server_url, min_connections=1) as db:
            await db.create_all(Own.metadata)
            yield db
