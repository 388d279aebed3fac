"""Reading ids that come from outside: strictly, and told by name what is wrong with them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from infra_id import _base32
from infra_id.errors import BadIdOption, InvalidId
from infra_id.nanoids import URL_SAFE, check_alphabet, check_size
from infra_id.snowflakes import EPOCH_2020, Layout, number_of
from infra_id.typed import is_prefix
from infra_id.ulids import as_ulid

if TYPE_CHECKING:
    from ulid import ULID

__all__ = ["IdKind", "ParsedId", "is_valid", "parse"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = 253_402_300_799_999  # the year 9999, where datetime ends


class IdKind(StrEnum):
    """What an id can be."""

    UUID = "uuid"
    UUID4 = "uuid4"
    UUID7 = "uuid7"
    ULID = "ulid"
    NANOID = "nanoid"
    SNOWFLAKE = "snowflake"
    TYPEID = "typeid"


_KINDS: dict[object, IdKind] = {kind: kind for kind in IdKind}  # also found by its text


class _Parts(NamedTuple):
    kind: IdKind
    text: str
    number: int | None
    timestamp_ms: int | None
    prefix: str | None = None


class ParsedId(_Parts):
    """
    What a text says: a tuple of `kind`, `text`, `number`, `timestamp_ms` and `prefix`.

    `text` is the canonical form; `number` the 128 bits of a UUID, ULID or TypeID, or a Snowflake,
    as an int; `timestamp_ms` Unix milliseconds when it holds a time; `prefix` that of a TypeID.
    What takes time to make is made when it is asked for.
    """

    __slots__ = ()

    @property
    def value(self) -> UUID | ULID | int | str:
        """A UUID, an `ulid.ULID`, a Snowflake's int, or the text of a NanoID or TypeID."""
        if self.number is None or self.kind is IdKind.TYPEID:
            return self.text
        if self.kind is IdKind.SNOWFLAKE:
            return self.number
        return as_ulid(self.number) if self.kind is IdKind.ULID else UUID(int=self.number)

    @property
    def uuid(self) -> UUID | None:
        """The 128 bits as a UUID, None for the kinds that have fewer."""
        if self.number is None or self.kind is IdKind.SNOWFLAKE:
            return None
        return UUID(int=self.number)

    @property
    def timestamp(self) -> datetime | None:
        """When it was made (UTC), None where it does not say or the year is beyond 9999."""
        ms = self.timestamp_ms
        return None if ms is None or ms > _LAST else _EPOCH + timedelta(milliseconds=ms)


def parse(
    kind: IdKind | str,
    text: str,
    *,
    lenient: bool = False,
    epoch: int | datetime = EPOCH_2020,
    bits: tuple[int, int, int] = (41, 10, 12),
    size: int | None = None,
    alphabet: str = URL_SAFE,
) -> ParsedId:
    """
    Return what a text of this kind says.

    Strict: ASCII without white space, UUIDs as 8-4-4-4-12 hexadecimal digits, ULIDs as 26
    Crockford characters in any case. `lenient` also takes UUIDs in braces, as `urn:uuid:` or
    without hyphens, and I, L and O in a ULID as 1, 1 and 0. `epoch` and `bits` are a Snowflake's,
    `size` (any when None) and `alphabet` a NanoID's. Raises InvalidId naming the kind and the
    reason, with at most 64 characters of the text; BadIdOption for an option.
    """
    wanted = _KINDS.get(kind)
    if wanted is None:
        msg = f"{kind!r:.64} is no kind of id; kinds are {', '.join(IdKind)}"
        raise BadIdOption(msg)
    if not isinstance(text, str):
        msg = f"an id is read from text, not from {type(text).__name__}"
        raise InvalidId(msg)
    if wanted is IdKind.ULID:
        return _ulid(text, lenient=lenient)
    if wanted is IdKind.TYPEID:
        return _typeid(text)
    if wanted is IdKind.SNOWFLAKE:
        return _snowflake(text, Layout(epoch, bits))
    if wanted is IdKind.NANOID:
        return _nanoid(text, size, alphabet)
    return _uuid(wanted, text, lenient=lenient)


def is_valid(
    kind: IdKind | str,
    text: str,
    *,
    lenient: bool = False,
    epoch: int | datetime = EPOCH_2020,
    bits: tuple[int, int, int] = (41, 10, 12),
    size: int | None = None,
    alphabet: str = URL_SAFE,
) -> bool:
    """Return whether `parse` would take the text; BadIdOption for an option."""
    try:
        parse(
            *(kind, text),
            lenient=lenient,
            epoch=epoch,
            bits=bits,
            size=size,
            alphabet=alphabet,
        )
    except InvalidId:
        return False
    return True


_CANONICAL = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_OTHER_FORMS = re.compile(
    r"(?:urn:uuid:)?(?P<canonical>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    r"|\{(?P<braced>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\}"
    r"|(?P<plain>[0-9a-f]{32})",
    re.ASCII | re.IGNORECASE,
)


def _uuid(kind: IdKind, text: str, *, lenient: bool) -> ParsedId:
    if lenient and (match := _OTHER_FORMS.fullmatch(text)):
        digits = match["canonical"] or match["braced"] or match["plain"]
    elif _CANONICAL.fullmatch(text):
        digits = text
    else:
        raise _invalid(kind, text, "8-4-4-4-12 hexadecimal digits")
    value = UUID(digits)
    version = value.version  # None for another variant, as of the nil and the max UUID
    wanted = {IdKind.UUID4: 4, IdKind.UUID7: 7}.get(kind)
    if wanted is not None and version != wanted:
        raise _invalid(kind, text, f"version {wanted}, not {version or 'none'}")
    ms = value.int >> 80 if version == 7 else None
    return ParsedId(kind, str(value), value.int, ms)


def _ulid(text: str, *, lenient: bool) -> ParsedId:
    if lenient:
        text = text.translate(_LOOKALIKES)
    number = _base32.decode_any_case(text)
    if number is None:
        reason = "26 Crockford characters, without I, L, O and U, of which the first is 0 to 7"
        raise _invalid(IdKind.ULID, text, reason)
    return ParsedId(IdKind.ULID, text.upper(), number, number >> 80)


_LOOKALIKES = str.maketrans("ILOilo", "110110")


def _typeid(text: str) -> ParsedId:
    prefix, separator, suffix = text.rpartition("_")
    number = _base32.decode(suffix)
    if number is None:
        raise _invalid(IdKind.TYPEID, text, "it ends in 26 lower-case base32 characters")
    if not is_prefix(prefix) or (separator and not prefix):
        raise _invalid(IdKind.TYPEID, text, "a prefix is up to 63 of a-z and inner underscores")
    ms = number >> 80 if UUID(int=number).version == 7 else None
    return ParsedId(IdKind.TYPEID, text, number, ms, prefix)


def _snowflake(text: str, layout: Layout) -> ParsedId:
    value = number_of(text)
    return ParsedId(IdKind.SNOWFLAKE, text, value, layout.unpack(value).timestamp_ms)


def _nanoid(text: str, size: int | None, alphabet: str) -> ParsedId:
    check_alphabet(alphabet)
    if size is not None:
        check_size(size)
        if len(text) != size:
            raise _invalid(IdKind.NANOID, text, f"{size} characters, not {len(text)}")
    if not text or not set(alphabet).issuperset(text):
        raise _invalid(IdKind.NANOID, text, "characters of its alphabet only")
    return ParsedId(IdKind.NANOID, text, None, None)


def _invalid(kind: IdKind, text: str, reason: str) -> InvalidId:
    return InvalidId(f"{text[:64]!a} is no {kind.name}: {reason}", kind=kind.value)
