"""The public vectors that others wrote: Wycheproof, C2SP, NIST and the RFCs."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra_crypto import (
    Alg,
    BadArgument,
    DecryptFailed,
    InvalidKey,
    Keyset,
    Mac,
    SignatureInvalid,
    SigningKey,
    Verifier,
    VerifyKey,
    hazmat,
    hkdf,
    open_seekable,
)
from infra_crypto._material import KeyRecord
from infra_crypto.algorithms import KeyStatus

pytestmark = pytest.mark.native("cryptography")


def folder() -> Path | None:
    named = os.environ.get("INFRA_CONFORMANCE_DIR")
    for start in [Path(named)] if named else []:
        return start
    for parent in Path(__file__).resolve().parents:
        if (parent / "shared" / "conformance").is_dir():
            return parent / "shared" / "conformance"
    return None


def groups(name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    base = folder()
    file = base / "wycheproof" / f"{name}_test.json" if base else None
    if file is None or not file.exists():
        pytest.skip(f"the vectors wycheproof/{name} are not here")
    for group in json.loads(file.read_text("utf-8"))["testGroups"]:
        for case in group["tests"]:
            yield group, case


def hexed(case: dict[str, Any], *names: str) -> list[bytes]:
    return [bytes.fromhex(case[name]) for name in names]


def opened(work: Any, *arguments: Any) -> Any:
    try:
        return work(*arguments)
    except (DecryptFailed, InvalidKey):
        return None


def test_aes_gcm_of_wycheproof():
    done = 0
    for group, case in groups("aes_gcm"):
        key, iv, aad, msg, ct, tag = hexed(case, "key", "iv", "aad", "msg", "ct", "tag")
        if (group["keySize"], group["ivSize"], group["tagSize"]) != (256, 96, 128):
            if group["keySize"] != 256 or group["ivSize"] != 96:
                with pytest.raises((InvalidKey, BadArgument)):
                    hazmat.gcm_open(key, iv, ct + tag, aad)
            continue
        expected = msg if case["result"] == "valid" else None
        assert expected == opened(hazmat.gcm_open, key, iv, ct + tag, aad), case["tcId"]
        if expected is not None:
            assert ct + tag == hazmat.gcm_seal(key, iv, msg, aad)
        done += 1
    assert 66 == done


def test_aes_siv_of_wycheproof():
    done = 0
    for _, case in groups("aead_aes_siv_cmac"):
        key, iv, aad, msg, ct, tag = hexed(case, "key", "iv", "aad", "msg", "ct", "tag")
        expected = msg if case["result"] == "valid" else None
        found = opened(hazmat.siv_open, key, tag + ct, [aad, iv])
        assert expected == found, case["tcId"]
        if expected is not None:
            assert tag + ct == hazmat.siv_seal(key, msg, [aad, iv])
        done += 1
    assert 900 == done


def test_ed25519_of_wycheproof():
    done = 0
    for group, case in groups("ed25519"):
        (key,) = hexed(group["publicKey"], "pk")
        message, signature = hexed(case, "msg", "sig")
        valid = True
        try:
            VerifyKey.from_bytes(key).verify(message, signature)
        except SignatureInvalid:
            valid = False
        assert (case["result"] == "valid") == valid, case["tcId"]
        done += 1
    assert 151 == done


def test_ecdsa_p1363_of_wycheproof():
    done = 0
    for group, case in groups("ecdsa_secp256r1_sha256_p1363"):
        (point,) = hexed(group["publicKey"], "uncompressed")
        message, signature = hexed(case, "msg", "sig")
        record = KeyRecord(7, Alg.ECDSA_P256, KeyStatus.ENABLED, 0, public=point)
        verifier = Verifier(Keyset((record,), 7))
        valid = True
        try:
            verifier.verify(message, b"\x01\0\0\0\x07" + signature)
        except SignatureInvalid:
            valid = False
        assert (case["result"] == "valid") == valid, case["tcId"]
        done += 1
    assert 262 == done


@pytest.mark.parametrize(("name", "count"), [("sha256", 86), ("sha512", 83)])
def test_hkdf_of_wycheproof(name: Any, count: int):
    done = 0
    for _, case in groups(f"hkdf_{name}"):
        ikm, salt, info, okm = hexed(case, "ikm", "salt", "info", "okm")
        try:
            found = hkdf(ikm, salt=salt, info=info, length=case["size"], hash=name)
        except BadArgument:
            found = None
        assert (okm if case["result"] == "valid" else None) == found, case["tcId"]
        done += 1
    assert count == done


@pytest.mark.parametrize("alg", [Alg.HMAC_SHA256, Alg.HMAC_SHA512])
def test_hmac_of_wycheproof(alg: Alg):
    full = 0
    for _, case in groups(alg.lower()):
        key, message, tag = hexed(case, "key", "msg", "tag")
        mac = Mac(Keyset.from_raw(alg, key, key_id=1))
        whole = len(tag) * 8 == int(alg[-3:])
        valid = True
        try:
            mac.verify(message, b"\x01\0\0\0\x01" + tag)
        except SignatureInvalid:
            valid = False
        assert (whole and case["result"] == "valid") == valid, case["tcId"]
        full += whole
    assert 87 == full


def test_chunked_encryption_of_wycheproof():
    done = 0
    for _, case in groups("c2sp_chunked_encryption_aes_256_gcm"):
        key, context = hexed(case, "key", "ctx")
        blob = zlib.decompress(bytes.fromhex(case["ct"]))
        plain = opened(hazmat.chunked_decrypt, key, blob, context)
        assert (case["result"] == "valid") == (plain is not None), case["tcId"]
        if plain is not None:
            found = (len(plain), hashlib.sha512(plain).hexdigest())
            assert (case["msgLength"], case["msgSha512"]) == found
            again = hazmat.chunked_encrypt(key, plain, context, salt=blob[:24])
            assert blob == again
        done += 1
    assert 35 == done


def whole(keyset: Keyset, blob: bytes, context: bytes) -> bytes | None:
    return open_seekable(keyset, io.BytesIO(blob), context=context).readall()


def end_of(keyset: Keyset, blob: bytes, context: bytes) -> int:
    return open_seekable(keyset, io.BytesIO(blob), context=context).seek(0, io.SEEK_END)


def test_chunked_encryption_of_wycheproof_through_the_seekable_view():
    for _, case in groups("c2sp_chunked_encryption_aes_256_gcm"):
        key, context = hexed(case, "key", "ctx")
        if len(key) != 32:
            continue
        keyset = Keyset.from_raw(Alg.CHUNKED_AES_256_GCM, key, key_id=1)
        blob = b"\x01\0\0\0\x01" + zlib.decompress(bytes.fromhex(case["ct"]))
        if len(blob) > 1 << 20 and case["result"] == "valid":
            expected_end = case["msgLength"]
            view = open_seekable(keyset, io.BytesIO(blob), context=context)
            assert expected_end == view.seek(0, io.SEEK_END)
            continue
        plain = opened(whole, keyset, blob, context)
        assert (case["result"] == "valid") == (plain is not None), case["tcId"]
        end = opened(end_of, keyset, blob, context)
        if case["result"] != "valid" and "ValidFinalChunk" not in case["flags"]:
            assert end is None, case["tcId"]


def xaes() -> dict[str, Any]:
    base = folder()
    if base is None or not (base / "xaes" / "vectors.json").exists():
        pytest.skip("the vectors of XAES-256-GCM are not here")
    return json.loads((base / "xaes" / "vectors.json").read_text("utf-8"))


def test_xaes_of_c2sp():
    for case in xaes()["vectors"]:
        key, ciphertext = hexed(case, "key", "ciphertext")
        nonce, plain, aad = (
            case[name].encode() for name in ("nonce_ascii", "plaintext_ascii", "aad_ascii")
        )
        assert ciphertext == hazmat.xaes_seal(key, nonce, plain, aad)
        assert plain == hazmat.xaes_open(key, nonce, ciphertext, aad)


def test_xaes_of_c2sp_accumulated():
    stated = xaes()["accumulated"]
    rng = hashlib.shake_128(b"").digest(10_000 * (24 + 32 + 2 + 2 * 255))
    at = 0

    def take(n: int) -> bytes:
        nonlocal at
        at += n
        return rng[at - n : at]

    results = hashlib.shake_128()
    for _ in range(stated["iterations"]):
        key, nonce = take(32), take(24)
        plain = take(take(1)[0])
        aad = take(take(1)[0])
        ciphertext = hazmat.xaes_seal(key, nonce, plain, aad)
        assert plain == hazmat.xaes_open(key, nonce, ciphertext, aad)
        results.update(ciphertext)
    assert stated["digest"] == results.hexdigest(32)


def test_aes_gcm_case_14_of_nist():
    expected = "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"
    assert expected == hazmat.gcm_seal(bytes(32), bytes(12), bytes(16), b"").hex()


def test_ed25519_test_1_of_rfc_8032():
    key = SigningKey.from_seed(
        bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    )
    public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert public == key.verify_key.raw.hex()
    signature = (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )
    assert signature == key.sign(b"").hex()


def test_hkdf_case_1_of_rfc_5869():
    found = hkdf(
        b"\x0b" * 22,
        salt=bytes(range(13)),
        info=bytes(range(0xF0, 0xFA)),
        length=42,
    )
    expected = (
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    )
    assert expected == found.hex()
