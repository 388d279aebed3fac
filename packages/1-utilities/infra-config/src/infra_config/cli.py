"""The command line: what a settings class reads, whether it can be read, and where from."""

from __future__ import annotations

import argparse
import json
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from infra_config.env import EnvSource
from infra_config.envtable import EnvVar, env_table
from infra_config.errors import BadSetting, ConfigLoadError
from infra_config.house import part_tables
from infra_config.load import Loaded, load
from infra_config.sources import FileSource
from infra_errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["main"]

_EXAMPLES = """\
examples:
  infra-config env                                  the variables of all installed packages
  infra-config env --markdown app:Settings --prefix APP_
  infra-config check app:Settings --file config.toml --prefix APP_
  infra-config explain app:Settings server.port --file config.toml

exit codes: 0 fine, 1 check found mistakes, 2 wrong use or settings that cannot be read
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the command line and return its exit code.

    Args:
        arguments: without the program's name; those of the process when None.
    """
    options = _parser().parse_args(arguments)
    # a class is looked for where the command is run, as `python -m` does
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        code: int = options.run(options)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="infra-config",
        description="What a settings class reads, whether it can be read, and where from.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    env = _command(commands, "env", _env, "list the variables of a class, or of all packages")
    env.add_argument(
        "cls", metavar="CLASS", nargs="?", help="module:Class; all packages if left out"
    )
    form = env.add_mutually_exclusive_group()
    form.add_argument("--list", dest="form", action="store_const", const="list", help="the default")
    form.add_argument("--markdown", dest="form", action="store_const", const="markdown")
    form.add_argument("--json", dest="form", action="store_const", const="json")
    check = _command(commands, "check", _check, "read a class and tell every mistake")
    check.add_argument("cls", metavar="CLASS", help="module:Class")
    explain = _command(commands, "explain", _explain, "tell where a setting has its value from")
    explain.add_argument("cls", metavar="CLASS", help="module:Class")
    explain.add_argument("path", metavar="PATH", help="a dot path: server.port")
    for command in (check, explain):
        command.add_argument(
            "--file", action="append", default=[], help="may be repeated: a later one wins"
        )
        command.add_argument("--json", action="store_true", help="for a script to read")
    for command in (env, check, explain):
        command.add_argument("--prefix", default="", help="what our variables begin with")
    return parser


def _command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], help: str
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=help, description=help)
    command.set_defaults(run=run)
    return command


def _env(options: argparse.Namespace) -> int:
    tables = _tables(options)
    if options.form == "json":
        rows = [
            ({"part": part} if part else {}) | attrs.asdict(row)
            for part, table in tables.items()
            for row in table
        ]
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return 0
    shown = _markdown if options.form == "markdown" else _listed
    print("\n\n".join(f"{_title(part, options)}{shown(rows)}" for part, rows in tables.items()))
    return 0


def _tables(options: argparse.Namespace) -> dict[str, list[EnvVar]]:
    if options.cls:
        return {"": env_table(_class(options.cls), options.prefix)}
    return {part: rows for part, rows in part_tables().items() if rows}


def _title(part: str, options: argparse.Namespace) -> str:
    if not part:
        return ""
    return f"### {part}\n\n" if options.form == "markdown" else f"{part}\n"


def _markdown(rows: Iterable[EnvVar]) -> str:
    lines = ["| variable | type | default | unit | meaning |", "|---|---|---|---|---|"]
    for row in rows:
        names = ", else ".join(f"`{name}`" for name in (row.name, *row.others))
        default = f"`{row.default}`" if row.default else _instead(row)
        meaning = f"{row.help} (secret)".strip() if row.secret else row.help
        cells = [names, f"`{row.type}`", default, row.unit, meaning]
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines)


def _listed(rows: Iterable[EnvVar]) -> str:
    cells = [(row.name, row.type, row.default or _instead(row), row.unit, row.help) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    padded = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in cells
    ]
    return "\n".join(line.rstrip() for line in padded)


def _instead(row: EnvVar) -> str:
    return "required" if row.required else "–"


def _check(options: argparse.Namespace) -> int:
    try:
        _loaded(options)
    except ConfigLoadError as error:
        found = [
            {name: getattr(found, name) for name in ("path", "message", "code", "source", "hint")}
            for found in error.violations
        ]
        print(json.dumps(found, indent=2) if options.json else error)
        return 1
    print("[]" if options.json else f"{options.cls} can be read")
    return 0


def _explain(options: argparse.Namespace) -> int:
    told = _loaded(options).explain(options.path)
    if not options.json:
        print(told)
        return 0
    layers = [{**attrs.asdict(origin), "value": value} for origin, value in told.layers]
    fields = {name: getattr(told, name) for name in ("path", "value", "type", "default")}
    print(json.dumps({**fields, "layers": layers}, indent=2, ensure_ascii=False))
    return 0


def _loaded(options: argparse.Namespace) -> Loaded[Any]:
    files = [FileSource(file) for file in options.file]
    return load(_class(options.cls), *files, EnvSource(options.prefix))


def _class(name: str) -> type[Any]:
    """Return the class that `module:Class` names."""
    module, _, attribute = name.partition(":")
    if not module or not attribute:
        message = f"{name or 'an empty text'} names no class: write module:Class"
        raise BadSetting(message)
    try:
        cls = getattr(import_module(module), attribute, None)
    except ImportError as exc:
        message = f"{module} cannot be imported: {exc}"
        raise BadSetting(message) from exc
    if cls is None:
        message = f"{module} has no {attribute}"
        raise BadSetting(message)
    if not isinstance(cls, type):
        message = f"{name} is no class"
        raise BadSetting(message)
    return cls
