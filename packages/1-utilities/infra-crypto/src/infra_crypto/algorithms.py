"""What a key is for: the closed sets of algorithms, purposes and states."""

from __future__ import annotations

from enum import Enum, StrEnum

__all__ = ["Alg", "KeyStatus", "Purpose", "purpose_of"]


class Alg(StrEnum):
    """An algorithm; a key belongs to exactly one. The value is what formats and vectors carry."""

    XAES_256_GCM = "XAES_256_GCM"
    AES_256_GCM = "AES_256_GCM"
    AES_256_SIV = "AES_256_SIV"
    CHUNKED_AES_256_GCM = "CHUNKED_AES_256_GCM"
    HMAC_SHA256 = "HMAC_SHA256"
    HMAC_SHA512 = "HMAC_SHA512"
    ED25519 = "ED25519"
    ECDSA_P256 = "ECDSA_P256"
    JWT_HS256 = "JWT_HS256"
    JWT_HS384 = "JWT_HS384"
    JWT_HS512 = "JWT_HS512"
    JWT_EDDSA = "JWT_EDDSA"
    JWT_ES256 = "JWT_ES256"


class KeyStatus(StrEnum):
    """What a key may still do: everything, nothing for now, or nothing ever again."""

    ENABLED = "ENABLED"
    DISABLED = "DISABLED"
    DESTROYED = "DESTROYED"


class Purpose(Enum):
    """What all keys of one keyset serve; the value is how messages name it."""

    AEAD = "AEAD"
    DETERMINISTIC = "deterministic AEAD"
    STREAM = "streams"
    MAC = "MAC"
    SIGNATURE = "signatures"
    JWT = "JWT"


_PURPOSES = {
    Alg.XAES_256_GCM: Purpose.AEAD,
    Alg.AES_256_GCM: Purpose.AEAD,
    Alg.AES_256_SIV: Purpose.DETERMINISTIC,
    Alg.CHUNKED_AES_256_GCM: Purpose.STREAM,
    Alg.HMAC_SHA256: Purpose.MAC,
    Alg.HMAC_SHA512: Purpose.MAC,
    Alg.ED25519: Purpose.SIGNATURE,
    Alg.ECDSA_P256: Purpose.SIGNATURE,
}


def purpose_of(alg: Alg) -> Purpose:
    """Return the one purpose that keys of an algorithm serve."""
    return _PURPOSES.get(alg, Purpose.JWT)
