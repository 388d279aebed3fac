"""
The compact JWS (RFC 7515, 7.1), read strictly; the only module that calls PyJWT.

Our checks come before PyJWT's (size, form, header) and after (the payload's JSON). Keys come here
ready, checked once when they were read, so PyJWT's own preparation of them is not repeated.
"""

from __future__ import annotations

import json
import re
from functools import cache, lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import attrs

from infra_crypto import _native
from infra_crypto._bytes import from_base64url
from infra_crypto.jwt.errors import (
    TokenAlgorithm,
    TokenMalformed,
    TokenSignature,
    TokenTooLarge,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "HMAC_BYTES",
    "Header",
    "check_hmac_key",
    "media_type",
    "open_jws",
    "payload_claims",
    "read_header",
    "seal_jws",
    "strict_json",
]

HMAC_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}
_DEEPEST = 32
_TOKEN = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)\.([A-Za-z0-9_-]*)")
# by the length modulo 4: which last characters leave no bits over
_LAST = {2: frozenset("AQgw"), 3: frozenset("AEIMQUYcgkosw048")}
_CACHED_HEADER = 512


@attrs.frozen(slots=True)
class Header:
    """A header that was read, not yet trusted."""

    alg: str
    kid: str | None
    typ: str | None
    members: Mapping[str, Any]
    media_type: str | None  # typ to compare: RFC 7515, 4.1.9


def strict_json(data: bytes | str) -> dict[str, Any]:
    """Return a JSON object; ValueError for duplicate names, NaN, depth over 32 or no object."""
    text = data.decode("utf-8") if isinstance(data, bytes) else data
    try:
        value = _decoder.decode(text)
    except RecursionError:
        msg = "the JSON is too deep"
        raise ValueError(msg) from None
    if not isinstance(value, dict):
        msg = "the JSON is no object"
        raise ValueError(msg)  # noqa: TRY004 -- one kind for all that is wrong with a text
    # what has few brackets is not deep: the walk is for the rare rest
    if text.count("{") + text.count("[") > _DEEPEST and _is_deep(value):
        msg = "the JSON is too deep"
        raise ValueError(msg)
    return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        msg = "the JSON has a name twice"
        raise ValueError(msg)
    return found


def _no_constant(name: str) -> Any:
    msg = f"{name} is no JSON"
    raise ValueError(msg)


_decoder = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_no_constant)


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            item
            for node in level
            if isinstance(node, dict | list)
            for item in (node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return False
    return any(isinstance(node, dict | list) for node in level)


def read_header(token: str, max_bytes: int) -> Header:
    """Return the header of a token in strict compact form; TokenTooLarge or TokenMalformed."""
    if not isinstance(token, str):
        msg = f"a token is a text, not {type(token).__name__}"
        raise TokenMalformed(msg)
    if len(token) > max_bytes:
        msg = f"the token has {len(token)} characters, and {max_bytes} is the most"
        raise TokenTooLarge(msg)
    match = _TOKEN.fullmatch(token)
    if match is None:
        msg = "the token is not three segments of base64url with dots between"
        raise TokenMalformed(msg)
    segments = match.groups()
    for segment in segments:
        rest = len(segment) % 4
        if rest and (rest == 1 or segment[-1] not in _LAST[rest]):
            msg = "a segment of the token is no canonical base64url"
            raise TokenMalformed(msg)
    first = segments[0]
    return _cached_header(first) if len(first) <= _CACHED_HEADER else _header(first)


def _header(segment: str) -> Header:
    try:
        members = strict_json(from_base64url(segment) or b"")
    except ValueError as exc:
        msg = f"the token's header: {_reason(exc)}"
        raise TokenMalformed(msg) from None
    alg, kid, typ = members.get("alg"), members.get("kid"), members.get("typ")
    if "crit" in members or members.get("b64", True) is not True:
        msg = "the token's header asks for an extension (crit, b64) that is not supported"
    elif not isinstance(alg, str):
        msg = "the token's header names no alg"
    elif not (isinstance(kid, str) or "kid" not in members):
        msg = "the token's kid is no text"
    elif not (isinstance(typ, str) or "typ" not in members):
        msg = "the token's typ is no text"
    else:
        return Header(
            *(alg, kid, typ, MappingProxyType(members)),
            None if typ is None else media_type(typ),
        )
    raise TokenMalformed(msg)


def media_type(typ: str) -> str:
    """Return a typ to compare, without case and "application/" (RFC 7515, 4.1.9)."""
    return typ.lower().removeprefix("application/")


_cached_header = lru_cache(maxsize=256)(_header)


def open_jws(token: str, header: Header, alg: str, key: Any) -> bytes:
    """
    Return the payload of a token whose signature holds for this key.

    `token` went through `read_header`; `key` is what `Jwk` keeps. Raises TokenAlgorithm where the
    header names another algorithm than the key's, TokenSignature, TokenMalformed.
    """
    if header.alg != alg:
        msg = f"the key is for {alg}, and the token's header names another algorithm"
        raise TokenAlgorithm(msg)
    exceptions = _exceptions()
    try:
        payload: bytes = _jws().decode_complete(token, key, [alg])["payload"]
    except exceptions.InvalidSignatureError:
        msg = "the token's signature does not hold"
        raise TokenSignature(msg) from None
    except exceptions.PyJWTError:
        msg = "the token is no JWS in compact form"
        raise TokenMalformed(msg) from None
    return payload


def seal_jws(payload: bytes, alg: str, key: Any, *, typ: str | None, kid: str | None) -> str:
    """Return the compact JWS of a payload."""
    headers: dict[str, Any] = {"typ": typ} if kid is None else {"typ": typ, "kid": kid}
    token: str = _jws().encode(payload, key, alg, headers)
    return token


def payload_claims(payload: bytes) -> dict[str, Any]:
    """Return the members of a token's payload; TokenMalformed where it is no strict JSON object."""
    try:
        return strict_json(payload)
    except ValueError as exc:
        msg = f"the token's payload: {_reason(exc)}"
        raise TokenMalformed(msg) from None


def _reason(exc: ValueError) -> str:
    """Say what is wrong without any part of the text."""
    known = isinstance(exc, json.JSONDecodeError | UnicodeDecodeError)
    return "no JSON in UTF-8" if known else str(exc)[:80]


@cache
def _exceptions() -> Any:
    return _native.load("jwt.exceptions", distribution="pyjwt")


@cache
def _jws() -> Any:
    """Return PyJWT's codec with our closed set of algorithms."""
    api = _native.load("jwt.api_jws", distribution="pyjwt")
    algorithms = _native.load("jwt.algorithms", distribution="pyjwt")
    known = algorithms.get_default_algorithms()
    names = [name for name in _NAMES if name in known]
    codec = api.PyJWS(algorithms=names)
    for name in (*HMAC_BYTES, "EdDSA"):
        if name in names:
            codec.unregister_algorithm(name)
            codec.register_algorithm(name, _ready(algorithms, name))
    return codec


_NAMES = (
    *HMAC_BYTES,
    *("EdDSA", "ES256", "ES384", "ES512"),
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
)


def _ready(algorithms: Any, name: str) -> Any:
    """
    Return PyJWT's HMAC or EdDSA for keys that are checked already.

    Its preparation of an HMAC key tries it as PEM, DER, SSH and JSON at every call: two thirds of
    the time of a verification. `check_hmac_key` does that once a key, `load_key` the others.
    """
    base: Any = algorithms.OKPAlgorithm if name == "EdDSA" else algorithms.HMACAlgorithm

    class Ready(base):  # type: ignore[misc]  # the class is loaded late
        def prepare_key(self, key: Any) -> Any:
            return key

    return Ready() if name == "EdDSA" else Ready(getattr(base, "SHA" + name[2:]))


def check_hmac_key(secret: bytes) -> bool:
    """Return whether PyJWT takes these bytes as a secret: no public key in PEM, DER, SSH or JWK."""
    algorithms = _native.load("jwt.algorithms", distribution="pyjwt")
    algorithm = algorithms.HMACAlgorithm(algorithms.HMACAlgorithm.SHA256)
    try:
        algorithm.prepare_key(secret)
    except _exceptions().InvalidKeyError:
        return False
    return True
