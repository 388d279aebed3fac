"""The same promises with uuid-utils, without it, and with one that does not keep them."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import types
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from infra_id import _native, uuid4_batch, uuid4_str, uuid7_batch, uuid7_str


@pytest.fixture(params=["native", "pure"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param == "native":
        pytest.importorskip("uuid_utils")
        monkeypatch.setattr(_native, "found", False)
        _native.find()
        assert _native.uuid7 is not None
    else:
        monkeypatch.setattr(_native, "found", True)
        monkeypatch.setattr(_native, "uuid4", None, raising=False)
        monkeypatch.setattr(_native, "uuid7", None, raising=False)
    yield request.param
    _native.found = False


@pytest.mark.parametrize(("make", "version"), [(uuid4_str, 4), (uuid7_str, 7)])
def test_a_text_is_canonical_and_of_its_version(engine: str, make: Any, version: int):
    for text in (make() for _ in range(600)):
        value = uuid.UUID(text)
        assert (text, version, uuid.RFC_4122) == (str(value), value.version, value.variant)


def test_a_batch_is_exact_and_unique(engine: str):
    for batch in (uuid4_batch, uuid7_batch):
        made = batch(10_000)
        assert 10_000 == len(made) == len(set(made))
    assert sorted(made) == made


@pytest.mark.threads
def test_a_threads_texts_increase_and_threads_never_meet(engine: str):
    collected: list[list[str]] = [[] for _ in range(8)]

    def work(into: list[str]) -> None:
        into.extend(uuid7_str() for _ in range(1000))
        into.extend(uuid7_batch(1000))

    threads = [threading.Thread(target=work, args=(into,)) for into in collected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 16_000 == len({text for texts in collected for text in texts})
    assert all(sorted(texts) == texts for texts in collected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")
@pytest.mark.parametrize("make", [uuid4_str, uuid7_str])
@pytest.mark.fork
def test_a_child_forked_in_the_middle_of_a_pool_gives_others(engine: str, make: Any):
    make()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, "\n".join(make() for _ in range(300)).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as stream:
        theirs = set(stream.read().split())
    os.waitpid(child, 0)
    assert 300 == len(theirs)
    assert set() == theirs & {make() for _ in range(300)}


@pytest.mark.parametrize(
    "broken",
    [
        {"uuid7": lambda: "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"},
        {"uuid7": lambda: uuid.uuid4()},
        {"uuid4": lambda: uuid.UUID(int=0)},
        {"reseed_rng": None},
    ],
    ids=["no order", "wrong version", "no version", "no reseed"],
)
def test_a_backend_that_breaks_a_promise_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, broken: dict[str, Any]
):
    counter = itertools.count()
    parts = {
        "uuid4": uuid.uuid4,
        "uuid7": lambda: f"017f22e2-79b0-7cc3-98c4-{next(counter):012x}",
        "reseed_rng": lambda: None,
    } | broken
    module = types.ModuleType("uuid_utils")
    for name, value in parts.items():
        if value is not None:
            setattr(module, name, value)
    monkeypatch.setitem(sys.modules, "uuid_utils", module)
    _native.find()
    assert (None, None) == (_native.uuid4, _native.uuid7)
    monkeypatch.undo()
    _native.found = False


@pytest.mark.subprocess
def test_import_loads_neither_python_ulid_nor_uuid_utils():
    code = "import sys, infra_id; print(sorted({'ulid', 'uuid_utils', 'attr'} & set(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "[]" == result.stdout.strip()
