"""Importing the real table: every fact of it, once, whatever happens twice."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import func, select

from benchmark_exchange import Resources, Settings, open_resources
from benchmark_exchange.domain.errors import BadImport, NoSuchThing
from benchmark_exchange.domain.leaderboard import Board, Leaderboard, Per
from benchmark_exchange.persistence.tables import (
    ImportJobRow,
    SubmissionEventRow,
    SubmissionRow,
    Table,
    VerificationRow,
)
from benchmark_exchange.resources import MIGRATIONS, database_url
from benchmark_exchange.services.boards import VERIFIED_BOARD
from infra_db import connect
from infra_db.migrations import check as schema_differences

SLUG = "alpaca-eval-2"


def digest(board: Leaderboard) -> str:
    lines = sorted(f"{entry.model} {entry.rank} {entry.rank_high}\n" for entry in board.entries)
    return sha256("".join(lines).encode()).hexdigest()


async def count(resources: Resources, row: type, *where: object) -> int:
    statement = select(func.count()).select_from(row).where(*where)
    return (await resources.db.fetch_all(statement))[0][0]


async def test_the_real_table_comes_in_whole(resources: Resources, table: Path):
    report = await resources.imports.run(table)
    assert (223, 223, False) == (report.rows, report.imported, report.unchanged)
    assert (
        ("aligner-2b_gpt-4-turbo-2024-04-09", "counts say 47.143, file says 40.186"),
    ) == report.findings
    benchmark = await resources.catalogue.get(SLUG)
    states = await resources.results.count_by_state(benchmark.version.id)
    assert {"verified": 52, "checked": 170, "disputed": 1} == states
    assert 223 == await count(resources, SubmissionEventRow, SubmissionEventRow.kind == "created")
    assert 52 == await count(resources, VerificationRow)
    assert [] == await resources.check()


async def test_the_boards_are_the_known_ones(resources: Resources, table: Path):
    await resources.imports.run(table)
    accepted = await resources.boards.leaderboard(SLUG)
    verified = await resources.boards.leaderboard(SLUG, board=VERIFIED_BOARD)
    assert "9d7fb4eb0126618406512ea442dbc27aebf31df045b2226c219aceb443c35934" == digest(accepted)
    assert "6a6db2c13bec9de3da83480b18cac8471a62f2d9a89881c043d45964b432479d" == digest(verified)
    assert 97 == len({entry.rank for entry in accepted.entries})
    assert [
        ("yi-large-preview", 1, 1),
        ("Contextual-KTO-Mistral-PairRM", 2, 4),
        ("Qwen2-72B-Instruct", 2, 5),
        ("Yi-34B-Chat", 2, 5),
        ("Qwen1.5-72B-Chat", 3, 6),
        ("gpt4", 5, 10),
    ] == [(entry.model, entry.rank, entry.rank_high) for entry in verified.entries[:6]]


async def test_the_baseline_without_error_says_so(resources: Resources, table: Path):
    await resources.imports.run(table)
    board = await resources.boards.leaderboard(SLUG)
    (baseline,) = [entry for entry in board.entries if not entry.uncertain]
    assert ("gpt4_1106_preview", 50.0, 24, 31) == (
        *(baseline.model, baseline.score),
        *(baseline.rank, baseline.rank_high),
    )


async def test_the_order_is_by_rank_and_not_by_score_alone(resources: Resources, table: Path):
    await resources.imports.run(table)
    board = await resources.boards.leaderboard(SLUG)
    ranks = [entry.rank for entry in board.entries]
    scores = [entry.score for entry in board.entries]
    assert sorted(ranks) == ranks
    assert sorted(scores, reverse=True) != scores


async def test_the_same_file_again_changes_nothing(resources: Resources, table: Path):
    await resources.imports.run(table)
    before = await resources.boards.leaderboard(SLUG)
    again = await resources.imports.run(table)
    assert (0, True) == (again.imported, again.unchanged)
    assert before == await resources.boards.leaderboard(SLUG)
    assert 223 == await count(resources, SubmissionRow)


async def test_a_newer_file_brings_only_its_new_rows(
    resources: Resources, table: Path, tmp_path: Path
):
    lines = table.read_text("utf-8").splitlines(keepends=True)
    older = tmp_path / "older.csv"
    older.write_text("".join(lines[:101]), "utf-8")
    assert 100 == (await resources.imports.run(older)).imported
    assert 123 == (await resources.imports.run(table)).imported
    assert 223 == await count(resources, SubmissionRow)
    assert [] == await resources.check()


async def test_a_malformed_row_imports_nothing_of_its_file(
    resources: Resources, table: Path, tmp_path: Path
):
    lines = table.read_text("utf-8").splitlines(keepends=True)
    lines[150] = lines[150].replace(",", ",x", 1)
    broken = tmp_path / "broken.csv"
    broken.write_text("".join(lines), "utf-8")
    with pytest.raises(BadImport, match=r"broken\.csv:151:2: win_rate"):
        await resources.imports.run(broken)
    assert 0 == await count(resources, SubmissionRow)
    assert 0 == await count(resources, ImportJobRow)


async def test_an_import_into_a_benchmark_nobody_knows_writes_nothing(
    resources: Resources, table: Path
):
    with pytest.raises(NoSuchThing, match="no benchmark 'other'"):
        await resources.imports.run(table, slug="other")
    assert 0 == await count(resources, SubmissionRow)


async def test_half_a_table_stands_on_no_board(resources: Resources, table: Path):
    await resources.imports.run(table)
    job = (await resources.db.fetch_all(select(ImportJobRow.id)))[0][0]
    statement = ImportJobRow.__table__.update().where(ImportJobRow.id == job)
    await resources.db.execute(statement.values(state="running"))
    benchmark = await resources.catalogue.get(SLUG)
    assert () == await resources.results.standings(benchmark.version.id)


async def test_a_board_can_be_asked_by_mode_and_by_user(resources: Resources, table: Path):
    await resources.imports.run(table)
    by_mode = await resources.boards.leaderboard(SLUG, board=Board("mode:minimal"))
    by_user = await resources.boards.leaderboard(SLUG, per=Per.USER)
    every = await resources.boards.leaderboard(SLUG, per=Per.NONE, limit=1000)
    assert (15, 1, 223) == (by_mode.total, by_user.total, every.total)
    assert max(entry.score for entry in every.entries) == by_user.entries[0].score


async def test_the_migrations_make_what_the_tables_say(settings: Settings):
    async with open_resources(settings):
        pass
    async with connect(database_url(settings)) as db:
        assert () == await schema_differences(db, Table.metadata, directory=MIGRATIONS)


async def test_rows_of_an_import_that_never_ended_are_not_lost_to_another_file(
    resources: Resources, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(resources.imports, "_finish", killed)
        with pytest.raises(KeyboardInterrupt):
            await resources.imports.run(table)
    newer = tmp_path / "newer.csv"
    newer.write_text(table.read_text("utf-8").rsplit("\n", 2)[0] + "\n", "utf-8")
    report = await resources.imports.run(newer)
    assert (222, 0, False) == (report.rows, report.imported, report.unchanged)
    assert 222 == (await resources.boards.leaderboard(SLUG)).total
    await resources.imports.run(table)
    assert 223 == (await resources.boards.leaderboard(SLUG)).total
    assert [] == await resources.check()
