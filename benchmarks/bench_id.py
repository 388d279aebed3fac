"""infra-id beside its peers: `python benchmarks/bench_id.py`."""

from __future__ import annotations

import subprocess
import sys
import uuid
from typing import TYPE_CHECKING

import fastnanoid
import nanoid as old_nanoid
import uuid6
import uuid_utils
from _bench import Fact, Row, at_most, at_most_times, called, faster, imported, report
from snowflake import SnowflakeGenerator
from ulid import ULID

import infra_id
from infra_id import _native

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _bench import Timer

BATCH = 10_000


def pure(fn: Callable[[], object]) -> Timer:
    """Time a function as it is without uuid-utils."""
    timer = called(fn)

    def run(times: int) -> float:
        before = _native.uuid4, _native.uuid7
        _native.uuid4 = _native.uuid7 = None
        try:
            return timer(times)
        finally:
            _native.uuid4, _native.uuid7 = before

    return run


def uuids() -> Iterator[Row]:
    utils4 = called(lambda: str(uuid_utils.uuid4()))
    utils7 = called(lambda: str(uuid_utils.uuid7()))
    yield Row("uuid4_str, native", called(infra_id.uuid4_str), at_most_times(1.3), utils4, "utils")
    yield Row("uuid7_str, native", called(infra_id.uuid7_str), at_most_times(1.3), utils7, "utils")
    std = called(lambda: str(uuid.uuid4()))
    six = called(lambda: str(uuid6.uuid7()))
    yield Row("uuid4_str, pure", pure(infra_id.uuid4_str), faster(2.5), std, "stdlib")
    yield Row("uuid7_str, pure", pure(infra_id.uuid7_str), faster(2), six, "uuid6")
    many = [lambda: infra_id.uuid4_batch(BATCH), lambda: [str(uuid.uuid4()) for _ in range(BATCH)]]
    yield Row("uuid4_batch(10,000), pure", pure(many[0]), faster(9), called(many[1]), "stdlib loop")
    loop = called(lambda: [str(uuid_utils.uuid4()) for _ in range(BATCH)])
    yield Row("uuid4_batch(10,000)", called(many[0]), at_most_times(1.1), loop, "utils loop")


def others() -> Iterator[Row]:
    text = infra_id.ulid_str()
    theirs = called(lambda: str(ULID()))
    yield Row("ulid_str", called(infra_id.ulid_str), faster(4), theirs, "python-ulid")
    parse = called(lambda: infra_id.parse("ulid", text))
    yield Row("parse ULID", parse, faster(5), called(lambda: ULID.from_str(text)), "python-ulid")
    batch = called(lambda: infra_id.ulid_batch(1000))
    loop = called(lambda: [str(ULID()) for _ in range(1000)])
    yield Row("ulid_batch(1,000)", batch, faster(8), loop, "python-ulid loop")
    yield Row("ulid() object", called(infra_id.ulid), faster(1.5), called(ULID), "python-ulid")
    ours = called(infra_id.nanoid)
    yield Row("nanoid()", ours, faster(1.5), called(fastnanoid.generate), "fastnanoid")
    yield Row("nanoid()", ours, faster(5), called(old_nanoid.generate), "nanoid")
    generator = SnowflakeGenerator(1)
    snowflake = infra_id.Snowflake(1)
    peer = called(lambda: next(generator))
    yield Row("Snowflake.next", called(snowflake.next), at_most_times(1.25), peer, "snowflake-id")


def importing() -> Iterator[Row | Fact]:
    bare = imported("uuid")
    yield Row(
        "import infra_id", imported("infra_id"), at_most(0.055, over_peer=True), bare, "import uuid"
    )
    code = "import sys, infra_id; print('ulid' in sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    found = loaded.stdout.strip()
    yield Fact("python-ulid loaded by it", found, "False", found == "False")


def main() -> None:
    """Print the table."""
    report("infra-id", [*uuids(), *others(), *importing()])


if __name__ == "__main__":
    main()
