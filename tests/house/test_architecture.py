"""The house's own rules hold, and a violation of each of them is caught."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.house import ROOT, packages, problems
from tools.new_package import enter_into_lists, make

IMPORTS = {
    "a sibling": ("infra_json", "_seed_sibling", "import infra_id\n"),
    "an upward import at top level": ("infra_errors", "_seed_top", "import infra_json\n"),
    "an upward import inside a function": (
        *("infra_errors", "_seed_inside"),
        "def later():\n    import infra_json\n    return infra_json\n",
    ),
    "an upward import under TYPE_CHECKING": (
        *("infra_errors", "_seed_typing"),
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import infra_json\n",
    ),
    "a private import": ("infra_json", "_seed_private", "import infra_errors._private\n"),
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the workspace that a test may spoil."""
    root = tmp_path_factory.mktemp("house")
    for part in ("packages", "examples", "tools"):
        shutil.copytree(
            ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__", "tests")
        )
    for package in packages(root).values():
        (package / "tests").mkdir()
    for file in ("pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / file, root)
    return root


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    sources = [str(path) for path in (*root.glob("packages/*/*/src"), *root.glob("examples/*/src"))]
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(root), *sources])}
    command = [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"]
    return subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def broken(copy: Path) -> str:
    """What import-linter says of a copy that holds every kind of forbidden import once."""
    homes = {name.replace("-", "_"): path for name, path in packages(copy).items()}
    (homes["infra_errors"] / "src/infra_errors/_private.py").write_text("")
    for module, file, text in IMPORTS.values():
        (homes[module] / "src" / module / f"{file}.py").write_text(text)
    result = lint_imports(copy)
    assert 0 != result.returncode
    return result.stdout


@pytest.mark.parametrize("kind", IMPORTS)
def test_a_forbidden_import_is_caught(broken: str, kind: str) -> None:
    module, file, _ = IMPORTS[kind]
    assert f"{module}.{file}" in broken


def test_the_house_itself_follows_its_recipe() -> None:
    assert [] == problems()


def test_the_contracts_are_kept_by_the_house_itself() -> None:
    result = lint_imports(ROOT)
    assert 0 == result.returncode, result.stdout


def test_an_undeclared_dependency_is_caught(copy: Path) -> None:
    package = packages(copy)["infra-errors"]
    seed = package / "src/infra_errors/_seed_undeclared.py"
    seed.write_text("import pluggy\n")
    command = [
        Path(sys.executable).with_name("deptry"),
        "src",
        "--known-first-party",
        "infra_errors",
    ]
    result = subprocess.run(command, cwd=package, capture_output=True, text=True, check=False)
    seed.unlink()
    assert 1 == result.returncode
    assert re.search(r"_seed_undeclared\.py.*DEP00[13].*pluggy", result.stdout + result.stderr)


def test_a_missing_marker_of_types_is_caught(copy: Path) -> None:
    marker = packages(copy)["infra-errors"] / "src/infra_errors/py.typed"
    marker.unlink()
    found = problems(copy)
    marker.touch()
    assert ["infra-errors: py.typed is missing from src/infra_errors"] == found


def test_a_package_that_no_list_names_is_caught(copy: Path) -> None:
    before = (copy / "pyproject.toml").read_text("utf-8")
    folder = make("infra-stowaway", "1-utilities", copy)
    (copy / "pyproject.toml").write_text(before, "utf-8")
    found = problems(copy)
    assert 4 == len(found)
    assert all("infra_stowaway" in line for line in found)
    shutil.rmtree(folder)


def test_a_new_package_follows_the_recipe_and_enters_every_list(copy: Path) -> None:
    folder = make("infra-newcomer", "2-services", copy)
    assert [] == problems(copy)
    env = os.environ | {"PYTHONPATH": str(folder / "src")}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-c",
        os.devnull,
        "--rootdir",
        folder,
        folder / "tests",
    ]
    result = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert 0 == result.returncode, result.stdout
    shutil.rmtree(folder)
    enter_into_lists(copy)
    assert [] == problems(copy)


def test_every_session_explains_itself() -> None:
    command = [Path(sys.executable).with_name("nox"), "-l"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    sessions = [line for line in listing.splitlines() if re.match(r"[*-] ", line)]
    assert len(sessions) > 10
    assert [] == [line for line in sessions if " -> " not in line]
