"""One key (`Jwk`) and a set of keys (`Jwks`) of others, checked when they are read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Self, TypeVar

from infra_crypto._bytes import KeyHolder, as_bytes, base64url
from infra_crypto.algorithms import Alg
from infra_crypto.errors import BadArgument, InvalidKey, KeysetInvalid
from infra_crypto.jwt import _hygiene
from infra_crypto.jwt._compact import HMAC_BYTES, strict_json
from infra_crypto.jwt._pem import members_of_pem
from infra_errors import Secret

__all__ = ["Jwk", "Jwks"]

# RFC 7638, 3.2: what the thumbprint is over, in this order; `to_dict` shows the same
_PUBLIC = {"EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x"), "RSA": ("e", "kty", "n")}
_PRIVATE = {"EC": "d", "OKP": "d", "oct": "k"}
_JWT_ALGS = {
    Alg.JWT_HS256: "HS256",
    Alg.JWT_HS384: "HS384",
    Alg.JWT_HS512: "HS512",
    Alg.JWT_EDDSA: "EdDSA",
    Alg.JWT_ES256: "ES256",
}


_Key = TypeVar("_Key", bound="Jwk")


class Jwk(KeyHolder):
    """
    A JSON Web Key for signatures; its algorithm is its own, whatever a token says.

    HS256, HS384, HS512, EdDSA (Ed25519), ES256, ES384, ES512, RS and PS 256, 384, 512. RSA keys
    verify only: private members of theirs are dropped. It refuses to be pickled; repr shows no key.
    """

    __slots__ = (
        "_members",
        "_signing",
        "_thumbprint",
        "_verifying",
        "alg",
        "has_private",
        "kid",
        "kty",
    )
    kid: str | None
    alg: str
    kty: str
    has_private: bool

    def __init__(self, members: Mapping[str, Any]) -> None:
        _hygiene.check_use(members)
        self.alg = _hygiene.algorithm_of(members)
        self._verifying, self._signing = _hygiene.load_key(members, self.alg)
        self.kid = members.get("kid")
        self.kty = members["kty"]
        self.has_private = self._signing is not None
        self._thumbprint = ""
        wanted = (*_PUBLIC.get(self.kty, ("kty",)), _PRIVATE.get(self.kty, ""), "use", "key_ops")
        self._members = {name: members[name] for name in wanted if name in members}
        if "sign" not in members.get("key_ops", ["sign"]):
            self._signing = None

    @classmethod
    def parse(cls, data: Mapping[str, Any] | str | bytes) -> Self:
        """
        Return the key of a JWK (RFC 7517), as a mapping or as JSON.

        Raises InvalidKey where its members contradict each other, are not for signatures, or make
        a weak key; duplicate names in JSON too. Members it does not know are ignored.
        """
        key, reason = _attempt(cls, _read(data, InvalidKey, "a JWK"))
        del data
        return _taken(key, reason)

    @classmethod
    def from_pem(cls, pem: str | bytes, *, alg: str | None = None, kid: str | None = None) -> Self:
        """Return the key of PEM text: SubjectPublicKeyInfo, or a private key without password."""
        key, reason = _attempt(cls, _named(members_of_pem(pem), alg, kid))
        del pem
        return _taken(key, reason)

    @classmethod
    def from_secret(
        cls,
        secret: bytes | str | Secret[bytes] | Secret[str],
        alg: str,
        *,
        kid: str | None = None,
    ) -> Self:
        """Return an HMAC key; a str means its UTF-8 bytes. InvalidKey below 32, 48, 64 bytes."""
        hidden = hide(secret)
        del secret
        if alg not in HMAC_BYTES:
            msg = f"a secret is for HS256, HS384 or HS512, not {alg!r:.20}"
            raise InvalidKey(msg)
        key, reason = _attempt(cls, _oct_members(hidden), alg, kid)
        return _taken(key, reason)

    def public(self) -> Self:
        """Return its public half; InvalidKey for a symmetric key, which has none."""
        if self.kty == "oct":
            msg = "a symmetric key has no public half: who can verify can sign"
            raise InvalidKey(msg)
        return type(self)(self.to_dict())

    def thumbprint(self) -> str:
        """Return the key's SHA-256 thumbprint (RFC 7638), 43 characters of base64url."""
        if not self._thumbprint:
            names = _PUBLIC.get(self.kty, ("k", "kty"))
            text = json.dumps({name: self._members[name] for name in names}, separators=(",", ":"))
            self._thumbprint = base64url(hashlib.sha256(text.encode()).digest())
        return self._thumbprint

    def to_dict(self, *, private: bool = False) -> dict[str, Any]:
        """Return the JWK; secret members only when asked for, and never by accident in a set."""
        hidden = _PRIVATE.get(self.kty)
        found = {k: v for k, v in self._members.items() if private or k != hidden}
        ops = found.get("key_ops")
        if ops is not None:
            found["key_ops"] = list(ops) if private or self.kty == "oct" else ["verify"]
        return found | _named({}, self.alg, self.kid)

    def __repr__(self) -> str:
        half = "private" if self.has_private else "public"
        return f"<Jwk {self.alg} kid={self.kid!r} {half}>"


class Jwks:
    """
    A set of keys by kid: RFC 7517's JWK Set. Symmetric and asymmetric keys never mix.

    Asymmetric keys without kid go by their thumbprint. `ignored` names what `parse` left out, as
    pairs of kid (or position) and reason. Raises KeysetInvalid for two keys of one kid, for a mix,
    and for a symmetric key without kid beside others.
    """

    __slots__ = ("_by_kid", "_keys", "ignored")
    ignored: tuple[tuple[str, str], ...]

    def __init__(self, keys: Iterable[Jwk]) -> None:
        self._keys = tuple(keys)
        self._by_kid: dict[str, Jwk] = {}
        self.ignored = ()
        if len({key.kty == "oct" for key in self._keys}) > 1:
            msg = "a set holds symmetric keys or asymmetric ones, not both"
            raise KeysetInvalid(msg)
        for key in self._keys:
            kid = key.kid
            if kid is None and key.kty == "oct":
                if len(self._keys) > 1:
                    msg = "a symmetric key without kid stands in a set with others"
                    raise KeysetInvalid(msg)
                continue
            kid = key.thumbprint() if kid is None else kid
            if kid in self._by_kid:
                msg = f"two keys of the set have the kid {kid!r:.60}"
                raise KeysetInvalid(msg)
            self._by_kid[kid] = key

    @classmethod
    def parse(cls, data: Mapping[str, Any] | str | bytes, *, strict: bool = True) -> Self:
        """
        Return the keys of a JWK Set.

        Keys for encryption and of unknown type are left out and named in `ignored`; another bad key
        refuses the set (KeysetInvalid) when *strict*, else it is left out too.
        """
        keys, ignored, problem = _entries(_read(data, KeysetInvalid, "a JWK Set"), strict)
        del data
        if problem:
            raise KeysetInvalid(problem)
        found = cls(keys)
        found.ignored = tuple(ignored)
        return found

    def get(self, kid: str) -> Jwk | None:
        """Return the key of a kid, or None."""
        return self._by_kid.get(kid)

    def find(self, kid: str | None) -> Jwk | None:
        """Return the key for a token: of its kid, or the only one where either has no kid."""
        if len(self._keys) == 1 and (kid is None or self._keys[0].kid is None):
            return self._keys[0]
        return None if kid is None else self._by_kid.get(kid)

    def to_dict(self) -> dict[str, Any]:
        """Return the set's public halves, each with its kid; symmetric keys are left out."""
        return {
            "keys": [
                key.to_dict() | {"kid": kid}
                for kid, key in self._by_kid.items()
                if key.kty != "oct"
            ]
        }

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return f"<Jwks {', '.join(self._by_kid) or 'without kid'}>"


def hide(secret: object) -> Secret[Any]:
    """Return a secret so that no frame of ours shows it; a str stays one. BytesRequired."""
    if isinstance(secret, str | Secret):
        return Secret(secret)
    return Secret(as_bytes(secret, "a secret"))  # type: ignore[arg-type]  # it checks the type


def jwk_of_record(alg: Alg, secret: bytes | None, public: bytes | None, kid: str | None) -> Jwk:
    """Return the Jwk of a keyset's key: its secret, or the public half."""
    name = _JWT_ALGS[alg]
    if name in HMAC_BYTES:
        assert secret is not None
        return Jwk.from_secret(secret, name, kid=kid)
    from infra_crypto._material import public_of

    if public is None:
        assert secret is not None
        public = public_of(alg, secret)
    members = (
        {"kty": "OKP", "crv": "Ed25519", "x": base64url(public)}
        if name == "EdDSA"
        else {
            "kty": "EC",
            "crv": "P-256",
            "x": base64url(public[1:33]),
            "y": base64url(public[33:]),
        }
    )
    if secret is not None:
        members["d"] = base64url(secret)
    return Jwk(_named(members, name, kid))


def _oct_members(secret: Secret[Any]) -> dict[str, Any]:
    value = secret.reveal()
    return {"kty": "oct", "k": base64url(value.encode() if isinstance(value, str) else value)}


def _attempt(
    cls: type[_Key], members: Mapping[str, Any], alg: str | None = None, kid: str | None = None
) -> tuple[_Key | None, str]:
    """Return the key or why it is none: a traceback through here would show its members."""
    try:
        return cls(_named(dict(members), alg, kid)), ""
    except InvalidKey as exc:
        return None, exc.message


def _taken(key: _Key | None, reason: str) -> _Key:
    if key is not None:
        return key
    raise InvalidKey(reason)


def _entries(
    members: Mapping[str, Any], strict: bool
) -> tuple[list[Jwk], list[tuple[str, str]], str]:
    """Return the keys of a set, what was left out, and why the set is refused ("": it is not)."""
    entries = members.get("keys")
    if not isinstance(entries, list | tuple):
        return [], [], "a JWK Set has a list of keys"
    keys: list[Jwk] = []
    ignored: list[tuple[str, str]] = []
    kids: set[str] = set()
    for number, entry in enumerate(entries):
        kid = entry.get("kid") if isinstance(entry, Mapping) else None
        name = kid if isinstance(kid, str) else f"#{number}"
        if isinstance(kid, str) and kid in kids:
            return [], [], f"two keys of the set have the kid {name[:60]!r}"
        if isinstance(kid, str):
            kids.add(kid)
        key, reason, harmless = _entry(entry)
        if key is not None:
            keys.append(key)
        elif strict and not harmless:
            return [], [], f"key {name[:60]!r} of the set: {reason}"
        else:
            ignored.append((name, reason))
    return keys, ignored, ""


def _entry(entry: object) -> tuple[Jwk | None, str, bool]:
    """Return one key of a set; or why it is none, and whether that is usual in sets."""
    if not isinstance(entry, Mapping):
        return None, "no JSON object", False
    if _hygiene.is_for_encryption(entry):
        return None, "for encryption", True
    kty = entry.get("kty")
    if isinstance(kty, str) and kty not in _hygiene.KTYS:
        return None, "of unknown type", True
    key, reason = _attempt(Jwk, entry)
    return key, reason, key is not None


def _read(
    data: Mapping[str, Any] | str | bytes,
    error: type[InvalidKey | KeysetInvalid],
    what: str,
) -> Mapping[str, Any]:
    if isinstance(data, Mapping):
        return data
    if not isinstance(data, str | bytes):
        msg = f"{what} is a mapping, a text or bytes, not {type(data).__name__}"
        raise BadArgument(msg)
    try:
        return strict_json(data)
    except ValueError:
        pass  # its message and its frames hold the text, which may hold a secret
    del data
    msg = f"{what} is one JSON object without duplicate names"
    raise error(msg)


def _named(members: dict[str, Any], alg: str | None, kid: str | None) -> dict[str, Any]:
    named = {name: value for name, value in (("alg", alg), ("kid", kid)) if value is not None}
    return members | named
