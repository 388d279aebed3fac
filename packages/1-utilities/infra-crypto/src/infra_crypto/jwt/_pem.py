"""PEM keys as JWK members, through the library's own reader."""

from __future__ import annotations

from typing import Any

from infra_crypto import _native
from infra_crypto._bytes import as_bytes, base64url
from infra_crypto.errors import InvalidKey
from infra_crypto.jwt._hygiene import CURVES

__all__ = ["members_of_pem"]


def members_of_pem(pem: str | bytes) -> dict[str, Any]:
    """Return the JWK members of a PEM key; InvalidKey for another kind, or with a password."""
    data = pem.encode() if isinstance(pem, str) else as_bytes(pem, "a PEM")
    del pem
    serialization = _native.load("cryptography.hazmat.primitives.serialization")
    try:
        if b"PRIVATE KEY-----" in data:
            key = serialization.load_pem_private_key(data, None)
        else:
            key = serialization.load_pem_public_key(data)
        members = _members_of(key)
    except (ValueError, TypeError, AttributeError, LookupError):
        members = None
    except _native.load("cryptography.exceptions").UnsupportedAlgorithm:
        members = None
    del data
    if members is None:
        msg = "this PEM is no RSA, EC or Ed25519 key, or it needs a password"
        raise InvalidKey(msg)
    return members


def _members_of(key: Any) -> dict[str, Any] | None:
    """Return the JWK members of a key object of the library; None for a kind we do not take."""
    private = key if hasattr(key, "private_numbers") or hasattr(key, "private_bytes_raw") else None
    public = key if private is None else key.public_key()
    kind = type(public).__name__
    if "Ed25519" in kind:
        found = {"kty": "OKP", "crv": "Ed25519", "x": base64url(public.public_bytes_raw())}
        secret = b"" if private is None else private.private_bytes_raw()
        return found | ({"d": base64url(secret)} if secret else {})
    numbers = public.public_numbers()
    if "RSA" in kind:
        parts = {"n": numbers.n, "e": numbers.e}
        return {"kty": "RSA"} | {
            name: base64url(value.to_bytes((value.bit_length() + 7) // 8))
            for name, value in parts.items()
        }
    curve = public.curve
    known = {cls.lower(): (name, size) for name, (_, size, cls) in CURVES.items()}
    if curve.name.lower() not in known:
        return None
    crv, size = known[curve.name.lower()]
    numeric = {"x": numbers.x, "y": numbers.y}
    if private is not None:
        numeric["d"] = private.private_numbers().private_value
    return {"kty": "EC", "crv": crv} | {
        name: base64url(value.to_bytes(size)) for name, value in numeric.items()
    }
