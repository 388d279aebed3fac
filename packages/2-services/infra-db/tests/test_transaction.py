"""Transactions: who joins, what is refused, how they end, also by cancellation and by kill -9."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, insert, literal, select, text

from infra_db import (
    DatabaseUnavailable,
    Isolation,
    LockTimeout,
    OutcomeUnknown,
    PoolExhausted,
    Repository,
    StatementTimeout,
    TransactionStateError,
    UniqueViolation,
    connect,
)
from infra_db.testing import Note
from infra_errors import ValidationError

if TYPE_CHECKING:
    from pathlib import Path

ENDLESS = text(
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
)


@pytest.fixture(params=["file", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path / 'app.db'}"


async def test_another_isolation_inside_a_transaction_is_refused(url: str) -> None:
    async with connect(url) as db, db.transaction(isolation=Isolation.SERIALIZABLE):
        async with db.transaction(isolation=Isolation.SERIALIZABLE):
            pass
        with pytest.raises(ValidationError) as caught:
            async with db.transaction(isolation=Isolation.READ_COMMITTED):
                pass
        assert "db.invalid_isolation" == caught.value.code


async def test_an_unknown_isolation_is_refused_at_once(url: str) -> None:
    db = connect(url)
    with pytest.raises(ValidationError):
        db.transaction(isolation="CHAOS")  # type: ignore[arg-type]  # the fault under test
    await db.aclose()


async def test_a_repository_joins_from_another_task_only_by_using(url: str) -> None:
    async with connect(url) as db:
        await db.create_all(Note.metadata)
        notes = Repository(db, Note)
        async with db.transaction() as tx:
            with pytest.raises(TransactionStateError):
                await asyncio.create_task(notes.create({"title": "no"}))
            await asyncio.create_task(notes.using(tx).create({"title": "yes"}))
        assert ["yes"] == [note.title for note in await notes.get_all()]


async def test_a_task_that_outlives_the_transaction_is_free_again(url: str) -> None:
    async with connect(url) as db:
        go = asyncio.Event()

        async def later() -> None:
            await go.wait()
            await db.ping()

        async with db.transaction():
            task = asyncio.create_task(later())
        go.set()
        await task


async def test_two_statements_at_once_are_refused(url: str) -> None:
    async with connect(url) as db:
        await db.create_all(Note.metadata)
        notes = Repository(db, Note)
        async with db.transaction() as tx:
            bound = notes.using(tx)
            outcomes = await asyncio.gather(bound.count(), bound.count(), return_exceptions=True)
        refused = [one for one in outcomes if isinstance(one, TransactionStateError)]
        assert ["db.concurrent_use"] == [one.code for one in refused]


async def test_transactions_of_two_databases_do_not_mix(tmp_path: Path) -> None:
    async with connect("memory://") as one, connect(f"sqlite:///{tmp_path / 'two.db'}") as two:
        await one.create_all(Note.metadata)
        await two.create_all(Note.metadata)
        async with one.transaction(), two.transaction():
            await one.execute(insert(Note).values(title="one"))
            await two.execute(insert(Note).values(title="two"))
        assert ["one"] == [row.title for row in await one.fetch_all(select(Note.title))]
        assert ["two"] == [row.title for row in await two.fetch_all(select(Note.title))]


async def test_an_error_inside_add_leaves_the_transaction_usable(url: str) -> None:
    async with connect(url) as db:
        await db.create_all(Note.metadata)
        notes = Repository(db, Note)
        async with db.transaction():
            await notes.add(Note(title="one"))
            with pytest.raises(UniqueViolation):
                await notes.add(Note(title="one"))
            with pytest.raises(UniqueViolation):
                await notes.create({"title": "one"})
            await notes.add(Note(title="two"))
        assert 2 == await notes.count()


async def test_the_session_and_the_repository_see_each_other(url: str) -> None:
    async with connect(url) as db:
        await db.create_all(Note.metadata)
        notes = Repository(db, Note)
        made = await notes.create({"title": "one"})
        async with db.transaction() as tx:
            held = await tx.session.get(Note, made.id)
            assert held is not None
            await notes.update(made.id, {"rank": 5})
            assert 5 == held.rank
            held.body = "from the session"
            assert "from the session" == (await notes.require(made.id)).body
            await notes.delete(made.id, hard=True)
            assert held not in tx.session
        assert 0 == await notes.count()


async def test_a_transaction_is_cut_at_its_timeout(url: str) -> None:
    async with connect(url) as db:
        await db.create_all(Note.metadata)
        with pytest.raises(StatementTimeout):
            async with db.transaction(timeout=0.01):
                await db.execute(insert(Note).values(title="late"))
                await asyncio.Event().wait()
        assert [] == await db.fetch_all(select(Note.title))


async def test_a_statement_is_interrupted_at_its_timeout_and_the_connection_lives(url: str) -> None:
    async with connect(url, query_timeout=0.05) as db:
        with pytest.raises(StatementTimeout):
            await db.fetch_all(ENDLESS)
        assert (1,) == await db.fetch_one(select(literal(1)))
        assert 0 == db.pool_status().in_use


async def test_a_cancelled_statement_does_not_cost_the_data(url: str) -> None:
    async with connect(url) as db:
        await db.create_all(Note.metadata)
        await db.execute(insert(Note).values(title="kept"))
        running = asyncio.create_task(db.fetch_all(ENDLESS))
        for _ in range(20):
            await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert ["kept"] == [row.title for row in await db.fetch_all(select(Note.title))]
        assert 0 == db.pool_status().in_use


async def test_waiting_for_the_write_lock_ends_at_lock_timeout(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'app.db'}"
    async with connect(url, lock_timeout=0.05) as db, connect(url, lock_timeout=0.05) as other:
        begun, done = asyncio.Event(), asyncio.Event()

        async def hold() -> None:
            async with db.transaction():
                begun.set()
                await done.wait()

        holder = asyncio.create_task(hold())
        await begun.wait()
        for waiting in (db, other):
            with pytest.raises(LockTimeout) as caught:
                async with waiting.transaction():
                    pass
            assert "db.lock_timeout" == caught.value.code
        done.set()
        await holder


async def test_readers_do_not_wait_for_a_writer_on_a_file(tmp_path: Path) -> None:
    async with connect(f"sqlite:///{tmp_path / 'app.db'}") as db:
        await db.create_all(Note.metadata)
        begun, done = asyncio.Event(), asyncio.Event()

        async def write() -> None:
            async with db.transaction():
                await db.execute(insert(Note).values(title="unseen"))
                begun.set()
                await done.wait()

        writer = asyncio.create_task(write())
        await begun.wait()
        assert [] == await db.fetch_all(select(Note.title))
        done.set()
        await writer


async def test_a_full_pool_says_how_full_it_is() -> None:
    async with connect("memory://", pool_timeout=0.01) as db, db.session() as session:
        await session.execute(select(literal(1)))
        with pytest.raises(PoolExhausted) as caught:
            await db.ping()
        assert (1, 1) == (caught.value.context["in_use"], caught.value.context["max"])


async def test_a_plain_session_is_rolled_back_unless_committed(url: str) -> None:
    async with connect(url) as db:
        await db.create_all(Note.metadata)
        async with db.session() as session:
            session.add(Note(title="kept"))
            await session.commit()
            session.add(Note(title="lost"))
            await session.flush()
        assert ["kept"] == [row.title for row in await db.fetch_all(select(Note.title))]
        async with db.session(read_only=True) as session:
            with pytest.raises(TransactionStateError):
                await session.execute(insert(Note).values(title="no"))


async def test_a_callback_that_fails_stops_no_other(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with connect(url) as db:
        seen: list[int] = []

        async def fine() -> None:
            seen.append(1)

        async with db.transaction() as tx:
            tx.after_commit(lambda: 1 / 0)  # type: ignore[arg-type,return-value]  # the fault
            tx.after_commit(fine)
        assert [1] == seen
        assert "after_commit" in caplog.text


async def test_run_does_not_repeat_what_a_repetition_cannot_cure(url: str) -> None:
    async with connect(url) as db:
        calls = 0

        async def work(_: Any) -> None:
            nonlocal calls
            calls += 1
            raise KeyError

        with pytest.raises(KeyError):
            await db.run(work)
        assert 1 == calls


async def test_a_commit_that_breaks_off_has_an_unknown_outcome_and_is_not_repeated(
    url: str,
) -> None:
    async with connect(url) as db:
        calls = 0

        def break_off(_: Any) -> None:
            raise DatabaseUnavailable("the line went dead")

        async def work(_: Any) -> None:
            nonlocal calls
            calls += 1

        event.listen(db.engine.sync_engine, "commit", break_off)
        with pytest.raises(OutcomeUnknown):
            await db.run(work)
        assert 1 == calls
        assert 0 == db.pool_status().in_use


async def test_random_cancellation_leaks_no_connection_and_no_half_transaction(url: str) -> None:
    rng = random.Random(7)
    async with connect(url, max_connections=5) as db:
        await db.create_all(Note.metadata)
        notes = Repository(db, Note)

        async def pair(number: int) -> None:
            async with db.transaction():
                await notes.create({"title": f"{number} left"})
                await notes.count()
                async with db.transaction() as inner:
                    await notes.add(Note(title=f"{number} right"))
                    await inner.session.flush()

        async def victim(number: int) -> None:
            task = asyncio.create_task(pair(number))
            for _ in range(rng.randrange(60)):
                await asyncio.sleep(0)
            await asyncio.sleep(rng.random() * 0.004)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        for start in range(0, 200, 4):
            await asyncio.gather(*(victim(start + i) for i in range(4)))
        assert 0 == db.pool_status().in_use
        titles = {note.title for note in [note async for note in notes.stream()]}
        halves = {title.partition(" ")[0] for title in titles}
        assert {f"{number} {side}" for number in halves for side in ("left", "right")} == titles
        for _ in range(20):
            assert len(titles) == await notes.count()


KILLED = """
import asyncio, os, signal, sys
from infra_db import Repository, connect
from infra_db.testing import Note

async def main():
    async with connect(sys.argv[1]) as db:
        await db.create_all(Note.metadata)
        notes = Repository(db, Note)
        await notes.create({"title": "committed"})
        async with db.transaction():
            await notes.insert_many([{"title": f"n{i}"} for i in range(500)])
            os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
async def test_a_process_killed_in_a_transaction_leaves_nothing_of_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'app.db'}"
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", KILLED, url], check=False, timeout=60
    )
    assert -signal.SIGKILL == done.returncode
    async with connect(url) as db:
        assert ["committed"] == [note.title for note in await Repository(db, Note).get_all()]
