"""What several tests take: documents, and the suites that others published."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

Published = Callable[[str], Any]


ENGINES = ["standard", *(["orjson"] if find_spec("orjson") else [])]


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run a module once on the standard library alone and once with orjson where that is."""
    from infra_json import _fast

    if request.param == "orjson":
        yield "orjson"
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_fast, "orjson", None)
        yield "standard"


@pytest.fixture
def published() -> Published:
    """Read a JSON file of a published suite, or skip where it is not here."""
    places = [str(parent / "shared" / "conformance") for parent in Path(__file__).parents]
    folders = [Path(place) for place in (os.environ.get("INFRA_CONFORMANCE_DIR"), *places) if place]

    def read(name: str) -> Any:
        found = next((folder / name for folder in folders if (folder / name).is_file()), None)
        if found is None:
            pytest.skip(f"the published suite {name} is not here")
        return json.loads(found.read_bytes())

    return read


@pytest.fixture
def levels() -> Iterator[list[Any]]:
    """Hold the levels of a deep document; dropped whole, it kills WebAssembly."""
    levels: list[Any] = []
    yield levels
    for level in levels:
        level.clear()


@pytest.fixture
def nested(levels: list[Any]) -> Callable[..., Any]:
    """Make arrays and objects, in turn, or arrays alone, nested this many levels deep."""

    def make(depth: int, *, objects: bool = True) -> Any:
        levels.append([])
        for level in range(depth - 1):
            inner = levels[-1]
            levels.append({"a": inner} if objects and level % 2 == 0 else [inner])
        return levels[-1]

    return make


NAMES = ["a", "b", "~", "/", "", "0", "é"]
SCALARS = [1, 2, True, False, None, "a", "b", 1.0, 0, -0.0, "~/", "", 2**53 + 1, float(2**53)]


@pytest.fixture
def any_document() -> Callable[[random.Random, int], Any]:
    """Make a small document by chance, with names and values that are easily taken for others."""

    def make(chance: random.Random, depth: int) -> Any:
        kind = chance.random()
        if depth == 0 or kind < 0.4:
            return chance.choice(SCALARS)
        if kind < 0.7:
            return [make(chance, depth - 1) for _ in range(chance.randrange(6))]
        names = chance.sample(NAMES, chance.randrange(4))
        return {name: make(chance, depth - 1) for name in names}

    return make
