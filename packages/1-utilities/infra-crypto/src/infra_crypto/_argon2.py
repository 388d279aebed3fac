"""The two calls of argon2-cffi, with its errors as ours."""

from __future__ import annotations

import os

from infra_crypto import _native
from infra_crypto.errors import CryptoError, HashMalformed

__all__ = ["HASH_BYTES", "SALT_BYTES", "argon2_hash", "argon2_verify"]

SALT_BYTES, HASH_BYTES = 16, 32  # of what we make


def argon2_hash(secret: bytes, t: int, m: int, p: int) -> str:
    """Return the PHC string of a new hash; CryptoError where Argon2 cannot (no memory, say)."""
    low = _native.load("argon2.low_level", distribution="argon2-cffi")
    salt = os.urandom(SALT_BYTES)
    try:
        encoded: bytes = low.hash_secret(secret, salt, t, m, p, HASH_BYTES, low.Type.ID)
    except low.HashingError as exc:
        msg = f"Argon2 cannot hash with t={t}, m={m}, p={p}: {exc}"
        raise CryptoError(msg) from exc
    return encoded.decode("ascii")


def argon2_verify(phc: str, secret: bytes) -> bool:
    """Return whether the secret is the hash's; HashMalformed, CryptoError."""
    low = _native.load("argon2.low_level", distribution="argon2-cffi")
    try:
        return bool(low.verify_secret(phc.encode("ascii"), secret, low.Type.ID))
    except low.VerifyMismatchError:
        return False
    except low.VerificationError as exc:
        if "ecod" in str(exc):  # "Decoding failed": base64 that is not canonical
            msg = "this is no Argon2id hash of version 19 in PHC form"
            raise HashMalformed(msg) from None
        msg = f"Argon2 cannot verify: {exc}"
        raise CryptoError(msg) from exc
