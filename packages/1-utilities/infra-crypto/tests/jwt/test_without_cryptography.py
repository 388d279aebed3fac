"""Without `cryptography` (in a browser) HMAC tokens work; the rest says what to install."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import sys
for name in ("cryptography", "argon2", "blake3"):
    sys.modules[name] = None
from infra_crypto.jwt import *
from infra_crypto.errors import MissingExtra
from infra_crypto.hashing import blake3
from infra_crypto.keyset import Keyset
from infra_crypto.passwords import hash_password

signer = JwtSigner.hs256(b"k" * 32)
assert signer.verifier().verify(signer.sign({"sub": "u"})).subject == "u"
signer = JwtSigner.from_keyset(Keyset.generate("JWT_HS512"))
assert signer.verifier().verify(signer.sign({"sub": "u"})).subject == "u"
assert len(blake3(b"")) == 32
for call in (lambda: JwtSigner.ed25519(b"k" * 32), lambda: hash_password("pw")):
    try:
        call()
    except MissingExtra as error:
        print(error.context["distribution"])
"""


@pytest.mark.subprocess
def test_hmac_tokens_need_no_cryptography():
    result = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=False
    )
    assert ("", ["cryptography", "argon2-cffi"]) == (result.stderr, result.stdout.split())
