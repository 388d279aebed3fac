"""HTML from Python, escaped by construction: `tag("p", text, class_="note")`."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

__all__ = ["Markup", "document", "join", "tag"]

_VOID = frozenset({"br", "circle", "img", "input", "link", "meta", "path", "rect", "use"})


class Markup(str):
    """Text that is HTML already; any other text is escaped when it becomes part of a tag."""

    __slots__ = ()


def tag(name: str, /, *children: object, **attributes: object) -> Markup:
    """
    Return an element.

    A child that is Markup stands as it is, None is left out, a list or tuple is joined, anything
    else is escaped text. An attribute's trailing underscore falls off, the others become hyphens;
    True gives the bare name, None and False leave it out.
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{join(children)}</{name}>")


def join(children: Iterable[object]) -> Markup:
    """Return children one after the other, each escaped unless it is Markup."""
    return Markup("".join(_child(child) for child in children))


def document(*, title: str, main: Iterable[object], path: str) -> Markup:
    """Return a whole page around its main part; `path` marks the link of the page one is on."""
    home = tag("a", "Benchmark Exchange", href="/", aria_current="page" if path == "/" else None)
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{title} · Benchmark Exchange"),
        tag("link", rel="stylesheet", href="/static/exchange.css"),
    )
    body = tag(
        "body",
        tag("a", "Skip to the content", href="#content", class_="skip"),
        tag("header", tag("nav", home, aria_label="Site")),
        tag("main", *main, id="content", tabindex="-1"),
        tag(
            "footer", tag("p", "Ranks are intervals: places the measured uncertainty leaves open.")
        ),
    )
    return Markup(f"<!doctype html>{tag('html', head, body, lang='en')}")


def _attribute(key: str, value: object) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'


def _child(child: object) -> str:
    if child is None:
        return ""
    if isinstance(child, (list, tuple)):
        return join(child)
    return child if isinstance(child, Markup) else escape(str(child), quote=False)
