"""
JSON Web Tokens with strict keys: a key has one algorithm, and a token cannot choose another.

>>> from infra_crypto.jwt import Claims, JwtSigner
>>> signer = JwtSigner.hs256(b"0123456789abcdef0123456789abcdef", issuer="https://id.example")
>>> token = signer.sign(Claims.new().with_subject("user123").with_audience("api"))
>>> signer.verifier(audience="api").verify(token).subject
'user123'
"""

from infra_crypto.jwt.claims import Claims
from infra_crypto.jwt.errors import (
    ClaimNotJson,
    ClaimReserved,
    JwksUnavailable,
    TokenAlgorithm,
    TokenAudience,
    TokenClaimInvalid,
    TokenClaimMissing,
    TokenError,
    TokenExpired,
    TokenIssuedInFuture,
    TokenIssuer,
    TokenKeyUnknown,
    TokenMalformed,
    TokenNotYetValid,
    TokenSignature,
    TokenTooLarge,
    TokenType,
)
from infra_crypto.jwt.jwk import Jwk, Jwks
from infra_crypto.jwt.remote import AsyncJwtVerifier, RemoteJwks
from infra_crypto.jwt.signer import JwtSigner, sign_jws
from infra_crypto.jwt.verifier import Jws, JwtVerifier, verify_jws

__all__ = [
    "AsyncJwtVerifier",
    "ClaimNotJson",
    "ClaimReserved",
    "Claims",
    "Jwk",
    "Jwks",
    "JwksUnavailable",
    "Jws",
    "JwtSigner",
    "JwtVerifier",
    "RemoteJwks",
    "TokenAlgorithm",
    "TokenAudience",
    "TokenClaimInvalid",
    "TokenClaimMissing",
    "TokenError",
    "TokenExpired",
    "TokenIssuedInFuture",
    "TokenIssuer",
    "TokenKeyUnknown",
    "TokenMalformed",
    "TokenNotYetValid",
    "TokenSignature",
    "TokenTooLarge",
    "TokenType",
    "sign_jws",
    "verify_jws",
]
