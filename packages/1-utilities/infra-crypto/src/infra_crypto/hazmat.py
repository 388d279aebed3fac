"""
The bare primitives, with nonces and salts that the caller chooses: for test vectors and protocols.

A nonce used twice under one key gives both messages away. Where no specification tells you the
nonce, use `Aead` and `encrypt_stream`. Opening raises DecryptFailed, keys of another size
InvalidKey, nonces and salts of another size BadArgument.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra_crypto import _native
from infra_crypto._bytes import as_bytes
from infra_crypto._chunks import CHUNK, HEADER, SALT, SEALED, Chunks
from infra_crypto._ciphers import Siv, Xaes, closed
from infra_crypto.errors import BadArgument, DecryptFailed, InvalidKey

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "chunked_decrypt",
    "chunked_encrypt",
    "gcm_open",
    "gcm_seal",
    "siv_open",
    "siv_seal",
    "xaes_open",
    "xaes_seal",
]


def gcm_seal(key: bytes, nonce: bytes, data: bytes, aad: bytes) -> bytes:
    """Return ciphertext and tag of AES-256-GCM (SP 800-38D): key 32 bytes, nonce 12."""
    cipher = _gcm(key, nonce)
    return cipher.encrypt(nonce, data, aad)  # type: ignore[no-any-return]


def gcm_open(key: bytes, nonce: bytes, data: bytes, aad: bytes) -> bytes:
    """Return the plaintext of what `gcm_seal` returned."""
    cipher = _gcm(key, nonce)
    del key
    return _opened(lambda: cipher.decrypt(nonce, data, aad))


def xaes_seal(key: bytes, nonce: bytes, data: bytes, aad: bytes) -> bytes:
    """Return ciphertext and tag of XAES-256-GCM (C2SP): key 32 bytes, nonce 24."""
    cipher = _xaes(key, nonce)
    return cipher.encrypt(nonce[12:], data, aad)  # type: ignore[no-any-return]


def xaes_open(key: bytes, nonce: bytes, data: bytes, aad: bytes) -> bytes:
    """Return the plaintext of what `xaes_seal` returned."""
    cipher = _xaes(key, nonce)
    del key
    return _opened(lambda: cipher.decrypt(nonce[12:], data, aad))


def siv_seal(key: bytes, data: bytes, aads: Sequence[bytes]) -> bytes:
    """Return synthetic IV and ciphertext of AES-SIV (RFC 5297): key 32, 48 or 64 bytes."""
    _check_key(key, (32, 48, 64))
    return Siv(key).encrypt(data, aads)


def siv_open(key: bytes, data: bytes, aads: Sequence[bytes]) -> bytes:
    """Return the plaintext of what `siv_seal` returned."""
    _check_key(key, (32, 48, 64))
    cipher = Siv(key)
    del key
    return _opened(lambda: cipher.decrypt(data, aads))


def chunked_encrypt(key: bytes, plaintext: bytes, context: bytes, *, salt: bytes) -> bytes:
    """Return C2SP chunked encryption (v1, SHA-512): key 16 or 32 bytes, salt 24, never reused."""
    _check_key(key, (16, 32))
    _check_size(salt, SALT, "a salt")
    cipher = Chunks(key, salt, context)
    view = memoryview(plaintext)
    count = len(view) // CHUNK + 1
    chunks = [cipher.seal(n, view[n * CHUNK : (n + 1) * CHUNK]) for n in range(count)]
    return b"".join([cipher.header, *chunks])


def chunked_decrypt(key: bytes, blob: bytes, context: bytes) -> bytes:
    """Return the plaintext of a whole message of `chunked_encrypt`."""
    _check_key(key, (16, 32))
    header, view = bytes(blob[:HEADER]), memoryview(blob)[HEADER:]
    if len(header) < HEADER:
        raise DecryptFailed
    cipher = Chunks(key, header[:SALT], context)
    del key
    if not cipher.is_header(header):
        raise DecryptFailed
    count = len(view) // SEALED + 1
    return _opened(
        lambda: b"".join(cipher.open(n, view[n * SEALED : (n + 1) * SEALED]) for n in range(count))
    )


def _gcm(key: bytes, nonce: bytes) -> Any:
    _check_key(key, (32,))
    _check_size(nonce, 12, "a nonce")
    return _native.load("cryptography.hazmat.primitives.ciphers.aead").AESGCM(key)


def _xaes(key: bytes, nonce: bytes) -> Any:
    _check_key(key, (32,))
    _check_size(nonce, 24, "a nonce")
    return Xaes(key).cipher(nonce)


def _check_key(key: bytes, sizes: tuple[int, ...]) -> None:
    size = len(as_bytes(key, "a key"))
    del key
    if size not in sizes:
        msg = f"a key has {' or '.join(map(str, sizes))} bytes, not {size}"
        raise InvalidKey(msg)


def _check_size(value: bytes, size: int, what: str) -> None:
    if len(as_bytes(value, what)) != size:
        msg = f"{what} has {size} bytes, not {len(value)}"
        raise BadArgument(msg)


def _opened(work: Callable[[], bytes]) -> bytes:
    try:
        return work()
    except closed():
        pass
    raise DecryptFailed
