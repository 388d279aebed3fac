"""What importing costs, and what still works where nothing is compiled."""

from __future__ import annotations

import importlib
import importlib.metadata
import subprocess
import sys

import pytest

import infra_crypto
from infra_crypto import CryptoError
from infra_errors import InfraError

pytestmark = pytest.mark.subprocess

BLOCK = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"cryptography", "argon2", "_argon2_cffi_bindings", "blake3"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Block())
"""


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout.strip()


def test_import_loads_none_of_the_libraries():
    heavy = "{'cryptography', 'jwt', 'argon2', 'blake3', 'attr'}"
    assert "[]" == run(f"import sys, infra_crypto; print(sorted({heavy} & set(sys.modules)))")


def test_every_public_name_is_there_and_an_unknown_one_is_not():
    for name in infra_crypto.__all__:
        assert getattr(infra_crypto, name) is not None
        assert name in dir(infra_crypto)
    with pytest.raises(AttributeError, match="nothing"):
        infra_crypto.nothing


def test_every_name_imports_without_compiled_libraries():
    code = (
        "import infra_crypto\nfor n in infra_crypto.__all__: getattr(infra_crypto, n)\nprint('ok')"
    )
    assert "ok" == run(BLOCK + code)


def test_what_needs_no_compiled_library_works_without():
    code = """
from infra_crypto import *
from infra_crypto import Alg
keys = Keyset.generate(Alg.HMAC_SHA256).rotate()
mac = Mac(Keyset.parse(keys.export_insecure(reason="test")))
mac.verify(b"x", mac.compute(b"x"))
assert 64 == len(blind_index(b"k" * 32, "x")) and BlindIndex(keys, context="c").compute("x")
assert hkdf(b"k", info=b"") and derive_key(generate_key(), "x") and random_code() and sha256(b"")
assert 32 == len(blake3(b""))
signer = JwtSigner.hs256(b"k" * 32)
token = signer.sign(Claims.new().with_subject("u"))
assert "u" == signer.verifier(issuer=None, audience=None).verify(token).subject
print("ok")
"""
    assert "ok" == run(BLOCK + code)


@pytest.mark.parametrize(
    ("call", "distribution"),
    [
        ("encrypt(b'k' * 32, b'x')", "cryptography"),
        ("SigningKey.generate()", "cryptography"),
        ("Keyset.generate(Alg.ECDSA_P256)", "cryptography"),
        ("hash_password('correct horse')", "argon2-cffi"),
    ],
)
def test_what_needs_a_compiled_library_names_its_distribution(call: str, distribution: str):
    code = f"""
from infra_crypto import *
from infra_errors import ConfigError
try:
    {call}
except ConfigError as error:
    print(error.code, "pip install '{distribution}'" in str(error))
"""
    assert "crypto.missing_extra True" == run(BLOCK + code)


def declared() -> set[str]:
    """The modules declared for the catalogue."""
    points = importlib.metadata.distribution("infra-crypto").entry_points
    return {point.module for point in points if point.group == "infra_errors.catalogue"}


def test_the_catalogue_is_told_of_every_class_and_no_code_is_given_twice():
    modules = {"infra_crypto.errors", "infra_crypto.jwt.errors"}
    assert modules == declared()
    classes = {
        getattr(module, name)
        for module in map(importlib.import_module, modules)
        for name in module.__all__
    } - {CryptoError}
    codes = [cls.code for cls in classes]
    assert len(codes) == len(set(codes))
    assert all(issubclass(cls, InfraError) for cls in classes)
    assert all(code.startswith("crypto.") for code in codes)
    public = {getattr(infra_crypto, name) for name in infra_crypto.__all__}
    assert classes <= public
