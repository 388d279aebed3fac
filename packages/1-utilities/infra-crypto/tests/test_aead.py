from __future__ import annotations

import os
import pickle
import threading
import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra_crypto import (
    Aead,
    Alg,
    BadArgument,
    BytesRequired,
    DecryptFailed,
    DeterministicAead,
    InvalidKey,
    Keyset,
    KeysetInvalid,
    MessageTooLarge,
    aead,
    decrypt,
    decrypt_text,
    encrypt,
    encrypt_text,
    generate_key,
)

pytestmark = pytest.mark.native("cryptography")

RAW = bytes(range(32))


KINDS = [
    pytest.param((Aead, Alg.XAES_256_GCM), 24 + 16, id="xaes"),
    pytest.param((Aead, Alg.AES_256_GCM), 12 + 16, id="gcm"),
    pytest.param((DeterministicAead, Alg.AES_256_SIV), 16, id="siv"),
]


@pytest.fixture
def cipher(request: pytest.FixtureRequest) -> Any:
    kind, alg = request.param
    return kind(Keyset.generate(alg))


@pytest.mark.parametrize(("cipher", "overhead"), KINDS, indirect=["cipher"])
@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 1000, 70_000])
def test_what_is_sealed_opens(cipher: Any, overhead: int, size: int):
    plain = os.urandom(size)
    blob = cipher.seal(plain, aad=b"a")
    assert 5 + size + overhead == len(blob)
    assert plain == cipher.open(blob, aad=b"a")
    assert plain == cipher.open(memoryview(blob), aad=bytearray(b"a"))


@pytest.mark.parametrize(("cipher", "overhead"), KINDS, indirect=["cipher"])
def test_a_bit_flipped_anywhere_is_refused(cipher: Any, overhead: int):
    blob = cipher.seal(b"secret", aad=b"a")
    for at in range(len(blob) * 8):
        changed = bytearray(blob)
        changed[at // 8] ^= 1 << at % 8
        with pytest.raises(DecryptFailed):
            cipher.open(bytes(changed), aad=b"a")


@pytest.mark.parametrize(("cipher", "overhead"), KINDS, indirect=["cipher"])
def test_every_cut_is_refused(cipher: Any, overhead: int):
    blob = cipher.seal(b"secret", aad=b"a")
    for size in range(len(blob)):
        with pytest.raises(DecryptFailed):
            cipher.open(blob[:size], aad=b"a")


def test_every_reason_not_to_open_gives_the_same_error():
    keyset = Keyset.generate(Alg.XAES_256_GCM).rotate()
    blob = Aead(keyset).seal(b"x", aad=b"a")
    disabled = keyset.promote(keyset.keys[0].key_id).disable(keyset.primary.key_id)
    other = Aead(Keyset.generate(Alg.XAES_256_GCM))
    tries = [
        lambda: other.open(blob, aad=b"a"),
        lambda: other.open(other.seal(b"", aad=b"")[:5] + blob[5:], aad=b"a"),
        lambda: Aead(keyset).open(blob, aad=b"b"),
        lambda: Aead(keyset).open(blob[:-1], aad=b"a"),
        lambda: Aead(keyset).open(b"", aad=b"a"),
        lambda: Aead(keyset).open(b"\x02" + blob[1:], aad=b"a"),
        lambda: Aead(disabled).open(blob, aad=b"a"),
        lambda: decrypt_text(keyset, "not base64!"),
    ]
    seen = set()
    for attempt in tries:
        with pytest.raises(DecryptFailed) as caught:
            attempt()
        error = caught.value
        assert (None, None) == (error.__cause__, error.__context__)
        seen.add((type(error), error.code, str(error), tuple(error.context)))
    assert 1 == len(seen)


def test_a_raw_key_opens_both_algorithms_and_binds_them_by_the_id():
    xaes = encrypt(RAW, b"x", aad=b"a")
    gcm = encrypt(RAW, b"x", aad=b"a", alg=Alg.AES_256_GCM)
    assert (b"x", b"x") == (decrypt(RAW, xaes, aad=b"a"), decrypt(RAW, gcm, aad=b"a"))
    assert xaes[1:5] != gcm[1:5]
    for switched in (xaes[:5] + gcm[5:], gcm[:5] + xaes[5:]):
        with pytest.raises(DecryptFailed):
            decrypt(RAW, switched, aad=b"a")


def test_a_raw_key_that_becomes_a_keyset_opens_what_it_sealed():
    blob = encrypt(RAW, b"x")
    keyset = Keyset.from_raw(Alg.XAES_256_GCM, RAW).rotate()
    assert b"x" == decrypt(keyset, blob)


@pytest.mark.parametrize("size", [0, 16, 31, 33, 64])
def test_a_key_of_another_length_is_refused_without_showing_it(size: int):
    key = os.urandom(size)
    with pytest.raises(InvalidKey, match=f"{size} bytes, need 32") as caught:
        encrypt(key, b"x")
    assert size == 0 or key.hex() not in str(caught.value)


def test_a_key_a_text_a_secret_and_a_keyset_text_are_all_taken():
    secret = generate_key()
    blob = encrypt(secret, b"x")
    assert b"x" == decrypt(secret.reveal(), blob)
    text = Keyset.generate(Alg.AES_256_GCM).export_insecure(reason="a test")
    assert b"y" == decrypt(text.reveal(), encrypt(text, b"y"))


@pytest.mark.parametrize("text", ["", "!" * 43, "A" * 42, "A" * 43 + "=", "A" * 42 + "B"])
def test_a_text_that_is_no_key_is_refused(text: str):
    with pytest.raises(InvalidKey):
        encrypt(text, b"x")


def test_text_and_missing_aad_are_refused():
    cipher: Any = Aead(RAW)
    for plaintext, aad in (("text", b""), (b"", "text"), (b"", None)):
        with pytest.raises(BytesRequired) as caught:
            cipher.seal(plaintext, aad=aad)
        assert "crypto.bytes_required" == caught.value.code
    with pytest.raises(TypeError, match="aad"):
        cipher.seal(b"x")
    with pytest.raises(BadArgument):
        encrypt(RAW, b"x", alg=Alg.HMAC_SHA256)
    with pytest.raises(BadArgument):
        encrypt_text(RAW, b"x")  # type: ignore[arg-type]


def test_a_message_above_the_limit_names_the_stream(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(aead, "LARGEST", 3)
    cipher = Aead(RAW)
    cipher.seal(b"abc", aad=b"")
    with pytest.raises(MessageTooLarge, match="encrypt_stream"):
        cipher.seal(b"abcd", aad=b"")


def test_equal_inputs_give_equal_bytes_only_where_that_is_asked_for():
    siv = DeterministicAead(os.urandom(64))
    assert siv.seal(b"x", aad=b"a") == siv.seal(b"x", aad=b"a")
    assert siv.seal(b"x", aad=b"a") != siv.seal(b"x", aad=b"b")
    assert Aead(RAW).seal(b"x", aad=b"a") != Aead(RAW).seal(b"x", aad=b"a")


def test_rotation_from_end_to_end():
    keys = Keyset.generate(Alg.XAES_256_GCM)
    live = Aead(lambda: keys)
    old = live.seal(b"one", aad=b"a")
    assert not live.needs_reseal(old)
    keys = keys.rotate()
    assert live.needs_reseal(old)
    assert b"one" == live.open(old, aad=b"a")
    new = live.reseal(old, aad=b"a")
    assert keys.primary.key_id.to_bytes(4) == new[1:5]
    keys = keys.destroy(keys.keys[0].key_id)
    assert b"one" == live.open(new, aad=b"a")
    with pytest.raises(DecryptFailed):
        live.open(old, aad=b"a")


def test_a_callable_is_asked_once_a_call_and_its_faults_pass():
    calls = []
    keyset = Keyset.generate(Alg.XAES_256_GCM)

    def source() -> Keyset:
        calls.append(1)
        if len(calls) == 3:
            raise LookupError("no keys today")
        return keyset if len(calls) < 4 else Keyset.generate(Alg.HMAC_SHA256)

    live = Aead(source)
    live.open(live.seal(b"", aad=b""), aad=b"")
    assert 2 == len(calls)
    with pytest.raises(LookupError):
        live.seal(b"", aad=b"")
    with pytest.raises(KeysetInvalid, match="MAC"):
        live.seal(b"", aad=b"")


def test_a_keyset_of_another_purpose_is_refused():
    with pytest.raises(KeysetInvalid, match="MAC"):
        Aead(Keyset.generate(Alg.HMAC_SHA256))
    with pytest.raises(KeysetInvalid):
        DeterministicAead(Keyset.generate(Alg.XAES_256_GCM))


def test_primitives_are_not_pickled():
    for thing in (Aead(RAW), Keyset.generate(Alg.XAES_256_GCM)):
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(thing)


def test_a_refusal_shows_no_key_in_the_locals_of_our_frames():
    keyset = Keyset.from_raw(Alg.XAES_256_GCM, RAW)
    blob = encrypt(RAW, b"x")
    tries = [
        lambda: decrypt(RAW, b"junk"),
        lambda: decrypt(RAW, blob, aad=b"other"),
        lambda: decrypt_text(RAW, "AQ"),
        lambda: Aead(keyset).open(blob[:-1], aad=b""),
        lambda: encrypt(RAW + b"!", b"x"),
        lambda: Keyset.from_raw(Alg.XAES_256_GCM, RAW + b"!"),
    ]
    for attempt in tries:
        with pytest.raises((DecryptFailed, InvalidKey)) as caught:
            attempt()
        for frame, _ in traceback.walk_tb(caught.value.__traceback__):
            if "infra_crypto" in frame.f_code.co_filename and "tests" not in (
                frame.f_code.co_filename
            ):
                shown = repr(frame.f_locals)
                assert repr(RAW)[2:40] not in shown, frame.f_code.co_qualname


@pytest.mark.threads
def test_eight_threads_seal_and_open_with_one_object():
    cipher = Aead(RAW)
    failures: list[BaseException] = []
    nonces: set[bytes] = set()

    def work() -> None:
        try:
            for n in range(400):
                plain = n.to_bytes(4) * 8
                blob = cipher.seal(plain, aad=b"a")
                nonces.add(blob[5:29])
                assert plain == cipher.open(blob, aad=b"a")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [] == failures
    assert 3200 == len(nonces)


@given(plain=st.binary(max_size=300), aad=st.binary(max_size=40), text=st.text(max_size=50))
def test_any_bytes_and_text_come_back(plain: bytes, aad: bytes, text: str):
    assert plain == decrypt(RAW, encrypt(RAW, plain, aad=aad), aad=aad)
    assert text == decrypt_text(RAW, encrypt_text(RAW, text, aad=aad), aad=aad)


@given(blob=st.binary(max_size=120))
def test_any_junk_is_refused_by_the_one_error(blob: bytes):
    prefix = encrypt(RAW, b"")[:5]
    for junk in (blob, prefix + blob):
        with pytest.raises(DecryptFailed):
            decrypt(RAW, junk)
