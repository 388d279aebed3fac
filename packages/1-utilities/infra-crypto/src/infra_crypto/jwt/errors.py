"""
What a token can be refused for, and what a set of claims can.

    AuthError, UnauthenticatedError
    └── TokenError                  crypto.token
        ├── TokenMalformed          crypto.token_malformed         no strict compact JWS
        ├── TokenTooLarge           crypto.token_too_large         longer than `max_bytes`
        ├── TokenAlgorithm          crypto.token_algorithm         header `alg` is not the key's
        ├── TokenKeyUnknown         crypto.token_key_unknown       no key of that `kid`
        ├── TokenSignature          crypto.token_signature         the signature does not hold
        ├── TokenExpired            crypto.token_expired           now is at or after `exp`
        ├── TokenNotYetValid        crypto.token_not_yet_valid     now is before `nbf`
        ├── TokenIssuedInFuture     crypto.token_issued_in_future  `iat` is ahead of the clock
        ├── TokenIssuer             crypto.token_issuer            another `iss`, or none
        ├── TokenAudience           crypto.token_audience          a wrong `aud`, or an extra
        ├── TokenType               crypto.token_type              another header `typ`, or none
        ├── TokenClaimMissing       crypto.token_claim_missing     a required claim is absent
        └── TokenClaimInvalid       crypto.token_claim_invalid     a claim of the wrong type
    ValidationError
    └── ClaimReserved               crypto.claim_reserved          a registered name as custom claim
    ExternalError, UnavailableError
    └── JwksUnavailable             crypto.jwks_unavailable        remote keys cannot be fetched
    SerializationError
    └── ClaimNotJson                crypto.claim_not_json          a claim that JSON cannot hold
"""

from __future__ import annotations

from infra_errors import (
    AuthError,
    ExternalError,
    SerializationError,
    UnauthenticatedError,
    UnavailableError,
    ValidationError,
)

__all__ = [
    "ClaimNotJson",
    "ClaimReserved",
    "JwksUnavailable",
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
]


class TokenError(AuthError, UnauthenticatedError):
    """A token is refused; its leaf says why, and never shows the token."""

    code = "crypto.token"


class TokenMalformed(TokenError):
    """The text is no JWS in strict compact form (RFC 7515, 7.1)."""

    code = "crypto.token_malformed"


class TokenTooLarge(TokenError):
    """The token is longer than `max_bytes`; nothing of it was read."""

    code = "crypto.token_too_large"


class TokenAlgorithm(TokenError):
    """The header's `alg` is not the algorithm of the key."""

    code = "crypto.token_algorithm"


class TokenKeyUnknown(TokenError):
    """No key has the token's `kid`, or the token names none where there are several keys."""

    code = "crypto.token_key_unknown"


class TokenSignature(TokenError):
    """The signature does not hold."""

    code = "crypto.token_signature"


class TokenExpired(TokenError):
    """The time of `exp` has come, or the token is older than `max_age`."""

    code = "crypto.token_expired"


class TokenNotYetValid(TokenError):
    """The time of `nbf` has not come."""

    code = "crypto.token_not_yet_valid"


class TokenIssuedInFuture(TokenError):
    """`iat` is more than a minute ahead of the clock."""

    code = "crypto.token_issued_in_future"


class TokenIssuer(TokenError):
    """`iss` is absent or none of the accepted issuers."""

    code = "crypto.token_issuer"


class TokenAudience(TokenError):
    """`aud` holds none of the accepted audiences, or is there where none is accepted."""

    code = "crypto.token_audience"


class TokenType(TokenError):
    """The header's `typ` is absent or another than the expected."""

    code = "crypto.token_type"


class TokenClaimMissing(TokenError):
    """A claim that the verifier requires is absent."""

    code = "crypto.token_claim_missing"


class TokenClaimInvalid(TokenError):
    """A registered claim has a value of the wrong type."""

    code = "crypto.token_claim_invalid"


class ClaimReserved(ValidationError):
    """A registered claim was given as a custom one; it has its own method."""

    code = "crypto.claim_reserved"


class ClaimNotJson(SerializationError):
    """A custom claim holds what JSON cannot."""

    code = "crypto.claim_not_json"


class JwksUnavailable(ExternalError, UnavailableError):
    """A remote key set cannot be fetched, and none is young enough to serve."""

    code = "crypto.jwks_unavailable"
