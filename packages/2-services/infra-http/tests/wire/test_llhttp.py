"""llhttp's own response cases, through a connection: accepted or refused, and what was read."""

from __future__ import annotations

import asyncio
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from infra_http.errors import ProtocolFailed
from infra_http.pool import UpstreamPool
from infra_http.raw_server import RawPeer, RawServer

DEVIATIONS = {
    # The parser takes any protocol and version that look like HTTP's; we speak 1.0 and 1.1.
    "HTTP version 0.9": "refused",
}
SPAN = re.compile(r"off=\d+ len=\d+ span\[(\w+)\]=(.*)")
DONE = re.compile(r"headers complete status=(\d+)")


def cases() -> list[dict[str, Any]]:
    places = [str(parent / "shared" / "conformance") for parent in Path(__file__).parents]
    places = [place for place in (os.environ.get("INFRA_CONFORMANCE_DIR"), *places) if place]
    for place in places:
        file = Path(place) / "llhttp" / "llhttp_cases.json"
        if file.is_file():
            found = json.loads(file.read_bytes())
            return [case for case in found if case["kind"] == "response" and _is_strict(case)]
    pytest.skip("the published cases of llhttp are not here")


def _is_strict(case: dict[str, Any]) -> bool:
    return "lenient" not in case["meta"]["type"]


def message(case: dict[str, Any]) -> bytes:
    """The bytes of a case: its lines end in CRLF, and it names control characters in words."""
    text = case["http"].removesuffix("\n")
    text = re.sub(r"\\(\r\n|\r|\n)", "", text)
    text = text.replace("\n", "\r\n")
    for word, character in ((r"\r", "\r"), (r"\n", "\n"), (r"\t", "\t"), (r"\f", "\f")):
        text = text.replace(word, character)
    text = re.sub(r"\\x([0-9a-fA-F]{2})", lambda match: chr(int(match[1], 16)), text)
    return text.encode()


def first_response(case: dict[str, Any]) -> dict[str, Any]:
    """What the parser's log says about the first response that is no interim one."""
    found: dict[str, Any] = {"headers": [], "body": b"", "status": None}
    for line in case["log"].splitlines():
        if (span := SPAN.match(line)) is not None:
            name, value = span[1], _value(span[2])
            if name == "header_field":
                found["headers"].append([value, b""])
            elif name == "header_value" and found["headers"]:
                found["headers"][-1][1] += value
            elif name == "body":
                found["body"] += value
        elif (done := DONE.search(line)) is not None:
            status = int(done[1])
            if status < 200 and status != 101:
                found["headers"].clear()
            else:
                found["status"] = status
        elif "message complete" in line and found["status"] is not None:
            break
    return found


def _value(text: str) -> bytes:
    words = {"lf": b"\n", "cr": b"\r", "crlf": b"\r\n"}
    return words[text] if text in words else text[1:-1].encode()


async def exchange(data: bytes) -> dict[str, Any]:
    async def say(peer: RawPeer) -> None:
        await peer.request()
        await peer.send(data)

    async with RawServer(say) as server, UpstreamPool(server.url, read_timeout=5) as pool:
        response = await pool.request("GET", b"/", [])
        headers = [[name, value] for name, value in response.headers]
        try:
            body, error = await response.read(), ""
        except ProtocolFailed as failed:
            body, error = b"", str(failed)
        return {"status": response.status, "headers": headers, "body": body, "error": error}


async def test_each_case_is_accepted_or_refused_and_read_as_it_says() -> None:
    wrong: list[Any] = []
    deviated = set()
    found = cases()
    for case in found:
        title, data, expected = case["title"], message(case), first_response(case)
        try:
            got: dict[str, Any] | None = await exchange(data)
        except ProtocolFailed:
            got = None
        if title in DEVIATIONS:
            deviated.add(title)
            assert ("refused" == DEVIATIONS[title]) == (got is None)
            continue
        if expected["status"] is None or got is None:
            if (expected["status"] is None) != (got is None):
                wrong.append((title, case["error"], data, got))
            continue
        pairs = [[name, value.strip(b" \t")] for name, value in expected["headers"]]
        if [expected["status"], pairs] != [got["status"], got["headers"]]:
            wrong.append((title, expected, got))
        elif not got["error"] and expected["body"] != got["body"]:
            wrong.append((title, expected["body"], got["body"]))
    assert [] == wrong
    assert len(found) >= 50
    assert deviated == set(DEVIATIONS)
    assert len(DEVIATIONS) <= 5


async def test_cases_are_read_the_same_in_pieces_of_every_size() -> None:
    async def dribble(data: bytes, size: int) -> Any:
        async def say(peer: RawPeer) -> None:
            await peer.request()
            for at in range(0, len(data), size):
                await peer.send(data[at : at + size])
                await asyncio.sleep(0)

        async with RawServer(say) as server, UpstreamPool(server.url, read_timeout=5) as pool:
            try:
                response = await pool.request("GET", b"/", [])
                return response.status, response.headers, await response.read()
            except ProtocolFailed:
                return "refused"

    for case in cases():
        data = message(case)
        whole = await dribble(data, len(data))
        for size in (1, 2, 7):
            assert whole == await dribble(data, size), case["title"]
