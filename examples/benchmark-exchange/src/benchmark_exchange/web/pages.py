"""The pages: the catalogue, a board with its chart and table, one result, and what went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlencode

from benchmark_exchange.domain.benchmark import Benchmark, BenchmarkStatus
from benchmark_exchange.domain.leaderboard import Leaderboard, LeaderboardEntry
from benchmark_exchange.domain.submission import Submission, SubmissionEvent
from benchmark_exchange.services.boards import MAX_LIMIT
from benchmark_exchange.web.charts import interval_chart
from benchmark_exchange.web.html import Markup, document, tag

__all__ = ["catalogue", "failure", "leaderboard", "submission"]

_LEGEND = (
    "One bar a model, from its best to its worst possible place. A circle marks a verified result, "
    "a square a checked one, a diamond a disputed one. "
)
_BOARDS = {"accepted": "all accepted results", "verified": "verified results only"}


def catalogue(
    benchmarks: Sequence[Benchmark], *, status: BenchmarkStatus | None, next_cursor: str | None
) -> Markup:
    """Return the list of benchmarks, with a filter by status."""
    options = [tag("option", "any status", value="")]
    options += [
        tag("option", choice.value, value=choice.value, selected=choice is status)
        for choice in BenchmarkStatus
    ]
    form = tag(
        "form",
        tag("label", "Status ", tag("select", *options, name="status")),
        tag("button", "Show"),
        method="get",
        action="/",
    )
    items = [_benchmark_item(benchmark) for benchmark in benchmarks]
    listing = (
        tag("ul", *items, class_="catalogue") if items else tag("p", "No benchmarks here yet.")
    )
    more = None
    if next_cursor:
        kept = f"status={status.value}&" if status else ""
        more = tag("p", tag("a", "More benchmarks", href=f"/?{kept}cursor={next_cursor}"))
    return document(
        title="Benchmarks", main=(tag("h1", "Benchmarks"), form, listing, more), path="/"
    )


def _benchmark_item(benchmark: Benchmark) -> Markup:
    version = benchmark.version
    return tag(
        "li",
        tag("h2", tag("a", version.title, href=f"/benchmarks/{benchmark.slug}/leaderboard")),
        tag("p", version.description),
        tag(
            "p",
            f"{benchmark.category}, {benchmark.status}, version {version.number}",
            class_="note",
        ),
    )


def leaderboard(board: Leaderboard) -> Markup:
    """Return a board: who may be where, as a picture and as a table."""
    path = f"/benchmarks/{board.benchmark}/leaderboard"
    links = [
        tag(
            "a",
            words,
            href=path if name == "accepted" else f"{path}?board={name}",
            aria_current="true" if board.board.name == name else None,
        )
        for name, words in _BOARDS.items()
    ]
    intro = tag("p", _summary(board), _published(board))
    content: tuple[Markup | None, ...]
    if board.entries:
        scroll = {"class_": "scroll", "role": "region", "aria_label": "Table", "tabindex": "0"}
        content = (
            tag("h2", "Places the uncertainty leaves open"),
            tag("p", _LEGEND, tag("a", "Go to the table", href="#table")),
            _more(board, path),
            interval_chart(board),
            tag("h2", "Table", id="table"),
            tag("div", _table(board), **scroll),
        )
    else:
        content = (tag("p", "No results on this board yet."),)
    heading = tag("h1", f"{board.title} leaderboard")
    nav = tag("nav", *links, aria_label="Boards", class_="boards")
    return document(title=board.title, main=(heading, nav, intro, *content), path=path)


def _more(board: Leaderboard, path: str) -> Markup | None:
    """Say how much of a long board is shown, and lead to more of it."""
    shown = len(board.entries)
    if shown == board.total:
        return None
    query = urlencode({"board": board.board.name, "per": board.per.value, "limit": MAX_LIMIT})
    more = tag("a", "Show more", href=f"{path}?{query}") if shown < MAX_LIMIT else None
    return tag("p", f"The first {shown} of {board.total} are shown. ", more)


def _summary(board: Leaderboard) -> str:
    first = sum(entry.rank == 1 for entry in board.entries)
    metric, percent = board.metric, f"{board.metric.confidence:.0%}"
    sharing = f"{first} of them share the first place. " if first > 1 else ""
    return (
        f"{board.total} models by {metric.name} ({metric.unit or 'no unit'}), version "
        f"{board.version}. {sharing}One model is better than another only when their difference is "
        f"significant at {percent}: unpaired, not adjusted for the number of comparisons. "
        f"A model's best place is 1 plus the models significantly better than it."
    )


def _published(board: Leaderboard) -> Markup | None:
    if board.published_at is None:
        return None
    return tag("span", f" Revision {board.revision}, ", _time(board.published_at), ".")


def _table(board: Leaderboard) -> Markup:
    unit = f" ({board.metric.unit})" if board.metric.unit else ""
    percent = f"{board.metric.confidence:.0%}"
    titles = ("Place", "Model", f"Score{unit}", f"{percent} interval", "Items", "State", "Attempts")
    head = tag("tr", *(tag("th", title, scope="col") for title in titles))
    caption = tag("caption", f"{board.title}, {_BOARDS.get(board.board.name, board.board.name)}")
    rows = [_table_row(entry) for entry in board.entries]
    return tag("table", caption, tag("thead", head), tag("tbody", *rows))


def _table_row(entry: LeaderboardEntry) -> Markup:
    interval = f"{entry.ci_low:.2f} to {entry.ci_high:.2f}"
    return tag(
        "tr",
        tag("td", _places(entry)),
        tag("th", tag("a", entry.model, href=f"/submissions/{entry.submission}"), scope="row"),
        tag("td", f"{entry.score:.2f}"),
        tag("td", interval if entry.uncertain else "no uncertainty given"),
        tag("td", "" if entry.n is None else str(entry.n)),
        tag("td", entry.state),
        tag("td", str(entry.attempts)),
    )


def _places(entry: LeaderboardEntry) -> str:
    if entry.rank == entry.rank_high:
        return str(entry.rank)
    return f"{entry.rank}–{entry.rank_high}"


def submission(shown: Submission, history: Sequence[SubmissionEvent]) -> Markup:
    """Return one result: its numbers, what contradicts itself in it, and its history."""
    board = f"/benchmarks/{shown.benchmark_slug}/leaderboard"
    facts: list[tuple[str, object]] = [
        ("Benchmark", tag("a", shown.benchmark_slug, href=board)),
        ("State", shown.state.value),
        ("Score", f"{shown.score:.4f}"),
    ]
    if shown.standard_error is not None:
        facts.append(("Standard error", f"{shown.standard_error:.4f}"))
    if shown.n is not None:
        facts.append(("Items", str(shown.n)))
    if shown.counts is not None:
        counts = shown.counts
        words = f"{counts.wins} wins, {counts.losses} losses, {counts.draws} draws"
        facts.append(("Counts", words))
    facts.append(("Source mode", shown.source_mode or "not given"))
    facts.append(("Artifact", tag("code", f"sha256:{shown.artifact_sha256}")))
    facts.append(("Submitted", _time(shown.created_at)))
    pairs = [tag("div", tag("dt", name), tag("dd", value)) for name, value in facts]
    found = [tag("li", text) for text in shown.findings]
    findings = (
        tag("ul", *found) if found else tag("p", "Nothing in this result contradicts itself.")
    )
    steps = [tag("li", _time(event.at), f" {event.kind}") for event in history]
    main = (
        tag("h1", f"Result of {shown.model}"),
        tag("dl", *pairs),
        tag("h2", "Findings"),
        findings,
        tag("h2", "History"),
        tag("ol", *steps),
    )
    return document(title=f"Result of {shown.model}", main=main, path="")


def failure(status: int, title: str, detail: str | None) -> Markup:
    """Return the page that says why there is no other."""
    text = detail or "The service could not answer. Please try again later."
    main = (
        tag("h1", title),
        tag("p", text),
        tag("p", tag("a", "To the benchmarks", href="/")),
    )
    return document(title=f"{status} {title}", main=main, path="")


def _time(moment: datetime) -> Markup:
    text = moment.strftime("%Y-%m-%d %H:%M UTC")
    return tag("time", text, datetime=moment.strftime("%Y-%m-%dT%H:%M:%SZ"))
