"""No object of this package shows its key: not by repr, str, format, logging, JSON or pickle."""

from __future__ import annotations

import copy
import io
import json
import logging
import pickle
import traceback
from typing import Any

import pytest

from infra_crypto import (
    Aead,
    Alg,
    BlindIndex,
    DeterministicAead,
    Envelope,
    Jwk,
    JwtSigner,
    Keyset,
    KeysetInvalid,
    Mac,
    PasswordHasher,
    Signer,
    SigningKey,
    Verifier,
    encrypt_stream,
    open_seekable,
)
from infra_crypto._bytes import base64url
from infra_crypto._material import KeyRecord
from infra_crypto.algorithms import KeyStatus
from infra_crypto.testing import LocalKms

pytestmark = pytest.mark.native("cryptography", "argon2-cffi")

KEY = bytes(range(100, 132))
KEY64 = KEY * 2
FORMS = (KEY.decode("latin-1"), KEY.hex(), base64url(KEY), repr(KEY)[2:-1], str(list(KEY))[1:-1])


def view() -> Any:
    out = io.BytesIO()
    encrypt_stream(KEY, io.BytesIO(b"x"), out, context=b"")
    return open_seekable(KEY, io.BytesIO(out.getvalue()), context=b"")


HOLDERS = {
    "keyset": lambda: Keyset.from_raw(Alg.XAES_256_GCM, KEY),
    "record": lambda: KeyRecord(1, Alg.XAES_256_GCM, KeyStatus.ENABLED, 0, secret=KEY),
    "aead": lambda: Aead(KEY),
    "live aead": lambda: Aead(lambda: Keyset.from_raw(Alg.XAES_256_GCM, KEY)),
    "deterministic": lambda: DeterministicAead(KEY64),
    "mac": lambda: Mac(KEY),
    "blind index": lambda: BlindIndex(KEY, context="c"),
    "signer": lambda: Signer(KEY),
    "verifier": lambda: Verifier(KEY),
    "signing key": lambda: SigningKey.from_seed(KEY),
    "kms": lambda: LocalKms({"a": Keyset.from_raw(Alg.XAES_256_GCM, KEY)}),
    "envelope": lambda: Envelope(LocalKms({}), "a"),
    "view": view,
    "jwt signer": lambda: JwtSigner.hs256(KEY),
    "jwt verifier": lambda: JwtSigner.hs256(KEY).verifier(issuer=None, audience=None),
    "jwk": lambda: Jwk.from_secret(KEY, "HS256"),
    "hasher": lambda: PasswordHasher(pepper=Mac(KEY)),
}


@pytest.mark.parametrize("name", HOLDERS)
def test_nothing_shows_its_key(name: str, caplog: pytest.LogCaptureFixture):
    holder = HOLDERS[name]()
    logging.getLogger("test").warning("%s %r", holder, [holder])
    table = getattr(holder, "_fixed", None)
    shown = f"{holder!r} {holder!s} {holder} {[holder]} {table!r} {caplog.text}"
    for form in FORMS:
        assert form not in shown
    with pytest.raises(TypeError):
        json.dumps(holder)


@pytest.mark.parametrize("name", HOLDERS)
@pytest.mark.parametrize("protocol", [0, 2, pickle.HIGHEST_PROTOCOL])
def test_nothing_that_holds_a_key_is_pickled(name: str, protocol: int):
    with pytest.raises(TypeError):
        pickle.dumps(HOLDERS[name](), protocol)


@pytest.mark.parametrize("name", ["keyset", "aead", "mac", "signing key"])
def test_a_copy_is_the_thing_itself(name: str):
    holder = HOLDERS[name]()
    assert holder is copy.copy(holder) is copy.deepcopy(holder)


def test_a_keyset_that_is_refused_leaves_no_key_in_a_traceback():
    row = {"alg": "XAES_256_GCM", "created_at": 0, "id": 7, "status": "ENABLED"}
    rows = [{**row, "secret": base64url(KEY)}, {**row, "id": 8, "secret": base64url(KEY[1:])}]
    data = json.dumps({"keys": rows, "primary": 7, "version": 1}).encode()
    text = "infra-keyset-1:" + base64url(data)
    wrapped = Aead(KEY64[:32]).seal(data, aad=b"infra-crypto/keyset/1\0")
    wrapping = Aead(KEY64[:32])
    for attempt in (
        lambda: Keyset.parse(text),
        lambda: Aead(text),
        lambda: Keyset.load(wrapped, wrapping),
    ):
        with pytest.raises(KeysetInvalid) as caught:
            attempt()
        frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
        ours = [frame for frame in frames if "src" in frame.f_code.co_filename]
        shown = repr([frame.f_locals for frame in ours])
        for secret in (base64url(KEY), repr(KEY)[2:-1], text):
            assert secret not in shown
