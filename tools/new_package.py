"""Make the next package's skeleton: `python -m tools.new_package infra-x 2-services`."""

from __future__ import annotations

import re
import shutil
import sys
from typing import TYPE_CHECKING

import tomlkit

from tools.house import FLOORS, ROOT, packages

if TYPE_CHECKING:
    from pathlib import Path

PYPROJECT = """\
[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "{name}"
version = "0.1.0"
description = "Say in one line what {name} is for."
readme = "README.md"
requires-python = ">=3.11"
license = "MIT"
license-files = ["LICENSE"]
authors = [{{ name = "The infra authors" }}]
classifiers = [
    "Development Status :: 4 - Beta",
    "Programming Language :: Python :: 3",
    "Typing :: Typed",
]
dependencies = ["infra-errors>=0.1,<0.2"]

[project.entry-points."infra_errors.catalogue"]
{short} = "{module}.errors"

[tool.hatch.build.targets.wheel]
packages = ["src/{module}"]

[tool.hatch.build.targets.sdist]
include = ["/src", "/tests", "/CHANGELOG.md", "/LICENSE"]
"""

FILES = {
    "README.md": """\
# {name}

What it is for, and why one would choose it.

```python
from {module} import {error}

assert "{short}.invalid: what is wrong" == str({error}("what is wrong"))
```
""",
    "CHANGELOG.md": "# Changelog\n\n## 0.1.0 (unreleased)\n\n- First version.\n",
    "src/{module}/__init__.py": '''\
"""
What {name} is for, in one line.

>>> from {module} import {error}
>>> print({error}("what is wrong"))
{short}.invalid: what is wrong
"""

from {module}.errors import {error}

__all__ = ["{error}"]
''',
    "src/{module}/errors.py": '''\
"""
What {name} raises.

    ValidationError
    └── {error}    {short}.invalid
"""

from __future__ import annotations

from infra_errors import ValidationError

__all__ = ["{error}"]


class {error}(ValidationError):
    """The input of {name} is not what it takes."""

    code = "{short}.invalid"
''',
    "src/{module}/py.typed": "",
    "tests/test_errors.py": """\
from infra_errors import InfraError
from {module} import {error}


def test_bad_input_is_an_error_of_the_house_with_a_stable_code():
    error = {error}("what is wrong")
    assert isinstance(error, InfraError)
    assert "{short}.invalid" == error.code
""",
}


def make(name: str, floor: str, root: Path = ROOT) -> Path:
    """
    Write the skeleton and enter the package into the lists of the root pyproject.toml.

    Arguments: the distribution's name (`infra-x`), the floor's folder name.
    Returns the new folder. Raises SystemExit when a name is wrong or taken.
    """
    if not re.fullmatch(r"infra-[a-z][a-z0-9]*", name):
        sys.exit(f"{name!r} is no package name: infra- and one lower-case word")
    if floor not in FLOORS:
        sys.exit(f"{floor!r} is no floor; floors are {', '.join(FLOORS)}")
    if name in packages(root):
        sys.exit(f"{name} is there already: {packages(root)[name].relative_to(root)}")
    short = name.removeprefix("infra-")
    words = {
        "name": name,
        "short": short,
        "module": name.replace("-", "_"),
        "error": f"{short.title()}InputError",
    }
    folder = root / "packages" / floor / name
    for pattern, text in {"pyproject.toml": PYPROJECT, **FILES}.items():
        file = folder / pattern.format(**words)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.format(**words), "utf-8")
    shutil.copy(root / "LICENSE", folder)
    enter_into_lists(root)
    return folder


def enter_into_lists(root: Path) -> None:
    """Make the lists of the root pyproject.toml say what the folders say."""
    file = root / "pyproject.toml"
    document = tomlkit.parse(file.read_text("utf-8"))
    modules = [name.replace("-", "_") for name in packages(root)]
    examples = sorted(path.name for path in root.glob("examples/*/src/*") if path.is_dir())
    tool = document["tool"]
    tool["importlinter"]["root_packages"] = _array([*modules, *examples])
    tool["coverage"]["run"]["source_pkgs"] = _array([*modules, *examples])
    sources = tomlkit.table()
    for name in packages(root):
        workspace = tomlkit.inline_table()
        workspace["workspace"] = True
        sources[name] = workspace
    sources.add(tomlkit.nl())
    tool["uv"]["sources"] = sources
    for contract in tool["importlinter"]["contracts"]:
        if contract["id"] == "layers":
            contract["layers"] = _array(_layers(root))
    file.write_text(tomlkit.dumps(document), "utf-8")


def _layers(root: Path) -> list[str]:
    """One line a floor, the highest first, siblings independent of each other."""
    floors = {
        floor: [
            name.replace("-", "_") for name, at in packages(root).items() if at.parent.name == floor
        ]
        for floor in reversed(FLOORS)
    }
    return [" | ".join(modules) for modules in floors.values() if modules]


def _array(items: list[str]) -> tomlkit.items.Array:
    array = tomlkit.array()
    array.extend(items)
    return array.multiline(multiline=True)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    print(
        f"made {make(sys.argv[1], sys.argv[2]).relative_to(ROOT)}: now give it its reason to exist"
    )
