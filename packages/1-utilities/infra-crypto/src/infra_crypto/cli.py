"""`infra-crypto`: keys and keyset files from the command line; no keyset is ever printed."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from infra_crypto.aead import Aead
from infra_crypto.algorithms import Alg
from infra_crypto.errors import BadArgument, NoWrappingKey
from infra_crypto.keyset import Keyset
from infra_crypto.simple import generate_key
from infra_errors import ConfigError, InfraError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_VARIABLE = "INFRA_KEYSET_WRAPPING_KEY"
_EPILOG = f"""\
A keyset file is wrapped by the key in {_VARIABLE}, or in the file that {_VARIABLE}_FILE names.

  infra-crypto key                                        print a new key
  infra-crypto keyset create XAES_256_GCM --out app.keys
  infra-crypto keyset add app.keys                        then deploy, then promote
  infra-crypto keyset list app.keys --json

Exit codes: 0 done, 1 failed, 2 wrong use or settings.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except (ConfigError, ValidationError) as error:
        print(f"infra-crypto: {error}", file=sys.stderr)
        return 2
    except (InfraError, OSError) as error:
        print(f"infra-crypto: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="infra-crypto",
        description="Keys, and keysets in wrapped files.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    key = commands.add_parser("key", help="print a new key of 32 bytes, for any one purpose")
    key.set_defaults(run=_key)
    keyset = commands.add_parser("keyset", help="make, show and change keyset files")
    actions = keyset.add_subparsers(required=True, metavar="ACTION")
    create = actions.add_parser("create", help="write a keyset of one new key into a new file")
    create.add_argument("alg", metavar="ALG", choices=list(Alg), help=", ".join(Alg))
    create.add_argument("--out", required=True, type=Path, metavar="FILE")
    create.set_defaults(run=_create)
    show = actions.add_parser("list", help="show ids, algorithms and statuses")
    show.add_argument("file", type=Path, metavar="FILE")
    show.add_argument("--json", action="store_true", help="for a script")
    show.set_defaults(run=_list)
    for name, text in _CHANGES.items():
        change = actions.add_parser(name, help=text)
        change.add_argument("file", type=Path, metavar="FILE")
        if name == "add":
            change.add_argument("--alg", choices=list(Alg), metavar="ALG")
        elif name != "rotate":
            change.add_argument("key_id", type=_key_id, metavar="ID", help="8 hex digits")
        if name == "destroy":
            change.add_argument("--yes", action="store_true", help="the material is gone for ever")
        change.set_defaults(run=_change, change=name)
    return parser


_CHANGES = {
    "add": "add an enabled key; the primary stays",
    "promote": "make a key the primary",
    "disable": "take a key out of use",
    "enable": "take a disabled key into use again",
    "destroy": "drop a key's material for ever",
    "rotate": "add a key and make it the primary, for a single process",
}


def _key(_: argparse.Namespace) -> None:
    print(generate_key().reveal())


def _create(arguments: argparse.Namespace) -> None:
    if arguments.out.exists():
        msg = f"{arguments.out} exists: it is not overwritten"
        raise BadArgument(msg)
    keyset = Keyset.generate(Alg(arguments.alg))
    _save(keyset, arguments.out)
    print(f"{keyset.primary.hex_id} in {arguments.out}")


def _list(arguments: argparse.Namespace) -> None:
    keys = Keyset.load(arguments.file.read_bytes(), _wrapping()).keys
    rows = [
        {
            "id": key.hex_id,
            "alg": key.alg.value,
            "status": key.status.value,
            "primary": key.primary,
            "created_at": key.created_at.isoformat(),
        }
        for key in keys
    ]
    if arguments.json:
        print(json.dumps(rows))
        return
    for row in rows:
        mark = " primary" if row["primary"] else ""
        print(f"{row['id']} {row['alg']} {row['status']} {row['created_at']}{mark}")


def _change(arguments: argparse.Namespace) -> None:
    keyset = Keyset.load(arguments.file.read_bytes(), _wrapping())
    if arguments.change == "destroy" and not arguments.yes:
        msg = "what only this key opens is lost with it: say --yes"
        raise BadArgument(msg)
    if arguments.change == "add":
        changed = keyset.add(Alg(arguments.alg) if arguments.alg else None)
    elif arguments.change == "rotate":
        changed = keyset.rotate()
    else:
        changed = getattr(keyset, arguments.change)(arguments.key_id)
    _save(changed, arguments.file)
    print(f"{changed.primary.hex_id} is the primary of {len(changed.keys)} keys")


def _save(keyset: Keyset, file: Path) -> None:
    from infra_crypto.simple import replacing

    with replacing(file) as writing:
        writing.write(keyset.export(_wrapping()))


def _wrapping() -> Aead:
    text, file = os.environ.get(_VARIABLE), os.environ.get(f"{_VARIABLE}_FILE")
    if not text and file:
        text = Path(file).read_text("utf-8").strip()
    if not text:
        msg = f"set {_VARIABLE} (a key from `infra-crypto key`) or {_VARIABLE}_FILE"
        raise NoWrappingKey(msg)
    return Aead(text)


def _key_id(text: str) -> int:
    return int(text, 16)
