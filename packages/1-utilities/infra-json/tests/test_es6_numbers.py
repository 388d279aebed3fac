"""The published million of numbers, as ECMAScript writes them."""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra_json import canonicalize

PLACES = [
    os.environ.get("INFRA_CONFORMANCE_DIR"),
    *(parent / "shared" / "conformance" for parent in Path(__file__).parents),
]
FOUND = [file for place in PLACES if place for file in Path(place, "jcs").glob("es6*.gz")]


@pytest.mark.slow
@pytest.mark.skipif(not FOUND, reason="the published ES6 numbers are not here")
def test_a_million_published_numbers():
    # The published list is its 168 chosen doubles, 2,000 that follow the smallest normal one, and
    # then the digests of 32 zero bytes hashed again and again; only its hash is published whole.
    chosen = gzip.decompress(FOUND[0].read_bytes()).decode("ascii").split()[:168]

    def doubles() -> Iterator[int]:
        yield from (int(line.split(",")[0], 16) for line in chosen)
        yield from range(0x0010000000000000, 0x0010000000000000 + 2000)
        digest = bytes(32)
        while True:
            digest = hashlib.sha256(digest).digest()
            yield from struct.unpack("<4Q", digest)

    total, count = hashlib.sha256(), 0
    for bits in doubles():
        (number,) = struct.unpack(">d", bits.to_bytes(8))
        if math.isfinite(number):
            total.update(b"%x,%s\n" % (bits, canonicalize(number)))
            count += 1
            if count == 1_000_000:
                break
    expected = "49415fee2c56c77864931bd3624faad425c3c577d6d74e89a83bc725506dad16"
    assert expected == total.hexdigest()
