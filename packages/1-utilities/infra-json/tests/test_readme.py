"""Every example that a reader sees runs."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

import infra_json

README = Path(__file__).resolve().parent.parent / "README.md"


@pytest.mark.skipif(not README.is_file(), reason="the README is not part of this distribution")
def test_the_readme_runs():
    from sybil import Sybil
    from sybil.parsers.markdown import PythonCodeBlockParser

    document = Sybil([PythonCodeBlockParser()], path=str(README.parent)).parse(README)
    examples = list(document.examples())
    assert len(examples) >= 8
    for example in examples:
        example.evaluate()


def test_the_docstring_runs():
    result = doctest.testmod(infra_json)
    assert result.attempted > 0
    assert 0 == result.failed
