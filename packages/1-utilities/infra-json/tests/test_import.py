"""What importing brings along, and that every public name is there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import infra_errors
import infra_json

SOURCES = [str(Path(module.__file__).parents[1]) for module in (infra_errors, infra_json)]


@pytest.mark.subprocess
def test_queries_are_loaded_when_they_are_asked_for():
    code = (
        f"import sys; sys.path[:0] = {SOURCES!r}; import infra_json; print(*sys.modules);"
        "infra_json.JSONPath('$'); print(*sys.modules)"
    )
    run = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, check=True)
    before, after = run.stdout.decode().splitlines()
    assert "infra_json.jsonpath" not in before.split()
    assert "infra_json.jsonpath" in after.split()
    unwanted = {"attrs", "attr", "asyncio", "socket", "subprocess", "multiprocessing"}
    assert not unwanted & set(before.split())


def test_every_public_name_is_there():
    assert sorted(infra_json.__all__) == infra_json.__all__
    for name in infra_json.__all__:
        assert getattr(infra_json, name) is not None
    assert set(infra_json.__all__) <= set(dir(infra_json))
    with pytest.raises(AttributeError, match="nope"):
        _ = infra_json.nope


def test_functions_are_not_hidden_by_the_modules_of_their_names():
    from infra_json import diff as imported
    from infra_json import structure

    assert callable(imported)
    assert callable(structure)
