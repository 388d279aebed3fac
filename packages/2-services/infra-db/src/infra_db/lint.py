"""What in a revision can stop a service, lose data or never be undone; found without a database.

Each rule looks at the calls of `upgrade()`. A line, or the line above it, that says
`# lint: ok L04 nobody reads it any more` allows what the rule would refuse there; the reason is
part of it.
"""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import attrs

from infra_errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

__all__ = ["RULES", "Finding", "lint"]

RULES = {
    "L01": "a NOT NULL column without a server default fails on a table that has rows",
    "L02": "an index on an existing table stops its writers: postgresql_concurrently=True",
    "L03": "a change of type rewrites the table and stops its readers",
    "L04": "what is dropped is gone, and the code that still runs asks for it",
    "L05": "a rename breaks the code that still runs: add, copy, and drop later",
    "L06": "a constraint on an existing table checks every row at once: postgresql_not_valid=True",
    "L07": "several heads: merge them, nobody knows which comes first",
    "L08": "nothing undoes this revision",
    "L09": "a constraint without a name cannot be dropped by name on every database",
    "L10": "data and schema change in one revision: the lock of one waits for the other",
    "L11": "MySQL keeps the first change when the second fails: one a revision",
    "L12": "this revision was edited after it was released: databases have run the old one",
}
_ALLOWED = re.compile(r"#\s*lint:\s*ok\s+((?:L\d\d[,\s]+)+)(\S.*)")
_DATA = re.compile(r"\s*(INSERT|UPDATE|DELETE|MERGE|REPLACE)\b", re.IGNORECASE)
_DDL = frozenset(
    {
        *("create_table", "drop_table", "rename_table", "add_column", "drop_column"),
        *("alter_column", "create_index", "drop_index", "create_foreign_key", "drop_constraint"),
        *("create_check_constraint", "create_unique_constraint", "create_primary_key"),
    }
)


@attrs.frozen(order=True)
class Finding:
    """One thing that a revision should not do, where, and how bad it is."""

    revision: str
    line: int
    rule: str
    message: str
    severity: Literal["error", "warning"] = "error"


@attrs.frozen
class _Call:
    """A call of `op.name(...)`, or of a batch on one table."""

    name: str
    table: str | None
    node: ast.Call

    def keyword(self, name: str) -> ast.expr | None:
        return next((it.value for it in self.node.keywords if it.arg == name), None)

    def says(self, name: str, value: object) -> bool:
        found = self.keyword(name)
        return isinstance(found, ast.Constant) and found.value is value

    def argument(self, at: int) -> ast.expr | None:
        return self.node.args[at] if len(self.node.args) > at else None


def lint(
    directory: str | Path, *, dialects: Collection[str] = (), since: str | None = None
) -> list[Finding]:
    """
    Check the revisions of a directory, in order of file and line.

    Arguments: `dialects` are those that the revisions run on (`postgresql`, `mysql`, `sqlite`),
    all when empty; `since` is a Git commit or tag: revisions that were there then must not have
    changed (L12). Raises ValidationError for a directory without revisions, and for an unknown
    commit.
    """
    folder = Path(directory)
    versions = folder / "versions" if (folder / "versions").is_dir() else folder
    files = sorted(file for file in versions.glob("*.py") if file.name != "__init__.py")
    if not files:
        message = f"{folder} holds no revisions"
        raise ValidationError(message, code="db.check")
    found: list[Finding] = []
    parents: dict[str, tuple[str, ...]] = {}
    for file in files:
        source = file.read_text("utf-8")
        revision = _Revision(file, source)
        parents[revision.name] = revision.parents
        found += [one for one in revision.findings(set(dialects)) if not revision.allows(one)]
    heads = set(parents) - {parent for each in parents.values() for parent in each}
    if len(heads) > 1:
        found.append(Finding(min(heads), 1, "L07", f"{RULES['L07']} ({', '.join(sorted(heads))})"))
    if since is not None:
        found += [Finding(file, 1, "L12", RULES["L12"]) for file in _edited(versions, since)]
    return sorted(found)


class _Revision:
    """One revision's file."""

    def __init__(self, file: Path, source: str) -> None:
        self._lines = source.splitlines()
        self._tree = ast.parse(source, str(file))
        values = {
            target.id: node.value
            for node in self._tree.body
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name)
        }
        self.name = str(_literal(values.get("revision")) or file.stem)
        down = _literal(values.get("down_revision"))
        self.parents = tuple(down) if isinstance(down, list | tuple) else ((down,) if down else ())
        self._functions = {
            node.name: node for node in self._tree.body if isinstance(node, ast.FunctionDef)
        }

    def allows(self, finding: Finding) -> bool:
        for number in (finding.line, finding.line - 1):
            line = self._lines[number - 1] if 0 < number <= len(self._lines) else ""
            said = _ALLOWED.search(line)
            if said is not None and finding.rule in said[1]:
                return True
        return False

    def findings(self, dialects: set[str]) -> Iterator[Finding]:
        upgrade = self._functions.get("upgrade")
        calls = [] if upgrade is None else list(_calls(upgrade))
        made = {_text(it.argument(0)) for it in calls if it.name == "create_table"}
        for call in calls:
            for rule, applies in _CHECKS.items():
                if rule in _POSTGRES and dialects and "postgresql" not in dialects:
                    continue
                if applies(call, call.table in made):
                    yield Finding(self.name, call.node.lineno, rule, RULES[rule])
        changes = [it for it in calls if it.name in _DDL]
        if changes and (data := [it for it in calls if _is_data(it)]):
            yield Finding(self.name, data[0].node.lineno, "L10", RULES["L10"])
        if len(changes) > 1 and dialects & {"mysql", "mariadb"}:
            line = changes[1].node.lineno
            yield Finding(self.name, line, "L11", RULES["L11"], "warning")
        down = self._functions.get("downgrade")
        if down is None or all(
            isinstance(it, ast.Pass | ast.Raise | ast.Expr) and not _does(it) for it in down.body
        ):
            yield Finding(self.name, down.lineno if down else 1, "L08", RULES["L08"])


def _calls(function: ast.FunctionDef) -> Iterator[_Call]:
    """The operations of a function; a batch's are calls on the name it is bound to."""
    batches: dict[str, str | None] = {}
    for node in ast.walk(function):
        if not isinstance(node, ast.With):
            continue
        for item in node.items:
            opened = item.context_expr
            if (
                isinstance(opened, ast.Call)
                and isinstance(opened.func, ast.Attribute)
                and opened.func.attr == "batch_alter_table"
                and isinstance(item.optional_vars, ast.Name)
            ):
                batches[item.optional_vars.id] = _text(opened.args[0] if opened.args else None)
    for node in ast.walk(function):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        owner = node.func.value
        if not isinstance(owner, ast.Name) or owner.id not in {"op", *batches}:
            continue
        name = node.func.attr
        if owner.id in batches:
            yield _Call(name, batches[owner.id], node)
        else:
            at = 1 if name in _SECOND else 0
            yield _Call(name, _text(node.args[at] if len(node.args) > at else None), node)


# Operations whose first argument is the name of what they make.
_SECOND = {
    *("create_index", "create_foreign_key", "create_check_constraint", "create_unique_constraint"),
    *("drop_constraint", "create_primary_key"),
}


def _literal(node: ast.expr | None) -> object:
    try:
        return None if node is None else ast.literal_eval(node)
    except ValueError:
        return None


def _text(node: ast.expr | None) -> str | None:
    found = _literal(node)
    return found if isinstance(found, str) else None


def _columns(call: _Call) -> Iterator[ast.Call]:
    for node in ast.walk(call.node):
        if isinstance(node, ast.Call) and _named(node) == "Column":
            yield node


def _named(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _keywords(node: ast.Call) -> dict[str | None, ast.expr]:
    return {it.arg: it.value for it in node.keywords}


def _not_null(call: _Call, new: bool) -> bool:
    if call.name != "add_column" or new:
        return False
    for column in _columns(call):
        given = _keywords(column)
        nullable = given.get("nullable")
        refuses = isinstance(nullable, ast.Constant) and nullable.value is False
        if refuses and "server_default" not in given:
            return True
    return False


def _slow_index(call: _Call, new: bool) -> bool:
    if call.name != "create_index" or new:
        return False
    return not call.says("postgresql_concurrently", True)  # a literal to find


def _checks_rows(call: _Call, new: bool) -> bool:
    if call.name not in {"create_foreign_key", "create_check_constraint"} or new:
        return False
    return not call.says("postgresql_not_valid", True)  # a literal to find


def _unnamed(call: _Call, new: bool) -> bool:  # all checks take the same
    if call.name in {"create_foreign_key", "create_unique_constraint", "create_check_constraint"}:
        first = call.argument(0)
        return isinstance(first, ast.Constant) and first.value is None
    if call.name != "create_table":
        return False
    kinds = {"UniqueConstraint", "ForeignKeyConstraint", "CheckConstraint"}
    return any(
        isinstance(node, ast.Call) and _named(node) in kinds and "name" not in _keywords(node)
        for node in ast.walk(call.node)
    )


_POSTGRES = {"L02", "L06"}
_CHECKS: dict[str, Callable[[_Call, bool], bool]] = {
    "L01": _not_null,
    "L02": _slow_index,
    "L03": lambda call, new: (
        call.name == "alter_column" and not new and bool(call.keyword("type_"))
    ),
    "L04": lambda call, _: call.name in {"drop_table", "drop_column"},
    "L05": lambda call, _: (
        call.name == "rename_table"
        or (call.name == "alter_column" and call.keyword("new_column_name") is not None)
    ),
    "L06": _checks_rows,
    "L09": _unnamed,
}


def _is_data(call: _Call) -> bool:
    if call.name == "bulk_insert":
        return True
    if call.name != "execute":
        return False
    for node in ast.walk(call.node):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return bool(_DATA.match(node.value))
        if isinstance(node, ast.Attribute) and node.attr in {"insert", "update", "delete"}:
            return True
    return False


def _does(node: ast.stmt) -> bool:
    """Whether a statement is more than a docstring."""
    return isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant)


def _edited(versions: Path, since: str) -> list[str]:
    command = ["git", "diff", "--name-only", "--diff-filter=MD", "--relative", since, "--", "*.py"]
    run = subprocess.run(command, cwd=versions, capture_output=True, text=True, check=False)  # noqa: S603
    if run.returncode:
        message = f"Git does not know {since}, or {versions} is not in a repository"
        raise ValidationError(message, code="db.check")
    return [Path(name).stem for name in run.stdout.split()]
