"""What pytest knows inside Pyodide: which marks are skips here, and what was skipped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

ABSENT = {
    "threads": "this interpreter starts no threads",
    "fork": "this interpreter does not fork",
    "subprocess": "this interpreter starts no processes",
    "deep_stack": "the stack of WebAssembly is small",
    "posix_permissions": "the virtual file system has one user",
    "slow": "this interpreter is ten times slower",
    "native": "this distribution has no wheel for this interpreter",
}
skipped: dict[str, str] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for name, reason in ABSENT.items():
            if item.get_closest_marker(name):
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped:
        longrepr: Any = report.longrepr
        reason = longrepr[2].removeprefix("Skipped: ") if isinstance(longrepr, tuple) else ""
        skipped[report.nodeid] = reason


def pytest_sessionfinish() -> None:
    Path("/out/skips.json").write_text(json.dumps(skipped, indent=1, sort_keys=True))
