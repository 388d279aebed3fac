"""`python -m infra_otel`, the same as `infra-otel`: what is in effect, and whether it arrives."""

from __future__ import annotations

import argparse
import json
import sys
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from infra_errors import ConfigError
from infra_otel._environ import layered, origins
from infra_otel.errors import OtelConfigError
from infra_otel.settings import SIGNALS, OtelSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_EXAMPLES = """\
examples:
  infra-otel check                        what OTEL_* variables mean; sends one item
  infra-otel check --endpoint http://collector:4318 --json
  infra-otel dashboards --out grafana     write the dashboards for Grafana

exit codes: 0 fine, 1 a collector did not answer or refused, 2 wrong use or settings
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        arguments: without the program's name; those of the process when None.
    """
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="infra-otel",
        description="What telemetry is configured to do, and whether it arrives.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    text = "print the effective settings and send one item of each signal"
    check = commands.add_parser("check", help=text, description=text)
    check.add_argument("--endpoint", help="the OTLP collector, over what the environment says")
    check.add_argument("--protocol", choices=["http/protobuf", "grpc"])
    check.add_argument("--exporter", help="where all signals go")
    check.add_argument("--timeout", type=float, help="seconds that one export may take")
    check.add_argument("--json", action="store_true", help="for a script to read")
    check.set_defaults(run=_check)
    text = "write the Grafana dashboards into a folder"
    dashboards = commands.add_parser("dashboards", help=text, description=text)
    dashboards.add_argument("--out", type=Path, required=True, help="the folder")
    dashboards.set_defaults(run=_dashboards)
    return parser


def _check(options: argparse.Namespace) -> int:
    given = {
        "endpoint": options.endpoint,
        "protocol": options.protocol,
        "exporter": options.exporter,
        "export_timeout": options.timeout,
    }
    overrides = {name: value for name, value in given.items() if value is not None}
    settings = layered(OtelSettings, None, overrides, None)
    rows = _rows(settings, origins(overrides, None))
    answers = _answers(settings)
    failed = [answer for answer in answers if not answer["arrived"]]
    if options.json:
        told = [dict(zip(("setting", "value", "origin"), row, strict=True)) for row in rows]
        print(json.dumps({"settings": told, "signals": answers}, indent=2, ensure_ascii=False))
    else:
        widths = [max(len(row[column]) for row in rows) for column in range(2)]
        for name, value, origin in rows:
            print(f"{name:{widths[0]}}  {value:{widths[1]}}  {origin}")
        print()
        for answer in answers:
            print(f"{answer['signal']} by {answer['exporter']}: {answer['told']}")
        if not answers:
            print("nothing is sent anywhere: set OTEL_EXPORTER_OTLP_ENDPOINT, or --endpoint")
    return 1 if failed else 0


def _rows(settings: OtelSettings, found: dict[str, str]) -> list[tuple[str, str, str]]:
    """One row for each setting: name, value without secrets, origin."""
    rows = []
    for field in attrs.fields(OtelSettings):
        value = getattr(settings, field.name)
        if field.name == "signals":
            for signal, own in value.items():
                for name, option in attrs.asdict(own, recurse=False).items():
                    if option is not None:
                        path = f"signals.{signal}.{name}"
                        rows.append((path, _shown(option), found.get(path, "argument")))
            continue
        rows.append((field.name, _shown(value), found.get(field.name, "default")))
    return rows


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        # a header is a Secret, whose text is ***
        return ", ".join(f"{name}={item}" for name, item in value.items()) or "–"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return "–" if value is None or value == "" else str(value)


def _answers(settings: OtelSettings) -> list[dict[str, Any]]:
    wanted = [(signal, name) for signal in SIGNALS for name in settings.exporters(signal)]
    if not wanted:
        return []
    from infra_otel._exporters._otlp import extra_module

    extra_module("opentelemetry.sdk.trace", "otlp")
    from infra_otel import _probe

    found = []
    for signal, name in wanted:
        if name in {"memory", "prometheus"}:
            arrived, told = True, "kept in the process, nothing is sent"
        else:
            arrived, told = _probe.send(settings, signal, name)
        target = settings.target(signal) if name in {"otlp", "jaeger"} else name
        found.append(
            {
                "signal": signal,
                "exporter": name,
                "target": target,
                "arrived": arrived,
                "told": f"{target}: {told}",
            }
        )
    return found


def _dashboards(options: argparse.Namespace) -> int:
    folder: Path = options.out
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in sorted(
            resources.files("infra_otel").joinpath("dashboards").iterdir(), key=lambda it: it.name
        ):
            (folder / file.name).write_text(file.read_text("utf-8"), "utf-8")
            print(folder / file.name)
    except OSError as exc:
        message = f"{folder} cannot be written: {exc.strerror}"
        raise OtelConfigError(message) from exc
    return 0


if __name__ == "__main__":
    sys.exit(main())
