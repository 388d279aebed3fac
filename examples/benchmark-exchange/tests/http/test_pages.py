"""The pages as HTML: what they show, what they escape, how large they get."""

from __future__ import annotations

from html.parser import HTMLParser

import httpx2
import pytest

from benchmark_exchange import Resources

PAGE = "/benchmarks/alpaca-eval-2/leaderboard"


async def test_the_board_has_a_bar_and_a_row_a_model_and_stays_small(client: httpx2.AsyncClient):
    page = await client.get(PAGE)
    assert 223 == page.text.count('class="bar ')
    assert 223 == page.text.count('scope="row"')
    assert len(page.content) <= 150_000


async def test_the_verified_board_is_a_page_of_its_own(client: httpx2.AsyncClient):
    page = await client.get(f"{PAGE}?board=verified")
    assert 52 == page.text.count('class="bar ')
    assert 'board=verified" aria-current="true"' in page.text


async def test_the_catalogue_leads_to_the_board(client: httpx2.AsyncClient):
    page = await client.get("/?status=active")
    assert f'href="{PAGE}"' in page.text
    assert "No benchmarks here yet" in (await client.get("/?status=archived")).text


async def test_a_result_shows_its_numbers_findings_and_history(
    client: httpx2.AsyncClient, resources: Resources
):
    board = await resources.boards.leaderboard("alpaca-eval-2")
    (disputed,) = [entry for entry in board.entries if entry.state == "disputed"]
    page = (await client.get(f"/submissions/{disputed.submission}")).text
    for expected in ("counts say 47.143, file says 40.186", "371 wins, 417 losses", "created"):
        assert expected in page


class Reader(HTMLParser):
    """Collects what a browser would take for tags and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", '" onload="alert(1)', "\u202egnol", "x" * 192]
)
async def test_a_hostile_name_is_only_text(
    client: httpx2.AsyncClient, signed: dict[str, str], name: str
):
    body = {"model": name, "score": 99.0, "standard_error": 0.1, "artifact_sha256": "0" * 64}
    taken = await client.post("/v1/benchmarks/alpaca-eval-2/submissions", json=body, headers=signed)
    assert 202 == taken.status_code
    for path in (PAGE, taken.headers["location"].removeprefix("/v1")):
        page = (await client.get(path)).text
        reader = Reader()
        reader.feed(page)
        assert "script" not in reader.tags
        assert [] == [attribute for attribute in reader.attributes if attribute.startswith("on")]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nowhere", 404),
        ("/benchmarks/other/leaderboard", 404),
        ("/submissions/x", 400),
        ("/?cursor=x", 400),
    ],
)
async def test_an_error_is_a_page_too(client: httpx2.AsyncClient, path: str, status: int):
    page = await client.get(path)
    assert status == page.status_code
    assert page.headers["content-type"].startswith("text/html")
    assert 1 == page.text.count("<h1>")


async def test_a_board_that_is_cut_says_so_and_leads_to_the_rest(client: httpx2.AsyncClient):
    page = (await client.get(f"{PAGE}?limit=10")).text
    assert "The first 10 of 223 are shown." in page
    assert "limit=1000" in page
    assert "are shown" not in (await client.get(PAGE)).text


async def test_a_name_does_not_turn_the_text_after_it_around(
    client: httpx2.AsyncClient, signed: dict[str, str]
):
    body = {"model": "\u202egnol", "score": 99.0, "artifact_sha256": "0" * 64}
    await client.post("/v1/benchmarks/alpaca-eval-2/submissions", json=body, headers=signed)
    assert ">\u2068\u202egnol\u2069 <tspan" in (await client.get(PAGE)).text
