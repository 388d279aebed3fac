from __future__ import annotations

import os
import pickle
from typing import Any

import pytest

from infra_crypto import (
    Alg,
    InvalidKey,
    Keyset,
    SignatureInvalid,
    Signer,
    SigningKey,
    Verifier,
    VerifyKey,
)

pytestmark = pytest.mark.native("cryptography")


@pytest.mark.parametrize("alg", [Alg.ED25519, Alg.ECDSA_P256])
def test_a_signature_holds_for_its_message_and_keys_only(alg: Alg):
    keys = Keyset.generate(alg)
    signature = Signer(keys).sign(b"message")
    assert 5 + 64 == len(signature)
    for verifier in (Verifier(keys), Verifier(keys.public()), Verifier(keys.rotate().public())):
        verifier.verify(b"message", signature)
        for message, changed in (
            (b"massage", signature),
            (b"message", signature[:-1]),
            (b"message", signature + b"\0"),
            (b"message", b""),
            (b"message", signature[:-1] + bytes([signature[-1] ^ 1])),
        ):
            with pytest.raises(SignatureInvalid):
                verifier.verify(message, changed)
    with pytest.raises(SignatureInvalid):
        Verifier(Keyset.generate(alg)).verify(b"message", signature)


def test_a_public_keyset_does_not_sign():
    with pytest.raises(InvalidKey, match="public"):
        Signer(Keyset.generate(Alg.ED25519).public())


def test_ed25519_keys_come_back_from_every_form():
    key = SigningKey.generate()
    for again in (
        SigningKey.from_seed(key.seed()),
        SigningKey.from_pem(key.to_pem()),
        SigningKey.from_pem(key.to_pem(password="pw").encode(), password=b"pw"),
        SigningKey.from_jwk(key.to_jwk()),
    ):
        assert key == again
        assert hash(key) == hash(again)
    public = key.verify_key
    for same in (
        VerifyKey.from_bytes(public.raw),
        VerifyKey.from_pem(public.to_pem()),
        VerifyKey.from_jwk(public.to_jwk()),
        pickle.loads(pickle.dumps(public)),
    ):
        assert public == same
        same.verify(b"m", key.sign(b"m"))
    assert key != SigningKey.generate()
    assert public != SigningKey.generate().verify_key


def test_what_is_no_ed25519_key_is_refused():
    key = SigningKey.generate()
    other = SigningKey.generate().to_jwk()
    tries: list[Any] = [
        lambda: SigningKey.from_seed(bytes(31)),
        lambda: VerifyKey.from_bytes(bytes(33)),
        lambda: SigningKey.from_pem("no PEM"),
        lambda: SigningKey.from_pem(key.to_pem(password="pw")),
        lambda: SigningKey.from_pem(key.to_pem(password="pw"), password="wp"),
        lambda: SigningKey.from_pem(key.verify_key.to_pem()),
        lambda: VerifyKey.from_pem(key.to_pem()),
        lambda: SigningKey.from_jwk(key.verify_key.to_jwk()),
        lambda: SigningKey.from_jwk({**key.to_jwk(), "x": other["x"]}),
        lambda: SigningKey.from_jwk({**key.to_jwk(), "crv": "X25519"}),
        lambda: VerifyKey.from_jwk({**other, "x": other["x"] + "="}),
    ]
    for attempt in tries:
        with pytest.raises(InvalidKey):
            attempt()


def test_a_signing_key_neither_shows_nor_pickles_itself():
    seed = os.urandom(32)
    key = SigningKey.from_seed(seed)
    assert key.to_jwk()["d"] not in repr(key)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(key)
