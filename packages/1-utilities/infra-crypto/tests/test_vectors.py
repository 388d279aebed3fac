"""The frozen formats, which the TypeScript SDK is held to as well."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

from infra_crypto import (
    Aead,
    Alg,
    DecryptFailed,
    DeterministicAead,
    Envelope,
    Keyset,
    KeysetInvalid,
    Mac,
    Signer,
    Verifier,
    blind_index,
    decrypt_stream,
    derive_key,
    hazmat,
)
from infra_crypto.testing import LocalKms

pytestmark = pytest.mark.native("cryptography")
FOLDER = Path(__file__).parents[4] / "tests" / "vectors"


def cases(name: str) -> list[Any]:
    file = FOLDER / f"crypto_{name}.json"
    content = json.loads(file.read_text("utf-8"))["cases"] if file.exists() else []
    return [pytest.param(case, id=f"{n}-{case['op']}") for n, case in enumerate(content)]


def raw(case: dict[str, Any], *names: str) -> list[bytes]:
    return [bytes.fromhex(case[name]) for name in names]


@pytest.mark.skipif(not cases("sealed"), reason="the shared vectors are not here")
@pytest.mark.parametrize("case", cases("sealed"))
async def test_sealed_bytes_open(case: dict[str, Any]):
    (key,) = raw(case, "key")
    op = case["op"]
    if op == "stream":
        plain = bytes(i % 251 for i in range(case["size"]))
        context, salt = raw(case, "context", "salt")
        keyset = Keyset.from_raw(Alg.CHUNKED_AES_256_GCM, key)
        prefix = b"\x01" + keyset.primary.key_id.to_bytes(4)
        blob = prefix + hazmat.chunked_encrypt(key, plain, context, salt=salt)
        assert case["sha256"] == hashlib.sha256(blob).hexdigest()
        assert case.get("blob", blob.hex()) == blob.hex()
        out = io.BytesIO()
        decrypt_stream(key, io.BytesIO(blob), out, context=context)
        assert plain == out.getvalue()
        return
    aad, blob = raw(case, "aad", "blob")
    if op == "refuse":
        with pytest.raises(DecryptFailed):
            Aead(key).open(blob, aad=aad)
        return
    (plain,) = raw(case, "plaintext")
    if op == "aead":
        assert plain == Aead(key).open(blob, aad=aad)
    elif op == "deterministic":
        cipher = DeterministicAead(key)
        assert (plain, blob) == (cipher.open(blob, aad=aad), cipher.seal(plain, aad=aad))
    else:
        kms = LocalKms({case["key_uri"]: Keyset.from_raw(Alg.XAES_256_GCM, key)})
        assert plain == await Envelope(kms, case["key_uri"]).open(blob, aad=aad)


@pytest.mark.skipif(not cases("keys"), reason="the shared vectors are not here")
@pytest.mark.parametrize("case", cases("keys"))
def test_keys_and_what_they_make_are_as_stated(case: dict[str, Any]):
    op = case["op"]
    if op == "key_id":
        keyset = Keyset.from_raw(Alg(case["alg"]), *raw(case, "key"))
        assert case["key_id"] == keyset.primary.key_id
    elif op == "derive_key":
        (master,) = raw(case, "master")
        assert case["key"] == derive_key(master, case["purpose"], length=case["length"]).hex()
    elif op == "blind_index":
        (key,) = raw(case, "key")
        assert case["index"] == blind_index(key, case["value"], context=case["context"])
    elif op == "mac":
        keyset = Keyset.from_raw(Alg(case["alg"]), *raw(case, "key"), key_id=case["key_id"])
        assert case["tag"] == Mac(keyset).compute(*raw(case, "data")).hex()
    elif op == "signature":
        keyset = Keyset.from_raw(Alg(case["alg"]), *raw(case, "key"), key_id=case["key_id"])
        assert case["signature"] == Signer(keyset).sign(*raw(case, "message")).hex()
    elif op == "verify":
        Verifier(case["text"]).verify(*raw(case, "message", "signature"))
    elif op == "keyset":
        keyset = Keyset.parse(case["text"])
        assert case["version"] == keyset.version
        found = [
            {
                "id": key.key_id,
                "alg": key.alg.value,
                "status": key.status.value,
                "primary": key.primary,
                "created_at": int(key.created_at.timestamp()),
            }
            for key in keyset.keys
        ]
        assert case["keys"] == found
        assert case["text"] == keyset.export_insecure(reason="a test").reveal()
    else:
        with pytest.raises(KeysetInvalid):
            Keyset.parse(case["text"])
