"""The linter: what each rule finds, what it lets pass, and how it is told to."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from infra_db.lint import RULES, lint
from infra_errors import ValidationError

if TYPE_CHECKING:
    from pathlib import Path

HEAD = """revision = {name!r}
down_revision = {after!r}
import sqlalchemy as sa
from alembic import op

def upgrade():
    {up}

def downgrade():
    {down}
"""


BATCH = 'with op.batch_alter_table("t") as b:\n    '


def write(
    folder: Path, up: str, *, name: str = "r1", after: object = None, down: str = "op.x()"
) -> None:
    (folder / "versions").mkdir(exist_ok=True)
    text = HEAD.format(name=name, after=after, up=up.replace("\n", "\n    "), down=down)
    (folder / "versions" / f"{name}.py").write_text(text, encoding="utf-8")


def rules(folder: Path, *dialects: str) -> list[str]:
    return [finding.rule for finding in lint(folder, dialects=dialects)]


@pytest.mark.parametrize(
    ("rule", "bad", "good"),
    [
        (
            "L01",
            'op.add_column("t", sa.Column("a", sa.Integer, nullable=False))',
            'op.add_column("t", sa.Column("a", sa.Integer, nullable=False, server_default="0"))',
        ),
        (
            "L01",
            BATCH + 'b.add_column(sa.Column("a", sa.Integer, nullable=False))',
            BATCH + 'b.add_column(sa.Column("a", sa.Integer, nullable=True))',
        ),
        (
            "L02",
            'op.create_index("i", "t", ["a"])',
            'op.create_index("i", "t", ["a"], postgresql_concurrently=True)',
        ),
        (
            "L02",
            'op.create_table("u", sa.Column("a"))\nop.create_index("i", "t", ["a"])',
            'op.create_table("t", sa.Column("a"))\nop.create_index("i", "t", ["a"])',
        ),
        ("L03", 'op.alter_column("t", "a", type_=sa.String(9))', 'op.alter_column("t", "a")'),
        ("L04", 'op.drop_column("t", "a")', 'op.drop_index("i")'),
        ("L04", 'op.drop_table("t")', 'op.drop_constraint("c", "t")'),
        ("L05", 'op.rename_table("t", "u")', 'op.add_column("t", sa.Column("a"))'),
        (
            "L05",
            'op.alter_column("t", "a", new_column_name="b")',
            'op.alter_column("t", "a", nullable=True)',
        ),
        (
            "L06",
            'op.create_foreign_key("f", "t", "u", ["a"], ["id"])',
            'op.create_foreign_key("f", "t", "u", ["a"], ["id"], postgresql_not_valid=True)',
        ),
        (
            "L09",
            'op.create_unique_constraint(None, "t", ["a"])',
            'op.create_unique_constraint("u", "t", ["a"])',
        ),
        (
            "L09",
            'op.create_table("t", sa.UniqueConstraint("a"))',
            'op.create_table("t", sa.UniqueConstraint("a", name="u"))',
        ),
        (
            "L10",
            'op.add_column("t", sa.Column("a"))\nop.execute("UPDATE t SET a = 1")',
            'op.execute("UPDATE t SET a = 1")',
        ),
    ],
)
def test_a_rule_finds_what_it_is_for_and_nothing_else(
    rule: str, bad: str, good: str, tmp_path: Path
) -> None:
    write(tmp_path, bad)
    assert [rule] == [it for it in rules(tmp_path) if it == rule]
    write(tmp_path, good)
    assert rule not in rules(tmp_path)


def test_a_finding_says_where(tmp_path: Path) -> None:
    write(tmp_path, 'op.add_column("t", sa.Column("a"))\nop.drop_table("t")')
    (found,) = lint(tmp_path)
    assert ("r1", 8, "L04", "error") == (found.revision, found.line, found.rule, found.severity)
    assert RULES["L04"] == found.message


def test_a_comment_with_a_reason_allows_and_one_without_does_not(tmp_path: Path) -> None:
    write(tmp_path, 'op.drop_table("t")  # lint: ok L04 unused since May')
    assert [] == rules(tmp_path)
    write(tmp_path, '# lint: ok L04 unused since May\nop.drop_table("t")')
    assert [] == rules(tmp_path)
    for comment in ("lint: ok L04", "lint: ok L05 wrong rule", "lint: ok"):
        write(tmp_path, f'op.drop_table("t")  # {comment}')
        assert ["L04"] == rules(tmp_path)


def test_several_heads_and_a_missing_downgrade(tmp_path: Path) -> None:
    write(tmp_path, "op.x()", name="a")
    write(tmp_path, "op.x()", name="b", after="a")
    assert [] == rules(tmp_path)
    write(tmp_path, "op.x()", name="c", after="a")
    assert ["L07"] == rules(tmp_path)
    write(tmp_path, "op.x()", name="d", after=("b", "c"))
    assert [] == rules(tmp_path)
    write(tmp_path, "op.x()", name="d", after=("b", "c"), down="pass")
    assert ["L08"] == rules(tmp_path)


def test_mysql_takes_one_change_a_revision_and_needs_no_concurrent_index(tmp_path: Path) -> None:
    write(tmp_path, 'op.create_index("i", "t", ["a"])\nop.add_column("t", sa.Column("b"))')
    assert ["L02"] == rules(tmp_path, "postgresql")
    (found,) = lint(tmp_path, dialects=["mysql"])
    assert ("L11", "warning") == (found.rule, found.severity)


def test_an_edited_revision_is_found_by_git(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        names = ("-c", "user.name=x", "-c", "user.email=x@example.org")
        subprocess.run(["git", *names, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init")
    write(tmp_path, "op.x()")
    git("add", ".")
    git("commit", "-m", "one")
    assert [] == lint(tmp_path, since="HEAD")
    write(tmp_path, "op.y()")
    write(tmp_path, "op.x()", name="r2", after="r1")
    assert [("r1", "L12")] == [(it.revision, it.rule) for it in lint(tmp_path, since="HEAD")]
    with pytest.raises(ValidationError):
        lint(tmp_path, since="no-such-commit")


def test_a_folder_without_revisions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        lint(tmp_path)
