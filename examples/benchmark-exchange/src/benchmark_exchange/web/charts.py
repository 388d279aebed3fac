"""The chart of a board: one bar a row, from rank to rank_high, with a mark at rank."""

from __future__ import annotations

from benchmark_exchange.domain.leaderboard import Leaderboard, LeaderboardEntry
from benchmark_exchange.web.html import Markup, join, tag

__all__ = ["interval_chart"]

_ROW = 28
_TOP = 22
_SHAPES = {"verified": "v", "checked": "c", "disputed": "d"}


def interval_chart(board: Leaderboard) -> Markup:
    """
    Return the chart as SVG.

    Places are percentages of the width, so that it fits 360 pixels and a wide screen alike while
    its text keeps its size. A state has a shape and its word. The table on the page is its text
    form.
    """
    size = max(board.total, 2)
    rows = [_row(entry, index, size) for index, entry in enumerate(board.entries)]
    height = _TOP + _ROW * len(board.entries) + 6
    return tag(
        "svg",
        tag("title", f"Rank intervals of {board.title}"),
        tag(
            "desc", f"One bar a model, from its best to its worst possible place of {board.total}."
        ),
        _shapes(),
        _axis(size, height),
        rows,
        role="img",
        class_="chart",
        width="100%",
        height=height,
        xmlns="http://www.w3.org/2000/svg",
    )


def _shapes() -> Markup:
    return tag(
        "defs",
        _closed("circle", id="v", r="5"),
        _closed("rect", id="c", x="-4", y="-4", width="8", height="8"),
        _closed("path", id="d", d="M0-6 6 0 0 6-6 0z"),
    )


def _axis(size: int, height: int) -> Markup:
    """Four lines with their places; the outer labels stay inside the picture."""
    marks = []
    for step in range(4):
        place = 1 + round(step * (size - 1) / 3)
        x = _x(place, size)
        anchor = {0: "start", 3: "end"}.get(step, "middle")
        line = {"x": x, "y": _TOP - 4, "width": "1", "height": height}
        marks.append(_closed("rect", class_="grid", **line))
        marks.append(tag("text", str(place), class_="axis", x=x, y="12", text_anchor=anchor))
    return join(marks)


def _row(entry: LeaderboardEntry, index: int, size: int) -> Markup:
    top = _TOP + _ROW * index
    low, high = _percent(entry.rank, size), _percent(entry.rank_high, size)
    places = f"{entry.rank}–{entry.rank_high}" if entry.rank != entry.rank_high else str(entry.rank)
    name = entry.model if len(entry.model) <= 36 else f"{entry.model[:35]}…"
    label = (_isolated(name), " ", tag("tspan", f"{places}, {entry.state}"))
    shape = _SHAPES[entry.state]
    return join(
        (
            tag("text", *label, x="0", y=top + 12),
            _closed(
                "rect",
                class_=f"bar {shape}",
                x=f"{low:.1f}%",
                y=top + 17,
                width=f"{max(high - low, 0.4):.1f}%",
                height="5",
            ),
            _closed("use", href=f"#{shape}", class_=shape, x=f"{low:.1f}%", y=f"{top + 19.5}"),
        )
    )


def _isolated(name: str) -> str:
    """Keep a name that runs from right to left from turning what follows it around (UAX 9)."""
    return name if name.isascii() else f"\u2068{name}\u2069"


def _closed(name: str, /, **attributes: object) -> Markup:
    """An element of SVG without children: it must be closed, unlike a void element of HTML."""
    return Markup(f"{tag(name, **attributes)[:-1]}/>")


def _percent(place: int, size: int) -> float:
    return 2 + 96 * (place - 1) / (size - 1)


def _x(place: int, size: int) -> str:
    return f"{_percent(place, size):.1f}%"
