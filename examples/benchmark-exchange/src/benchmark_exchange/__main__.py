"""The command line: `python -m benchmark_exchange --help`. Exit 0 done, 1 failed, 2 wrong use."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import attrs

from benchmark_exchange import demo
from benchmark_exchange.persistence.tables import Table
from benchmark_exchange.resources import MIGRATIONS, Resources, admin_token, open_resources
from benchmark_exchange.server import address, listen, serve
from benchmark_exchange.settings import Settings
from benchmark_exchange.telemetry import switch_on
from infra_config import EnvSource, FileSource, load
from infra_db import DatabaseUnavailable
from infra_db.migrations import check, current, downgrade, migrate
from infra_errors import ConfigError, InfraError

_EXAMPLES = """\
examples:
  python -m benchmark_exchange demo --serve     the story, then the pages in a browser
  python -m benchmark_exchange import results.csv
  python -m benchmark_exchange serve --port 8080
  python -m benchmark_exchange migrate current

Settings come from exchange.toml in this folder and from EXCHANGE_... variables: see README.
"""


def main(argv: list[str] | None = None) -> int:
    """Run a command and return its exit code."""
    args = _parser().parse_args(argv)
    try:
        code = asyncio.run(_COMMANDS[args.command](args))
        sys.stdout.flush()
    except (ConfigError, DatabaseUnavailable) as exc:
        return _failed(exc, 2)
    except InfraError as exc:
        return _failed(exc, 1)
    except BrokenPipeError:
        # The reader left (`| head`): what is still buffered goes nowhere, and that is no failure.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    return code


def _failed(exc: InfraError, code: int) -> int:
    """Say what went wrong: one line, and one more a violation."""
    print(f"benchmark-exchange: {exc}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmark-exchange",
        description=sys.modules["benchmark_exchange"].__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    one = commands.add_parser("demo", help="import and rank a real leaderboard")
    one.add_argument("--data", type=Path, help="folder to use; a temporary one when not given")
    one.add_argument("--serve", action="store_true", help="then serve the pages")
    one.add_argument("--keep", action="store_true", help="keep the temporary folder")
    one.add_argument("--json", action="store_true", help="print the numbers as JSON")
    two = commands.add_parser("serve", help="migrate, then serve")
    two.add_argument("--host", default="127.0.0.1", help="address to listen at (127.0.0.1)")
    two.add_argument("--port", type=int, help="port to listen at, 0 for a free one")
    three = commands.add_parser("import", help="import a result table, CSV or wheel")
    three.add_argument("file", type=Path, metavar="FILE")
    three.add_argument("--benchmark", metavar="SLUG", help="an existing benchmark to import into")
    three.add_argument("--json", action="store_true", help="print the report as JSON")
    four = commands.add_parser("migrate", help="bring the tables to a revision")
    four.add_argument("what", nargs="?", choices=["up", "down", "current", "check"], default="up")
    four.add_argument("--yes", action="store_true", help="really go down, which drops data")
    four.add_argument("--json", action="store_true", help="print the revisions as JSON")
    return parser


async def _demo(args: argparse.Namespace) -> int:
    folder = args.data or Path(tempfile.mkdtemp(prefix="exchange-demo-"))
    settings = attrs.evolve(_settings(), data=folder, database_url=None, admin_token=None)
    try:
        async with open_resources(settings) as resources:
            told = await demo.tell(resources, _silent if args.json else print)
            if args.json:
                print(json.dumps(told))
            if args.serve:
                with listen("127.0.0.1", settings.port) as bound:
                    print(f"Serving at {address(bound)}: stop it with Ctrl-C", flush=True)
                    await serve(resources, bound)
    finally:
        if args.data is None and not args.keep:
            shutil.rmtree(folder, ignore_errors=True)
    if args.keep or args.data:
        print(f"The data is in {folder}", file=sys.stderr if args.json else sys.stdout)
    return 0


async def _serve(args: argparse.Namespace) -> int:
    settings = _settings()
    port = settings.port if args.port is None else args.port
    with listen(args.host, port) as bound:
        async with open_resources(settings) as resources:
            admin_token(settings)
            with switch_on(settings):
                print(f"Serving at {address(bound)}", flush=True)
                return await serve(resources, bound)


async def _import(args: argparse.Namespace) -> int:
    async with open_resources(_settings()) as resources:
        report = await resources.imports.run(args.file, slug=args.benchmark)
    if args.json:
        print(json.dumps(attrs.asdict(report)))
        return 0
    found = "1 finding" if len(report.findings) == 1 else f"{len(report.findings)} findings"
    what = "nothing changed" if report.unchanged else f"{report.imported} imported"
    print(f"{report.benchmark}: {report.rows} rows, {what}, {found}")
    for model, finding in report.findings:
        print(f"  {model}: {finding}")
    return 0


async def _migrate(args: argparse.Namespace) -> int:
    if args.what == "down" and not args.yes:
        message = "migrate down drops tables and what is in them: say --yes if that is meant"
        raise ConfigError(message, code="exchange.unconfirmed")
    async with open_resources(_settings(), upgrade=False) as resources:
        if args.what == "up":
            await migrate(resources.db, directory=MIGRATIONS)
        elif args.what == "down":
            await downgrade(resources.db, "-1", directory=MIGRATIONS, confirm=True)
        if args.what == "check":
            return await _check_schema(resources, as_json=args.json)
        revisions = await current(resources.db, directory=MIGRATIONS)
    print(json.dumps(revisions) if args.json else ", ".join(revisions) or "no tables yet")
    return 0


async def _check_schema(resources: Resources, *, as_json: bool) -> int:
    """Say where the database differs from the tables of this version; 1 when it does."""
    found = await check(resources.db, Table.metadata, directory=MIGRATIONS)
    if as_json:
        print(json.dumps([attrs.asdict(difference) for difference in found]))
    else:
        lines = [f"{one.kind} {one.table or ''}: {one.detail}" for one in found]
        print("\n".join(lines) or "the tables are as they should be")
    return 1 if found else 0


def _settings() -> Settings:
    """Read the settings: defaults, then exchange.toml, then the environment."""
    return load(Settings, FileSource("exchange.toml", optional=True), EnvSource("EXCHANGE_")).value


def _silent(text: str) -> None:
    """Say nothing."""


_COMMANDS: dict[str, Callable[[argparse.Namespace], Coroutine[Any, Any, int]]] = {
    "demo": _demo,
    "serve": _serve,
    "import": _import,
    "migrate": _migrate,
}

if __name__ == "__main__":
    sys.exit(main())
