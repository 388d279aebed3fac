"""Authenticated encryption with keys that rotate: `Aead`, and `DeterministicAead` for lookups."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from infra_crypto._bytes import KeyHolder, as_bytes
from infra_crypto._ciphers import Gcm, Siv, Xaes, closed
from infra_crypto._sources import Primitive, enabled
from infra_crypto.algorithms import Alg, Purpose
from infra_crypto.errors import DecryptFailed, MessageTooLarge

if TYPE_CHECKING:
    from infra_crypto._bytes import Buffer
    from infra_crypto.keyset import Keyset

__all__ = ["LARGEST", "Aead", "DeterministicAead"]

LARGEST = 2**31 - 1 - 64
_CIPHERS: dict[Alg, type[Xaes | Gcm | Siv]] = {
    Alg.XAES_256_GCM: Xaes,
    Alg.AES_256_GCM: Gcm,
    Alg.AES_256_SIV: Siv,
}


@attrs.frozen(slots=True)
class _Ciphers(KeyHolder):
    """The ciphers of the enabled keys by prefix, the primary's, and what opening may raise."""

    prefix: bytes
    primary: Xaes | Gcm | Siv
    by_prefix: dict[bytes, Xaes | Gcm | Siv] = attrs.field(repr=False)
    closed: tuple[type[Exception], ...]


class _Sealer(Primitive[_Ciphers]):
    """What both kinds share; sealed bytes are `01 | key id | body`."""

    __slots__ = ()

    def seal(self, plaintext: Buffer, *, aad: Buffer) -> bytes:
        """
        Return the plaintext encrypted under the primary key, bound to `aad`.

        Arguments: `aad` (associated data) is not stored: the same must be given to open. It names
        what the ciphertext belongs to (`b"user:17/email"`), so that it cannot be moved elsewhere;
        `b""` binds it to nothing. Raises MessageTooLarge above 2^31-65 bytes, BytesRequired.
        """
        if type(plaintext) is not bytes:
            plaintext = as_bytes(plaintext, "a plaintext")
        if type(aad) is not bytes:
            aad = as_bytes(aad, "aad")
        table = self._fixed or self._table()
        if len(plaintext) > LARGEST:
            msg = f"one call seals {LARGEST} bytes at most, not {len(plaintext)}: encrypt_stream"
            raise MessageTooLarge(msg)
        return table.primary.seal(table.prefix, plaintext, aad)

    def open(self, blob: Buffer, *, aad: Buffer) -> bytes:
        """
        Return the plaintext of what `seal` returned, under the key that it names.

        Raises DecryptFailed, always the same, whatever stands in the way: another key, a disabled
        one, other `aad`, a changed, shortened or foreign blob.
        """
        if type(blob) is not bytes:
            blob = as_bytes(blob, "a sealed blob")
        if type(aad) is not bytes:
            aad = as_bytes(aad, "aad")
        table = self._fixed or self._table()
        cipher = table.by_prefix.get(blob[:5])
        if cipher is not None:
            try:
                return cipher.open(blob, aad)
            except table.closed:
                pass
        # out of the handler: the error has no context that could tell the reasons apart
        raise DecryptFailed

    def reseal(self, blob: Buffer, *, aad: Buffer) -> bytes:
        """Return it sealed anew under the primary key; DecryptFailed where it does not open."""
        return self.seal(self.open(blob, aad=aad), aad=aad)

    def needs_reseal(self, blob: Buffer) -> bool:
        """Return whether another key than the primary sealed it; nothing is opened."""
        return as_bytes(blob, "a sealed blob")[:5] != self._table().prefix

    def _build(self, keyset: Keyset) -> _Ciphers:
        by_prefix = {
            prefix: _CIPHERS[record.alg](record.secret or b"")
            for prefix, record in enabled(keyset).items()
        }
        prefix, primary = next(iter(by_prefix.items()))
        return _Ciphers(prefix, primary, by_prefix, closed())


class Aead(_Sealer):
    """
    Authenticated encryption with associated data, under keys that rotate.

    XAES-256-GCM takes 2^80 messages a key. AES-256-GCM takes 2^32: rotate before.

    Arguments: `keys` of XAES_256_GCM or AES_256_GCM: a keyset, a raw key of 32 bytes (sealed with
    XAES-256-GCM, both are opened), its text form, or a callable that gives a keyset and is asked on
    each call. Raises InvalidKey, KeysetInvalid. Safe to share between threads.
    """

    __slots__ = ()
    _purpose: ClassVar = Purpose.AEAD


class DeterministicAead(_Sealer):
    """
    Encryption that gives equal bytes for equal plaintext and `aad` (AES-SIV, RFC 5297).

    For unique columns and joins over encrypted values: whoever reads the database sees which rows
    are equal. Everywhere else use `Aead`.

    Arguments: `keys` of AES_256_SIV, 64 bytes where raw. Raises InvalidKey, KeysetInvalid.
    """

    __slots__ = ()
    _purpose: ClassVar = Purpose.DETERMINISTIC
