"""What a JWK must be before anything is verified with it (RFC 7517, 7518, 8037, 8725)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from infra_crypto import _native
from infra_crypto._bytes import from_base64url
from infra_crypto.errors import InvalidKey
from infra_crypto.jwt._compact import HMAC_BYTES, check_hmac_key

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CURVES", "KTYS", "algorithm_of", "check_use", "is_for_encryption", "load_key"]

KTYS = ("oct", "RSA", "EC", "OKP")
# curve: the one algorithm, bytes of a coordinate, the library's class
CURVES = {
    "P-256": ("ES256", 32, "SECP256R1"),
    "P-384": ("ES384", 48, "SECP384R1"),
    "P-521": ("ES512", 66, "SECP521R1"),
}
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_SIGNING = frozenset({"sign", "verify"})
_ENCRYPTING = frozenset(
    {"encrypt", "decrypt", "wrapKey", "unwrapKey", "deriveKey", "deriveBits"},
)


def is_for_encryption(members: Mapping[str, Any]) -> bool:
    """Return whether a key says that it is for encryption, and nothing else."""
    ops = members.get("key_ops")
    return members.get("use") == "enc" or (
        isinstance(ops, list)
        and bool(ops)
        and all(isinstance(op, str) and op in _ENCRYPTING for op in ops)
    )


def check_use(members: Mapping[str, Any]) -> None:
    """Raise InvalidKey unless `use`, `key_ops` and `kid` are those of a signature key."""
    ops = members.get("key_ops", ["verify"])
    if members.get("use", "sig") != "sig":
        msg = 'a JWK for signatures has use "sig" or none'
    elif not isinstance(ops, list) or not all(isinstance(op, str) for op in ops):
        msg = "key_ops of a JWK is a list of texts"
    elif len(set(ops)) != len(ops) or not _SIGNING & set(ops) or _ENCRYPTING & set(ops):
        msg = "key_ops of a JWK for signatures names sign or verify, once, and no encryption"
    elif "kid" in members and not isinstance(members["kid"], str):
        msg = "kid of a JWK is a text"
    else:
        return
    raise InvalidKey(msg)


def algorithm_of(members: Mapping[str, Any]) -> str:
    """Return the one algorithm of a key: `alg`, or what its type implies; InvalidKey."""
    kty, crv = members.get("kty"), members.get("crv")
    allowed: tuple[str, ...]
    if kty == "oct":
        allowed = tuple(HMAC_BYTES)
        if "alg" not in members:
            msg = "a JWK of kty oct names no alg: HS256, HS384 or HS512"
            raise InvalidKey(msg)
    elif kty == "RSA":
        allowed = _RSA
    elif kty == "EC" and isinstance(crv, str) and crv in CURVES:
        allowed = (CURVES[crv][0],)
    elif kty == "OKP" and crv == "Ed25519":
        allowed = ("EdDSA",)
    else:
        msg = f"a JWK has kty oct, RSA, EC (P-256, P-384, P-521) or OKP (Ed25519), not {kty!r:.20}"
        raise InvalidKey(msg)
    alg = members.get("alg", allowed[0])
    if alg not in allowed:
        msg = f"alg of a JWK of kty {kty} is one of {', '.join(allowed)}, not {alg!r:.20}"
        raise InvalidKey(msg)
    return str(alg)


def load_key(members: Mapping[str, Any], alg: str) -> tuple[Any, Any]:
    """
    Return what verifies and what signs (None where it cannot) with a JWK; InvalidKey.

    Bytes for oct, the library's key objects for the others. RSA only verifies.
    """
    kty = members["kty"]
    if kty == "oct":
        secret = check_secret(_octets(members, "k") if members.get("k") != "" else b"", alg)
        return secret, secret
    if kty == "RSA":
        return _rsa(members), None
    return _edwards(members) if kty == "OKP" else _elliptic(members)


def check_secret(secret: bytes, alg: str) -> bytes:
    """Return an HMAC secret that is long enough (RFC 7518, 3.2) and nobody's public key."""
    size, need = len(secret), HMAC_BYTES[alg]
    public = size >= need and not check_hmac_key(secret)
    if size >= need and not public:
        return secret
    del secret
    msg = f"a secret for {alg}: {size} bytes, need {need}"
    if public:
        msg = f"a secret for {alg} is a public key, a certificate or a JWK: anyone may know it"
    raise InvalidKey(msg)


def _rsa(members: Mapping[str, Any]) -> Any:
    n, e = (int.from_bytes(_minimal(members, name)) for name in ("n", "e"))
    if not 2048 <= n.bit_length() <= 8192:
        msg = f"an RSA key of {n.bit_length()} bits: 2048 to 8192 are taken"
    elif e < 3 or e % 2 == 0 or e.bit_length() > 64 or n % 2 == 0:
        msg = "an RSA key's exponent is an odd number from 3 on, below 2^64, and its modulus odd"
    elif has_roca(n):
        msg = "an RSA key has the ROCA weakness (CVE-2017-15361): it can be factored; replace it"
    else:
        rsa = _native.load("cryptography.hazmat.primitives.asymmetric.rsa")
        try:
            return rsa.RSAPublicNumbers(e, n).public_key()
        except ValueError:
            msg = "an RSA key that the library refuses"
    raise InvalidKey(msg)


def _elliptic(members: Mapping[str, Any]) -> tuple[Any, Any]:
    ec = _native.load("cryptography.hazmat.primitives.asymmetric.ec")
    _, size, name = CURVES[members["crv"]]
    curve = getattr(ec, name)()
    x, y = (int.from_bytes(_octets(members, axis, size)) for axis in ("x", "y"))
    try:
        public = ec.EllipticCurvePublicNumbers(x, y, curve).public_key()
    except ValueError:
        msg = f"an EC key is no point of {members['crv']}"
        raise InvalidKey(msg) from None
    if "d" not in members:
        return public, None
    try:
        private = ec.derive_private_key(int.from_bytes(_octets(members, "d", size)), curve)
    except ValueError:
        private = None
    if private is None or private.public_key() != public:
        del private
        msg = "the private part of an EC key is not that of its public part"
        raise InvalidKey(msg)
    return public, private


def _edwards(members: Mapping[str, Any]) -> tuple[Any, Any]:
    ed = _native.load("cryptography.hazmat.primitives.asymmetric.ed25519")
    x = _octets(members, "x", 32)
    try:
        public = ed.Ed25519PublicKey.from_public_bytes(x)
    except ValueError:
        msg = "an Ed25519 key that the library refuses"
        raise InvalidKey(msg) from None
    if "d" not in members:
        return public, None
    private = ed.Ed25519PrivateKey.from_private_bytes(_octets(members, "d", 32))
    if private.public_key().public_bytes_raw() != x:
        del private
        msg = "the private part of an Ed25519 key is not that of its public part"
        raise InvalidKey(msg)
    return public, private


def _octets(members: Mapping[str, Any], name: str, size: int | None = None) -> bytes:
    """Return a member in canonical base64url, of the full length where one is given."""
    text = members.get(name)
    data = from_base64url(text) if isinstance(text, str) else None
    del text
    if data and size in {None, len(data)}:
        return data
    del data
    wanted = "" if size is None else f" of {size} bytes"
    msg = f"{name} of a JWK is unpadded, canonical base64url{wanted}"
    raise InvalidKey(msg)


def _minimal(members: Mapping[str, Any], name: str) -> bytes:
    data = _octets(members, name)
    if data[0] == 0:
        msg = f"{name} of a JWK begins with a zero byte (RFC 7518, 2: as few bytes as it needs)"
        raise InvalidKey(msg)
    return data


def has_roca(n: int) -> bool:
    """
    Return whether a modulus has the fingerprint of ROCA (CVE-2017-15361).

    Both primes of such a key are powers of 65537 modulo the product of the first primes, hence so
    is the modulus, modulo each of them; a sound one is that by chance once in 2^27.
    """
    return all(n % prime in powers for prime, powers in _roca_powers())


@cache
def _roca_powers() -> tuple[tuple[int, frozenset[int]], ...]:
    primes = [p for p in range(3, 168) if all(p % q for q in range(2, int(p**0.5) + 1))]
    table = [(p, frozenset(pow(65537, k, p) for k in range(p))) for p in primes]
    # a prime whose every residue is a power of 65537 says nothing
    return tuple((p, powers) for p, powers in table if len(powers) < p - 1)
