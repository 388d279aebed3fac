"""The command line, from an empty folder to a checked database."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from infra_db.cli import main

if TYPE_CHECKING:
    from pathlib import Path

MODELS = """
from datetime import datetime
from infra_db import Base, IdMixin, TimestampMixin
from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

class User(IdMixin, TimestampMixin, Base):
    __tablename__ = "cli_users"
    name: Mapped[str] = mapped_column(String(50), unique=True)
"""


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    import os

    return subprocess.run(
        [sys.executable, "-m", "infra_db", *arguments],
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_from_nothing_to_a_database_that_is_what_the_models_say(tmp_path: Path) -> None:
    (tmp_path / "models.py").write_text(MODELS)
    url = f"sqlite:///{tmp_path / 'app.db'}"
    models = ("--metadata", "models:Base", "--url", url)
    assert 0 == run(tmp_path, "init").returncode
    made = run(tmp_path, "revision", "-m", "Add users", *models)
    assert (0, "") == (made.returncode, made.stderr)
    assert "made migrations/versions/0001_add_users.py\n" == made.stdout
    differs = run(tmp_path, "check", *models)
    assert 1 == differs.returncode
    assert "0001 is not applied" in differs.stdout
    assert "applied 0001\n" == run(tmp_path, "upgrade", DATABASE_URL=url).stdout
    assert "applied nothing\n" == run(tmp_path, "upgrade", "--url", url).stdout
    assert ["0001"] == json.loads(run(tmp_path, "current", "--json", "--url", url).stdout)[
        "current"
    ]
    clean = run(tmp_path, "check", *models)
    assert (0, "nothing differs\n") == (clean.returncode, clean.stdout)
    assert 0 == run(tmp_path, "lint").returncode
    refused = run(tmp_path, "downgrade", "base", "--url", url)
    assert 2 == refused.returncode
    assert "undone 0001\n" == run(tmp_path, "downgrade", "base", "--yes", "--url", url).stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("upgrade",), "no database: give --url"),
        (("upgrade", "--url", "mysterydb://u:hunter2@h/x"), "no database backend"),
        (("lint", "--directory", "nowhere"), "holds no revisions"),
        (("revision", "-m", "x"), "infra-db init"),
        (("check", "--url", "memory://", "--metadata", "no.such:Base"), "cannot be imported"),
    ],
    ids=["no-url", "scheme", "lint", "init", "metadata"],
)
def test_wrong_use_is_one_line_and_code_2(
    arguments: tuple[str, ...],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    assert 2 == main(arguments)
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line
    assert "hunter2" not in line


def test_a_failing_revision_is_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "migrations" / "versions"
    folder.mkdir(parents=True)
    (folder / "r1.py").write_text(
        'revision = "r1"\ndown_revision = None\ndef upgrade():\n    1 / 0\n'
        "def downgrade():\n    pass\n"
    )
    given = ["upgrade", "--url", f"sqlite:///{tmp_path / 'x.db'}"]
    assert 1 == main([*given, "--directory", str(tmp_path / "migrations")])
    assert "revision r1 failed and was rolled back" in capsys.readouterr().err
