"""A type checker tells one entity's id from another's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
from infra_id import TypedId

class UserId(TypedId):
    prefix = "usr"

class ModelId(TypedId):
    prefix = "mdl"

def show(model: ModelId) -> str:
    return str(model)

show(ModelId.new())
show(UserId.new())
"""


def test_a_users_id_is_refused_where_a_models_is_wanted(tmp_path: Path) -> None:
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)
    command = [sys.executable, "-m", "mypy", "--strict", f"--cache-dir={tmp_path}", str(file)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    line = 1 + PROGRAM.splitlines().index("show(UserId.new())")
    assert [f"{file}:{line}"] == [
        ":".join(it.split(":")[:2]) for it in run.stdout.splitlines()[:-1]
    ]
    assert 'incompatible type "UserId"; expected "ModelId"' in run.stdout
