"""Reading the tables that AlpacaEval publishes: the real ones, then everything that is wrong."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from benchmark_exchange.domain.errors import BadImport
from benchmark_exchange.importers.alpaca_eval import MEMBER, read

PUBLISHED = (
    Path(os.environ.get("INFRA_CONFORMANCE_DIR", Path(__file__).parents[5] / "shared/conformance"))
    / "leaderboards/alpaca_eval"
)
HEADER = ",win_rate,standard_error,n_wins,n_wins_base,n_draws,n_total,mode"
GOOD = "model-a,50.0,1.5,1,1,0,2,community"


@pytest.fixture
def write(tmp_path: Path):
    def write(*lines: str, newline: str = "\n") -> Path:
        file = tmp_path / "results.csv"
        file.write_bytes(newline.join(lines).encode() + newline.encode())
        return file

    return write


def faults(file: Path) -> list[str]:
    with pytest.raises(BadImport) as caught:
        read(file)
    return [str(violation) for violation in caught.value.violations] or [caught.value.message]


def test_the_real_table_has_its_known_facts(table: Path):
    content = read(table)
    assert "fe32bf85c2f7429038faa4c9a884d1d131726454ff84a4b810a91c1c7a2aa0e9" == content.sha256
    assert 223 == len(content.rows)
    assert 179_492 == sum(row.n for row in content.rows)
    modes = [row.mode for row in content.rows]
    counts = {mode: modes.count(mode) for mode in set(modes)}
    assert {"community": 144, "verified": 52, "minimal": 15, "dev": 12} == counts
    assert ["gpt4_1106_preview"] == [row.model for row in content.rows if row.standard_error == 0]


def test_the_table_is_found_inside_the_wheel(table: Path, tmp_path: Path):
    wheel = tmp_path / "alpaca_eval-0.6.6-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(table, MEMBER)
    assert read(table).sha256 == read(wheel).sha256


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published tables are not here")
def test_every_published_table_is_read_whole_but_the_one_of_another_shape():
    for file in sorted(PUBLISHED.glob("*.csv")):
        if file.name == "evaluators_leaderboard.csv":
            assert "no column" in faults(file)[0]
        else:
            assert len(file.read_text("utf-8").splitlines()) - 1 == len(read(file).rows)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("model-b,abc,1.5,1,1,0,2,dev", "results.csv:3:2: win_rate 'abc' is no number"),
        (
            "b\x1b[2J,50,1,1,1,0,2,dev",
            "results.csv:3:1: the model holds U+001B, which cannot be shown",
        ),
        (
            "b\x9b,50,1,1,1,0,2,dev",
            "results.csv:3:1: the model holds U+009B, which cannot be shown",
        ),
        ("b,50,1e308,1,1,0,2,dev", "results.csv:3:3: standard_error '1e308' is no finite number"),
        ("b,50,1,1e19,1,0,2,dev", "results.csv:3:4: n_wins '1e19' is no count"),
        ("b,50,1,1,1,0,1e19,dev", "results.csv:3:7: n_total '1e19' is no count"),
        ("model-b,nan,1.5,1,1,0,2,dev", "results.csv:3:2: win_rate 'nan' is no finite number"),
        ("model-b,inf,1.5,1,1,0,2,dev", "results.csv:3:2: win_rate 'inf' is no finite number"),
        ("model-b,1_0,1.5,1,1,0,2,dev", "results.csv:3:2: win_rate '1_0' is no finite number"),
        (
            "model-b,100.1,1.5,1,1,0,2,dev",
            "results.csv:3:2: win_rate '100.1' lies outside 0 to 100",
        ),
        ("model-b,50,-1,1,1,0,2,dev", "results.csv:3:3: standard_error '-1' is negative"),
        ("model-b,50,1,1.5,1,0,2,dev", "results.csv:3:4: n_wins '1.5' is no count"),
        ("model-b,50,1,1,1,0,0,dev", "results.csv:3:7: n_total is 1 or more"),
        ("model-b,50,1,1,1,0,,dev", "results.csv:3:7: n_total is empty"),
        (",50,1,1,1,0,2,dev", "results.csv:3:1: the model has 1 to 200 characters, not 0"),
        ("model-b,50,1,1,1,0,2,", "results.csv:3:8: mode has 1 to 58 characters, not 0"),
        ("model-b,50,1", "results.csv:3:3: the row has 3 cells, the header has 8"),
        (
            "model-a,50,1,1,1,0,2,dev",
            "results.csv:3:1: the model 'model-a' stands on line 2 already",
        ),
        ('model-b,"50', "results.csv:3:1: the row is no CSV: unexpected end of data"),
    ],
)
def test_a_malformed_row_names_file_line_and_column(write, row: str, expected: str):
    assert [expected] == faults(write(HEADER, GOOD, row))


def test_all_faults_are_told_at_once(write):
    rows = ["a,x,1,1,1,0,2,dev", "b,50,y,1,1,0,2,dev"]
    assert 2 == len(faults(write(HEADER, *rows)))


def test_a_line_is_counted_as_an_editor_does_even_after_a_quoted_line_break(write):
    row = 'a,50,1,1,1,0,2,"dev\nmode"'
    assert [
        "results.csv:2:8: mode holds U+000A, which cannot be shown",
        "results.csv:4:2: win_rate 'x' is no number",
    ] == faults(write(HEADER, row, "b,x,1,1,1,0,2,dev"))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "no column"),
        (b"a,b\n1,2\n", "no column '', 'win_rate'"),
        (f"{HEADER},mode\n".encode(), "the column 'mode' stands there twice"),
        (f"{HEADER}\n".encode(), "the table has no rows"),
        (f"{HEADER}\n{GOOD}\nb\xff".encode("latin-1"), "results.csv:3: byte 2 of the line"),
        (b"PK\x03\x04 no archive", "holds no readable"),
    ],
)
def test_a_file_that_is_no_such_table_is_refused(tmp_path: Path, content: bytes, expected: str):
    file = tmp_path / "results.csv"
    file.write_bytes(content)
    (message,) = faults(file)
    assert expected in message
    assert "results.csv" in message


def test_a_file_that_is_not_there_is_refused_by_its_name(tmp_path: Path):
    (message,) = faults(tmp_path / "missing.csv")
    assert message.endswith("missing.csv: No such file or directory")


def test_a_mark_at_the_start_and_windows_line_ends_are_fine(write):
    file = write("\ufeff" + HEADER, GOOD, newline="\r\n")
    assert ["model-a"] == [row.model for row in read(file).rows]


def test_an_archive_that_unpacks_to_more_than_the_limit_is_refused(tmp_path: Path):
    bomb = tmp_path / "bomb.whl"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MEMBER, b"," * (11 * 1024 * 1024))
    (message,) = faults(bomb)
    assert "larger than 10 MiB" in message
