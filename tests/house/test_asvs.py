"""
docs/asvs-crypto.md lists the tests that show each requirement; here it meets the tests' marks.

`python tests/house/test_asvs.py` writes the last column anew from the marks.
"""

from __future__ import annotations

import ast
import json
import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "asvs-crypto.md"
TESTS = ROOT / "packages" / "1-utilities" / "infra-crypto" / "tests"
ROW = re.compile(r"^\| V(\d+\.\d+\.\d+) \| (\d) \| (.*?) \| (.*?) \|$", re.MULTILINE)
APPLICATION = "the application's: "


def marks() -> dict[str, set[str]]:
    """The tests of infra-crypto that carry `@pytest.mark.asvs`, by requirement."""
    found: dict[str, set[str]] = {}
    for file in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for decorator in node.decorator_list:
                if ast.unparse(decorator).startswith("pytest.mark.asvs("):
                    name = f"{file.relative_to(TESTS).as_posix()}: {node.name}"
                    found.setdefault(ast.literal_eval(decorator.args[0]), set()).add(name)  # type: ignore[attr-defined]
    return found


def rows() -> dict[str, str]:
    """The page's last column by requirement."""
    return {match[1]: match[4] for match in ROW.finditer(PAGE.read_text("utf-8"))}


def shown(tests: set[str]) -> str:
    return "<br>".join(f"`{name}`" for name in sorted(tests))


def test_each_row_names_exactly_the_tests_that_are_marked():
    found = marks()
    for requirement, text in rows().items():
        if requirement in found:
            assert shown(found[requirement]) == text, f"{requirement}: run this file to renew"
        else:
            assert text.startswith(APPLICATION), f"{requirement} has no test: whose is it?"
    assert set() == set(found) - set(rows())


def test_the_page_has_a_row_for_every_requirement_of_v9_and_v11():
    folder = Path(os.environ.get("INFRA_CONFORMANCE_DIR", ROOT.parent / "shared" / "conformance"))
    file = folder / "asvs" / "asvs-5.0.0.flat.json"
    if not file.exists():
        pytest.skip("the requirements of ASVS 5.0 are not here")
    listed = json.loads(file.read_text("utf-8"))["requirements"]
    wanted = {
        requirement["req_id"].removeprefix("V"): str(requirement["L"])
        for requirement in listed
        if requirement["req_id"].split(".")[0] in {"V9", "V11"}
    }
    assert 31 == len(wanted)
    assert wanted == {m[1]: m[2] for m in ROW.finditer(PAGE.read_text("utf-8"))}


def renew() -> None:
    """Write the last column from the marks; what the application must do stays."""
    found = marks()

    def row(match: re.Match[str]) -> str:
        last = shown(found[match[1]]) if match[1] in found else match[4]
        return f"| V{match[1]} | {match[2]} | {match[3]} | {last} |"

    PAGE.write_text(ROW.sub(row, PAGE.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    renew()
