"""Where nothing native is installed, as in Pyodide, each use of it says what is missing."""

from __future__ import annotations

import io
from collections.abc import Callable
from importlib.util import find_spec

import pytest

from infra_crypto import (
    Aead,
    Alg,
    DeterministicAead,
    Keyset,
    SigningKey,
    decrypt,
    encrypt,
    encrypt_stream,
    hash_password,
    hazmat,
    verify_password,
)
from infra_crypto.jwt import Jwk, JwtSigner
from infra_errors import ConfigError

KEY = b"k" * 32
USES: dict[str, Callable[[], object]] = {
    "aes-gcm": lambda: encrypt(KEY, b"x", alg=Alg.AES_256_GCM),
    "xaes": lambda: encrypt(KEY, b"x"),
    "open": lambda: decrypt(KEY, b"x" * 50),
    "keyset": lambda: Aead(Keyset.generate(Alg.XAES_256_GCM)).seal(b"x", aad=b""),
    "siv": lambda: DeterministicAead(b"k" * 64).seal(b"x", aad=b""),
    "stream": lambda: encrypt_stream(KEY, io.BytesIO(b"x"), io.BytesIO(), context=b""),
    "ed25519": SigningKey.generate,
    "es256": lambda: JwtSigner.from_keyset(Keyset.generate(Alg.JWT_ES256)).sign({}),
    "eddsa": lambda: JwtSigner.ed25519(KEY).sign({}),
    "rsa": lambda: Jwk.from_pem("-----BEGIN PUBLIC KEY-----"),
    "hazmat": lambda: hazmat.gcm_seal(KEY, b"n" * 12, b"x", b""),
}
PASSWORDS: dict[str, Callable[[], object]] = {
    "hash": lambda: hash_password("pw"),
    "verify": lambda: verify_password(f"$argon2id$v=19$m=64,t=1,p=1${'A' * 22}${'A' * 43}", "pw"),
}


@pytest.mark.skipif(find_spec("cryptography") is not None, reason="cryptography is installed")
@pytest.mark.parametrize("name", USES)
def test_each_cipher_and_signature_names_cryptography(name: str):
    with pytest.raises(ConfigError, match="cryptography") as caught:
        USES[name]()
    assert "crypto.missing_extra" == caught.value.code


@pytest.mark.skipif(find_spec("argon2") is not None, reason="argon2-cffi is installed")
@pytest.mark.parametrize("name", PASSWORDS)
def test_passwords_name_argon2(name: str):
    with pytest.raises(ConfigError, match="argon2-cffi") as caught:
        PASSWORDS[name]()
    assert "crypto.missing_extra" == caught.value.code
