"""
The ciphers below `Aead`, each for one key: AES-256-GCM, XAES-256-GCM (C2SP) and AES-SIV (RFC 5297).

None shares a cipher context between threads: the AEAD objects of `cryptography` make one for each
call, and XAES takes its AES context out of a list and puts it back after use.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from infra_crypto import _native
from infra_crypto._bytes import KeyHolder

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Gcm", "Siv", "Xaes", "closed"]

# a slice that copies little is faster than a view
_WORTH_A_VIEW = 1 << 16


def closed() -> tuple[type[Exception], ...]:
    """Return what the ciphers raise for bytes that do not open."""
    # ValueError for what is too short, OverflowError for what is too long
    return (_native.load("cryptography.exceptions").InvalidTag, ValueError, OverflowError)


def _aead() -> Any:
    return _native.load("cryptography.hazmat.primitives.ciphers.aead")


class Gcm(KeyHolder):
    """AES-256-GCM with a random nonce of 12 bytes before the ciphertext and its tag of 16."""

    __slots__ = ("decrypt", "encrypt")

    def __init__(self, key: bytes) -> None:
        cipher = _aead().AESGCM(key)
        self.encrypt, self.decrypt = cipher.encrypt, cipher.decrypt

    def seal(self, prefix: bytes, plaintext: bytes, aad: bytes) -> bytes:
        """Return prefix, nonce, ciphertext and tag."""
        nonce = os.urandom(12)
        return prefix + nonce + self.encrypt(nonce, plaintext, aad)  # type: ignore[no-any-return]

    def open(self, blob: bytes, aad: bytes) -> bytes:
        """Return the plaintext of what stands behind a prefix of five bytes."""
        rest = blob[17:] if len(blob) < _WORTH_A_VIEW else memoryview(blob)[17:]
        return self.decrypt(blob[5:17], rest, aad)  # type: ignore[no-any-return]


class Xaes(KeyHolder):
    """XAES-256-GCM: AES-256-GCM with a nonce of 24 bytes, under a key derived from its first 12."""

    __slots__ = ("_contexts", "_gcm", "_mask", "_new")

    def __init__(self, key: bytes) -> None:
        ciphers = _native.load("cryptography.hazmat.primitives.ciphers")
        cipher = ciphers.Cipher(ciphers.algorithms.AES256(key), ciphers.modes.ECB())
        self._new = cipher.encryptor
        self._gcm = _aead().AESGCM
        self._contexts: list[Any] = []
        # CMAC's first subkey (SP 800-38B §6.1) is the same for all messages, and so are the
        # counter and label of both blocks (C2SP XAES-256-GCM): one mask holds them
        block = int.from_bytes(self._new().update(bytes(16)))
        subkey = (block << 1) & ((1 << 128) - 1) ^ (0x87 if block >> 127 else 0)
        first, second = (0x0001_5800 << 96) ^ subkey, (0x0002_5800 << 96) ^ subkey
        self._mask = first << 128 | second

    def cipher(self, nonce: bytes) -> Any:
        """Return AES-256-GCM under the key for the nonce's first 12 bytes."""
        half = int.from_bytes(nonce[:12])
        blocks = ((half << 128 | half) ^ self._mask).to_bytes(32)
        try:
            context = self._contexts.pop()
        except IndexError:
            context = self._new()
        key = context.update(blocks)  # ECB keeps no state from one block to the next
        self._contexts.append(context)
        return self._gcm(key)

    def seal(self, prefix: bytes, plaintext: bytes, aad: bytes) -> bytes:
        """Return prefix, nonce, ciphertext and tag."""
        nonce = os.urandom(24)
        return prefix + nonce + self.cipher(nonce).encrypt(nonce[12:], plaintext, aad)  # type: ignore[no-any-return]

    def open(self, blob: bytes, aad: bytes) -> bytes:
        """Return the plaintext of what stands behind a prefix of five bytes."""
        rest = blob[29:] if len(blob) < _WORTH_A_VIEW else memoryview(blob)[29:]
        return self.cipher(blob[5:17]).decrypt(blob[17:29], rest, aad)  # type: ignore[no-any-return]


class Siv(KeyHolder):
    """AES-SIV with a key of 64 bytes: no nonce, equal inputs give equal bytes."""

    __slots__ = ("_cipher",)

    def __init__(self, key: bytes) -> None:
        self._cipher = _aead().AESSIV(key)

    def encrypt(self, plaintext: bytes, aads: Sequence[bytes]) -> bytes:
        """Return the synthetic IV and the ciphertext."""
        return self._cipher.encrypt(plaintext, list(aads))  # type: ignore[no-any-return]

    def decrypt(self, data: bytes | memoryview, aads: Sequence[bytes]) -> bytes:
        """Return the plaintext."""
        return self._cipher.decrypt(data, list(aads))  # type: ignore[no-any-return]

    def seal(self, prefix: bytes, plaintext: bytes, aad: bytes) -> bytes:
        """Return prefix, synthetic IV and ciphertext."""
        return prefix + self.encrypt(plaintext, (aad,))

    def open(self, blob: bytes, aad: bytes) -> bytes:
        """Return the plaintext of what stands behind a prefix of five bytes."""
        return self.decrypt(blob[5:], (aad,))
