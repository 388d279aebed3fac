"""The JSON interface as a client sees it: a submission's way, then everything that is refused."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest

from benchmark_exchange import Resources

URL = "/v1/benchmarks/alpaca-eval-2"
BODY = {
    "model": "my-model",
    "version": "2026-11",
    "score": 31.24,
    "standard_error": 1.4,
    "n": 805,
    "counts": {"wins": 251, "losses": 553, "draws": 1},
    "artifact_sha256": "9f" * 32,
}


async def test_a_submission_is_taken_checked_and_ranked(
    client: httpx2.AsyncClient, signed: dict[str, str]
):
    before = (await client.get(f"{URL}/leaderboard")).json()
    taken = await client.post(f"{URL}/submissions", json=BODY, headers=signed)
    assert 202 == taken.status_code
    assert "checked" == taken.json()["state"]
    shown = (await client.get(taken.headers["location"])).json()
    assert ("my-model 2026-11", 31.24, []) == (shown["model"], shown["score"], shown["findings"])
    events = (await client.get(shown["links"]["events"])).json()
    assert ["created"] == [event["kind"] for event in events["items"]]
    after = (await client.get(f"{URL}/leaderboard")).json()
    assert (before["revision"] + 1, 224) == (after["revision"], after["total"])
    assert "my-model 2026-11" in [entry["model"] for entry in after["entries"]]


async def test_the_board_says_what_the_specification_shows(client: httpx2.AsyncClient):
    board = (await client.get(f"{URL}/leaderboard?board=verified")).json()
    assert ("alpaca-eval-2", 1, "verified", 0.95) == tuple(
        board[name] for name in ("benchmark", "version", "board", "confidence")
    )
    first = board["entries"][0]
    assert (1, 1, "yi-large-preview", 805, "verified", 1) == tuple(
        first[name] for name in ("rank", "rank_high", "model", "n", "state", "attempts")
    )
    assert [54.663, 60.271] == [round(end, 3) for end in first["ci"]]


async def test_the_same_key_and_body_is_the_same_answer(
    client: httpx2.AsyncClient, signed: dict[str, str]
):
    answers = [
        (await client.post(f"{URL}/submissions", json=BODY, headers=signed)).json()
        for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert 224 == (await client.get(f"{URL}/leaderboard")).json()["total"]


async def test_equal_calls_at_once_make_one_submission(
    client: httpx2.AsyncClient, signed: dict[str, str], resources: Resources
):
    posts = [client.post(f"{URL}/submissions", json=BODY, headers=signed) for _ in range(8)]
    answers = await asyncio.gather(*posts)
    assert {202} == {answer.status_code for answer in answers}
    assert 1 == len({answer.json()["id"] for answer in answers})
    assert [] == await resources.check()


async def test_a_key_with_another_body_is_a_conflict(
    client: httpx2.AsyncClient, signed: dict[str, str]
):
    await client.post(f"{URL}/submissions", json=BODY, headers=signed)
    other = await client.post(f"{URL}/submissions", json=BODY | {"score": 32}, headers=signed)
    assert (409, "exchange.idempotency_mismatch") == (other.status_code, other.json()["code"])
    assert "application/problem+json" == other.headers["content-type"]


async def test_the_same_artifact_under_another_key_is_a_conflict(
    client: httpx2.AsyncClient, signed: dict[str, str]
):
    await client.post(f"{URL}/submissions", json=BODY, headers=signed)
    again = await client.post(
        f"{URL}/submissions", json=BODY, headers=signed | {"Idempotency-Key": "key-2"}
    )
    assert (409, "exchange.duplicate_submission") == (again.status_code, again.json()["code"])


async def test_a_result_that_contradicts_itself_is_kept_as_disputed(
    client: httpx2.AsyncClient, signed: dict[str, str]
):
    body = BODY | {"n": 900}
    taken = (await client.post(f"{URL}/submissions", json=body, headers=signed)).json()
    assert "disputed" == taken["state"]
    assert ["wins, losses and draws add up to 805, n is 900"] == taken["findings"]
    board = (await client.get(f"{URL}/leaderboard?limit=1000")).json()
    mine = [entry for entry in board["entries"] if entry["submission"] == taken["id"]]
    assert ["disputed"] == [entry["state"] for entry in mine]


async def test_the_latest_result_of_a_model_stands_and_its_attempts_are_counted(
    client: httpx2.AsyncClient, signed: dict[str, str]
):
    for number, score in enumerate((40.0, 35.0)):
        headers = signed | {"Idempotency-Key": f"attempt-{number}"}
        body = BODY | {"score": score, "artifact_sha256": f"{number:064x}", "counts": None}
        assert (
            202 == (await client.post(f"{URL}/submissions", json=body, headers=headers)).status_code
        )
    board = (await client.get(f"{URL}/leaderboard?limit=1000")).json()
    mine = [entry for entry in board["entries"] if entry["model"] == "my-model 2026-11"]
    assert [(35.0, 2)] == [(entry["score"], entry["attempts"]) for entry in mine]


async def test_a_private_result_is_not_there_for_others(
    client: httpx2.AsyncClient, signed: dict[str, str]
):
    body = BODY | {"visibility": "private"}
    taken = await client.post(f"{URL}/submissions", json=body, headers=signed)
    address = taken.headers["location"]
    assert 404 == (await client.get(address)).status_code
    assert 404 == (await client.get(f"{address}/events")).status_code
    assert 404 == (await client.get(address.removeprefix("/v1"))).status_code
    assert 200 == (await client.get(address, headers=signed)).status_code
    assert 223 == (await client.get(f"{URL}/leaderboard")).json()["total"]


async def test_a_write_needs_the_token(client: httpx2.AsyncClient, signed: dict[str, str]):
    for authorization in (None, "Bearer wrong", "Bearer", "Basic YTpi", "Bearer é"):
        headers = {"Idempotency-Key": "k"}
        if authorization:
            headers["Authorization"] = authorization
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        refused = await client.post(f"{URL}/submissions", json=BODY, headers=raw)
        assert (401, "exchange.not_signed_in") == (refused.status_code, refused.json()["code"])
        assert "Bearer" == refused.headers["www-authenticate"]
        assert "sent as a bearer token" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"score": "high"}, "exchange.invalid_submission"),
        ({"score": True}, "exchange.invalid_submission"),
        ({"score": None}, "exchange.invalid_submission"),
        ({"score": 101}, "exchange.invalid_submission"),
        ({"standard_error": -1}, "exchange.invalid_submission"),
        ({"n": 1.5}, "exchange.invalid_submission"),
        ({"n": 10**12}, "exchange.invalid_submission"),
        ({"score": 10**400}, "exchange.invalid_submission"),
        ({"standard_error": 1e300}, "exchange.invalid_submission"),
        ({"counts": {"wins": 10**12, "losses": 1}}, "exchange.invalid_submission"),
        ({"model": "two\nlines"}, "exchange.invalid_model"),
        ({"model": ""}, "exchange.invalid_model"),
        ({"artifact_sha256": "zz"}, "exchange.invalid_submission"),
        ({"visibility": "secret"}, "exchange.invalid_submission"),
        ({"state": "verified"}, "exchange.unknown_field"),
        ({"state": None}, "exchange.unknown_field"),
        ({"counts": {"wins": 1}}, "exchange.invalid_submission"),
        ({"counts": {"wins": None, "losses": 1}}, "exchange.invalid_submission"),
        ({"counts": {"wins": 1, "losses": 1, "ties": 0}}, "exchange.unknown_field"),
        ({"counts": {"wins": -1, "losses": 1}}, "exchange.invalid_submission"),
    ],
)
async def test_a_body_that_breaks_a_rule_is_refused_and_nothing_stored(
    client: httpx2.AsyncClient, signed: dict[str, str], changes: dict[str, Any], code: str
):
    refused = await client.post(f"{URL}/submissions", json=BODY | changes, headers=signed)
    assert (400, code) == (refused.status_code, refused.json()["code"])
    assert 223 == (await client.get(f"{URL}/leaderboard")).json()["total"]


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"{", 400, "json.invalid"),
        (b'{"model": "a", "model": "b"}', 400, "json.invalid"),
        (b'{"score": NaN}', 400, "json.invalid"),
        (b'{"score": 1e999}', 400, "json.invalid"),
        (b"[]", 400, "exchange.invalid_submission"),
        (b"[" * 40 + b"]" * 40, 400, "json.too_deep"),
        (b"\xff", 400, "json.invalid"),
        (b" " * 70_000, 413, "http.body_too_large"),
    ],
    ids=["open", "doubled", "nan", "huge", "list", "deep", "bytes", "long"],
)
async def test_a_body_that_is_no_such_json_is_refused(
    client: httpx2.AsyncClient, signed: dict[str, str], content: bytes, status: int, code: str
):
    refused = await client.post(f"{URL}/submissions", content=content, headers=signed)
    assert (status, code) == (refused.status_code, refused.json()["code"])


async def test_a_submission_without_a_key_is_refused(
    client: httpx2.AsyncClient, signed: dict[str, str]
):
    del signed["Idempotency-Key"]
    refused = await client.post(f"{URL}/submissions", json=BODY, headers=signed)
    assert (400, "exchange.idempotency_key") == (refused.status_code, refused.json()["code"])


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/benchmarks/other", 404, "exchange.not_found"),
        ("/v1/benchmarks/other/leaderboard", 404, "exchange.not_found"),
        (f"{URL}?version=9", 404, "exchange.not_found"),
        (f"{URL}/leaderboard?version=x", 400, "exchange.invalid_version"),
        (f"{URL}/leaderboard?board=best", 400, "exchange.invalid_board"),
        (f"{URL}/leaderboard?per=team", 400, "exchange.invalid_board"),
        (f"{URL}/leaderboard?limit=0", 400, "exchange.invalid_limit"),
        (f"{URL}/leaderboard?limit=-1", 400, "exchange.invalid_limit"),
        (f"{URL}/leaderboard?limit=1001", 400, "exchange.invalid_limit"),
        ("/v1/benchmarks?limit=-1", 400, "db.invalid_limit"),
        ("/v1/benchmarks?cursor=nonsense", 400, "db.invalid_cursor"),
        ("/v1/benchmarks?status=best", 400, "exchange.invalid_status"),
        ("/v1/submissions/nonsense", 400, "id.invalid"),
        ("/v1/submissions/sub_00000000000000000000000000", 404, "exchange.not_found"),
        ("/v1/organizations", 404, "exchange.not_found"),
    ],
)
async def test_an_address_that_leads_nowhere_says_why(
    client: httpx2.AsyncClient, path: str, status: int, code: str
):
    answer = await client.get(path)
    assert (status, code) == (answer.status_code, answer.json()["code"])
    assert "application/problem+json" == answer.headers["content-type"]


async def test_a_method_that_a_path_does_not_have_is_405(client: httpx2.AsyncClient):
    answer = await client.delete(URL)
    assert (405, "GET, HEAD") == (
        answer.status_code,
        ", ".join(sorted(answer.headers["allow"].split(", "))),
    )


async def test_a_board_is_sent_once_and_then_only_when_it_changed(
    client: httpx2.AsyncClient, signed: dict[str, str]
):
    first = await client.get(f"{URL}/leaderboard")
    tag = first.headers["etag"]
    again = await client.get(f"{URL}/leaderboard", headers={"If-None-Match": tag})
    assert (304, b"") == (again.status_code, again.content)
    await client.post(f"{URL}/submissions", json=BODY, headers=signed)
    changed = await client.get(f"{URL}/leaderboard", headers={"If-None-Match": tag})
    assert 200 == changed.status_code
    assert tag != changed.headers["etag"]


async def test_benchmarks_are_listed_and_filtered(client: httpx2.AsyncClient):
    listed = (
        await client.get("/v1/benchmarks?status=active&category=instruction-following")
    ).json()
    assert ["alpaca-eval-2"] == [item["slug"] for item in listed["items"]]
    assert [] == (await client.get("/v1/benchmarks?status=draft")).json()["items"]
    shown = await client.get(URL.upper().replace("/V1/BENCHMARKS", "/v1/benchmarks"))
    assert ("alpaca-eval-2", '"v1"') == (shown.json()["slug"], shown.headers["etag"])


async def test_health_is_told(client: httpx2.AsyncClient):
    assert "up" == (await client.get("/health/live")).json()["status"]
    ready = (await client.get("/health/ready")).json()
    assert {"status": "up", "checks": {"database": "up"}} == ready


async def test_every_answer_has_the_security_headers(client: httpx2.AsyncClient):
    for path in ("/", f"{URL}/leaderboard", "/nowhere", "/v1/nowhere", "/static/exchange.css"):
        headers = (await client.get(path)).headers
        assert "default-src 'self'; frame-ancestors 'none'" == headers["content-security-policy"]
        assert "nosniff" == headers["x-content-type-options"]
        assert "server" not in headers


async def test_a_key_is_not_answered_with_another_benchmarks_result(
    client: httpx2.AsyncClient, signed: dict[str, str]
):
    await client.post(f"{URL}/submissions", json=BODY, headers=signed)
    other = await client.post("/v1/benchmarks/other/submissions", json=BODY, headers=signed)
    assert (409, "exchange.idempotency_mismatch") == (other.status_code, other.json()["code"])


async def test_a_field_of_another_type_is_told_what_it_should_be(
    client: httpx2.AsyncClient, signed: dict[str, str]
):
    refused = await client.post(f"{URL}/submissions", json=BODY | {"n": "9"}, headers=signed)
    assert "n is a whole number, not a text" == refused.json()["detail"]


async def test_a_tag_that_a_proxy_weakened_is_still_known(client: httpx2.AsyncClient):
    tag = (await client.get(f"{URL}/leaderboard")).headers["etag"]
    for given in (f"W/{tag}", f'"x", {tag}', "*"):
        answer = await client.get(f"{URL}/leaderboard", headers={"If-None-Match": given})
        assert 304 == answer.status_code
