"""Signatures: Ed25519 keys by themselves, and signing with keysets that rotate."""

from __future__ import annotations

import hmac
import os
from typing import TYPE_CHECKING, Any, ClassVar

from infra_crypto import _native
from infra_crypto._bytes import KeyHolder, as_bytes, base64url, from_base64url
from infra_crypto._material import ecdsa_private, ecdsa_public
from infra_crypto._sources import Primitive, enabled, prefix_of
from infra_crypto.algorithms import Alg, Purpose
from infra_crypto.errors import InvalidKey, SignatureInvalid
from infra_errors import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from infra_crypto._bytes import Buffer
    from infra_crypto._material import KeyRecord
    from infra_crypto.keyset import Keyset

__all__ = ["Signer", "SigningKey", "Verifier", "VerifyKey"]

_ED25519 = "cryptography.hazmat.primitives.asymmetric.ed25519"


class VerifyKey:
    """The public half of an Ed25519 key (RFC 8032): 32 bytes, `raw`."""

    __slots__ = ("_key", "raw")
    raw: bytes

    def __init__(self, raw: bytes) -> None:
        raw = as_bytes(raw, "a verify key")
        if len(raw) != 32:
            msg = f"an Ed25519 verify key: {len(raw)} bytes, need 32"
            raise InvalidKey(msg)
        try:
            self._key: Any = _native.load(_ED25519).Ed25519PublicKey.from_public_bytes(raw)
        except ValueError:
            self._key = None
        if self._key is None:
            msg = "an Ed25519 verify key is no point of the curve"
            raise InvalidKey(msg)
        self.raw = raw

    @classmethod
    def from_bytes(cls, raw: bytes) -> VerifyKey:
        """Return the key of 32 bytes; InvalidKey for another length."""
        return cls(raw)

    @classmethod
    def from_pem(cls, pem: bytes | str) -> VerifyKey:
        """Return the key of a SubjectPublicKeyInfo PEM; InvalidKey for another."""
        load = _native.load("cryptography.hazmat.primitives.serialization").load_pem_public_key
        key = _loaded(load, pem, "Ed25519PublicKey")
        return cls(key.public_bytes_raw())

    @classmethod
    def from_jwk(cls, d: Mapping[str, object]) -> VerifyKey:
        """Return the key of a JWK (RFC 8037: kty OKP, crv Ed25519, x); InvalidKey for another."""
        return cls(_member(d, "x"))

    def verify(self, message: Buffer, signature: Buffer) -> None:
        """Return when the signature is of the message, else raise SignatureInvalid."""
        data, signature = as_bytes(message, "a message"), as_bytes(signature, "a signature")
        if not _passes(self._key.verify, signature, data):
            raise SignatureInvalid

    def to_pem(self) -> str:
        """Return the key as SubjectPublicKeyInfo PEM."""
        s = _native.load("cryptography.hazmat.primitives.serialization")
        form = s.PublicFormat.SubjectPublicKeyInfo
        return self._key.public_bytes(s.Encoding.PEM, form).decode("ascii")  # type: ignore[no-any-return]

    def to_jwk(self) -> dict[str, str]:
        """Return the key as a JWK."""
        return {"kty": "OKP", "crv": "Ed25519", "x": base64url(self.raw)}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, VerifyKey):
            return NotImplemented
        return hmac.compare_digest(self.raw, other.raw)

    def __hash__(self) -> int:
        return hash(self.raw)

    def __repr__(self) -> str:
        return f"VerifyKey({base64url(self.raw)!r})"

    def __reduce__(self) -> tuple[object, ...]:
        return VerifyKey, (self.raw,)


class SigningKey(KeyHolder):
    """An Ed25519 key that signs (RFC 8032). It refuses to be pickled and does not show itself."""

    __slots__ = ("_key", "_seed", "verify_key")
    verify_key: VerifyKey

    def __init__(self, seed: bytes | Secret[bytes]) -> None:
        raw = as_bytes(seed.reveal() if isinstance(seed, Secret) else seed, "a seed")
        del seed
        if len(raw) != 32:
            size = len(raw)
            del raw
            msg = f"an Ed25519 seed: {size} bytes, need 32"
            raise InvalidKey(msg)
        self._seed = raw
        self._key: Any = _native.load(_ED25519).Ed25519PrivateKey.from_private_bytes(raw)
        self.verify_key = VerifyKey(self._key.public_key().public_bytes_raw())

    @classmethod
    def generate(cls) -> SigningKey:
        """Return a new key, from the operating system."""
        return cls(os.urandom(32))

    @classmethod
    def from_seed(cls, seed: bytes | Secret[bytes]) -> SigningKey:
        """Return the key of a seed of 32 bytes; InvalidKey for another length."""
        return cls(seed)

    @classmethod
    def from_pem(cls, pem: bytes | str, *, password: bytes | str | None = None) -> SigningKey:
        """Return the key of a PKCS #8 PEM; InvalidKey for another, or another password."""
        load = _native.load("cryptography.hazmat.primitives.serialization").load_pem_private_key
        phrase = password.encode() if isinstance(password, str) else password
        del password
        key = _loaded(lambda data: load(data, phrase), pem, "Ed25519PrivateKey")
        return cls(key.private_bytes_raw())

    @classmethod
    def from_jwk(cls, d: Mapping[str, object]) -> SigningKey:
        """Return the key of a private JWK; InvalidKey for another, or for an x of another d."""
        key = cls(_member(d, "d"))
        if "x" in d and _member(d, "x") != key.verify_key.raw:
            del d
            msg = "this JWK's x is not the public half of its d"
            raise InvalidKey(msg)
        return key

    def sign(self, message: Buffer) -> bytes:
        """Return the 64 bytes of the message's signature."""
        return self._key.sign(as_bytes(message, "a message"))  # type: ignore[no-any-return]

    def seed(self) -> bytes:
        """Return the 32 bytes that are the key."""
        return self._seed

    def to_pem(self, *, password: bytes | str | None = None) -> str:
        """Return the key as PKCS #8 PEM, encrypted where a password is given."""
        s = _native.load("cryptography.hazmat.primitives.serialization")
        phrase = password.encode() if isinstance(password, str) else password
        del password
        how = s.BestAvailableEncryption(phrase) if phrase else s.NoEncryption()
        pem = self._key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, how)
        return pem.decode("ascii")  # type: ignore[no-any-return]

    def to_jwk(self) -> dict[str, str]:
        """Return the key as a private JWK: whoever reads it can sign."""
        return {**self.verify_key.to_jwk(), "d": base64url(self._seed)}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SigningKey):
            return NotImplemented
        return hmac.compare_digest(self._seed, other._seed)

    def __hash__(self) -> int:
        return hash((SigningKey, self.verify_key))

    def __repr__(self) -> str:
        return f"<SigningKey of {self.verify_key!r}>"


class Signer(Primitive[tuple[bytes, "Callable[[bytes], bytes]"]]):
    """
    Signs under the primary key of a keyset: `01 | key id | signature of 64 bytes`.

    Arguments: `keys` of ED25519 or ECDSA_P256 (SHA-256, r and s); a raw key is an Ed25519 seed.
    """

    __slots__ = ()
    _purpose: ClassVar = Purpose.SIGNATURE

    def sign(self, message: Buffer) -> bytes:
        """Return the message's signature."""
        data = as_bytes(message, "a message")
        prefix, sign = self._table()
        return prefix + sign(data)

    def _build(self, keyset: Keyset) -> tuple[bytes, Callable[[bytes], bytes]]:
        prefix = prefix_of(keyset.primary.key_id)
        record = enabled(keyset)[prefix]
        if record.secret is None:
            msg = "a public keyset verifies, it cannot sign"
            raise InvalidKey(msg)
        if record.alg is Alg.ED25519:
            return prefix, SigningKey(record.secret).sign
        key = ecdsa_private(record.secret)
        algorithm, utils = _ecdsa()

        def sign(data: bytes) -> bytes:
            r, s = utils.decode_dss_signature(key.sign(data, algorithm))
            return r.to_bytes(32) + s.to_bytes(32)  # type: ignore[no-any-return]

        return prefix, sign


class Verifier(Primitive[dict[bytes, "Callable[[bytes, bytes], bool]"]]):
    """Verifies what `Signer` signed. Arguments: `keys` as for it, or their `public()` keyset."""

    __slots__ = ()
    _purpose: ClassVar = Purpose.SIGNATURE

    def verify(self, message: Buffer, signature: Buffer) -> None:
        """Return when the signature is of the message, else raise SignatureInvalid."""
        data, signature = as_bytes(message, "a message"), as_bytes(signature, "a signature")
        check = self._table().get(signature[:5])
        if check is None or not check(signature[5:], data):
            raise SignatureInvalid

    def _build(self, keyset: Keyset) -> dict[bytes, Callable[[bytes, bytes], bool]]:
        return {prefix: _check(record) for prefix, record in enabled(keyset).items()}


def _check(record: KeyRecord) -> Callable[[bytes, bytes], bool]:
    if record.alg is Alg.ED25519:
        ed25519 = VerifyKey(record.public_bytes())
        return lambda signature, data: _passes(ed25519._key.verify, signature, data)
    key = ecdsa_public(record.public_bytes())
    algorithm, utils = _ecdsa()

    def check(signature: bytes, data: bytes) -> bool:
        if len(signature) != 64:
            return False
        r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
        return _passes(key.verify, utils.encode_dss_signature(r, s), data, algorithm)

    return check


def _passes(verify: Callable[..., None], *arguments: object) -> bool:
    try:
        verify(*arguments)
    except _native.load("cryptography.exceptions").InvalidSignature:
        return False
    return True


def _ecdsa() -> tuple[Any, Any]:
    ec = _native.load("cryptography.hazmat.primitives.asymmetric.ec")
    hashes = _native.load("cryptography.hazmat.primitives.hashes")
    utils = _native.load("cryptography.hazmat.primitives.asymmetric.utils")
    return ec.ECDSA(hashes.SHA256()), utils


def _loaded(load: Callable[[bytes], Any], pem: bytes | str, kind: str) -> Any:
    data = pem.encode() if isinstance(pem, str) else as_bytes(pem, "a PEM")
    del pem
    unsupported = _native.load("cryptography.exceptions").UnsupportedAlgorithm
    try:
        key = load(data)
    except (ValueError, TypeError, unsupported):
        key = None
    del data, load
    if not isinstance(key, getattr(_native.load(_ED25519), kind)):
        msg = f"this PEM is no {kind}, or its password is another"
        raise InvalidKey(msg)
    return key


def _member(d: Mapping[str, object], name: str) -> bytes:
    text = d.get(name) if d.get("kty") == "OKP" and d.get("crv") == "Ed25519" else None
    raw = from_base64url(text) if isinstance(text, str) else None
    del d, text
    if raw is None:
        msg = f"this JWK is no Ed25519 key with {name} in base64url (RFC 8037)"
        raise InvalidKey(msg)
    return raw
