"""Keys from keys: HKDF (RFC 5869), and one key per purpose from a master key."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Literal

from infra_crypto._bytes import as_bytes, from_base64url
from infra_crypto.errors import BadArgument, InvalidKey
from infra_errors import Secret

if TYPE_CHECKING:
    from infra_crypto._bytes import Buffer

__all__ = ["derive_key", "hkdf"]

_SIZES = {"sha256": 32, "sha512": 64}


def hkdf(
    ikm: Buffer,
    *,
    salt: Buffer = b"",
    info: Buffer,
    length: int = 32,
    hash: Literal["sha256", "sha512"] = "sha256",
) -> bytes:
    """
    Return *length* bytes of key from other key material (RFC 5869, extract and expand).

    Arguments: `ikm` key material with entropy of its own, never a password; `salt` may be empty;
    `info` names the purpose. Raises BadArgument for a length outside 1 to 255 times the hash's
    size or another hash, BytesRequired for a str.
    """
    if hash not in _SIZES:
        msg = f"hkdf uses sha256 or sha512, not {hash!r:.40}"
        raise BadArgument(msg)
    salt, info = as_bytes(salt, "salt"), as_bytes(info, "info")
    size = _SIZES[hash]
    # an absent salt is as many zeros as the hash has bytes (RFC 5869 §2.2), as HMAC pads it
    prk = hmac.digest(salt or bytes(size), as_bytes(ikm, "ikm"), hash)
    return expand(prk, info, length, hash)


def expand(prk: bytes, info: bytes, length: int, hash: str) -> bytes:
    """Return HKDF-Expand alone (RFC 5869 §2.3), for a key that is uniform already."""
    size = hashlib.new(hash).digest_size
    if isinstance(length, bool) or not isinstance(length, int) or not 1 <= length <= 255 * size:
        msg = f"hkdf with {hash} gives 1 to {255 * size} bytes, not {length!r:.40}"
        raise BadArgument(msg)
    block, okm = b"", b""
    for counter in range(1, -(-length // size) + 1):
        block = hmac.digest(prk, block + info + bytes([counter]), hash)
        okm += block
    return okm[:length]


def derive_key(
    master: bytes | str | Secret[bytes] | Secret[str], purpose: str, *, length: int = 32
) -> bytes:
    """
    Return the key of one purpose from a master key: HKDF-SHA-256, `purpose` in its info.

    Arguments: `master` is 16 random bytes or more, or the text that `generate_key` gives;
    `purpose` is any text that names the use ("phone-index", "cursors"). Raises InvalidKey for a
    short or malformed master, BadArgument for an empty purpose or a length outside 1 to 8160.
    """
    if not isinstance(purpose, str) or not purpose:
        msg = "a purpose is a text such as 'phone-index'"
        raise BadArgument(msg)
    value = master.reveal() if isinstance(master, Secret) else master
    key = from_base64url(value) if isinstance(value, str) else as_bytes(value, "a master key")
    del master, value
    if key is None or len(key) < 16:
        del key
        msg = "a master key is 16 bytes or more, or the text that generate_key() gives"
        raise InvalidKey(msg)
    return hkdf(key, info=b"infra-crypto/derive/1\0" + purpose.encode(), length=length)
