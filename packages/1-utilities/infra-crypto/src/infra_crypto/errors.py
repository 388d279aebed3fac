"""
What infra-crypto raises.

    CryptoError
    ├── DecryptFailed           crypto.decrypt_failed       whatever stood in the way of opening
    ├── SignatureInvalid        crypto.signature_invalid    a signature or tag does not hold
    ├── InvalidKey              crypto.invalid_key          a key of the wrong size or strength
    ├── KeysetInvalid           crypto.keyset_invalid       a keyset that is malformed, or a change
    │                                                       that its rules forbid
    ├── HashMalformed           crypto.hash_malformed       a text that is no Argon2id hash
    ├── HashParametersRefused   crypto.hash_parameters      a hash that would cost more than allowed
    ├── MessageTooLarge         crypto.message_too_large    more than one call can seal
    └── PasswordPoolFull        crypto.password_pool_full   (also UnavailableError)
    ExternalError
    └── KmsError                crypto.kms                  (also UnavailableError)
    ValidationError
    ├── BytesRequired           crypto.bytes_required       a str, where bytes are meant
    ├── BadArgument             crypto.argument
    ├── PasswordEmpty           crypto.password_empty
    └── PasswordTooLong         crypto.password_too_long
    ConfigError
    ├── NoWrappingKey           crypto.no_wrapping_key      the command line was given none
    └── MissingExtra            crypto.missing_extra        a distribution that is not installed

What tokens and claims raise is drawn in `infra_crypto.jwt.errors`.
"""

from __future__ import annotations

from infra_errors import (
    ConfigError,
    CryptoError,
    ExternalError,
    UnavailableError,
    ValidationError,
)

__all__ = [
    "BadArgument",
    "BytesRequired",
    "CryptoError",
    "DecryptFailed",
    "HashMalformed",
    "HashParametersRefused",
    "InvalidKey",
    "KeysetInvalid",
    "KmsError",
    "MessageTooLarge",
    "MissingExtra",
    "NoWrappingKey",
    "PasswordEmpty",
    "PasswordPoolFull",
    "PasswordTooLong",
    "SignatureInvalid",
]


class DecryptFailed(CryptoError):
    """The bytes do not open. Which of the reasons it was is not said, to anyone."""

    code = "crypto.decrypt_failed"
    default_message = "the data cannot be opened with these keys and this associated data"


class SignatureInvalid(CryptoError):
    """A signature or authentication tag does not hold for this message and these keys."""

    code = "crypto.signature_invalid"
    default_message = "the signature does not hold for this message and these keys"


class InvalidKey(CryptoError):
    """A key has the wrong size, form or strength for what it is meant for."""

    code = "crypto.invalid_key"


class KeysetInvalid(CryptoError):
    """A keyset is malformed or serves another purpose, or its rules forbid the change."""

    code = "crypto.keyset_invalid"


class HashMalformed(CryptoError):
    """A text is no Argon2id hash in PHC form."""

    code = "crypto.hash_malformed"


class HashParametersRefused(CryptoError):
    """A hash asks for more time, memory or lanes than `max_params` allows."""

    code = "crypto.hash_parameters"


class MessageTooLarge(CryptoError):
    """A message is larger than one call can seal: `encrypt_stream` takes it."""

    code = "crypto.message_too_large"


class PasswordPoolFull(CryptoError, UnavailableError):
    """As many password hashes wait as `max_waiting` allows."""

    code = "crypto.password_pool_full"


class KmsError(ExternalError, UnavailableError):
    """The key management service failed or did not answer in time."""

    code = "crypto.kms"


class BytesRequired(ValidationError):
    """A text was given where bytes are meant: how to encode it is the caller's choice."""

    code = "crypto.bytes_required"


class BadArgument(ValidationError):
    """An argument lies outside what the function takes."""

    code = "crypto.argument"


class PasswordEmpty(ValidationError):
    """There is nothing to hash."""

    code = "crypto.password_empty"


class PasswordTooLong(ValidationError):
    """A password passes 4096 bytes of UTF-8."""

    code = "crypto.password_too_long"


class MissingExtra(ConfigError):
    """A distribution that this function needs is not installed."""

    code = "crypto.missing_extra"


class NoWrappingKey(ConfigError):
    """The environment names no key that a keyset file could be wrapped by."""

    code = "crypto.no_wrapping_key"
