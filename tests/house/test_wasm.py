"""What keeps the small packages at home in the browser's Python."""

from __future__ import annotations

import re
from zipfile import ZipFile

import pytest

from tools.house import ROOT, packages
from tools.pyodide import DIST, NEEDS

# The only places that may ask where they run, and why each may.
BRANCHES = {
    "infra-crypto/src/infra_crypto/passwords.py": "Argon2's default profile: no threads there",
    "infra-crypto/src/infra_crypto/_password_pool.py": "Argon2 off the loop: no threads there",
}


def test_code_does_not_ask_where_it_runs_but_in_the_listed_places() -> None:
    found = {
        str(file.relative_to(packages()[name].parent))
        for name in NEEDS
        for file in packages()[name].rglob("src/**/*.py")
        if re.search(r"emscripten|wasm32", file.read_text("utf-8"))
        and "sys.platform" in file.read_text("utf-8")
    }
    assert set() == found - set(BRANCHES)


@pytest.mark.parametrize("name", NEEDS)
def test_the_wheels_of_the_small_packages_are_pure(name: str) -> None:
    wheels = list(DIST.glob(f"{name.replace('-', '_')}-*.whl"))
    for wheel in wheels:
        assert wheel.name.endswith("-py3-none-any.whl")
        with ZipFile(wheel) as archive:
            assert f"{name.replace('-', '_')}/py.typed" in archive.namelist()


def test_the_newest_python_is_in_the_matrix() -> None:
    workflows = "".join(file.read_text("utf-8") for file in ROOT.glob(".github/workflows/*.yml"))
    assert "3.14" in workflows
