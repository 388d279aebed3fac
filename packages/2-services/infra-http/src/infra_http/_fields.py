"""The values of structured fields, and how they are read: RFC 9651 sections 3 and 4.2."""

from __future__ import annotations

import base64
import binascii
import re
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias

from attrs import Factory, frozen

from infra_http.errors import HttpInputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["BareItem", "Date", "DisplayString", "InnerList", "Item", "Reader", "Token", "malformed"]


class Token(str):
    """A short text that is written without quotes: `gzip`, `*`, `text/html`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Token({str(self)!r})"


class DisplayString(str):
    """A text of any characters, for people; a plain `str` may have ASCII only."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"DisplayString({str(self)!r})"


class Date(int):
    """Whole seconds since 1970-01-01 UTC, before it negative."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Date({int(self)})"


BareItem: TypeAlias = "bool | int | Decimal | str | bytes | Token | DisplayString | Date"


@frozen
class Item:
    """A value with parameters."""

    value: BareItem
    params: Mapping[str, BareItem] = Factory(dict)


@frozen
class InnerList:
    """Items in parentheses, with parameters of their own."""

    items: Sequence[Item]
    params: Mapping[str, BareItem] = Factory(dict)


KEY = re.compile(r"[a-z*][a-z0-9_.*-]*")
TOKEN = re.compile(r"[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*")
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]*)?")
_STRING = re.compile(r'"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_BINARY = re.compile(r":([A-Za-z0-9+/]*)(=*):")
_DISPLAY = re.compile(r'%"((?:[\x20-\x21\x23-\x24\x26-\x7e]|%[0-9a-f]{2})*)"')


class Reader:
    """The algorithms of RFC 9651 section 4.2, over one text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def skip(self, characters: str) -> None:
        while self.at < len(self.text) and self.text[self.at] in characters:
            self.at += 1

    def took(self, character: str) -> bool:
        found = self.text.startswith(character, self.at)
        self.at += found
        return found

    def take(self, pattern: re.Pattern[str], what: str) -> re.Match[str]:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise malformed(f"there is no {what} at character {self.at}")
        self.at = match.end()
        return match

    def another(self) -> bool:
        """Whether a further member follows; a comma promises one."""
        self.skip(" \t")
        if self.at == len(self.text):
            return False
        if not self.took(","):
            raise malformed(f"there is no comma at character {self.at}")
        self.skip(" \t")
        if self.at == len(self.text):
            raise malformed("it ends with a comma")
        return True

    def members(self) -> list[Item | InnerList]:
        found: list[Item | InnerList] = []
        if self.at < len(self.text):
            found.append(self.member())
            while self.another():
                found.append(self.member())
        return found

    def dictionary(self) -> dict[str, Item | InnerList]:
        found: dict[str, Item | InnerList] = {}
        more = self.at < len(self.text)
        while more:
            key = self.take(KEY, "key")[0]
            found[key] = self.member() if self.took("=") else Item(True, self.params())
            more = self.another()
        return found

    def member(self) -> Item | InnerList:
        if not self.took("("):
            return self.item()
        items: list[Item] = []
        while True:
            self.skip(" ")
            if self.took(")"):
                return InnerList(items, self.params())
            items.append(self.item())
            if self.text[self.at : self.at + 1] not in {" ", ")"}:
                raise malformed(f"an inner list is not closed at character {self.at}")

    def item(self) -> Item:
        return Item(self.bare(), self.params())

    def params(self) -> dict[str, BareItem]:
        found: dict[str, BareItem] = {}
        while self.took(";"):
            self.skip(" ")
            key = self.take(KEY, "key")[0]
            found[key] = self.bare() if self.took("=") else True
        return found

    def bare(self) -> BareItem:
        first = self.text[self.at : self.at + 1]
        if first == '"':
            return re.sub(r"\\(.)", r"\1", self.take(_STRING, "string")[1])
        if first == ":":
            return _from_base64(self.take(_BINARY, "byte sequence"))
        if first == "?":
            return self.take(re.compile(r"\?[01]"), "boolean")[0] == "?1"
        if first == "@":
            self.at += 1
            seconds = self.number()
            if isinstance(seconds, Decimal):
                raise malformed("a date is whole seconds")
            return Date(seconds)
        if first == "%":
            return _from_display(self.take(_DISPLAY, "display string")[1])
        if first == "-" or first.isdigit():
            return self.number()
        return Token(self.take(TOKEN, "value")[0])

    def number(self) -> int | Decimal:
        text = self.take(_NUMBER, "number")[0]
        whole, point, fraction = text.lstrip("-").partition(".")
        if not point:
            if len(whole) > 15:
                raise malformed("an integer has more than 15 digits")
            return int(text)
        if len(whole) > 12 or not 1 <= len(fraction) <= 3:
            raise malformed("a decimal has at most 12 digits, a point, and 1 to 3 more")
        return Decimal(text)


def _from_base64(match: re.Match[str]) -> bytes:
    digits = match[1]
    # RFC 9651 4.2.7: missing padding, and bits in it, are no reason to fail; other padding is.
    if len(match[2]) > 2 or (match[2] and (len(digits) + len(match[2])) % 4):
        raise malformed("a byte sequence has wrong padding")
    try:
        return base64.b64decode(digits + "=" * (-len(digits) % 4))
    except binascii.Error as error:
        message = "a byte sequence is no base64"
        raise malformed(message) from error


def _from_display(text: str) -> DisplayString:
    raw = re.sub(r"%(..)", lambda match: chr(int(match[1], 16)), text).encode("latin-1")
    try:
        return DisplayString(raw.decode())
    except UnicodeDecodeError as error:
        message = "a display string is not UTF-8"
        raise malformed(message) from error


def malformed(message: str) -> HttpInputError:
    """Return the error of a field that is not well-formed."""
    return HttpInputError(f"the structured field is malformed: {message}")
