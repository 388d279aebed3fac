"""Making tokens: `JwtSigner`, and the signature alone: `sign_jws`."""

from __future__ import annotations

import json
import math
import time
from typing import TYPE_CHECKING, Any, Self

from infra_crypto._bytes import KeyHolder, as_bytes
from infra_crypto.algorithms import Alg
from infra_crypto.errors import BadArgument, InvalidKey
from infra_crypto.jwt._compact import seal_jws
from infra_crypto.jwt._rings import Ring, ring_of
from infra_crypto.jwt.claims import Claims
from infra_crypto.jwt.errors import ClaimNotJson, TokenClaimInvalid
from infra_crypto.jwt.jwk import Jwk, hide, jwk_of_record

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from infra_crypto.jwt.verifier import JwtVerifier
    from infra_crypto.keyset import KeysSource
    from infra_crypto.signatures import SigningKey
    from infra_errors import Secret

    AnySecret = bytes | str | Secret[bytes] | Secret[str]

__all__ = ["JwtSigner", "sign_jws"]


class JwtSigner(KeyHolder):
    """
    Makes signed tokens: `JwtSigner.hs256(secret).sign(Claims.new().with_subject("user123"))`.

    Every constructor takes `issuer` for claims without one, `default_ttl` seconds for claims
    without expiry (None: such claims are refused), `typ` of the header, `clock` of Unix seconds.
    """

    __slots__ = ("_clock", "_issuer", "_ring", "_ttl", "_typ")

    def __init__(
        self,
        ring: Ring,
        *,
        issuer: str | None = None,
        default_ttl: float | None = 900.0,
        typ: str = "JWT",
        clock: Callable[[], float] = time.time,
    ) -> None:
        if default_ttl is not None and not (
            isinstance(default_ttl, int | float) and math.isfinite(default_ttl) and default_ttl > 0
        ):
            msg = f"default_ttl is more than 0 seconds, or None, not {default_ttl!r:.40}"
            raise BadArgument(msg)
        if not (issuer is None or isinstance(issuer, str)) or not isinstance(typ, str) or not typ:
            msg = "issuer is a text or None, typ a text"
            raise BadArgument(msg)
        self._ring, self._issuer, self._typ, self._clock = ring, issuer, typ, clock
        self._ttl = default_ttl
        _signing(self._ring.current().primary)

    @classmethod
    def hs256(cls, secret: AnySecret, *, kid: str | None = None, **options: Any) -> Self:
        """Return a signer of HS256; InvalidKey for a secret below 32 bytes."""
        hidden = hide(secret)
        del secret
        return cls.from_jwk(Jwk.from_secret(hidden, "HS256", kid=kid), **options)

    @classmethod
    def hs384(cls, secret: AnySecret, *, kid: str | None = None, **options: Any) -> Self:
        """Return a signer of HS384; InvalidKey for a secret below 48 bytes."""
        hidden = hide(secret)
        del secret
        return cls.from_jwk(Jwk.from_secret(hidden, "HS384", kid=kid), **options)

    @classmethod
    def hs512(cls, secret: AnySecret, *, kid: str | None = None, **options: Any) -> Self:
        """Return a signer of HS512; InvalidKey for a secret below 64 bytes."""
        hidden = hide(secret)
        del secret
        return cls.from_jwk(Jwk.from_secret(hidden, "HS512", kid=kid), **options)

    @classmethod
    def ed25519(cls, key: SigningKey | bytes, *, kid: str | None = None, **options: Any) -> Self:
        """Return a signer of EdDSA, by a SigningKey or its 32-byte seed; InvalidKey."""
        seed = key if isinstance(key, bytes | bytearray | memoryview) else key.seed()
        del key
        raw = as_bytes(seed, "a seed")
        del seed
        size = len(raw)
        if size != 32:
            del raw
            msg = f"an Ed25519 seed: {size} bytes, need 32"
            raise InvalidKey(msg)
        return cls.from_jwk(jwk_of_record(Alg.JWT_EDDSA, raw, None, kid), **options)

    @classmethod
    def from_jwk(cls, jwk: Jwk | Mapping[str, Any] | str | bytes, **options: Any) -> Self:
        """Return a signer by a JWK that may sign; InvalidKey for one that may not, and for RSA."""
        key = jwk if isinstance(jwk, Jwk) else Jwk.parse(jwk)
        del jwk
        return cls(ring_of(key), **options)

    @classmethod
    def from_keyset(cls, keys: KeysSource, **options: Any) -> Self:
        """Return a signer by the primary of a keyset for JWT; a callable is asked at every call."""
        return cls(ring_of(keys), **options)

    def sign(self, claims: Claims | Mapping[str, Any]) -> str:
        """
        Return the token of these claims: compact JWS, with iat and exp filled in.

        Raises BadArgument for claims without expiry where `default_ttl` is None and for registered
        claims of the wrong type, ClaimNotJson.
        """
        payload = self._payload(claims)
        key = _signing(self._ring.current().primary)
        data = json.dumps(payload, separators=(",", ":"), allow_nan=False).encode()
        return seal_jws(data, key.alg, key._signing, typ=self._typ, kid=_kid(key))

    def verifier(
        self,
        *,
        issuer: str | Collection[str] | None = None,
        audience: str | Collection[str] | None = None,
        **options: Any,
    ) -> JwtVerifier:
        """Return what verifies this signer's tokens; issuer, typ and clock are its own."""
        from infra_crypto.jwt.verifier import JwtVerifier

        options = {"typ": self._typ, "clock": self._clock} | options
        issuer = self._issuer if issuer is None else issuer
        return JwtVerifier._of(self._ring, issuer=issuer, audience=audience, **options)

    def jwks(self) -> dict[str, Any]:
        """Return the JWK Set that verifies its tokens; empty for HMAC, whose keys stay secret."""
        return self._ring.current().jwks.to_dict()

    def __repr__(self) -> str:
        return f"<JwtSigner {getattr(self, '_ring', None)!r}>"  # half made in a traceback

    def _payload(self, claims: Claims | Mapping[str, Any]) -> dict[str, Any]:
        if not isinstance(claims, Claims):
            if not all(isinstance(name, str) for name in claims):
                msg = "the names of claims are texts"
                raise ClaimNotJson(msg)
            try:
                claims = Claims.from_dict(claims)
            except TokenClaimInvalid as exc:  # the caller's mistake, not a token's
                raise BadArgument(exc.message) from None
        payload = claims.to_dict()
        now = self._clock()
        if "iss" not in payload and self._issuer is not None:
            payload["iss"] = self._issuer
        payload.setdefault("iat", int(now))
        if "exp" not in payload and not claims.never_expires:
            ttl = self._ttl if claims.expires_in is None else claims.expires_in
            if ttl is None:
                msg = "the claims have no expiry: with_expires_in(seconds), or without_expiry()"
                raise BadArgument(msg)
            payload["exp"] = int(now + ttl)
        return payload


def sign_jws(payload: bytes, key: Jwk, *, typ: str | None = None) -> str:
    """Return the compact JWS of any bytes (RFC 7515); InvalidKey for a key that cannot sign."""
    key = _signing(key)
    return seal_jws(as_bytes(payload, "a payload"), key.alg, key._signing, typ=typ, kid=_kid(key))


def _kid(key: Jwk) -> str | None:
    return key.kid if key.kid is not None or key.kty == "oct" else key.thumbprint()


def _signing(key: Jwk | None) -> Jwk:
    if key is not None and key._signing is not None:
        return key
    msg = f"{key!r} cannot sign: a signer takes a private key for EdDSA or EC, or a secret"
    raise InvalidKey(msg)
