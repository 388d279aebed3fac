"""Run the Python blocks of every Markdown page, each page in an empty folder of its own.

Hypothesis explores anew in every run of a person, and repeats itself in CI, where a finding is to
be about the change. No example has a deadline: how busy a machine is says nothing about the code.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser
from sybil.parsers.rest import DocTestParser

settings.register_profile(
    "house",
    deadline=None,
    max_examples=int(os.environ.get("INFRA_EXAMPLES", "100")),
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("house")


def _enter_folder(namespace: dict[str, Any]) -> None:
    namespace["_before"] = Path.cwd()
    namespace["_folder"] = tempfile.TemporaryDirectory(prefix="infra-docs-")
    os.chdir(namespace["_folder"].name)
    namespace["in_pyodide"] = sys.platform == "emscripten"


def _leave_folder(namespace: dict[str, Any]) -> None:
    os.chdir(namespace["_before"])
    namespace["_folder"].cleanup()


pytest_collect_file = (
    Sybil(
        parsers=[PythonCodeBlockParser(), SkipParser()],
        patterns=["*.md"],
        setup=_enter_folder,
        teardown=_leave_folder,
    )
    + Sybil(parsers=[DocTestParser()], patterns=["src/*/__init__.py", "**/src/*/__init__.py"])
).pytest()
