"""Every example that a reader sees runs."""

from __future__ import annotations

import doctest
import importlib

import pytest

import infra_errors


@pytest.mark.parametrize("name", ["", ".secret", ".convert"])
def test_the_docstrings_run(name: str) -> None:
    module = importlib.import_module(f"infra_errors{name}")
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert 0 == result.failed


def test_the_front_docstring_is_an_example() -> None:
    assert ">>>" in (infra_errors.__doc__ or "")
