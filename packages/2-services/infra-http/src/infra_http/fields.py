"""Structured field values for HTTP, RFC 9651: headers that parse the same everywhere.

>>> from infra_http import fields
>>> fields.parse('"fast";q=0.5, slow', "list")
[Item(value='fast', params={'q': Decimal('0.5')}), Item(value=Token('slow'), params={})]
>>> fields.serialize({"u": 3, "i": True})
'u=3, i'
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Literal, TypeAlias, overload

from infra_http._fields import (
    KEY,
    TOKEN,
    BareItem,
    Date,
    DisplayString,
    InnerList,
    Item,
    Reader,
    Token,
    malformed,
)
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


_LIMIT = 999_999_999_999_999


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
        raise malformed("it has a character that is not ASCII")
    reader = Reader(joined)
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
        raise malformed(f"something follows its end at character {reader.at}")
    return value


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
    if not isinstance(key, str) or not KEY.fullmatch(key):
        raise _unsendable(
            "a key is of small letters, digits and _-.*, beginning with a letter or *"
        )
    return key


def _bare(value: object) -> str:
    if isinstance(value, bool):
        return f"?{value:d}"
    if isinstance(value, Token):
        if not TOKEN.fullmatch(value):
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


def _unsendable(message: str) -> HttpInputError:
    return HttpInputError(f"the structured field cannot be written: {message}")
