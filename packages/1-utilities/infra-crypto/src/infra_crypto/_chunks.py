"""
C2SP chunked encryption, version 1, with SHA-512 and AES-GCM: the cipher of one message.

A message is `salt 24 | commitment 32 | chunks`; each chunk holds 16 KiB of plaintext and a tag of
16 bytes, the last one less than 16 KiB and maybe nothing. So a message that is cut at a chunk's
border has no last chunk, and does not open.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

from infra_crypto import _native
from infra_crypto._bytes import KeyHolder
from infra_crypto.kdf import expand

if TYPE_CHECKING:
    from infra_crypto._bytes import Buffer

__all__ = ["CHUNK", "HEADER", "MOST_CHUNKS", "SALT", "SEALED", "TAG", "Chunks"]

CHUNK, TAG, SALT = 16 * 1024, 16, 24
SEALED = CHUNK + TAG
HEADER = SALT + 32
MOST_CHUNKS = 1 << 38


class Chunks(KeyHolder):
    """
    The cipher of one message: its salt and context, under a key of 16 or 32 uniform bytes.

    `header` is what stands before the chunks.
    """

    __slots__ = ("_base", "_decrypt", "_encrypt", "header")

    def __init__(self, key: bytes, salt: bytes, context: bytes) -> None:
        name = b"AEAD_AES_%d_GCM" % (len(key) * 8)
        info = b"c2sp.org/chunked-encryption@v1+" + name + b"\0" + salt + context
        okm = expand(key, info, len(key) + 12 + 32, "sha512")
        cipher: Any = _native.load("cryptography.hazmat.primitives.ciphers.aead").AESGCM(
            okm[: len(key)]
        )
        self._encrypt, self._decrypt = cipher.encrypt, cipher.decrypt
        self._base = int.from_bytes(okm[len(key) : -32])
        self.header = salt + okm[-32:]

    def is_header(self, header: bytes) -> bool:
        """Return whether a message's header commits to this key and context."""
        return hmac.compare_digest(self.header, header)

    def seal(self, number: int, chunk: Buffer) -> bytes:
        """Return the chunk of a number (from 0) encrypted."""
        nonce = (self._base ^ number).to_bytes(12)
        return self._encrypt(nonce, chunk, None)  # type: ignore[no-any-return]

    def open(self, number: int, chunk: Buffer) -> bytes:
        """Return the plaintext of the chunk of a number; raises what `closed()` lists."""
        nonce = (self._base ^ number).to_bytes(12)
        return self._decrypt(nonce, chunk, None)  # type: ignore[no-any-return]
