"""
Every job that a person or CI runs: `nox -l` lists them, `nox` runs what CI runs.

All sessions run in the environment nox itself runs in, the one `uv sync` made; only `alone` makes
environments of its own, one a package.
"""

from __future__ import annotations

import os
import shutil
import tomllib
from pathlib import Path

import nox

nox.needs_version = ">=2026.10"
nox.options.default_venv_backend = "none"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "imports", "types", "tests", "databases", "alone", "pyodide"]

ROOT = Path(__file__).parent
PACKAGES = {
    path.parent.name: path.parent for path in sorted(ROOT.glob("packages/*/*/pyproject.toml"))
}
FLOORS = sorted({path.parent.name for path in PACKAGES.values()})
EXAMPLES = {
    path.parent.name: path.parent for path in sorted(ROOT.glob("examples/*/pyproject.toml"))
}
DIST = ROOT / "dist"
COVERAGE = ("--cov", "--cov-branch", "--cov-report=")
# Three on two cores, for a test often waits; the longest file is the first, and stays it.
PARALLEL = ("-n", "3", "--dist", "loadfile", "--no-loadscope-reorder")
PAIRED = ("-n", "2", "--dist", "loadfile")
# Where it is the place that is tested, and not the properties: `tests` has looked at more.
FEWER = {"INFRA_EXAMPLES": "20"}
# What a package's tests may use besides the package itself. Nothing here brings attrs along, so
# that a package which forgot to declare it is found out.
TEST_TOOLS = ("pytest", "pytest-asyncio", "pytest-xdist", "hypothesis", "sybil[pytest]")


@nox.session
def lint(session: nox.Session) -> None:
    """Style and formatting of every Python file (ruff)."""
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def imports(session: nox.Session) -> None:
    """Layers, private names, declared dependencies, and the recipe every package follows."""
    session.run("lint-imports", "--no-logo", env={"PYTHONPATH": str(ROOT)})
    for name, path in {**PACKAGES, **EXAMPLES}.items():
        with session.chdir(path):
            module = name.replace("-", "_")
            session.run("deptry", "src", "--known-first-party", module, silent=True)
    session.run("python", "-m", "tools.house")


@nox.session
def types(session: nox.Session) -> None:
    """Strict types of every package and example (mypy)."""
    sources = [str(path / "src") for path in (*PACKAGES.values(), *EXAMPLES.values())]
    session.run("mypy", *sources, "tools", "noxfile.py", "dev.py")


@nox.session
def tests(session: nox.Session) -> None:
    """Every test and every documented example; arguments go to pytest."""
    session.run("pytest", *(session.posargs or ("-q", *PARALLEL)))


@nox.session
def coverage(session: nox.Session) -> None:
    """The same with branch coverage, which takes half as long again."""
    session.run("pytest", "-q", *PARALLEL, *COVERAGE)
    session.run("coverage", "report")


@nox.session
@nox.parametrize("server", ["postgres", "mysql"], ids=["postgres", "mysql"])
def databases(session: nox.Session, server: str) -> None:
    """The reference service's tests on a real server's database, by changing one URL."""
    tests = [f"examples/benchmark-exchange/tests/{part}" for part in ("http", "unit")]
    session.run("pytest", "-q", *PAIRED, *tests, env={"EXCHANGE_TEST_SERVER": server})


@nox.session
@nox.parametrize("layer", FLOORS, ids=FLOORS)
def layer(session: nox.Session, layer: str) -> None:
    """The tests of one floor of the house: `nox -s "layer(2-services)"`."""
    session.run("pytest", "-q", f"packages/{layer}", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Run every code block of the READMEs and of docs/."""
    pages = [str(page) for page in ROOT.glob("packages/*/*/README.md")]
    session.run("pytest", "-q", "README.md", "docs", *pages, *session.posargs)


@nox.session
def wheels(session: nox.Session) -> None:
    """Build the wheel of every package into dist/."""
    shutil.rmtree(DIST, ignore_errors=True)
    for name in PACKAGES:
        session.run("uv", "build", "-q", "--wheel", "--package", name, "-o", str(DIST))


@nox.session(venv_backend="uv", requires=["wheels"])
@nox.parametrize("package", list(PACKAGES), ids=list(PACKAGES))
def alone(session: nox.Session, package: str) -> None:
    """One wheel by itself in a clean environment passes its own tests and README."""
    home = Path(session.create_tmp())
    extras = tomllib.loads((PACKAGES[package] / "pyproject.toml").read_text("utf-8"))
    alone_extras = extras.get("tool", {}).get("infra", {}).get("alone-extras", [])
    requirement = f"{package}[{','.join(alone_extras)}]" if alone_extras else package
    session.install(
        *(
            "--overrides",
            str(_our_wheels(home)),
            "--constraints",
            str(_locked_versions(session, home)),
        ),
        requirement,
        *TEST_TOOLS,
    )
    place = home / "place"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(
        PACKAGES[package] / "tests", place / "tests", ignore=shutil.ignore_patterns("__pycache__")
    )
    for source in (ROOT / "conftest.py", PACKAGES[package] / "README.md", ROOT / "pyproject.toml"):
        shutil.copy(source, place)
    with session.chdir(place):
        session.run(
            *(
                "pytest",
                "-q",
                *PAIRED,
                "--rootdir",
                ".",
                "-m",
                "not server and not slow",
                "tests",
                "README.md",
            ),
            *("-o", "testpaths=tests", *session.posargs),
            env={"INFRA_CONFORMANCE_DIR": str(conformance_dir()), **FEWER},
        )


def _our_wheels(home: Path) -> Path:
    """Requirements that take every package of ours from dist/, whatever an index offers."""
    wheels = {wheel.name.split("-")[0].replace("_", "-"): wheel for wheel in DIST.glob("*.whl")}
    file = home / "ours.txt"
    file.write_text("".join(f"{name} @ {wheel.as_uri()}\n" for name, wheel in wheels.items()))
    return file


def _locked_versions(session: nox.Session, home: Path) -> Path:
    """The versions of uv.lock as constraints, so that no new release breaks this."""
    file = home / "locked.txt"
    export = (
        "uv",
        "export",
        "-q",
        "--frozen",
        "--no-hashes",
        "--no-emit-workspace",
        "--all-packages",
    )
    session.run(
        *export, "--all-extras", "--group", "dev", "-o", str(file), external=True, silent=True
    )
    return file


def conformance_dir() -> Path:
    """Where vectors that others wrote are, if they are on this machine."""
    default = ROOT.parent / "shared" / "conformance"
    return Path(os.environ.get("INFRA_CONFORMANCE_DIR", default)).resolve()


@nox.session(requires=["wheels"])
def pyodide(session: nox.Session) -> None:
    """The small packages' own tests in CPython compiled to WebAssembly, under node."""
    session.run("python", "-m", "tools.pyodide", *session.posargs)


@nox.session
def demo(session: nox.Session) -> None:
    """The reference service imports and ranks a real leaderboard, in a folder that goes away."""
    session.run("python", "-m", "benchmark_exchange", "demo", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure against the named peers in one run: `nox -s bench -- errors`."""
    known = sorted(path.stem.removeprefix("bench_") for path in ROOT.glob("benchmarks/bench_*.py"))
    wanted = session.posargs or known
    if unknown := sorted(set(wanted) - set(known)):
        session.error(f"no benchmark of {', '.join(unknown)}; there are: {', '.join(known)}")
    sync = ("uv", "sync", "-q", "--frozen", "--inexact", "--all-packages", "--all-extras")
    session.run(*sync, "--group", "bench", external=True)
    for name in wanted:
        session.run("python", f"benchmarks/bench_{name}.py")


@nox.session
def new(session: nox.Session) -> None:
    """Make the next package's skeleton, contract included: `nox -s new -- infra-x 2-services`."""
    session.run("python", "-m", "tools.new_package", *session.posargs)
    session.run("uv", "lock", "-q", external=True)
    session.run(*("uv", "sync", "-q", "--inexact", "--all-packages", "--all-extras"), external=True)


@nox.session
def release(session: nox.Session) -> None:
    """Build what a tag names, checked against its version: `nox -s release -- infra-id/v0.1.0`."""
    if len(session.posargs) != 1:
        session.error("give one tag, for example infra-id/v0.1.0")
    name, _, version = session.posargs[0].partition("/v")
    if name not in PACKAGES:
        session.error(f"no package {name!r}; there are: {', '.join(PACKAGES)}")
    declared = tomllib.loads((PACKAGES[name] / "pyproject.toml").read_text("utf-8"))["project"]
    if version != declared["version"]:
        session.error(f"the tag says {version}, {name}/pyproject.toml says {declared['version']}")
    if f"## {version} (unreleased)" in (PACKAGES[name] / "CHANGELOG.md").read_text("utf-8"):
        session.error(f"{name}/CHANGELOG.md still calls {version} unreleased: give it its date")
    session.run("uv", "build", "-q", "--package", name, "-o", str(DIST), external=True)
