"""The catalogue and its command line."""

from __future__ import annotations

import json
import re
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

import infra_errors
from infra_errors import ConfigError, InfraError, _leaves, catalogue
from infra_errors.__main__ import main


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else is installed here is not what these tests are about."""
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: [])


def ours() -> list[dict[str, Any]]:
    # an example in a docstring may have left a class behind
    rows = [row for row in catalogue() if row["class"].startswith("infra_errors.")]
    return [row for row in rows if not row["code"].startswith("library.")]


def test_each_exported_class_is_there_once_sorted_by_code() -> None:
    rows = catalogue()
    assert sorted(rows, key=lambda row: (row["code"], row["class"])) == rows
    exported = {
        f"infra_errors.{name}"
        for name in infra_errors.__all__
        if isinstance(cls := getattr(infra_errors, name), type) and issubclass(cls, InfraError)
    }
    own = {f"infra_errors._leaves.{name}" for name in _leaves.__all__}
    assert exported == {row["class"] for row in ours()} - own
    assert len(ours()) == len({row["code"] for row in ours()})


def test_each_code_that_this_package_raises_itself_is_there() -> None:
    stated = {
        code
        for file in Path(infra_errors.__file__).parent.glob("*.py")
        for code in re.findall(r"\"(errors\.[a-z_]+)\"", file.read_text(encoding="utf-8"))
    }
    assert 10 <= len(stated - {"errors.multiple"})
    assert stated <= {row["code"] for row in ours()}


def test_a_row_says_all_that_another_language_needs() -> None:
    (row,) = [row for row in catalogue() if row["code"] == "general.deadline_exceeded"]
    assert {
        "class": "infra_errors.DeadlineExceededError",
        "code": "general.deadline_exceeded",
        "category": "general",
        "status": "DEADLINE_EXCEEDED",
        "http_status": 504,
        "grpc_code": 4,
        "retryable": True,
        "bases": ["InfraError", "TimeoutError"],
        "doc": "It took longer than it may.",
    } == row


def test_classes_of_nobody_are_left_out() -> None:
    class StrayError(InfraError):
        code = "test.stray"

    assert "test.stray" not in {row["code"] for row in catalogue()}
    assert "test.stray" == StrayError.code


def test_a_declared_module_that_does_not_import_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = EntryPoint("db", "no_such_module.errors", "infra_errors.catalogue")
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: [broken])
    with pytest.raises(ConfigError) as caught:
        catalogue()
    assert "errors.bad_catalogue" == caught.value.code
    assert 1 == main(["catalogue"])
    assert "no_such_module" in capsys.readouterr().err


def test_the_command_prints_json_or_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["catalogue", "--json"])
    assert catalogue() == json.loads(capsys.readouterr().out)
    assert 0 == main(["catalogue"])
    lines = capsys.readouterr().out.splitlines()
    assert len(catalogue()) + 2 == len(lines)
    assert lines[0].startswith("| code | class |")


@pytest.mark.parametrize("argv", [[], ["nope"], ["catalogue", "--nope"]], ids=str)
def test_wrong_use_exits_with_two(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert 2 == caught.value.code
    assert "usage" in capsys.readouterr().err
