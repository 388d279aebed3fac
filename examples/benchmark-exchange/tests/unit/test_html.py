"""The builder escapes what it is given, whatever that is."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from benchmark_exchange.web.html import Markup, join, tag


def test_text_is_escaped_and_markup_is_not():
    assert "<p>1 &lt; 2 &amp; 3</p>" == tag("p", "1 < 2 & 3")
    assert "<p><b>x</b></p>" == tag("p", Markup("<b>x</b>"))


def test_attributes_are_escaped_and_named_as_in_html():
    made = tag("a", "x", href='"><script>', aria_label="l", class_="c", hidden=True, title=None)
    assert '<a href="&quot;&gt;&lt;script&gt;" aria-label="l" class="c" hidden>x</a>' == made


def test_void_elements_are_not_closed():
    assert "<br>" == tag("br")


def test_nothing_is_left_out_and_lists_are_joined():
    assert "a1&lt;" == join(["a", None, [1, ("<",)]])


class Collector(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


@given(st.text(), st.text())
def test_no_text_can_add_a_tag_or_an_attribute(child: str, value: str):
    collector = Collector()
    collector.feed(tag("p", child, title=value))
    collector.close()
    assert ["p"] == collector.tags
    assert ["title"] == [name for name, _ in collector.attributes]
