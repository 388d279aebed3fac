"""The in-memory twin: the repository's contract, attrs classes, and SQLite as its mirror."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import attrs
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import MetaData
from sqlalchemy.orm import Mapped, mapped_column

from infra_db import (
    AsyncRepository,
    Base,
    CapabilityError,
    Filter,
    FoldedStr,
    IdMixin,
    MemoryRepository,
    QueryError,
    RecordNotFound,
    Repository,
    SearchIndex,
    Sort,
    StaleVersion,
    UniqueViolation,
    any_of,
    connect,
)
from infra_db.testing import Note, RepositoryContract
from infra_errors import ConfigError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class TestMemoryRepository(RepositoryContract):
    async def make_repository(self, **options: Any) -> Any:
        return type("Notes", (MemoryRepository,), options)(Note)


# ---- attrs classes -------------------------------------------------------------------------------


class Kind(Enum):
    CAT = "cat"
    DOG = "dog"


@attrs.frozen
class Pet:
    name: str
    kind: Kind = Kind.CAT
    age: int | None = None
    tags: list[str] = attrs.Factory(list)
    created_at: datetime | None = None
    id: UUID | None = None


async def test_an_attrs_class_needs_no_model() -> None:
    pets: AsyncRepository[Pet, UUID] = MemoryRepository(Pet, unique=["name"])
    rex = await pets.create({"name": "Rex", "kind": Kind.DOG, "tags": ["good"]})
    assert isinstance(rex.id, UUID)
    tom = await pets.add(Pet("Tom", age=3))
    assert tom == await pets.get_by(name="Tom")
    assert [tom, rex] == await pets.get_all(sort=["kind"])
    assert [rex] == await pets.get_all(Filter("age", "ne", 3))
    page = await pets.page(sort=["-kind"], limit=1)
    assert page.items == (rex,)
    assert (await pets.page(sort=["-kind"], limit=1, cursor=page.next_cursor)).items == (tom,)
    with pytest.raises(UniqueViolation) as caught:
        await pets.create({"name": "Rex"})
    assert ("name",) == caught.value.fields
    with pytest.raises(ValidationError):
        await pets.create({"name": "Max", "kind": "cow"})
    assert await pets.delete(rex.id) is True
    assert await pets.delete(rex.id) is False


async def test_what_was_given_out_is_not_what_is_kept() -> None:
    pets: MemoryRepository[Pet, UUID] = MemoryRepository(Pet)
    tags = ["a"]
    made = await pets.create({"name": "x", "tags": tags})
    tags.append("b")
    made.tags.append("c")
    assert made.id is not None
    assert ["a"] == (await pets.require(made.id)).tags
    assert [] == (await pets.create({"name": "y"})).tags


@attrs.frozen
class Numbered:
    number: int | None = None
    text: str = ""


async def test_numbers_are_counted_like_a_table_does() -> None:
    rows: MemoryRepository[Numbered, int] = MemoryRepository(Numbered, id_field="number")
    assert [1, 2] == [(await rows.create({"text": t})).number for t in "ab"]
    await rows.add(Numbered(number=9))
    assert 10 == (await rows.create({})).number


async def test_what_it_cannot_do_is_an_error() -> None:
    for entity, options in ((int, {}), (Pet, {"id_field": "key"}), (Pet, {"unique": ["nam"]})):
        with pytest.raises(ConfigError):
            MemoryRepository(entity, **options)  # type: ignore[arg-type,type-var]  # the fault
    pets: MemoryRepository[Pet, UUID] = MemoryRepository(Pet, unique=["name"])
    await pets.create({"name": "Rex"})
    with pytest.raises(CapabilityError):
        await pets.restore(uuid4())
    with pytest.raises(CapabilityError):
        await pets.update(uuid4(), {"name": "x"}, expected_version=1)
    with pytest.raises(CapabilityError):
        await pets.search("rex")
    with pytest.raises(QueryError):
        await pets.upsert_many([{"name": "x"}], on=["age"])
    notes: MemoryRepository[Note, UUID] = MemoryRepository(Note)
    await notes.create({"title": "x"})
    with pytest.raises(CapabilityError):
        await notes.count(Note.rank == 1)


async def test_the_clock_and_the_ids_are_arguments() -> None:
    ids = iter(range(1, 9))
    notes: MemoryRepository[Note, UUID] = MemoryRepository(
        Note, clock=lambda: 86_400.0, id_factory=lambda: UUID(int=next(ids))
    )
    made = await notes.create({"title": "x"})
    assert UUID(int=1) == made.id
    assert datetime(1970, 1, 2, tzinfo=UTC) == made.created_at == made.updated_at


# ---- searching -----------------------------------------------------------------------------------


class Own(Base):
    __abstract__ = True
    metadata = MetaData()


class Volume(IdMixin, Own):
    __tablename__ = "book"
    title: Mapped[str]
    slug: Mapped[str | None] = mapped_column(FoldedStr(20), unique=True)
    text: Mapped[str | None]


SearchIndex(Volume, {"title": "A", "text": "B"})


async def test_it_finds_what_sqlite_finds() -> None:
    rows = [
        {"title": "Deep sea", "text": "water and fish"},
        {"title": "Fish soup", "text": "deep pot, deep water"},
        {"title": "Desert", "text": None},
    ]
    books: MemoryRepository[Volume, UUID] = MemoryRepository(Volume)
    await books.insert_many(rows)
    async with connect("memory://") as db:
        await db.create_all(Own.metadata)
        mirror = Repository(db, Volume)
        await mirror.insert_many(rows)
        for query in ("deep", "fish wat", '"deep water"', "fish -soup", "desert OR soup", "**", ""):
            here = sorted(hit.entity.title for hit in await books.search(query))
            assert sorted(hit.entity.title for hit in await mirror.search(query)) == here, query
    assert "Deep sea" == (await books.search("deep"))[0].entity.title


async def test_folded_text_is_folded_here_too() -> None:
    books: MemoryRepository[Volume, UUID] = MemoryRepository(Volume)
    await books.create({"title": "x", "slug": "Straße"})
    assert await books.get_by(slug="STRASSE") is not None
    assert await books.exists(Filter("slug", "startswith", "STR"))
    with pytest.raises(UniqueViolation):
        await books.create({"title": "y", "slug": "strasse"})


# ---- SQLite as the mirror ------------------------------------------------------------------------

TITLES = st.sampled_from(["a", "A", "b", "%", "a_b", "straße", "é"])
BODIES = st.none() | TITLES
RANKS = st.integers(0, 3)
VALUES = st.fixed_dictionaries(
    {"title": TITLES}, optional={"body": BODIES, "rank": RANKS, "status": st.just("live")}
)
TEXT_OPS = st.sampled_from(["contains", "startswith", "endswith", "icontains", "ieq"])
CONDITIONS = st.one_of(
    st.builds(Filter, st.just("body"), st.sampled_from(["eq", "ne"]), BODIES),
    st.builds(Filter, st.just("body"), TEXT_OPS, TITLES),
    st.builds(Filter, st.just("body"), st.sampled_from(["in", "not_in"]), st.lists(BODIES)),
    st.builds(Filter, st.just("rank"), st.sampled_from(["lt", "le", "gt", "ge", "ne"]), RANKS),
    st.builds(Filter, st.just("rank"), st.just("between"), st.tuples(RANKS, RANKS)),
)
WHERE = st.lists(
    CONDITIONS | st.lists(CONDITIONS, max_size=3).map(lambda some: any_of(*some)), max_size=2
)
SORTS = st.lists(
    st.builds(
        Sort,
        st.sampled_from(["rank", "-rank", "body", "-body", "title", "-title"]),
        nulls=st.sampled_from(["last", "first"]),
    ),
    max_size=3,
    unique_by=lambda sort: sort.field,
).map(lambda sorts: [*sorts, Sort("title")] if all(s.field != "title" for s in sorts) else sorts)
ROW = st.integers(0, 5)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("create"), VALUES),
        st.tuples(st.just("insert_many"), st.lists(VALUES, max_size=4)),
        st.tuples(st.just("upsert"), st.lists(VALUES, max_size=4)),
        st.tuples(st.just("update"), ROW, VALUES, st.none() | st.integers(1, 3)),
        st.tuples(st.just("delete"), ROW, st.booleans()),
        st.tuples(st.just("restore"), ROW),
        st.tuples(st.just("list"), WHERE, SORTS),
        st.tuples(st.just("walk"), WHERE, SORTS, st.integers(1, 3)),
    ),
    max_size=12,
)

Notes = AsyncRepository[Note, UUID]


def _seen(note: Note) -> tuple[Any, ...]:
    return (note.title, note.body, note.rank, note.status, note.version, note.deleted_at is None)


async def _walk(notes: Notes, where: Any, sort: Any, size: int) -> list[Any]:
    """Read to the end and back again, page by page."""
    page = await notes.page(*where, sort=sort, limit=size, count_cap=3)
    seen: list[Any] = [(page.count, page.count_capped)]
    for way in ("next_cursor", "prev_cursor"):
        for _ in range(100):
            seen += [_seen(note) for note in page.items]
            cursor = getattr(page, way)
            if cursor is None:
                break
            page = await notes.page(*where, sort=sort, limit=size, cursor=cursor)
        else:
            pytest.fail(f"there is no end of {way}")
    return seen


async def _take(notes: Notes, titles: dict[str, UUID], step: tuple[Any, ...]) -> Any:
    """Do a step; return what is the same in every repository."""
    kind, *given = step

    def at(number: int) -> UUID:
        return titles[sorted(titles)[number % len(titles)]] if titles else UUID(int=number)

    steps: dict[str, Callable[..., Awaitable[Any]]] = {
        "create": notes.create,
        "insert_many": notes.insert_many,
        "upsert": lambda rows: notes.upsert_many(rows, on=["title"]),
        "update": lambda n, values, version: notes.update(at(n), values, expected_version=version),
        "delete": lambda n, hard: notes.delete(at(n), hard=hard),
        "restore": lambda n: notes.restore(at(n)),
        "list": lambda where, sort: notes.get_all(*where, sort=sort),
        "walk": lambda where, sort, size: _walk(notes, where, sort, size),
    }
    try:
        result = await steps[kind](*given)
    except (UniqueViolation, RecordNotFound, StaleVersion, ValidationError) as error:
        return error.code
    if isinstance(result, list):
        return [_seen(one) if isinstance(one, Note) else one for one in result]
    return _seen(result) if isinstance(result, Note) else result


async def _mirror(steps: list[tuple[Any, ...]]) -> None:
    memory: MemoryRepository[Note, UUID] = MemoryRepository(Note)
    async with connect("memory://") as db:
        await db.create_all(Note.metadata)
        table = Repository(db, Note)
        for step in steps:
            outcomes = []
            for notes in (table, memory):
                ids = {note.title: note.id for note in await notes.get_all(limit=1000)}
                outcomes.append(await _take(notes, ids, step))
            assert outcomes[0] == outcomes[1], step


# Without explaining, which traces every line of SQLAlchemy and takes minutes.
PHASES = (Phase.reuse, Phase.generate, Phase.shrink)
FIRST = st.lists(VALUES, min_size=3, max_size=7, unique_by=lambda row: row["title"])
READS = st.lists(st.tuples(st.just("list"), WHERE, SORTS), min_size=5, max_size=20)


@settings(max_examples=40, deadline=None, phases=PHASES)
@given(FIRST, STEPS)
def test_it_writes_what_sqlite_writes(first: list[Any], steps: list[tuple[Any, ...]]) -> None:
    everything = ("list", [], [Sort("title")])
    asyncio.run(_mirror([("insert_many", first), *steps, everything]))


@settings(max_examples=40, deadline=None, phases=PHASES)
@given(FIRST, READS, SORTS, st.integers(1, 3))
def test_it_reads_what_sqlite_reads(
    first: list[Any], reads: list[Any], sort: list[Sort], size: int
) -> None:
    asyncio.run(_mirror([("insert_many", first), *reads, ("walk", [], sort, size)]))
