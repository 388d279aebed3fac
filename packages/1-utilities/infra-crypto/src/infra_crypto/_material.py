"""Key material by algorithm: what length it has, how it is made, and its public half."""

from __future__ import annotations

import hmac
import os
from typing import TYPE_CHECKING, Any

import attrs

from infra_crypto import _native
from infra_crypto._bytes import KeyHolder
from infra_crypto.algorithms import Alg, KeyStatus
from infra_crypto.errors import InvalidKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import (
        EllipticCurvePrivateKey,
        EllipticCurvePublicKey,
    )

__all__ = [
    "ASYMMETRIC",
    "KeyRecord",
    "check_public",
    "check_secret",
    "derived_id",
    "ecdsa_private",
    "ecdsa_public",
    "generate_secret",
    "public_of",
]

ASYMMETRIC = frozenset({Alg.ED25519, Alg.ECDSA_P256, Alg.JWT_EDDSA, Alg.JWT_ES256})
_ON_P256 = frozenset({Alg.ECDSA_P256, Alg.JWT_ES256})
_LONGEST = 1024
# least and most bytes of the secret; HMAC takes keys that others made, in their lengths
_LENGTHS = {
    Alg.AES_256_SIV: (64, 64),
    Alg.HMAC_SHA256: (16, _LONGEST),
    Alg.HMAC_SHA512: (16, _LONGEST),
    Alg.JWT_HS256: (32, _LONGEST),
    Alg.JWT_HS384: (48, _LONGEST),
    Alg.JWT_HS512: (64, _LONGEST),
}
_GENERATED = {Alg.AES_256_SIV: 64, Alg.HMAC_SHA512: 64, Alg.JWT_HS384: 48, Alg.JWT_HS512: 64}


@attrs.frozen(slots=True)
class KeyRecord(KeyHolder):
    """One key of a keyset, with its material; `secret` is None for a public or destroyed key."""

    key_id: int
    alg: Alg
    status: KeyStatus
    created_at: int  # Unix seconds
    secret: bytes | None = attrs.field(default=None, repr=False)
    public: bytes | None = attrs.field(default=None, repr=False)

    def public_bytes(self) -> bytes:
        """The public half: 32 bytes of Ed25519, or the uncompressed point of P-256."""
        if self.public is not None:
            return self.public
        assert self.secret is not None
        return public_of(self.alg, self.secret)


def check_secret(alg: Alg, secret: bytes) -> None:
    """Raise InvalidKey unless these bytes can be the secret of such a key."""
    least, most = _LENGTHS.get(alg, (32, 32))
    size = len(secret)
    valid = least <= size <= most
    if valid and alg in _ON_P256:
        valid = 0 < int.from_bytes(secret) < _P256_ORDER
    del secret
    if valid:
        return
    msg = f"{size} bytes, need {least if size < least else most} for a key of {alg}"
    if least <= size <= most:
        msg = f"a key of {alg} is a number below the order of its curve, and not 0"
    raise InvalidKey(msg)


def check_public(alg: Alg, public: bytes) -> None:
    """Raise InvalidKey unless these bytes can be the public half of such a key."""
    wanted = 65 if alg in _ON_P256 else 32
    if alg not in ASYMMETRIC or len(public) != wanted or (wanted == 65 and public[0] != 4):
        msg = f"a public key of {alg}: {len(public)} bytes, need {wanted} (P-256: 04, x, y)"
        raise InvalidKey(msg)


def generate_secret(alg: Alg) -> bytes:
    """Return the secret of a new key, from the operating system."""
    if alg not in _ON_P256:
        return os.urandom(_GENERATED.get(alg, 32))
    ec = _native.load("cryptography.hazmat.primitives.asymmetric.ec")
    number: int = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value
    return number.to_bytes(32)


def public_of(alg: Alg, secret: bytes) -> bytes:
    """Return the public half of an asymmetric key's secret."""
    serialization = _native.load("cryptography.hazmat.primitives.serialization")
    if alg in _ON_P256:
        point: bytes = (
            ecdsa_private(secret)
            .public_key()
            .public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
        )
        return point
    ed25519 = _native.load("cryptography.hazmat.primitives.asymmetric.ed25519")
    raw: bytes = (
        ed25519.Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()
    )
    return raw


def ecdsa_private(secret: bytes) -> EllipticCurvePrivateKey:
    """Return the library's private key of a P-256 scalar."""
    ec = _native.load("cryptography.hazmat.primitives.asymmetric.ec")
    key: Any = ec.derive_private_key(int.from_bytes(secret), ec.SECP256R1())
    return key  # type: ignore[no-any-return]  # the module is loaded late, so untyped


def ecdsa_public(point: bytes) -> EllipticCurvePublicKey:
    """Return the library's public key of an uncompressed point; InvalidKey off the curve."""
    ec = _native.load("cryptography.hazmat.primitives.asymmetric.ec")
    try:
        key: Any = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError:
        msg = "a public key of P-256 is no point of the curve"
        raise InvalidKey(msg) from None
    return key  # type: ignore[no-any-return]  # the module is loaded late, so untyped


def derived_id(alg: Alg, secret: bytes) -> int:
    """Return the id of a raw key: it binds the algorithm, and 0 (which no key has) becomes 1."""
    mark = hmac.digest(secret, b"infra-crypto/key-id/1\0" + alg.encode(), "sha256")
    return int.from_bytes(mark[:4]) or 1


_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
