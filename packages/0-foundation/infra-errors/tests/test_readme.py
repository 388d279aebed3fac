"""Every example that a reader sees runs."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import infra_errors

README = Path(__file__).resolve().parent.parent / "README.md"


@pytest.mark.skipif(not README.is_file(), reason="the README is not part of this distribution")
def test_the_readme_runs() -> None:
    from sybil import Sybil
    from sybil.parsers.markdown import PythonCodeBlockParser

    document = Sybil([PythonCodeBlockParser()], path=str(README.parent)).parse(README)
    examples = list(document.examples())
    assert len(examples) >= 8
    for example in examples:
        example.evaluate()


@pytest.mark.parametrize("name", ["", ".secret", ".convert"])
def test_the_docstrings_run(name: str) -> None:
    module = importlib.import_module(f"infra_errors{name}")
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert 0 == result.failed


def test_the_front_docstring_is_an_example() -> None:
    assert ">>>" in (infra_errors.__doc__ or "")
