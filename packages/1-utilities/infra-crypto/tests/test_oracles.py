"""The same bytes as the libraries that others use: Tink, PyNaCl, and cryptography's own streams."""

from __future__ import annotations

import io
from typing import Any

import pytest

from infra_crypto import (
    Aead,
    Alg,
    DeterministicAead,
    Keyset,
    Mac,
    Signer,
    SigningKey,
    Verifier,
    decrypt_stream,
    encrypt_stream,
    hazmat,
)

pytestmark = pytest.mark.native("cryptography")
KEY, KEY64, ID = bytes(range(32)), bytes(range(64)), 0x0A0B0C0D


def tink_primitive(kind: str, proto: Any, url: str, private: bool = False) -> Any:
    """Return Tink's primitive over one key of ours."""
    tink = pytest.importorskip("tink", exc_type=ImportError)
    from tink import aead, daead, mac, secret_key_access, signature
    from tink.proto import tink_pb2

    for module in (aead, daead, mac, signature):
        module.register()
    material = tink_pb2.KeyData.ASYMMETRIC_PRIVATE if private else tink_pb2.KeyData.SYMMETRIC
    keyset = tink_pb2.Keyset(
        primary_key_id=ID,
        key=[
            tink_pb2.Keyset.Key(
                key_data=tink_pb2.KeyData(
                    type_url=f"type.googleapis.com/google.crypto.tink.{url}",
                    value=proto.SerializeToString(),
                    key_material_type=material,
                ),
                status=tink_pb2.ENABLED,
                key_id=ID,
                output_prefix_type=tink_pb2.TINK,
            )
        ],
    )
    handle = tink.proto_keyset_format.parse(keyset.SerializeToString(), secret_key_access.TOKEN)
    classes = {
        "aead": aead.Aead,
        "daead": daead.DeterministicAead,
        "mac": mac.Mac,
        "sign": signature.PublicKeySign,
    }
    return handle, handle.primitive(classes[kind])


def test_aes_gcm_is_tinks():
    pb = pytest.importorskip("tink.proto.aes_gcm_pb2", exc_type=ImportError)
    _, theirs = tink_primitive("aead", pb.AesGcmKey(key_value=KEY), "AesGcmKey")
    ours = Aead(Keyset.from_raw(Alg.AES_256_GCM, KEY, key_id=ID))
    assert b"x" == ours.open(theirs.encrypt(b"x", b"a"), aad=b"a")
    assert b"x" == theirs.decrypt(ours.seal(b"x", aad=b"a"), b"a")


def test_aes_siv_is_tinks():
    pb = pytest.importorskip("tink.proto.aes_siv_pb2", exc_type=ImportError)
    _, theirs = tink_primitive("daead", pb.AesSivKey(key_value=KEY64), "AesSivKey")
    ours = DeterministicAead(Keyset.from_raw(Alg.AES_256_SIV, KEY64, key_id=ID))
    assert theirs.encrypt_deterministically(b"x", b"a") == ours.seal(b"x", aad=b"a")


def test_hmac_is_tinks():
    pb = pytest.importorskip("tink.proto.hmac_pb2", exc_type=ImportError)
    from tink.proto import common_pb2

    params = pb.HmacParams(hash=common_pb2.SHA256, tag_size=32)
    _, theirs = tink_primitive("mac", pb.HmacKey(key_value=KEY, params=params), "HmacKey")
    ours = Mac(Keyset.from_raw(Alg.HMAC_SHA256, KEY, key_id=ID))
    assert theirs.compute_mac(b"x") == ours.compute(b"x")


def test_ed25519_is_tinks():
    pb = pytest.importorskip("tink.proto.ed25519_pb2", exc_type=ImportError)
    from tink import signature

    public = pb.Ed25519PublicKey(key_value=SigningKey.from_seed(KEY).verify_key.raw)
    proto = pb.Ed25519PrivateKey(key_value=KEY, public_key=public)
    handle, theirs = tink_primitive("sign", proto, "Ed25519PrivateKey", private=True)
    ours = Keyset.from_raw(Alg.ED25519, KEY, key_id=ID)
    assert theirs.sign(b"x") == Signer(ours).sign(b"x")
    Verifier(ours.public()).verify(b"x", theirs.sign(b"x"))
    verifier = handle.public_keyset_handle().primitive(signature.PublicKeyVerify)
    verifier.verify(Signer(ours).sign(b"x"), b"x")


def test_ed25519_is_pynacls():
    signing = pytest.importorskip("nacl.signing")
    theirs, ours = signing.SigningKey(KEY), SigningKey.from_seed(KEY)
    assert theirs.sign(b"x").signature == ours.sign(b"x")
    ours.verify_key.verify(b"x", theirs.sign(b"x").signature)


@pytest.mark.parametrize("size", [0, 1, 16384, 40_000])
def test_streams_are_cobblestone_256(size: int):
    cobblestone = pytest.importorskip("cryptography.cobblestone")
    plain = bytes(i % 251 for i in range(size))
    theirs = cobblestone.Cobblestone256Encryptor(KEY, context=b"c")
    sealed = theirs.update(plain) + theirs.finalize()
    assert plain == hazmat.chunked_decrypt(KEY, sealed, b"c")
    keyset = Keyset.from_raw(Alg.CHUNKED_AES_256_GCM, KEY, key_id=ID)
    out, back = io.BytesIO(), io.BytesIO()
    encrypt_stream(keyset, io.BytesIO(plain), out, context=b"c")
    opener = cobblestone.Cobblestone256Decryptor(KEY, context=b"c")
    assert plain == opener.update(out.getvalue()[5:]) + opener.finalize()
    decrypt_stream(keyset, io.BytesIO(out.getvalue()[:5] + sealed), back, context=b"c")
    assert plain == back.getvalue()


@pytest.mark.parametrize("size", [16, 32])
def test_chunked_encryption_takes_both_key_sizes(size: int):
    cobblestone = pytest.importorskip("cryptography.cobblestone")
    cls = {16: cobblestone.Cobblestone128Decryptor, 32: cobblestone.Cobblestone256Decryptor}
    blob = hazmat.chunked_encrypt(KEY[:size], b"x", b"c", salt=bytes(24))
    opener = cls[size](KEY[:size], context=b"c")
    assert b"x" == opener.update(blob) + opener.finalize()
