"""
AlpacaEval's result tables: CSV, or the wheel of alpaca-eval that holds the AlpacaEval 2 table.

A file is read whole before anything is written: one malformed row refuses the file, and the error
names every fault with line and column. A row that contradicts itself is no fault: it is imported
with a finding.
"""

from __future__ import annotations

import csv
import io
import zipfile
from hashlib import sha256
from pathlib import Path

import attrs

from benchmark_exchange.domain._check import is_count, is_finite, text_fault
from benchmark_exchange.domain.benchmark import Metric, MetricKind, NewBenchmark
from benchmark_exchange.domain.errors import BadImport
from benchmark_exchange.domain.submission import Counts
from infra_errors import Violation

__all__ = ["ALPACA_EVAL_2", "IMPORTER", "ImportedResult", "ResultTable", "read"]

IMPORTER = "alpaca-eval-2"
MAX_BYTES = 10 * 1024 * 1024
MEMBER = (
    "alpaca_eval/leaderboards/data_AlpacaEval_2/weighted_alpaca_eval_gpt4_turbo_leaderboard.csv"
)
ALPACA_EVAL_2 = NewBenchmark(
    slug="alpaca-eval-2",
    title="AlpacaEval 2",
    description=(
        "How often a model's answers to 805 instructions are preferred to those of "
        "gpt4_1106_preview, as judged by gpt4_turbo."
    ),
    category="instruction-following",
    metric=Metric(name="win rate", unit="%", kind=MetricKind.MEAN, minimum=0, maximum=100),
    status="active",
)

_REQUIRED = ("", "win_rate", "standard_error", "n_total", "mode")
_COUNTS = ("n_wins", "n_wins_base", "n_draws")
_NUMBERS = (
    *("win_rate", "standard_error", "discrete_win_rate", "avg_length", "output_length"),
    *("length_controlled_winrate", "lc_standard_error"),
)
_WHOLE = (*_COUNTS, "n_total")
_MAY_BE_EMPTY = frozenset(_NUMBERS[2:]) | frozenset(_COUNTS)


@attrs.frozen(kw_only=True)
class ImportedResult:
    """One row: the result, and the row's own cells (`details`), from which its digest is made."""

    line: int
    model: str
    score: float
    standard_error: float
    n: int
    counts: Counts | None
    claimed_win_rate: float | None
    mode: str
    details: dict[str, str]


@attrs.frozen(kw_only=True)
class ResultTable:
    """A whole file: its name, the digest of its table, and its rows."""

    name: str
    sha256: str
    rows: tuple[ImportedResult, ...]


def read(path: Path) -> ResultTable:
    """
    Return the table in a CSV file or in a wheel.

    Raises BadImport for a file that is missing, too large, no such table, or malformed in any
    row; its violations name line and column.
    """
    try:
        data = path.read_bytes() if path.stat().st_size <= MAX_BYTES else None
    except OSError as exc:
        message = f"cannot read {path}: {exc.strerror or exc}"
        raise BadImport(message) from exc
    if data is None:
        raise _refused(path.name, f"the file is larger than {MAX_BYTES // 2**20} MiB")
    if data.startswith(b"PK\x03\x04"):
        data = _member(path.name, data)
    return ResultTable(name=path.name, sha256=sha256(data).hexdigest(), rows=_rows(path.name, data))


def _member(name: str, data: bytes) -> bytes:
    """Return the table inside a wheel; bounded, so that a small archive cannot fill the memory."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as wheel, wheel.open(MEMBER) as table:
            content = table.read(MAX_BYTES + 1)
    except (KeyError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as exc:
        raise _refused(name, f"the archive holds no readable {MEMBER}") from exc
    if len(content) > MAX_BYTES:
        raise _refused(name, f"the table in the archive is larger than {MAX_BYTES // 2**20} MiB")
    return content


def _rows(name: str, data: bytes) -> tuple[ImportedResult, ...]:
    reader = csv.reader(io.StringIO(_text(name, data), newline=""), strict=True)
    faults: list[Violation] = []
    rows: list[ImportedResult] = []
    lines: dict[str, int] = {}
    try:
        header = next(reader, [])
        _check_header(name, header)
        start = reader.line_num + 1
        for cells in reader:
            line, start = start, reader.line_num + 1
            if row := _row(name, header, cells, line, faults):
                if earlier := lines.get(row.model):
                    why = f"{row.model!r} stands on line {earlier} already"
                    faults.append(_fault(name, line, 1, "the model", why))
                lines.setdefault(row.model, line)
                rows.append(row)
    except csv.Error as exc:
        faults.append(_fault(name, reader.line_num, 1, "the row", f"is no CSV: {exc}"))
    if faults:
        places = "1 place" if len(faults) == 1 else f"{len(faults)} places"
        message = f"{name} is malformed in {places}, so nothing of it is imported"
        raise BadImport(message, violations=faults)
    if not rows:
        raise _refused(name, "the table has no rows")
    return tuple(rows)


def _text(name: str, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        column = exc.start - data.rfind(b"\n", 0, exc.start)
        fault = f"{name}:{line}: byte {column} of the line is not UTF-8"
        raise _refused(name, fault) from exc


def _check_header(name: str, header: list[str]) -> None:
    missing = [repr(column) for column in _REQUIRED if column not in header]
    doubled = sorted({column for column in header if header.count(column) > 1})
    if missing:
        fault = f"{name}:1: no column {', '.join(missing)}: this is no AlpacaEval result table"
        raise _refused(name, fault)
    if doubled:
        raise _refused(name, f"{name}:1: the column {doubled[0]!r} stands there twice")


def _row(
    name: str, header: list[str], cells: list[str], line: int, faults: list[Violation]
) -> ImportedResult | None:
    """Return one row's result; None, and the faults it adds, when the row is malformed."""
    before = len(faults)
    if len(cells) != len(header):
        why = f"has {len(cells)} cells, the header has {len(header)}"
        faults.append(_fault(name, line, min(len(cells), len(header)) or 1, "the row", why))
        return None
    row = dict(zip(header, cells, strict=True))
    numbers: dict[str, float | None] = {}
    for column, (field, text) in enumerate(row.items(), start=1):
        fault = _cell_fault(field, text)
        if fault is not None:
            faults.append(_fault(name, line, column, field or "the model", fault))
        elif field in _NUMBERS or field in _WHOLE:
            numbers[field] = float(text) if text else None
    if len(faults) > before:
        return None
    return ImportedResult(
        line=line,
        model=row[""],
        score=numbers["win_rate"] or 0.0,
        standard_error=numbers["standard_error"] or 0.0,
        n=int(numbers["n_total"] or 0),
        counts=_counts(numbers),
        claimed_win_rate=numbers.get("discrete_win_rate"),
        mode=row["mode"],
        details=row,
    )


def _cell_fault(field: str, text: str) -> str | None:
    """Return what is wrong with a cell, or None."""
    if field in {"", "mode"}:
        return text_fault(text, 200 if field == "" else 58)
    if field not in _NUMBERS and field not in _WHOLE:
        return None
    if not text:
        return None if field in _MAY_BE_EMPTY else "is empty"
    try:
        number = float(text)
    except ValueError:
        return f"{text[:40]!r} is no number"
    if not is_finite(number) or "_" in text:
        return f"{text[:40]!r} is no finite number"
    if field in _WHOLE and not is_count(number):
        return f"{text[:40]!r} is no count"
    if field == "n_total" and number < 1:
        return "is 1 or more"
    if field == "standard_error" and number < 0:
        return f"{text[:40]!r} is negative"
    if field == "win_rate" and not 0 <= number <= 100:
        return f"{text[:40]!r} lies outside 0 to 100"
    return None


def _counts(numbers: dict[str, float | None]) -> Counts | None:
    wins, losses, draws = (numbers.get(column) for column in _COUNTS)
    if wins is None or losses is None:
        return None
    return Counts(wins=int(wins), losses=int(losses), draws=int(draws or 0))


def _fault(name: str, line: int, column: int, field: str, why: str) -> Violation:
    return Violation(path=f"{name}:{line}:{column}", message=f"{field} {why}")


def _refused(name: str, why: str) -> BadImport:
    return BadImport(why if why.startswith(name) else f"{name}: {why}")
