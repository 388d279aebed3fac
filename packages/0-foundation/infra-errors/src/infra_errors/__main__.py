"""`python -m infra_errors catalogue [--json]`: the error classes of all installed packages."""

from __future__ import annotations

import argparse
import json
import sys

from infra_errors.catalogue import catalogue
from infra_errors.errors import InfraError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

__all__ = ["main"]

_COLUMNS = ("code", "class", "category", "status", "http_status", "retryable", "doc")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; 0 done, 1 failed, 2 wrong use."""
    parser = argparse.ArgumentParser(
        prog="python -m infra_errors",
        epilog="example: python -m infra_errors catalogue --json > errors.json",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("catalogue", help="list every error class that is installed")
    command.add_argument(
        "--json", action="store_true", help="rows as JSON instead of a Markdown table"
    )
    options = parser.parse_args(argv)
    try:
        rows = catalogue()
    except InfraError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(rows, indent=2) if options.json else _table(rows))
    return 0


def _table(rows: list[dict[str, Any]]) -> str:
    lines = [_COLUMNS, ("---",) * len(_COLUMNS)]
    lines += [tuple([str(row[column]).replace("|", "\\|") for column in _COLUMNS]) for row in rows]
    return "\n".join([f"| {' | '.join(line)} |" for line in lines])


if __name__ == "__main__":
    sys.exit(main())
