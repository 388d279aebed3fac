"""Structured field values for HTTP, RFC 9651: headers that parse the same everywhere.

>>> from infra_http import fields
>>> fields.parse('"fast";q=0.5, slow', "list")
[Item(value='fast', params={'q': Decimal('0.5')}), Item(value=Token('slow'), params={})]
>>> fields.serialize({"u": 3, "i": True})
'u=3, i'
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Literal, TypeAlias, overload

from attrs import Factory, frozen

from infra_http.errors import HttpInputError

__all__ = [
    "BareItem",
    "Date",
    "DisplayString",
    "InnerList",
    "Item",
    "Token",
    "parse",
    "serialize",
]


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


_LIMIT = 999_999_999_999_999
_KEY = re.compile(r"[a-z*][a-z0-9_.*-]*")
_TOKEN = re.compile(r"[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*")
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]*)?")
_STRING = re.compile(r'"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_BINARY = re.compile(r":([A-Za-z0-9+/]*)(=*):")
_DISPLAY = re.compile(r'%"((?:[\x20-\x21\x23-\x24\x26-\x7e]|%[0-9a-f]{2})*)"')


@overload
def parse(text: str | bytes | Sequence[str], kind: Literal["item"]) -> Item: ...
@overload
def parse(text: str | bytes | Sequence[str], kind: Literal["list"]) -> list[Item | InnerList]: ...
@overload
def parse(
    text: str | bytes | Sequence[str], kind: Literal["dictionary"]
) -> dict[str, Item | InnerList]: ...
def parse(
    text: str | bytes | Sequence[str], kind: Literal["item", "list", "dictionary"]
) -> Item | list[Item | InnerList] | dict[str, Item | InnerList]:
    """Return what a field says.

    Args:
        text: the field's value; of a field with several lines, the values of all in order.
        kind: what the field is defined as.

    Raises:
        HttpInputError: it is not well-formed, and must be ignored in whole.
    """
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    joined = text if isinstance(text, str) else ", ".join(text)
    if not joined.isascii():
        raise _malformed("it has a character that is not ASCII")
    reader = _Reader(joined)
    reader.skip(" ")
    value: Item | list[Item | InnerList] | dict[str, Item | InnerList]
    if kind == "item":
        value = reader.item()
    elif kind == "list":
        value = reader.members()
    elif kind == "dictionary":
        value = reader.dictionary()
    else:
        message = "the kind of a structured field is item, list or dictionary"
        raise HttpInputError(message)
    reader.skip(" ")
    if reader.at < len(joined):
        raise _malformed(f"something follows its end at character {reader.at}")
    return value


class _Reader:
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
            raise _malformed(f"there is no {what} at character {self.at}")
        self.at = match.end()
        return match

    def another(self) -> bool:
        """Whether a further member follows; a comma promises one."""
        self.skip(" \t")
        if self.at == len(self.text):
            return False
        if not self.took(","):
            raise _malformed(f"there is no comma at character {self.at}")
        self.skip(" \t")
        if self.at == len(self.text):
            raise _malformed("it ends with a comma")
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
            key = self.take(_KEY, "key")[0]
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
                raise _malformed(f"an inner list is not closed at character {self.at}")

    def item(self) -> Item:
        return Item(self.bare(), self.params())

    def params(self) -> dict[str, BareItem]:
        found: dict[str, BareItem] = {}
        while self.took(";"):
            self.skip(" ")
            key = self.take(_KEY, "key")[0]
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
                raise _malformed("a date is whole seconds")
            return Date(seconds)
        if first == "%":
            return _from_display(self.take(_DISPLAY, "display string")[1])
        if first == "-" or first.isdigit():
            return self.number()
        return Token(self.take(_TOKEN, "value")[0])

    def number(self) -> int | Decimal:
        text = self.take(_NUMBER, "number")[0]
        whole, point, fraction = text.lstrip("-").partition(".")
        if not point:
            if len(whole) > 15:
                raise _malformed("an integer has more than 15 digits")
            return int(text)
        if len(whole) > 12 or not 1 <= len(fraction) <= 3:
            raise _malformed("a decimal has at most 12 digits, a point, and 1 to 3 more")
        return Decimal(text)


def _from_base64(match: re.Match[str]) -> bytes:
    digits = match[1]
    # RFC 9651 4.2.7: missing padding, and bits in it, are no reason to fail; other padding is.
    if len(match[2]) > 2 or (match[2] and (len(digits) + len(match[2])) % 4):
        raise _malformed("a byte sequence has wrong padding")
    try:
        return base64.b64decode(digits + "=" * (-len(digits) % 4))
    except binascii.Error as error:
        message = "a byte sequence is no base64"
        raise _malformed(message) from error


def _from_display(text: str) -> DisplayString:
    raw = re.sub(r"%(..)", lambda match: chr(int(match[1], 16)), text).encode("latin-1")
    try:
        return DisplayString(raw.decode())
    except UnicodeDecodeError as error:
        message = "a display string is not UTF-8"
        raise _malformed(message) from error


# ---- the way back, section 4.1 -------------------------------------------------------------------

_Member: TypeAlias = "Item | InnerList | BareItem | float | Sequence[Item | BareItem | float]"


def serialize(value: Item | BareItem | float | Sequence[_Member] | Mapping[str, _Member]) -> str:
    """Return the text of a field: of an item, of a list, or of a dictionary.

    A bare value stands for an item without parameters, a list within one for an inner list. An
    empty list or dictionary gives "": such a field is not sent at all.

    Raises:
        HttpInputError: a value that a field cannot carry.
    """
    if isinstance(value, Mapping):
        return ", ".join(_entry(key, member) for key, member in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return ", ".join(_member(member) for member in value)
    if isinstance(value, InnerList):
        raise _unsendable("an inner list is a member of a list or of a dictionary")
    return _item(value)


def _entry(key: str, member: _Member) -> str:
    if member is True:
        return _key(key)
    if isinstance(member, Item) and member.value is True:
        return _key(key) + _params(member.params)
    return f"{_key(key)}={_member(member)}"


def _member(member: _Member) -> str:
    if isinstance(member, Sequence) and not isinstance(member, str | bytes):
        member = InnerList(member)  # type: ignore[arg-type]  # bare values are wrapped below
    if isinstance(member, InnerList):
        inner = " ".join(_item(item) for item in member.items)
        return f"({inner}){_params(member.params)}"
    return _item(member)


def _item(item: Item | BareItem | float) -> str:
    if isinstance(item, Item):
        return _bare(item.value) + _params(item.params)
    return _bare(item)


def _params(params: Mapping[str, BareItem]) -> str:
    return "".join(
        f";{_key(key)}" if value is True else f";{_key(key)}={_bare(value)}"
        for key, value in params.items()
    )


def _key(key: object) -> str:
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise _unsendable(
            "a key is of small letters, digits and _-.*, beginning with a letter or *"
        )
    return key


def _bare(value: object) -> str:
    if isinstance(value, bool):
        return f"?{value:d}"
    if isinstance(value, Token):
        if not _TOKEN.fullmatch(value):
            raise _unsendable("a token has a character that it may not have")
        return str(value)
    if isinstance(value, DisplayString):
        return f'%"{_escaped(value)}"'
    if isinstance(value, str):
        if not value.isascii() or not (value.isprintable() or value == ""):
            raise _unsendable("a string is of printable ASCII: use DisplayString or bytes")
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, int):
        if abs(value) > _LIMIT:
            raise _unsendable("an integer has at most 15 digits")
        return f"@{int(value)}" if isinstance(value, Date) else str(value)
    if isinstance(value, Decimal | float):
        return _decimal(Decimal(str(value)))
    if isinstance(value, bytes):
        return f":{base64.b64encode(value).decode()}:"
    raise _unsendable(f"a field has no way to write a {type(value).__name__}")


def _escaped(text: str) -> str:
    try:
        raw = text.encode()
    except UnicodeEncodeError as error:
        message = "a display string has half of a surrogate pair"
        raise _unsendable(message) from error
    return "".join(
        chr(byte) if 0x20 <= byte <= 0x7E and byte not in b'%"' else f"%{byte:02x}" for byte in raw
    )


def _decimal(value: Decimal) -> str:
    if not value.is_finite():
        raise _unsendable("a decimal is a finite number")
    if abs(value) >= 10**13:  # before rounding: of a number much larger that would fail
        raise _unsendable("a decimal has at most 12 digits before the point")
    rounded = value.quantize(Decimal("0.001"), rounding=ROUND_HALF_EVEN)
    if abs(rounded) >= 10**12:
        raise _unsendable("a decimal has at most 12 digits before the point")
    whole, _, fraction = f"{rounded:f}".partition(".")
    return f"{whole}.{fraction.rstrip('0') or '0'}"


def _malformed(message: str) -> HttpInputError:
    return HttpInputError(f"the structured field is malformed: {message}")


def _unsendable(message: str) -> HttpInputError:
    return HttpInputError(f"the structured field cannot be written: {message}")
