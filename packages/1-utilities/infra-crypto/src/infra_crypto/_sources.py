"""Where a primitive's keys come from, and the table it keeps for them until they change."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from infra_crypto._bytes import KeyHolder, as_bytes, from_base64url
from infra_crypto._keyset_json import PREFIX
from infra_crypto._material import KeyRecord, check_secret, derived_id
from infra_crypto.algorithms import Alg, KeyStatus, Purpose
from infra_crypto.errors import InvalidKey, KeysetInvalid
from infra_crypto.keyset import Keyset, records_of, tables_of
from infra_errors import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra_crypto.keyset import KeysSource

__all__ = ["VERSION", "Primitive", "enabled", "keyset_of", "prefix_of"]

VERSION = b"\x01"
Table = TypeVar("Table")

# what a raw key is for: the first makes, all of them open
_RAW = {
    Purpose.AEAD: (Alg.XAES_256_GCM, Alg.AES_256_GCM),
    Purpose.DETERMINISTIC: (Alg.AES_256_SIV,),
    Purpose.STREAM: (Alg.CHUNKED_AES_256_GCM,),
    Purpose.MAC: (Alg.HMAC_SHA256,),
    Purpose.SIGNATURE: (Alg.ED25519,),
    Purpose.JWT: (Alg.JWT_HS256,),
}


def prefix_of(key_id: int) -> bytes:
    """What every sealed thing starts with: the format's version and the key's id."""
    return VERSION + key_id.to_bytes(4)


def keyset_of(
    keys: bytes | str | Secret[bytes] | Secret[str] | Keyset,
    purpose: Purpose,
    *,
    first: Alg | None = None,
) -> Keyset:
    """
    Return the keyset of a purpose that a key, its text form or a keyset is.

    `first` chooses among a raw key's algorithms. Raises InvalidKey for a key of the wrong length or
    form, KeysetInvalid for a keyset of another purpose.
    """
    value = keys.reveal() if isinstance(keys, Secret) else keys
    del keys
    if isinstance(value, str) and value.startswith(PREFIX):
        text, value = Secret(value), b""
        value = Keyset.parse(text)
    if isinstance(value, Keyset):
        if value.purpose is not purpose:
            msg = f"this keyset is for {value.purpose.value}, and {purpose.value} is asked for"
            raise KeysetInvalid(msg)
        return value
    try:
        raw = _raw(value, purpose)
    finally:
        del value
    algs = _RAW[purpose] if first is None else (first, *(a for a in _RAW[purpose] if a != first))
    records = tuple(
        KeyRecord(derived_id(alg, raw), alg, KeyStatus.ENABLED, 0, secret=raw) for alg in algs
    )
    return Keyset(records, records[0].key_id)


def _raw(value: bytes | str, purpose: Purpose) -> bytes:
    raw = from_base64url(value) if isinstance(value, str) else as_bytes(value, "a key")
    del value
    size = None if raw is None else len(raw)
    wanted = 64 if purpose is Purpose.DETERMINISTIC else 32
    if raw is not None and size == wanted:
        check_secret(_RAW[purpose][0], raw)
        return raw
    del raw
    found = "a text that is no base64url" if size is None else f"{size} bytes"
    msg = f"a key for {purpose.value} is {found}, need {wanted}, as bytes or in base64url"
    raise InvalidKey(msg)


class Primitive(KeyHolder, Generic[Table]):
    """
    What all that works with keys shares: a source, and a table built once for each keyset.

    A subclass says its `_purpose` and how to `_build` a table. A callable source is asked once a
    call; the table is built anew when it gives another object. The pair of keyset and table is
    replaced as one, so that threads never see a half of each.
    """

    __slots__ = ("_ask", "_built", "_fixed")
    _purpose: ClassVar[Purpose]
    _ask: Callable[[], Keyset] | None
    _built: tuple[Keyset, Table] | None
    _fixed: Table | None

    def __init__(self, keys: KeysSource, *, first: Alg | None = None) -> None:
        self._ask = self._built = self._fixed = None
        if callable(keys):
            self._ask = keys
            return
        try:
            keyset = keyset_of(keys, self._purpose, first=first)
        finally:
            del keys  # a traceback shows the locals of its frames
        self._fixed = self._table_of(keyset)
        self._built = keyset, self._fixed

    def _build(self, keyset: Keyset) -> Table:
        raise AssertionError  # each subclass has its own

    def _table_of(self, keyset: Keyset) -> Table:
        tables: dict[type, Table] = tables_of(keyset)
        table = tables.get(type(self))
        if table is None:
            table = tables[type(self)] = self._build(keyset)
        return table

    def _table(self) -> Table:
        """Return the table of the keyset that the source gives now."""
        if self._ask is None:
            assert self._fixed is not None
            return self._fixed
        keyset = self._ask()
        built = self._built
        if built is not None and built[0] is keyset:
            return built[1]
        if not isinstance(keyset, Keyset):
            msg = f"a source of keys gives a Keyset, not {type(keyset).__name__}"
            raise KeysetInvalid(msg)
        table = self._table_of(keyset_of(keyset, self._purpose))
        self._built = keyset, table
        return table

    def __repr__(self) -> str:
        shown = "a callable" if self._built is None else repr(self._built[0])
        return f"<{type(self).__name__} of {shown}>"


def enabled(keyset: Keyset) -> dict[bytes, KeyRecord]:
    """Return the enabled keys by their prefix, the primary first."""
    primary = keyset.primary.key_id
    records = sorted(records_of(keyset), key=lambda record: record.key_id != primary)
    return {prefix_of(r.key_id): r for r in records if r.status is KeyStatus.ENABLED}
