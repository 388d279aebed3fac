"""The vectors that the TypeScript SDK is held to as well."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infra_id import (
    Snowflake,
    is_valid,
    nanoid_from_bytes,
    parse,
    typeid,
    ulid_from_parts,
    uuid7_from_parts,
)

FOLDER = Path(__file__).parents[4] / "tests" / "vectors"
KINDS = ("uuid", "ulid", "nanoid", "typeid", "snowflake")


def cases() -> list[Any]:
    found = []
    for kind in KINDS:
        file = FOLDER / f"{kind}.json"
        content = json.loads(file.read_text("utf-8"))["cases"] if file.exists() else []
        found += [pytest.param(kind, case, id=f"{kind}-{n}") for n, case in enumerate(content)]
    return found


@pytest.mark.skipif(not cases(), reason="the shared vectors are not here")
@pytest.mark.parametrize(("kind", "case"), cases())
def test_a_shared_vector_holds(kind: str, case: dict[str, Any]):
    op = case["op"]
    if op == "refuse":
        assert not is_valid(case["kind"], case["text"])
    elif op == "parse":
        parsed = parse(case["kind"], case["text"])
        expected = (case.get("canonical", case["text"]), case["timestamp_ms"])
        assert expected == (parsed.text, parsed.timestamp_ms)
    elif op == "from_parts":
        make = {"uuid": uuid7_from_parts, "ulid": ulid_from_parts}[kind]
        assert case["text"] == make(case["ms"], bytes.fromhex(case["random10"]))
    elif op == "from_bytes":
        data = bytes.fromhex(case["data"])
        assert case["text"] == nanoid_from_bytes(data, case["size"], case["alphabet"])
    elif op == "typeid":
        assert case["text"] == typeid(case["prefix"], case["uuid"])
    else:
        parts = Snowflake(0, epoch=case["epoch"]).decompose(case["text"])
        assert (case["timestamp_ms"], case["node"], case["sequence"]) == parts[:3]
