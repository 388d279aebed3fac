"""
Run packages' own tests inside Pyodide: `python -m tools.pyodide [--write-skips] [package…]`.

`--record` instead writes what a few calls cost there and here to benchmarks/results/pyodide.json.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tools.house import ROOT, packages

HERE = ROOT / "tests" / "pyodide"
DIST = ROOT / "dist"
CACHE = ROOT / ".nox" / "pyodide"
SKIPS = HERE / "expected_skips.json"
# What each package needs besides the test tools, in the order of import; compared with its wheel.
NEEDS = {
    "infra-errors": [],
    "infra-config": ["infra-errors", "attrs"],
    "infra-id": ["infra-errors", "python-ulid", "uuid-utils"],
    "infra-json": ["infra-errors"],
    "infra-crypto": ["infra-errors", "attrs", "pyjwt"],
}
# What tests compare with and Pyodide can load.
ORACLES = {"infra-json": ["rfc8785"]}
# What `import infra_x` may load besides the standard library, of which it may load no part that
# speaks to a network, another process or another thread.
ALLOWED = {
    "infra-errors": [],
    "infra-config": ["infra_errors", "attr", "attrs"],
    "infra-id": ["infra_errors"],
    "infra-json": ["infra_errors"],
    "infra-crypto": ["infra_errors", "attr", "attrs"],
}
TOOLS = [
    *("pytest", "pluggy", "iniconfig", "packaging", "pygments", "pytest-asyncio", "hypothesis"),
    *("typing-extensions", "sortedcontainers", "sybil"),
]
PLATFORM = (
    *("--platform", "pyemscripten_2026_0_wasm32", "--python-version", "3.14"),
    *("--implementation", "cp", "--abi", "cp314", "--abi", "abi3", "--abi", "none"),
)
LIMIT = 300  # seconds a package


def main(*arguments: str) -> int:
    """Run the packages named, all that can run when none is; return an exit code."""
    write = "--write-skips" in arguments
    names = [name for name in arguments if not name.startswith("--")] or list(NEEDS)
    if reason := _missing():
        print(f"pyodide: skipped, {reason}")
        return 1 if os.environ.get("INFRA_REQUIRE_SERVERS") == "1" else 0
    wheels = _wheels()
    if "--record" in arguments:
        return _record(wheels)
    expected = json.loads(SKIPS.read_text("utf-8")) if SKIPS.exists() else {}
    totals = dict.fromkeys(("passed", "failed", "skipped"), 0)
    problems = []
    for name in names:
        counts, skips, problem = _run(name, wheels)
        totals = {key: totals[key] + counts.get(key, 0) for key in totals}
        if write:
            expected[name] = skips
        elif problem is None and skips != expected.get(name, {}):
            changed = sorted(set(skips.items()) ^ set(expected.get(name, {}).items()))
            problem = f"{name}: other tests were skipped than expected_skips.json says: {changed}"
        problems += [problem] if problem else []
    if write:
        SKIPS.write_text(json.dumps(expected, indent=1, sort_keys=True) + "\n", "utf-8")
    print("\n".join(problems))
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**totals))
    return 1 if problems else 0


def _missing() -> str | None:
    """Return what is not on this machine, installing what can be."""
    if not shutil.which("node") or not shutil.which("npm"):
        return "node and npm are not on PATH"
    if not (HERE / "node_modules" / "pyodide").exists():
        command = ["npm", "ci", "--silent"]
        if subprocess.run(command, cwd=HERE, check=False).returncode:
            return "npm could not install pyodide"
    CACHE.mkdir(parents=True, exist_ok=True)
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"),
        *("--only-binary", ":all:", *PLATFORM, "-d", str(CACHE), "-r", "requirements.txt"),
    ]
    if subprocess.run(command, cwd=HERE, stderr=subprocess.DEVNULL, check=False).returncode:
        return "pip could not download the test wheels"
    return None


def _wheels() -> dict[str, Path]:
    """Return every wheel there is, by the distribution's name."""
    found = [*CACHE.glob("*.whl"), *DIST.glob("*.whl")]
    return {wheel.name.split("-")[0].lower().replace("_", "-"): wheel for wheel in found}


def _run(name: str, wheels: dict[str, Path]) -> tuple[dict[str, int], dict[str, str], str | None]:
    """Run one package in a process of its own; return its counts, its skips, and what is wrong."""
    out = CACHE / "out" / name
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    folder = packages()[name]
    place = f"/repo/{folder.relative_to(ROOT).as_posix()}"
    manifest: dict[str, Any] = {
        "module": name.replace("-", "_"),
        "allowed": ALLOWED[name],
        "wheels": [
            str(wheels[part]) for part in (*TOOLS, *ORACLES.get(name, []), *NEEDS[name], name)
        ],
        "mounts": {
            f"{place}/tests": str(folder / "tests"),
            "/repo/tests/vectors": str(ROOT / "tests" / "vectors"),
            "/pyodide": str(HERE),
            "/out": str(out),
        },
        "files": {
            "/repo/conftest.py": (ROOT / "conftest.py").read_text("utf-8"),
            "/repo/pyproject.toml": (ROOT / "pyproject.toml").read_text("utf-8"),
            f"{place}/README.md": (folder / "README.md").read_text("utf-8"),
        },
        "env": {"HYPOTHESIS_PROFILE": "wasm", "INFRA_EXAMPLES": "20"},
        "pytest": [
            *("-q", "-p", "no:cacheprovider", "-p", "no:faulthandler", "-p", "plugin"),
            *("-W", "ignore:.*event_loop_policy:DeprecationWarning", "--rootdir", "/repo"),
            *(f"{place}/tests", f"{place}/README.md"),
        ],
    }
    conformance = Path(os.environ.get("INFRA_CONFORMANCE_DIR", ROOT.parent / "shared/conformance"))
    if conformance.is_dir():
        manifest["mounts"]["/conformance"] = str(conformance.resolve())
        manifest["env"]["INFRA_CONFORMANCE_DIR"] = "/conformance"
    (out / "manifest.json").write_text(json.dumps(manifest))
    command = ["node", "run.mjs", str(out / "manifest.json")]
    try:
        result = subprocess.run(
            command, cwd=HERE, capture_output=True, text=True, timeout=LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        return {}, {}, f"{name}: not done within {LIMIT} s"
    return _judge(name, result, out)


def _record(wheels: dict[str, Path]) -> int:
    """Time the same script here and there; the figures are kept, and nothing depends on them."""
    needed = dict.fromkeys([*TOOLS, *(part for parts in NEEDS.values() for part in parts), *NEEDS])
    manifest = CACHE / "timings.json"
    manifest.write_text(
        json.dumps(
            {
                "timings": True,
                "wheels": [str(wheels[part]) for part in needed],
                "mounts": {"/pyodide": str(HERE)},
                "files": {},
                "env": {},
            }
        )
    )
    commands = {
        "pyodide": ["node", "run.mjs", str(manifest)],
        "native": [
            sys.executable,
            "-c",
            "import json, timings as t; print('timings', json.dumps(t.measure()))",
        ],
    }
    figures: dict[str, dict[str, float]] = {}
    for place, command in commands.items():
        run = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
        found = re.search(r"^timings (\{.*\})$", run.stdout, re.MULTILINE)
        if found is None:
            print(f"{place}: no timings\n{(run.stdout + run.stderr)[-2000:]}")
            return 1
        figures[place] = json.loads(found[1])
    report = ROOT / "benchmarks" / "results" / "pyodide.json"
    report.parent.mkdir(exist_ok=True)
    rounded = {
        place: {what: float(f"{seconds:.3g}") for what, seconds in found.items()}
        for place, found in figures.items()
    }
    report.write_text(json.dumps({"unit": "s", **rounded}, indent=1) + "\n", "utf-8")
    print(report.read_text("utf-8"))
    return 0


def _judge(
    name: str, result: subprocess.CompletedProcess[str], out: Path
) -> tuple[dict[str, int], dict[str, str], str | None]:
    counts = {
        word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|skipped)", result.stdout)
    }
    lines = result.stdout.strip().splitlines()
    print(f"{name}: {lines[-1] if lines else 'no summary'}", flush=True)
    skips = json.loads((out / "skips.json").read_text()) if (out / "skips.json").exists() else {}
    if result.returncode or not counts:
        # Node quotes the interpreter's minified source, a line of a megabyte.
        tail = "\n".join(line[:300] for line in (result.stdout + result.stderr).splitlines()[-50:])
        return counts, skips, f"{name}: exit code {result.returncode}\n{tail}"
    return counts, skips, None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
