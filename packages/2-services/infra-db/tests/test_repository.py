"""What a repository does beside its contract: entities, changes, loading, signed cursors."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import attrs
import pytest
from sqlalchemy import ForeignKey, MetaData, String, TypeDecorator, inspect, select, update
from sqlalchemy.orm import Mapped, mapped_column, relationship, selectinload
from sqlalchemy.orm.exc import DetachedInstanceError

from infra_db import (
    Base,
    CapabilityError,
    Change,
    Filter,
    FoldedStr,
    IdMixin,
    JsonDict,
    RecordNotFound,
    Repository,
    Sort,
    TimestampMixin,
    Transaction,
    UniqueViolation,
    connect,
)
from infra_db.testing import Note
from infra_errors import ConfigError, ValidationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from infra_db import Database


class Own(Base):
    __abstract__ = True
    metadata = MetaData(naming_convention=Base.metadata.naming_convention)


class Author(IdMixin, TimestampMixin, Own):
    __tablename__ = "author"

    email: Mapped[str] = mapped_column(FoldedStr(40), unique=True)
    secret: Mapped[str] = mapped_column(default="", info={"private": True, "system": True})
    settings: Mapped[dict[str, Any]] = mapped_column(JsonDict, default=dict)
    books: Mapped[list[Book]] = relationship(back_populates="author")


class Book(IdMixin, Own):
    __tablename__ = "book"

    title: Mapped[str]
    author_id: Mapped[UUID] = mapped_column(ForeignKey("author.id"))
    author: Mapped[Author] = relationship(back_populates="books")


@attrs.frozen
class Writer:
    email: str
    id: UUID | None = None
    created_at: datetime | None = None


class Writers(Repository[Author, UUID]):
    entity = Writer


@attrs.frozen
class Isbn:
    text: str


class IsbnColumn(TypeDecorator[Isbn]):
    impl = String(13)
    cache_ok = True

    def process_bind_param(self, value: Isbn | None, dialect: Any) -> str | None:
        return None if value is None else value.text

    def process_result_value(self, value: str | None, dialect: Any) -> Isbn | None:
        return None if value is None else Isbn(value)


class Edition(Own):
    __tablename__ = "edition"

    isbn: Mapped[Isbn] = mapped_column(IsbnColumn, primary_key=True)
    of: Mapped[Isbn | None] = mapped_column(IsbnColumn)


NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
async def db() -> AsyncIterator[Database]:
    async with connect("memory://", clock=NOW.timestamp) as db:
        await db.create_all(Own.metadata)
        await db.create_all(Note.metadata)
        yield db


async def test_results_are_detached_and_relationships_loaded_only_if_asked(db: Database) -> None:
    authors = Repository(db, Author)
    author = Author(email="a@x")
    author.books = [Book(title="one")]
    await authors.add(author)
    plain = await authors.require(author.id)
    assert inspect(plain).detached
    with pytest.raises(DetachedInstanceError):
        assert plain.books
    full = await authors.options(selectinload(Author.books)).require(author.id)
    assert ["one"] == [book.title for book in full.books]


async def test_an_entity_goes_in_and_comes_out(db: Database) -> None:
    writers = Writers(db)
    made = await writers.add(Writer(email="A@X"))
    assert isinstance(made, Writer)
    assert NOW == made.created_at
    assert made == await writers.get_by(email="a@x")
    assert 2 == await writers.insert_many([Writer(email="b@x"), {"email": "c@x"}])
    page = await writers.page(limit=2, sort=[Sort("-email")])
    assert ["c@x", "b@x"] == [writer.email for writer in page.items]


def test_an_entity_that_does_not_fit_is_refused_at_once() -> None:
    @attrs.frozen
    class Wrong:
        email: str
        shoe_size: int

    @attrs.frozen
    class Short:
        id: UUID

    for entity in (Wrong, Short, dict):
        with pytest.raises(ConfigError):
            type("Repo", (Repository,), {"entity": entity})(connect("memory://"), Author)


async def test_case_is_folded_in_keys_and_filters(db: Database) -> None:
    authors = Repository(db, Author)
    await authors.create({"email": "Straße@X"})
    assert "strasse@x" == (await authors.get_all())[0].email
    assert await authors.exists(email="STRASSE@x")
    assert await authors.exists(Filter("email", "startswith", "STRA"))
    with pytest.raises(UniqueViolation):
        await authors.create({"email": "strasse@x"})


async def test_private_and_system_fields_are_out_of_reach(db: Database) -> None:
    authors = Repository(db, Author)
    for call in (
        lambda: authors.create({"email": "a@x", "secret": "s"}),
        lambda: authors.get_all(secret="s"),
        lambda: authors.get_all(sort=["secret"]),
    ):
        with pytest.raises(ValidationError):
            await call()


async def test_a_json_default_is_not_shared_and_a_set_key_is_saved(db: Database) -> None:
    authors = Repository(db, Author)
    one, two = await authors.create({"email": "1"}), await authors.create({"email": "2"})
    async with db.transaction() as tx:
        held = await tx.session.get(Author, one.id)
        assert held is not None
        held.settings["theme"] = "dark"
    assert {"theme": "dark"} == (await authors.require(one.id)).settings
    assert {} == (await authors.require(two.id)).settings


async def test_updated_at_follows_the_clock_also_in_bulk() -> None:
    now = NOW.timestamp()
    async with connect("memory://", clock=lambda: now) as db:
        await db.create_all(Own.metadata)
        authors = Repository(db, Author)
        made = await authors.create({"email": "a"})
        now += 60
        await db.execute(update(Author).where(Author.id == made.id).values(email="b"))
        assert now == (await authors.require(made.id)).updated_at.timestamp()
        now += 60
        await authors.upsert_many([{"email": "b", "settings": {"a": 1}}], on=["email"])
        found = await authors.require(made.id)
        assert (now, {"a": 1}) == (found.updated_at.timestamp(), found.settings)
        assert NOW == found.created_at


async def test_a_naive_datetime_is_refused(db: Database) -> None:
    with pytest.raises(ValidationError):
        await Repository(db, Note).create(
            {"title": "x", "due": datetime(2026, 1, 1)}
        )  # the fault under test


async def test_on_change_sees_each_write_and_can_stop_it(db: Database) -> None:
    seen: list[Change] = []

    class Watched(Repository[Note, UUID]):
        async def on_change(self, tx: Transaction, change: Change) -> None:
            seen.append(change)
            if change.operation == "delete":
                raise KeyError

    notes = Watched(db)
    made = await notes.create({"title": "one"})
    await notes.update(made.id, {"title": "two"})
    await notes.update_status(made.id, "live", by="ann")
    await notes.insert_many([{"title": "three"}])
    with pytest.raises(KeyError):
        await notes.delete(made.id)
    assert ["create", "update", "status", "create", "delete"] == [c.operation for c in seen]
    assert "one" == (seen[1].before or {})["title"]
    assert "two" == (seen[1].after or {})["title"]
    assert ("ann", made.id) == (seen[2].by, seen[2].id)
    assert await notes.exists(title="two")


async def test_cursors_are_signed_and_old_keys_still_read() -> None:
    old, new = "an old key of 32 characters here", "a new key of 32 characters here!"
    async with connect("memory://", cursor_keys=(old,)) as db:
        await db.create_all(Note.metadata)
        notes = Repository(db, Note)
        await notes.insert_many([{"title": f"n{i}"} for i in range(3)])
        cursor = (await notes.page(limit=1)).next_cursor
        rotated = Repository(db, Note)
    for keys, fine in (((new, old), True), ((new,), False), ((), False)):
        async with connect("memory://", cursor_keys=keys) as db:
            await db.create_all(Note.metadata)
            rotated = Repository(db, Note)
            if fine:
                await rotated.page(limit=1, cursor=cursor)
            else:
                with pytest.raises(ValidationError):
                    await rotated.page(limit=1, cursor=cursor)


async def test_pages_are_stable_while_rows_are_added_elsewhere(db: Database) -> None:
    notes = Repository(db, Note)
    await notes.insert_many([{"title": f"n{i:03}", "rank": i} for i in range(0, 40, 2)])
    seen, cursor = [], None
    while True:
        page = await notes.page(limit=3, cursor=cursor, sort=["rank"])
        seen += [note.rank for note in page.items]
        await notes.create({"title": f"before {len(seen)}", "rank": -len(seen)})
        cursor = page.next_cursor
        if cursor is None:
            break
    assert list(range(0, 40, 2)) == seen


async def test_same_direction_pages_seek_in_the_index(db: Database) -> None:
    statement = Repository(db, Note)._query.after((), {}, ["-title"], ["x", uuid4()])[0]
    assert "(infra_db_contract_note.title, infra_db_contract_note.id) <" in str(statement)


async def test_values_of_a_column_type_of_its_own_work_as_key_filter_and_cursor(
    db: Database,
) -> None:
    editions: Repository[Edition, Isbn] = Repository(db, Edition)
    first = Isbn("0")
    for number in range(5):
        await editions.add(Edition(isbn=Isbn(str(number)), of=first))
    assert Isbn("3") == (await editions.require(Isbn("3"))).isbn
    page = await editions.page(limit=2, of=first)
    page = await editions.page(limit=2, of=first, cursor=page.next_cursor)
    assert [Isbn("2"), Isbn("3")] == [edition.isbn for edition in page.items]
    where = Edition.isbn > Isbn("1")
    page = await editions.page(where, limit=1)
    assert page.next_cursor is not None
    page = await editions.page(Edition.isbn > Isbn("1"), limit=1, cursor=page.next_cursor)
    assert [Isbn("3")] == [edition.isbn for edition in page.items]


async def test_what_a_model_lacks_is_said(db: Database) -> None:
    authors = Repository(db, Author)
    made = await authors.create({"email": "a"})
    with pytest.raises(CapabilityError):
        await authors.restore(made.id)
    with pytest.raises(CapabilityError):
        await authors.update(made.id, {"email": "b"}, expected_version=1)
    with pytest.raises(ValidationError):
        await authors.update_status(made.id, "live")
    assert await authors.delete(made.id)
    with pytest.raises(RecordNotFound):
        await authors.update(made.id, {"email": "b"})


def test_a_foreign_key_gets_an_index_and_a_repr_shows_only_the_key() -> None:
    assert {"ix_book_author_id"} == {index.name for index in Book.__table__.indexes}  # type: ignore[attr-defined]
    author = Author(email="someone@x")
    assert f"<Author id={author.id}>" == repr(author)


async def test_no_value_reaches_an_error(db: Database) -> None:
    authors = Repository(db, Author)
    await authors.create({"email": "hunter2"})
    with pytest.raises(UniqueViolation) as caught:
        await authors.create({"email": "hunter2"})
    told: BaseException | None = caught.value
    while told is not None:
        assert "hunter2" not in f"{told!s}{told!r}"
        told = told.__cause__
    assert 1 == len(await db.fetch_all(select(Author.email)))
