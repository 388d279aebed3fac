"""What only a server can show: its errors, its limits, its end in the middle of things."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    MetaData,
    String,
    UniqueConstraint,
    func,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from infra_db import (
    AccessDenied,
    CapabilityError,
    Database,
    DatabaseUnavailable,
    ForeignKeyViolation,
    IdMixin,
    Isolation,
    LockTimeout,
    OutcomeUnknown,
    PoolExhausted,
    Repository,
    StatementTimeout,
    TransactionConflict,
    TransactionStateError,
    UniqueViolation,
    connect,
)
from infra_db.models import Base
from infra_errors import InfraError, RetryPolicy, ValidationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


class Own(Base):
    """A metadata of its own, so that these tables never mix with others."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Base.metadata.naming_convention)


class Parent(IdMixin, Own):
    __tablename__ = "server_parent"
    __table_args__ = (UniqueConstraint("name", "kind"), CheckConstraint("size > 0", name="size"))

    name: Mapped[str] = mapped_column(String(20))
    kind: Mapped[str] = mapped_column(String(20), default="a")
    size: Mapped[int] = mapped_column(default=1)
    note: Mapped[str | None]


class Child(IdMixin, Own):
    __tablename__ = "server_child"

    parent_id: Mapped[Any] = mapped_column(ForeignKey("server_parent.id"))


class Counted(Own):
    __tablename__ = "server_counted"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20), unique=True)
    code: Mapped[str] = mapped_column(String(20), unique=True)


@pytest.fixture
async def db(server_url: str) -> AsyncIterator[Database]:
    async with connect(server_url, min_connections=1, max_connections=5) as db:
        await db.create_all(Own.metadata)
        yield db


def _sleep(db: Database, seconds: float) -> Any:
    if db.engine.dialect.name == "postgresql":
        return select(func.pg_sleep(seconds))
    return select(func.sleep(seconds))


async def test_a_unique_violation_names_its_fields_and_no_value(db: Database) -> None:
    parents = Repository(db, Parent)
    await parents.create({"name": "hunter2"})
    with pytest.raises(UniqueViolation) as caught:
        await parents.create({"name": "hunter2"})
    assert ("name", "kind") == caught.value.fields
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(caught.value.to_dict())


async def test_constraints_are_named(db: Database) -> None:
    with pytest.raises(ValidationError) as check:
        await db.execute(insert(Parent).values(name="a", size=0))
    assert "db.check" == check.value.code
    assert "ck_server_parent_size" in check.value.message
    with pytest.raises(ForeignKeyViolation):
        await Repository(db, Child).create({"parent_id": "0190a2c0-0000-7000-8000-000000000000"})
    with pytest.raises(ValidationError) as null:
        await db.execute(insert(Parent).values(name=None))
    assert ("db.not_null", "name") == (null.value.code, null.value.context["field"])
    with pytest.raises(ValidationError) as long:
        await db.execute(insert(Parent).values(name="hunter2" * 9))
    assert "db.too_long" == long.value.code
    assert "hunter2" not in str(long.value)


async def test_the_first_error_of_a_transaction_is_the_one_that_is_told(db: Database) -> None:
    with pytest.raises(UniqueViolation):
        async with db.transaction():
            await db.execute(insert(Parent).values(name="twice"))
            for _ in range(2):
                try:
                    await db.execute(insert(Parent).values(name="twice"))
                except UniqueViolation:
                    pass
            if db.engine.dialect.name != "postgresql":
                raise UniqueViolation("a statement that fails does not end the transaction here")
    assert 0 == await Repository(db, Parent).count()


async def test_a_savepoint_makes_a_transaction_whole_again(db: Database) -> None:
    async with db.transaction():
        await db.execute(insert(Parent).values(name="one"))
        with pytest.raises(UniqueViolation):
            async with db.transaction():
                await db.execute(insert(Parent).values(name="one"))
        await db.execute(insert(Parent).values(name="two"))
    assert 2 == await Repository(db, Parent).count()


async def test_an_id_that_the_server_counts_comes_back(db: Database) -> None:
    made = await Repository(db, Counted).create({"name": "a", "code": "x"})
    assert 1 == made.id
    assert "a" == made.name


async def test_upsert_refuses_what_the_server_cannot_tell_apart(db: Database) -> None:
    counted = Repository(db, Counted)
    rows = [{"name": "a", "code": "x"}, {"name": "b", "code": "y"}]
    if db.engine.dialect.name == "postgresql":
        assert 2 == await counted.upsert_many(rows, on=["name"])
        assert 2 == await counted.upsert_many(rows, on=["name"])
        assert 2 == await counted.count()
    else:
        with pytest.raises(CapabilityError, match="code"):
            await counted.upsert_many(rows, on=["name"])


async def test_text_is_compared_exactly_and_found_without_case_when_asked(db: Database) -> None:
    parents = Repository(db, Parent)
    for name in ("Straße", "STRASSE", "strasse%", "ab_c"):
        await parents.create({"name": name})

    async def names(field: str) -> set[str]:
        op, _, value = field.partition(":")
        from infra_db import Filter

        return {it.name for it in await parents.get_all(Filter("name", op, value))}  # type: ignore[arg-type]

    assert set() == await names("eq:strasse")
    assert {"STRASSE"} == await names("eq:STRASSE")
    assert {"Straße", "STRASSE"} == await names("ieq:straße")
    assert {"Straße", "STRASSE", "strasse%"} == await names("icontains:sTrasse")
    assert {"strasse%"} == await names("contains:%")
    assert {"ab_c"} == await names("contains:_")
    assert {"strasse%"} == await names("startswith:s")
    assert {"STRASSE"} == await names("endswith:SE")


async def test_a_statement_past_its_time_is_stopped_and_the_connection_lives(
    server_url: str,
) -> None:
    async with connect(server_url, min_connections=1, max_connections=1, query_timeout=0.3) as db:
        statement = _sleep(db, 5)
        started = time.monotonic()
        if db.engine.dialect.name == "postgresql":
            with pytest.raises(StatementTimeout):
                await db.fetch_all(statement)
        else:
            # MariaDB's sleep() is interrupted and says so with a 1, not with an error
            try:
                await db.fetch_all(statement)
            except StatementTimeout:
                pass
        assert time.monotonic() - started < 3
        assert 7 == (await db.fetch_all(select(literal(7))))[0][0]


async def test_a_lock_that_is_held_is_waited_for_so_long(server_url: str) -> None:
    async with connect(server_url, min_connections=2, lock_timeout=1.0) as db:
        await db.create_all(Own.metadata)
        await db.execute(insert(Parent).values(name="locked"))
        change = update(Parent).values(size=2).where(Parent.name == "locked")
        async with db.transaction():
            await db.execute(change)
            with pytest.raises(LockTimeout):
                await asyncio.create_task(_free(db.execute, change))
        await db.execute(change)


async def _free(fn: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
    """Call it outside the transaction of the task that started this one."""
    from contextvars import Context

    return await asyncio.get_running_loop().create_task(
        fn(*arguments),  # type: ignore[arg-type]
        context=Context(),
    )


async def test_of_two_serializable_transactions_one_is_repeated(db: Database) -> None:
    parents = Repository(db, Parent)
    await parents.create({"name": "both"})
    both = asyncio.Barrier(2)
    attempts: list[int] = []

    async def add(tx: Any) -> None:
        attempts.append(tx.attempt)
        found = await db.fetch_one(select(Parent.size).where(Parent.name == "both"))
        assert found is not None
        if tx.attempt == 1:
            await both.wait()
        await db.execute(update(Parent).values(size=found[0] + 1).where(Parent.name == "both"))

    runs = [db.run(add, isolation=Isolation.SERIALIZABLE) for _ in range(2)]
    await asyncio.gather(*runs)
    assert 3 == (await parents.get_all())[0].size
    assert [1, 1, 2] == sorted(attempts)


async def test_a_deadlock_ends_one_of_the_two_and_says_so(db: Database) -> None:
    parents = Repository(db, Parent)
    for name in ("first", "second"):
        await parents.create({"name": name})
    both = asyncio.Barrier(2)
    seen: list[str] = []

    def cross(*names: str) -> Any:
        async def change(tx: Any) -> None:
            for name in names:
                await db.execute(
                    update(Parent).values(size=Parent.size + 1).where(Parent.name == name)
                )
                if tx.attempt == 1 and name == names[0]:
                    await both.wait()

        return change

    def note(error: Exception) -> bool:
        seen.append(getattr(error, "code", type(error).__name__))
        return isinstance(error, TransactionConflict)

    retry = RetryPolicy(attempts=3, base=0.01, cap=0.02, on=note)
    await asyncio.gather(
        db.run(cross("first", "second"), retry=retry), db.run(cross("second", "first"), retry=retry)
    )
    assert ["db.deadlock"] == seen
    assert [3, 3] == [it.size for it in await parents.get_all()]


async def test_a_named_lock_excludes_only_its_own_name_and_ends_with_the_transaction(
    db: Database,
) -> None:
    async def hold(name: str) -> None:
        async with db.transaction() as tx:
            await tx.lock(name, timeout=1.0)

    async with db.transaction() as tx:
        await tx.lock("board")
        await _free(hold, "another")
        with pytest.raises(LockTimeout):
            await _free(hold, "board")
    await hold("board")


async def test_a_write_in_a_read_only_session_is_refused(db: Database) -> None:
    with pytest.raises(TransactionStateError) as caught:
        async with db.session(read_only=True) as session:
            await session.execute(insert(Parent).values(name="x"))
    assert "db.read_only" == caught.value.code
    await db.execute(insert(Parent).values(name="x"))


async def test_a_wrong_password_and_a_missing_database_are_told_apart(server_url: str) -> None:
    head, _, _ = server_url.rpartition("/")
    with pytest.raises(DatabaseUnavailable) as missing:
        async with connect(f"{head}/no_such_database", min_connections=1):
            pass
    assert "no_such_database" in missing.value.message
    assert not missing.value.retryable
    if server_url.startswith("mysql"):
        scheme, _, rest = server_url.partition("://")
        address = rest.rpartition("@")[2]
        with pytest.raises(AccessDenied) as denied:
            async with connect(f"{scheme}://nobody:hunter2@{address}", min_connections=1):
                pass
        assert "hunter2" not in str(denied.value)


@pytest.mark.parametrize(("scheme", "driver"), [("postgresql", "asyncpg"), ("mysql", "asyncmy")])
async def test_a_server_that_does_not_answer_is_left_in_time(scheme: str, driver: str) -> None:
    pytest.importorskip(driver)
    taken: list[asyncio.StreamWriter] = []
    async with await asyncio.start_server(
        lambda _, writer: taken.append(writer), "127.0.0.1", 0
    ) as silent:
        port = silent.sockets[0].getsockname()[1]
        started = time.monotonic()
        with pytest.raises(DatabaseUnavailable, match="did not answer in time"):
            async with connect(
                f"{scheme}://u@127.0.0.1:{port}/x", connect_timeout=0.5, min_connections=1
            ):
                pass
        assert time.monotonic() - started < 2
        for writer in taken:
            writer.close()


async def test_no_value_reaches_an_error(db: Database) -> None:
    parents = Repository(db, Parent)
    await parents.create({"name": "hunter2"})
    statements = [
        insert(Parent).values(name="hunter2"),
        insert(Parent).values(name="hunter2" * 9),
        insert(Parent).values(name="hunter2 x", size=-5),
        select(func.abs(text("'hunter2'::int")))
        if db.engine.dialect.name == "postgresql"
        else select(text("'hunter2' + nosuch")),
    ]
    for statement in statements:
        with pytest.raises(InfraError) as caught:
            await db.execute(statement)
        found: BaseException | None = caught.value
        if statement is statements[-1]:
            continue  # the text of the statement is the caller's own
        while found is not None:
            assert "hunter2" not in str(found)
            assert "hunter2" not in repr(found)
            assert "hunter2" not in repr(getattr(found, "detail", None))
            found = found.__cause__ or found.__context__


async def test_a_full_pool_says_how_full_it_is(server_url: str) -> None:
    async with (
        connect(server_url, min_connections=1, max_connections=1, pool_timeout=0.2) as db,
        db.transaction(),
    ):
        with pytest.raises(PoolExhausted, match="1 of 1 in use"):
            await _free(db.ping)


async def test_without_named_statements_everything_works(server_url: str) -> None:
    async with connect(server_url, min_connections=1, prepared=False) as db:
        await db.create_all(Own.metadata)
        parents = Repository(db, Parent)
        for n in range(5):
            await parents.create({"name": f"n{n}"})
        assert 5 == await parents.count()


async def test_random_cancellation_leaks_no_connection_and_no_half_transaction(
    db: Database,
) -> None:
    chance = random.Random(7)
    parents = Repository(db, Parent)

    async def work(n: int) -> None:
        async with db.transaction():
            await parents.create({"name": f"{n}-a"})
            await parents.create({"name": f"{n}-b"})

    for n in range(200):
        task = asyncio.create_task(work(n))
        await asyncio.sleep(chance.random() * 0.006)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass
    assert 0 == db.pool_status().in_use
    names = [it.name async for it in parents.stream()]
    halves = {name.partition("-")[0] for name in names}
    assert 2 * len(halves) == len(names)
    for n in range(20):
        assert n == (await db.fetch_all(select(literal(n))))[0][0]


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("postgres", marks=pytest.mark.server("postgres")),
        pytest.param("mysql", marks=pytest.mark.server("mysql")),
    ],
)
async def test_a_server_restarted_between_and_inside_is_told_and_used_again(
    kind: str, private_server: Any
) -> None:
    server = await private_server(kind)
    async with connect(server.url, min_connections=1, max_connections=2) as db:
        await db.create_all(Own.metadata)
        await db.execute(insert(Parent).values(name="before"))
        with pytest.raises((DatabaseUnavailable, OutcomeUnknown)):
            async with db.transaction():
                await db.execute(insert(Parent).values(name="lost"))
                await server.kill()
                await server.start()
                await db.execute(insert(Parent).values(name="lost as well"))
        names = None
        for _ in range(20):
            try:
                names = [row.name for row in await db.fetch_all(select(Parent.name))]
                break
            except InfraError:
                await asyncio.sleep(0.2)
        assert ["before"] == names
        assert 0 == db.pool_status().in_use

        async def once(tx: Any) -> int:
            if tx.attempt == 1:
                await db.execute(insert(Parent).values(name="lost"))
                await server.kill()
                await server.start()
            await db.execute(insert(Parent).values(name="kept"))
            return int(tx.attempt)

        assert await db.run(once) > 1
        assert ["before", "kept"] == sorted(
            row.name for row in await db.fetch_all(select(Parent.name))
        )


async def test_the_server_knows_who_is_connected(server_url: str) -> None:
    if not server_url.startswith("postgres"):
        pytest.skip("only PostgreSQL shows a name")
    async with connect(server_url, min_connections=1, application_name="billing") as db:
        (row,) = await db.fetch_all(text("SELECT current_setting('application_name')"))
        assert "billing" == row[0]
