"""The command line: make revisions, run them, and see what differs."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from infra_db.lint import lint
from infra_errors import ConfigError, InfraError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import MetaData

    from infra_db.database import Database

__all__ = ["main"]

_EXAMPLES = """\
examples:
  infra-db init                                     a folder for revisions
  infra-db revision -m "add users" --metadata app.models:Base
  infra-db upgrade --url postgresql://app@db/app
  infra-db check --metadata app.models:Base         what the database lacks
  infra-db lint --dialect postgresql --since v1.2.0 what in the revisions is dangerous

exit codes: 0 done and clean, 1 differences, findings or a failure, 2 wrong use or settings
"""
_REVISION = '''\
"""{message}"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

{imports}revision = "{revision}"
down_revision = {down!r}
branch_labels = None
depends_on = None


def upgrade() -> None:
{up}


def downgrade() -> None:
{down_body}
'''


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        code: int = given.run(given)
    except ConfigError as error:
        print(f"infra-db: {error.message}", file=sys.stderr)
        return 2
    except ValidationError as error:
        print(f"infra-db: {error.message}", file=sys.stderr)
        return 2
    except InfraError as error:
        print(f"infra-db: {error.message}", file=sys.stderr)
        return 1
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="infra-db",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="command")

    def command(name: str, run: Any, text: str, *, database: bool) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(run=run)
        made.add_argument("--directory", default="migrations", help="a path, or package:folder")
        made.add_argument("--json", action="store_true", help="print for a script")
        if database:
            made.add_argument("--url", help="the database; else DATABASE_URL")
        return made

    command("init", _init, "make a folder for revisions", database=False)
    revision = command("revision", _revision, "make a revision", database=True)
    revision.add_argument("-m", "--message", required=True, help="what it does")
    revision.add_argument("--metadata", help="module:name; fill it with what the models say")
    upgrade = command("upgrade", _upgrade, "apply revisions", database=True)
    upgrade.add_argument("target", nargs="?", default="head", help="a revision; default head")
    downgrade = command("downgrade", _downgrade, "undo revisions", database=True)
    downgrade.add_argument("target", help="a revision, or base")
    downgrade.add_argument("--yes", action="store_true", help="data will be lost, and may be")
    command("current", _current, "show the revision the database is at", database=True)
    check = command("check", _check, "show what differs from the models", database=True)
    check.add_argument("--metadata", required=True, help="module:name of a MetaData or a Base")
    linted = command("lint", _lint, "show what in the revisions is dangerous", database=False)
    linted.add_argument("--dialect", action="append", default=[], help="that they run on")
    linted.add_argument("--since", help="a Git commit: revisions of then must not have changed")
    return parser


# ---- commands -----------------------------------------------------------------------------------


def _init(given: argparse.Namespace) -> int:
    versions = Path(given.directory) / "versions"
    if versions.is_dir():
        message = f"{given.directory} holds revisions already"
        raise ValidationError(message, code="db.check")
    versions.mkdir(parents=True)
    return _say(given, f"made {versions}", {"directory": str(versions)})


def _revision(given: argparse.Namespace) -> int:
    versions = Path(given.directory) / "versions"
    if not versions.is_dir():
        message = f"{given.directory} holds no revisions yet: infra-db init"
        raise ValidationError(message, code="db.check")
    up = down = "    pass"
    imports = ""
    if given.metadata:
        up, down, imports = asyncio.run(_written(given, _metadata(given.metadata)))
    number = 1 + max(
        (int(m[0]) for f in versions.glob("*.py") if (m := re.match(r"\d+", f.name))), default=0
    )
    slug = re.sub(r"[^a-z0-9]+", "_", given.message.lower()).strip("_")[:40] or "revision"
    file = versions / f"{number:04}_{slug}.py"
    text = _REVISION.format(
        message=given.message.replace("\\", "").replace('"""', "'''"),
        revision=f"{number:04}",
        down=_head(given.directory),
        imports=imports,
        up=up,
        down_body=down,
    )
    file.write_text(text, encoding="utf-8")
    return _say(given, f"made {file}", {"file": str(file), "revision": f"{number:04}"})


def _upgrade(given: argparse.Namespace) -> int:
    from infra_db.migrations import migrate

    async def work(db: Database) -> tuple[str, ...]:
        return await migrate(db, given.target, directory=given.directory)

    done = asyncio.run(_with_database(given, work))
    return _say(given, f"applied {', '.join(done) or 'nothing'}", {"applied": done})


def _downgrade(given: argparse.Namespace) -> int:
    from infra_db.migrations import downgrade

    async def work(db: Database) -> tuple[str, ...]:
        return await downgrade(db, given.target, directory=given.directory, confirm=given.yes)

    done = asyncio.run(_with_database(given, work))
    return _say(given, f"undone {', '.join(done) or 'nothing'}", {"undone": done})


def _current(given: argparse.Namespace) -> int:
    from infra_db.migrations import current

    async def work(db: Database) -> tuple[str, ...]:
        return await current(db, directory=given.directory)

    heads = asyncio.run(_with_database(given, work))
    return _say(given, ", ".join(heads) or "no revision", {"current": heads})


def _check(given: argparse.Namespace) -> int:
    from infra_db.migrations import check

    async def work(db: Database) -> Any:
        return await check(db, _metadata(given.metadata), directory=given.directory)

    found = asyncio.run(_with_database(given, work))
    lines = [f"{one.kind}: {one.detail}" for one in found]
    _say(given, "\n".join(lines) or "nothing differs", [attrs.asdict(one) for one in found])
    return 1 if found else 0


def _lint(given: argparse.Namespace) -> int:
    found = lint(_folder(given.directory), dialects=given.dialect, since=given.since)
    lines = [f"{it.revision}:{it.line}: {it.severity} {it.rule} {it.message}" for it in found]
    _say(given, "\n".join(lines) or "nothing found", [attrs.asdict(one) for one in found])
    return 1 if any(one.severity == "error" for one in found) else 0


# ---- what they share ----------------------------------------------------------------------------


def _say(given: argparse.Namespace, text: str, data: Any) -> int:
    print(json.dumps(data) if given.json else text)
    return 0


async def _with_database(given: argparse.Namespace, work: Any) -> Any:
    from infra_db.database import connect

    url = given.url or os.environ.get("DATABASE_URL")
    if not url:
        message = "no database: give --url, or set DATABASE_URL"
        raise ConfigError(message, code="db.config")
    async with connect(url, min_connections=1) as db:
        return await work(db)


def _metadata(place: str) -> MetaData:
    module, _, name = place.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        found = getattr(import_module(module), name or "metadata")
    except (ImportError, AttributeError) as error:
        message = f"{place} cannot be imported: {error}"
        raise ConfigError(message, code="db.config") from error
    metadata: MetaData = getattr(found, "metadata", found)
    return metadata


def _folder(directory: str) -> Path:
    from infra_db.migrations import folder_of

    return folder_of(directory)


def _head(directory: str) -> str | None:
    from infra_db.migrations import head_of

    return head_of(directory)


async def _written(given: argparse.Namespace, metadata: MetaData) -> tuple[str, str, str]:
    from infra_db.migrations import written

    async def work(db: Database) -> tuple[str, str, str]:
        return await written(db, metadata)

    found: tuple[str, str, str] = await _with_database(given, work)
    return found
