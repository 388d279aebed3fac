"""The rules of the house that no linter knows: `python -m tools.house` prints what breaks them."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FLOORS = ("0-foundation", "1-utilities", "2-services", "3-application")
REQUIRED = ("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "tests")


def packages(root: Path = ROOT) -> dict[str, Path]:
    """Every package's distribution name and folder, in the order of the floors."""
    return {path.name: path for path in sorted(root.glob("packages/*/*")) if path.is_dir()}


def problems(root: Path = ROOT) -> list[str]:
    """What breaks the recipe or leaves a list stale, one line each; empty when all is well."""
    found = [line for name, path in packages(root).items() for line in _recipe(name, path)]
    return found + _lists(root)


def _recipe(name: str, path: Path) -> list[str]:
    """What one package's folder lacks."""
    module = path / "src" / name.replace("-", "_")
    found = [f"{name}: {part} is missing" for part in REQUIRED if not (path / part).exists()]
    found += [
        f"{name}: {part} is missing from src/{module.name}"
        for part in ("__init__.py", "py.typed")
        if not (module / part).exists()
    ]
    if path.parent.name not in FLOORS:
        found.append(f"{name}: {path.parent.name} is no floor; floors are {', '.join(FLOORS)}")
    if (path / "pyproject.toml").exists():
        found += _metadata(name, tomllib.loads((path / "pyproject.toml").read_text("utf-8")))
    return found


def _metadata(name: str, declared: dict[str, Any]) -> list[str]:
    project = declared["project"]
    found = []
    if project["name"] != name:
        found.append(f"{name}: pyproject.toml calls it {project['name']}")
    if declared["build-system"]["build-backend"] != "hatchling.build":
        found.append(f"{name}: the build backend is not hatchling")
    if "Typing :: Typed" not in project.get("classifiers", []):
        found.append(f"{name}: the classifier `Typing :: Typed` is missing")
    if "infra_errors.catalogue" not in project.get("entry-points", {}):
        found.append(f"{name}: the entry point infra_errors.catalogue is missing")
    return found


def _lists(root: Path) -> list[str]:
    """Where a list in the root pyproject.toml differs from the folders."""
    settings = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["tool"]
    floors: dict[str, set[str]] = {}
    for name, path in packages(root).items():
        floors.setdefault(path.parent.name, set()).add(name.replace("-", "_"))
    modules = set().union(*floors.values())
    examples = {path.name for path in root.glob("examples/*/src/*") if path.is_dir()}
    contract = next(c for c in settings["importlinter"]["contracts"] if c["id"] == "layers")
    layers = [{name.strip() for name in layer.split("|")} for layer in contract["layers"]]
    expected = [floors[floor] for floor in reversed(FLOORS) if floor in floors]
    found = []
    if layers != expected:
        found.append(f"pyproject.toml: the layers contract says {layers}, the folders {expected}")
    for title, listed, wanted in (
        (
            "importlinter root_packages",
            settings["importlinter"]["root_packages"],
            modules | examples,
        ),
        ("coverage source_pkgs", settings["coverage"]["run"]["source_pkgs"], modules | examples),
        ("uv sources", [name.replace("-", "_") for name in settings["uv"]["sources"]], modules),
    ):
        if set(listed) != wanted:
            difference = ", ".join(sorted(set(listed) ^ wanted))
            found.append(f"pyproject.toml: {title} and the folders differ in {difference}")
    return found


if __name__ == "__main__":
    lines = problems()
    print("\n".join(lines) or f"{len(packages())} packages follow the recipe")
    sys.exit(bool(lines))
