"""infra-json beside its peers: `python benchmarks/bench_json.py`."""

from __future__ import annotations

import copy
import importlib
import json
import random
from typing import TYPE_CHECKING, Any

import deepdiff
import jmespath
import jsonpatch
import jsonpath_rfc9535
import jsonpointer
import rfc8785
from _bench import Fact, Row, Timer, at_most, at_most_times, called, faster, imported, report

from infra_json import (
    JSONPath,
    Patch,
    Pointer,
    apply_patch,
    canonicalize,
    diff,
    dump_bytes,
    dumps,
    get,
    loads,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

fast: Any = importlib.import_module("infra_json._fast")  # private: to measure without orjson
chance = random.Random(7)


def item(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "name": f"item-{number}",
        "tags": [chance.choice("abcdefgh") * 3 for _ in range(4)],
        "price": chance.random() * 100,
        "nested": {
            "x": chance.randint(0, 9),
            "y": [1, 2, {"z": number}],
            "ok": True,
            "note": "lorem ipsum dolor sit amet " * 2,
        },
        "n": None,
    }


BIG: dict[str, Any] = {"items": [item(number) for number in range(4000)], "meta": {"v": 1}}
RAW = json.dumps(BIG, separators=(",", ":")).encode()
SMALL = item(1)


def edited() -> Iterator[tuple[str, Any, Any, float]]:
    """Yield pairs to compare, with how many times faster than jsonpatch we want to be."""
    small = copy.deepcopy(SMALL)
    small["name"] = "other"
    small["nested"]["y"].insert(0, 9)
    small["tags"].append("q")
    yield "small object", SMALL, small, 8
    edits = copy.deepcopy(BIG)
    for number in range(10):
        edits["items"][chance.randrange(4000)]["nested"]["x"] = 99 + number
    yield "0.84 MB, 10 edits", BIG, edits, 5
    yield "0.84 MB, head insert", BIG, {**BIG, "items": [item(9), *copy.deepcopy(BIG["items"])]}, 5
    mixed = copy.deepcopy(BIG)
    for number in range(20):
        place = chance.randrange(3800)
        if number % 3 == 0:
            mixed["items"].insert(place, item(10**6 + number))
        elif number % 3 == 1:
            del mixed["items"][place]
        else:
            mixed["items"][place]["price"] = 1
    yield "0.84 MB, 20 mixed", BIG, mixed, 5
    yield "0.84 MB, equal", BIG, copy.deepcopy(BIG), 20
    ints = list(range(5000))
    more = ints.copy()
    for number in range(20):
        more.insert(chance.randrange(5000), 10**6 + number)
    yield "5,000 ints, 20 inserts", ints, more, 10


def diffs() -> Iterator[Row | Fact]:
    for name, a, b, times in edited():
        ours = called(lambda a=a, b=b: diff(a, b))
        theirs = called(lambda a=a, b=b: jsonpatch.make_patch(a, b))
        yield Row(f"diff {name}", ours, faster(times), theirs, "jsonpatch")
        if a is SMALL:
            theirs = called(lambda a=a, b=b: deepdiff.DeepDiff(a, b))
            yield Row(f"diff {name}", ours, faster(20), theirs, "deepdiff")
        else:
            counts = len(diff(a, b)), len(jsonpatch.make_patch(a, b).patch)
            met = counts[0] <= counts[1]
            yield Fact(f"operations, {name}", f"{counts[0]} (theirs {counts[1]})", "no more", met)


def patches() -> Iterator[Row]:
    ops = [{"op": "replace", "path": f"/items/{n}/nested/x", "value": 5} for n in range(0, 4000, 4)]
    raw, parsed = called(lambda: apply_patch(BIG, ops)), Patch(ops)
    theirs = called(lambda: jsonpatch.apply_patch(BIG, ops))
    in_place = copy.deepcopy(BIG)
    in_their_place = called(lambda: jsonpatch.apply_patch(in_place, ops, in_place=True))
    yield Row("apply 1,000 operations", raw, faster(8), theirs, "jsonpatch, copy")
    yield Row("apply 1,000 operations", raw, faster(1.5), in_their_place, "jsonpatch, in place")
    ready = called(lambda: apply_patch(BIG, parsed))
    yield Row("apply a Patch of 1,000", ready, faster(1.5), in_their_place, "jsonpatch, in place")
    text = "/items/2000/nested/y/2/z"
    ours, peer = Pointer(text), jsonpointer.JsonPointer(text)
    theirs = called(lambda: peer.resolve(BIG))
    yield Row("get by Pointer", called(lambda: get(BIG, ours)), faster(8), theirs, "jsonpointer")


def queries() -> Iterator[Row]:
    for text, peer_text, times in (
        ("$.items[*].id", "items[*].id", 10),
        ("$.items[?@.nested.x>5]", "items[?nested.x>`5`]", 10),
        ("$..z", None, 4),
    ):
        query, peer = JSONPath(text), jsonpath_rfc9535.compile(text)
        found, values = called(lambda q=query: q.find(BIG)), called(lambda q=query: q.values(BIG))
        theirs = called(lambda p=peer: p.find(BIG))
        yield Row(f"{text} find", found, faster(times), theirs, "jsonpath-rfc9535")
        yield Row(f"{text} values", values, faster(times), theirs, "jsonpath-rfc9535")
        if peer_text:
            other = jmespath.compile(peer_text)
            theirs = called(lambda o=other: o.search(BIG))
            yield Row(f"{text} values", values, faster(1), theirs, "jmespath")


def without_orjson(timer: Timer) -> Timer:
    """Time on the standard library alone."""

    def standard(times: int) -> float:
        kept, fast.orjson = fast.orjson, None  # as if not installed
        try:
            return timer(times)
        finally:
            fast.orjson = kept

    return standard


def codec() -> Iterator[Row]:
    canonical, theirs = called(lambda: canonicalize(BIG)), called(lambda: rfc8785.dumps(BIG))
    yield Row("canonicalize, pure", without_orjson(canonical), faster(2.5), theirs, "rfc8785")
    if fast.orjson is not None:
        yield Row("canonicalize, orjson", canonical, faster(12), theirs, "rfc8785")
    reading = called(lambda: json.loads(RAW))
    yield Row("loads", called(lambda: loads(RAW)), at_most_times(1.8), reading, "json.loads")
    writing = called(lambda: json.dumps(BIG))
    ours = without_orjson(called(lambda: dumps(BIG)))
    yield Row("dumps, pure", ours, at_most_times(1.9), writing, "json.dumps")
    if fast.orjson is not None:
        bare = json.loads(RAW.replace(b"null", b"0"))
        ours = called(lambda: dump_bytes(BIG))
        yield Row("dump_bytes, orjson, with nulls", ours, faster(2), writing, "json.dumps")
        ours, writing = called(lambda: dump_bytes(bare)), called(lambda: json.dumps(bare))
        yield Row("dump_bytes, orjson, no null", ours, faster(5), writing, "json.dumps")


def importing() -> Iterator[Row]:
    goal = at_most(60e-3, over_peer=True)
    yield Row("import infra_json", imported("infra_json"), goal, imported("json"), "import json")


def main() -> None:
    report(
        f"infra-json, document of {len(RAW) / 1e6:.2f} MB",
        [*diffs(), *patches(), *queries(), *codec(), *importing()],
    )


if __name__ == "__main__":
    main()
