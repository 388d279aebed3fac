"""Authentication tags, and blind indexes: looking up a value that is stored only encrypted."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, ClassVar

import attrs

from infra_crypto._bytes import KeyHolder, as_bytes
from infra_crypto._sources import Primitive, enabled
from infra_crypto.algorithms import Alg, Purpose
from infra_crypto.errors import BadArgument, InvalidKey, SignatureInvalid
from infra_errors import Secret

if TYPE_CHECKING:
    from infra_crypto._bytes import Buffer
    from infra_crypto._material import KeyRecord
    from infra_crypto.keyset import Keyset, KeysSource

__all__ = ["BlindIndex", "Mac", "blind_index"]


@attrs.frozen(slots=True)
class _Keys(KeyHolder):
    """The enabled keys by prefix, the primary's prefix."""

    primary: bytes
    records: dict[bytes, KeyRecord] = attrs.field(repr=False)


class _Hmac(Primitive[_Keys]):
    __slots__ = ()
    _purpose: ClassVar = Purpose.MAC

    def _build(self, keyset: Keyset) -> _Keys:
        records = enabled(keyset)
        return _Keys(next(iter(records)), records)


class Mac(_Hmac):
    """
    HMAC-SHA-256 or HMAC-SHA-512 tags: `01 | key id | tag`, the tag at full length.

    Arguments: `keys` of HMAC_SHA256 or HMAC_SHA512; a raw key of 32 bytes is HMAC_SHA256.
    """

    __slots__ = ()

    def compute(self, data: Buffer) -> bytes:
        """Return the tag of bytes under the primary key."""
        keys = self._table()
        return keys.primary + _tag(keys.records[keys.primary], as_bytes(data, "data"))

    def verify(self, data: Buffer, tag: Buffer) -> None:
        """Return when the tag is of these bytes, else raise SignatureInvalid."""
        data, tag = as_bytes(data, "data"), as_bytes(tag, "a tag")
        record = self._table().records.get(tag[:5])
        if record is None or not _holds(record, data, tag[5:]):
            raise SignatureInvalid


def _tag(record: KeyRecord, data: bytes) -> bytes:
    assert record.secret is not None
    name = "sha512" if record.alg is Alg.HMAC_SHA512 else "sha256"
    return hmac.digest(record.secret, data, name)


def _holds(record: KeyRecord, data: bytes, tag: bytes) -> bool:
    # a frame of its own: the right tag must not stand in the traceback of a refusal
    return hmac.compare_digest(_tag(record, data), tag)


class BlindIndex(_Hmac):
    """
    Blind indexes under keys that rotate: `0a1b2c3d:` (the key's id) and 64 hex digits.

    Arguments: `keys` as for `Mac`; `context` keeps the indexes of two columns apart.
    """

    __slots__ = ("_context",)
    _context: str

    def __init__(self, keys: KeysSource, *, context: str) -> None:
        try:
            super().__init__(keys)
        finally:
            del keys
        if not isinstance(context, str):
            msg = f"a context is a text such as 'users.phone', not {type(context).__name__}"
            raise BadArgument(msg)
        self._context = context

    def compute(self, value: str | bytes) -> str:
        """Return the index to store for a value, under the primary key."""
        return self.candidates(value)[0]

    def candidates(self, value: str | bytes) -> tuple[str, ...]:
        """Return what may be stored for a value: one index for each enabled key, primary first."""
        message = _message(value, self._context)
        return tuple(
            f"{prefix[1:].hex()}:{hmac.digest(record.secret or b'', message, 'sha256').hex()}"
            for prefix, record in self._table().records.items()
        )


def blind_index(
    key: bytes | str | Secret[bytes] | Secret[str], value: str | bytes, *, context: str = ""
) -> str:
    """
    Return 64 hex digits that stand for a value in a lookup, and say nothing of it without the key.

    HMAC-SHA-256 of the context's length (4 bytes, big-endian), the context and the value. A plain
    hash of a phone number or code is found by trying them all; this is not, as long as the key is
    secret.

    Arguments: `key` of 16 bytes or more, a str as its UTF-8 bytes; `value` bytes, or a str as its
    UTF-8 bytes, never normalised here; `context` keeps two columns apart. Raises InvalidKey.
    """
    secret = key.reveal() if isinstance(key, Secret) else key
    raw = secret.encode() if isinstance(secret, str) else as_bytes(secret, "a key")
    del key, secret
    if len(raw) < 16:
        size = len(raw)
        del raw
        msg = f"a key of a blind index: {size} bytes, need 16 or more"
        raise InvalidKey(msg)
    return hmac.digest(raw, _message(value, context), "sha256").hex()


def _message(value: str | bytes, context: str) -> bytes:
    name = context.encode()
    data = value.encode() if isinstance(value, str) else as_bytes(value, "a value")
    return len(name).to_bytes(4) + name + data
