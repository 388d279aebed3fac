"""
Atheris over every parser of foreign bytes: tokens, headers, payloads, JWK, JWKS, PHC strings.

Not a test (the hypothesis tests beside it run everywhere): `pip install atheris`, then
`python fuzz_parsers.py -max_total_time=120 -max_len=2048`. Whatever leaves a parser but its own
errors is a finding. The first byte chooses the parser.
"""

from __future__ import annotations

import base64
import hmac
import sys

import atheris

with atheris.instrument_imports(include=["infra_crypto"]):
    from infra_crypto.errors import (
        HashMalformed,
        HashParametersRefused,
        InvalidKey,
        KeysetInvalid,
    )
    from infra_crypto.jwt import Jwk, Jwks, JwtVerifier, TokenError
    from infra_crypto.passwords import Argon2Params, PasswordHasher

SECRET = b"k" * 32
VERIFIER = JwtVerifier(SECRET, issuer=None, audience=None, clock=lambda: 1e9, cache_size=8)
HASHER = PasswordHasher(Argon2Params.INSECURE_FAST, max_params=Argon2Params(t=1, m=16, p=1))


def segment(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(header: bytes, payload: bytes) -> str:
    text = f"{segment(header)}.{segment(payload)}"
    return f"{text}.{segment(hmac.digest(SECRET, text.encode(), 'sha256'))}"


def one(data: bytes) -> None:
    kind, data = data[:1], data[1:]
    text = data.decode("utf-8", "surrogateescape")
    parsers = {
        b"0": lambda: VERIFIER.verify(text),
        b"1": lambda: VERIFIER.verify(signed(b'{"alg":"HS256","typ":"JWT"}', data)),
        b"2": lambda: VERIFIER.verify(signed(data, b"{}")),
        b"3": lambda: Jwk.parse(data),
        b"4": lambda: Jwks.parse(text, strict=False),
        b"5": lambda: HASHER.verify(text, "pw"),
        b"6": lambda: Jwk.from_pem(data),
    }
    try:
        parsers.get(kind, parsers[b"0"])()
    except (TokenError, InvalidKey, KeysetInvalid, HashMalformed, HashParametersRefused):
        pass


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
