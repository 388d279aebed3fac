"""Verifying tokens: `JwtVerifier`, and the signature alone: `verify_jws`."""

from __future__ import annotations

import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Self

import attrs

from infra_crypto._bytes import KeyHolder
from infra_crypto.errors import BadArgument
from infra_crypto.jwt._compact import media_type, open_jws, payload_claims, read_header
from infra_crypto.jwt._rings import Ring, ring_of
from infra_crypto.jwt.claims import Claims
from infra_crypto.jwt.errors import (
    ClaimNotJson,
    TokenAudience,
    TokenClaimInvalid,
    TokenClaimMissing,
    TokenExpired,
    TokenIssuedInFuture,
    TokenIssuer,
    TokenKeyUnknown,
    TokenNotYetValid,
    TokenType,
)
from infra_crypto.jwt.jwk import Jwk, Jwks, hide

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from infra_crypto.jwt._compact import Header
    from infra_crypto.keyset import KeysSource

__all__ = ["Jws", "JwtVerifier", "verify_jws"]

_AHEAD = 60.0  # seconds that an issuer's clock may be ahead of ours


@attrs.frozen(slots=True)
class _Seen:
    """A token that was verified: what it says, while which keys and times hold."""

    claims: Claims
    generation: int
    since: float
    until: float


class JwtVerifier(KeyHolder):
    """
    Verifies tokens: signature and form, then times, issuer, audience, type and required claims.

    Arguments: `keys` a Jwks, a Jwk, a keyset for JWT (or a callable that gives it), or an HS256
    secret; `issuer` and `audience` what to accept, one or several (issuer None: any; audience None:
    only tokens without aud); `typ` of the header (None: any); `leeway` 0 to 60 seconds; `max_age`
    seconds since iat; `require` names of claims; `max_bytes` of a token; `cache_size` verified
    tokens that are remembered (0: none); `clock` Unix seconds. Raises BadArgument, InvalidKey,
    KeysetInvalid. Verified says nothing of revocation: that is the caller's question.
    """

    __slots__ = (
        *("_audience", "_cache", "_clock", "_issuer", "_leeway", "_max_age", "_max_bytes"),
        *("_require", "_ring", "_size", "_typ"),
    )

    def __init__(
        self,
        keys: Jwks | Jwk | KeysSource,
        *,
        issuer: str | Collection[str] | None,
        audience: str | Collection[str] | None,
        typ: str | None = "JWT",
        leeway: float = 0.0,
        max_age: float | None = None,
        require: Collection[str] = ("exp",),
        max_bytes: int = 16_384,
        cache_size: int = 4096,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if isinstance(keys, bytes | str):
            keys = hide(keys)  # no traceback through here shows it
        self._issuer = _accepted("issuer", issuer)
        self._audience = _accepted("audience", audience)
        self._typ = None if typ is None else _media_type(typ)
        self._leeway = _seconds("leeway", leeway, 60.0)
        self._max_age = None if max_age is None else _seconds("max_age", max_age, math.inf)
        self._require = _accepted("require", require) or frozenset()
        self._max_bytes = _count("max_bytes", max_bytes, 1)
        self._size = _count("cache_size", cache_size, 0)
        self._clock = clock
        self._cache: OrderedDict[bytes, _Seen] = OrderedDict()
        self._ring = keys if isinstance(keys, Ring) else ring_of(keys)

    @classmethod
    def _of(cls, ring: Ring, **options: Any) -> Self:
        """Return a verifier over keys that are read already."""
        return cls(ring, **options)  # type: ignore[arg-type]  # a ring is not for users

    def verify(self, token: str) -> Claims:
        """
        Return the claims of a token that holds, else raise the leaf of TokenError that says why.

        A token that was verified before is answered from the cache, if its keys and its times are
        still in force. What a callable source of keys raises is raised.
        """
        keys = self._ring.current()
        name = b""
        if self._size and isinstance(token, str) and len(token) <= self._max_bytes:
            name = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
            seen = self._cache.get(name)
            if seen is not None:
                if seen.generation == keys.generation and seen.since <= self._clock() < seen.until:
                    _touch(self._cache, name)
                    return seen.claims
                self._cache.pop(name, None)
        header = read_header(token, self._max_bytes)
        key = _find(keys.jwks, header)
        payload = payload_claims(open_jws(token, header, key.alg, key._verifying))
        claims = self._checked(header, payload)
        if name:
            self._cache[name] = self._seen(claims, keys.generation)
            if len(self._cache) > self._size:
                _drop_oldest(self._cache)
        return claims

    def _checked(self, header: Header, payload: dict[str, Any]) -> Claims:
        """Return the claims of a payload whose signature holds, if they are what is accepted."""
        if self._typ is not None and header.media_type != self._typ:
            msg = f"the token's typ is {_shown(header.typ)}, expected {self._typ}"
            raise TokenType(msg)
        try:
            claims = Claims.from_dict(payload)
        except ClaimNotJson as exc:
            msg = "a claim holds a number or a depth that JSON should not"
            raise TokenClaimInvalid(msg, claim=exc.context["claim"]) from None
        for name in self._require:
            if name not in payload:
                msg = f"the token has no claim {name}"
                raise TokenClaimMissing(msg, claim=name)
        self._check_times(payload)
        if self._issuer is not None and claims.issuer not in self._issuer:
            msg = "the token has no issuer" if claims.issuer is None else "the issuer is another"
            raise TokenIssuer(msg)
        if self._audience is None:
            if "aud" in payload:
                msg = "the token is for an audience, and this verifier expects none"
                raise TokenAudience(msg)
        elif self._audience.isdisjoint(claims.audience):
            msg = "the token is for another audience, or for none"
            raise TokenAudience(msg)
        return claims

    def _check_times(self, payload: Mapping[str, Any]) -> None:
        now, leeway = self._clock(), self._leeway
        exp, nbf, iat = payload.get("exp"), payload.get("nbf"), payload.get("iat")
        if exp is not None and now >= exp + leeway:
            msg = f"the token expired {now - exp:.0f} s ago"
            raise TokenExpired(msg)
        if nbf is not None and now < nbf - leeway:
            msg = f"the token is not valid for another {nbf - now:.0f} s"
            raise TokenNotYetValid(msg)
        if iat is not None and iat > now + _AHEAD:
            msg = f"the token was issued {iat - now:.0f} s in the future: are the clocks right?"
            raise TokenIssuedInFuture(msg)
        if self._max_age is None:
            return
        if iat is None:
            msg = "max_age needs iat, and the token has none"
            raise TokenClaimMissing(msg, claim="iat")
        if now - iat >= self._max_age + leeway:
            msg = f"the token is {now - iat:.0f} s old, and {self._max_age:.0f} s is the most"
            raise TokenExpired(msg)

    def _seen(self, claims: Claims, generation: int) -> _Seen:
        """Return what the cache keeps: `_check_times` holds from `since` on and before `until`."""
        since, until = -math.inf, math.inf
        if claims.expires_at is not None:
            until = claims.expires_at.timestamp() + self._leeway
        if claims.not_before is not None:
            since = claims.not_before.timestamp() - self._leeway
        if claims.issued_at is not None:
            issued = claims.issued_at.timestamp()
            since = max(since, issued - _AHEAD)
            if self._max_age is not None:
                until = min(until, issued + self._max_age + self._leeway)
        return _Seen(claims, generation, since, until)

    def __repr__(self) -> str:
        return f"<JwtVerifier {getattr(self, '_ring', None)!r}>"  # half made in a traceback


@attrs.frozen(slots=True)
class Jws:
    """A signed message that holds: its header, its payload, and the kid of the key that signed."""

    header: Mapping[str, Any]
    payload: bytes
    key_id: str | None


def verify_jws(token: str, keys: Jwk | Jwks, *, max_bytes: int = 16_384) -> Jws:
    """
    Return the payload of a compact JWS (RFC 7515) whose signature holds under one of the keys.

    Raises TokenMalformed, TokenTooLarge, TokenAlgorithm, TokenKeyUnknown, TokenSignature.
    """
    header = read_header(token, max_bytes)
    key = _find(keys if isinstance(keys, Jwks) else Jwks([keys]), header)
    payload = open_jws(token, header, key.alg, key._verifying)
    return Jws(header.members, payload, key.kid or header.kid)


def _find(jwks: Jwks, header: Header) -> Jwk:
    """Return the one key that a token may be checked with."""
    key = jwks.find(header.kid)
    if key is not None:
        return key
    msg = (
        "the token names no key, and there is not exactly one"
        if header.kid is None
        else f"no key has the token's kid {_shown(header.kid)}"
    )
    raise TokenKeyUnknown(msg)


def _touch(cache: OrderedDict[bytes, _Seen], name: bytes) -> None:
    try:
        cache.move_to_end(name)
    except KeyError:
        pass  # another thread dropped it meanwhile


def _drop_oldest(cache: OrderedDict[bytes, _Seen]) -> None:
    try:
        cache.popitem(last=False)
    except KeyError:
        pass  # other threads emptied it meanwhile


def _media_type(typ: str) -> str:
    if isinstance(typ, str):
        return media_type(typ)
    msg = f"typ is a text or None, not {type(typ).__name__}"
    raise BadArgument(msg)


def _shown(value: str | None) -> str:
    """Return a foreign text for a message: short, and with nothing that moves a cursor."""
    return "absent" if value is None else f"{value[:60]!a}"


def _accepted(what: str, value: str | Collection[str] | None) -> frozenset[str] | None:
    if value is None:
        return None
    many = (value,) if isinstance(value, str) else value
    if isinstance(many, Collection) and all(isinstance(one, str) for one in many):
        if many or what == "require":
            return frozenset(many)
        msg = f"{what} names none to accept: give one, several or None"
        raise BadArgument(msg)
    msg = f"{what} is a text, several texts or None"
    raise BadArgument(msg)


def _seconds(what: str, value: float, most: float) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most:
        return float(value)
    msg = f"{what} is 0 to {most:.0f} seconds, not {value!r:.40}"
    raise BadArgument(msg)


def _count(what: str, value: int, least: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= least:
        return value
    msg = f"{what} is {least} or more, not {value!r:.40}"
    raise BadArgument(msg)
