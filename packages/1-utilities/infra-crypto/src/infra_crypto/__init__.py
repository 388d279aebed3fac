"""
Cryptography that is hard to misuse.

>>> from infra_crypto import decrypt, encrypt, generate_key
>>> key = generate_key()
>>> blob = encrypt(key, b"hi", aad=b"note 1")
>>> decrypt(key, blob, aad=b"note 1")
b'hi'

Importing this package loads none of its modules: each name is fetched at its first use (PEP 562).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infra_crypto.aead import (
        Aead,
        DeterministicAead,
    )
    from infra_crypto.algorithms import (
        Alg,
        KeyStatus,
    )
    from infra_crypto.envelope import (
        Envelope,
        KmsClient,
    )
    from infra_crypto.errors import (
        BadArgument,
        BytesRequired,
        CryptoError,
        DecryptFailed,
        HashMalformed,
        HashParametersRefused,
        InvalidKey,
        KeysetInvalid,
        KmsError,
        MessageTooLarge,
        MissingExtra,
        NoWrappingKey,
        PasswordEmpty,
        PasswordPoolFull,
        PasswordTooLong,
        SignatureInvalid,
    )
    from infra_crypto.hashing import (
        Hasher,
        blake3,
        hash_file,
        hasher,
        sha256,
        sha512,
    )
    from infra_crypto.jwt import (
        AsyncJwtVerifier,
        ClaimNotJson,
        ClaimReserved,
        Claims,
        Jwk,
        Jwks,
        JwksUnavailable,
        Jws,
        JwtSigner,
        JwtVerifier,
        RemoteJwks,
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
        sign_jws,
        verify_jws,
    )
    from infra_crypto.kdf import (
        derive_key,
        hkdf,
    )
    from infra_crypto.keyset import (
        KeyInfo,
        Keyset,
        KeysSource,
    )
    from infra_crypto.mac import (
        BlindIndex,
        Mac,
        blind_index,
    )
    from infra_crypto.passwords import (
        Argon2Params,
        PasswordHasher,
        ahash_password,
        averify_password,
        hash_password,
        verify_password,
    )
    from infra_crypto.randoms import (
        constant_time_eq,
        random_bytes,
        random_code,
        random_token,
    )
    from infra_crypto.signatures import (
        Signer,
        SigningKey,
        Verifier,
        VerifyKey,
    )
    from infra_crypto.simple import (
        decrypt,
        decrypt_file,
        decrypt_text,
        encrypt,
        encrypt_file,
        encrypt_text,
        generate_key,
    )
    from infra_crypto.stream import (
        decrypt_stream,
        encrypt_stream,
        open_seekable,
    )

__all__ = [
    "Aead",
    "Alg",
    "Argon2Params",
    "AsyncJwtVerifier",
    "BadArgument",
    "BlindIndex",
    "BytesRequired",
    "ClaimNotJson",
    "ClaimReserved",
    "Claims",
    "CryptoError",
    "DecryptFailed",
    "DeterministicAead",
    "Envelope",
    "HashMalformed",
    "HashParametersRefused",
    "Hasher",
    "InvalidKey",
    "Jwk",
    "Jwks",
    "JwksUnavailable",
    "Jws",
    "JwtSigner",
    "JwtVerifier",
    "KeyInfo",
    "KeyStatus",
    "KeysSource",
    "Keyset",
    "KeysetInvalid",
    "KmsClient",
    "KmsError",
    "Mac",
    "MessageTooLarge",
    "MissingExtra",
    "NoWrappingKey",
    "PasswordEmpty",
    "PasswordHasher",
    "PasswordPoolFull",
    "PasswordTooLong",
    "RemoteJwks",
    "SignatureInvalid",
    "Signer",
    "SigningKey",
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
    "Verifier",
    "VerifyKey",
    "ahash_password",
    "averify_password",
    "blake3",
    "blind_index",
    "constant_time_eq",
    "decrypt",
    "decrypt_file",
    "decrypt_stream",
    "decrypt_text",
    "derive_key",
    "encrypt",
    "encrypt_file",
    "encrypt_stream",
    "encrypt_text",
    "generate_key",
    "hash_file",
    "hash_password",
    "hasher",
    "hkdf",
    "open_seekable",
    "random_bytes",
    "random_code",
    "random_token",
    "sha256",
    "sha512",
    "sign_jws",
    "verify_jws",
    "verify_password",
]

_MODULES = {
    "aead": "Aead DeterministicAead",
    "algorithms": "Alg KeyStatus",
    "envelope": "Envelope KmsClient",
    "errors": (
        "BadArgument BytesRequired CryptoError DecryptFailed "
        "HashMalformed HashParametersRefused InvalidKey KeysetInvalid KmsError "
        "MessageTooLarge MissingExtra NoWrappingKey PasswordEmpty PasswordPoolFull PasswordTooLong "
        "SignatureInvalid"
    ),
    "hashing": "Hasher blake3 hash_file hasher sha256 sha512",
    "jwt": (
        "AsyncJwtVerifier ClaimNotJson ClaimReserved Claims Jwk Jwks JwksUnavailable Jws "
        "JwtSigner JwtVerifier RemoteJwks TokenAlgorithm "
        "TokenAudience TokenClaimInvalid TokenClaimMissing TokenError TokenExpired "
        "TokenIssuedInFuture TokenIssuer TokenKeyUnknown TokenMalformed TokenNotYetValid "
        "TokenSignature TokenTooLarge TokenType sign_jws verify_jws"
    ),
    "kdf": "derive_key hkdf",
    "keyset": "KeyInfo KeysSource Keyset",
    "mac": "BlindIndex Mac blind_index",
    "passwords": (
        "Argon2Params PasswordHasher ahash_password averify_password hash_password verify_password"
    ),
    "randoms": "constant_time_eq random_bytes random_code random_token",
    "signatures": "Signer SigningKey Verifier VerifyKey",
    "simple": ("decrypt decrypt_file decrypt_text encrypt encrypt_file encrypt_text generate_key"),
    "stream": "decrypt_stream encrypt_stream open_seekable",
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names.split()}

if not TYPE_CHECKING:

    def __getattr__(name):
        if name not in _MODULE_OF:
            msg = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(msg)
        module = f"{__name__}.{_MODULE_OF[name]}"
        __import__(module)
        # sys.modules, because no name of ours may be shadowed by a module of the same name
        value = globals()[name] = getattr(sys.modules[module], name)
        return value

    def __dir__():
        return sorted({*globals(), *__all__})
