from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest

from infra_crypto import (
    Alg,
    BadArgument,
    BlindIndex,
    BytesRequired,
    InvalidKey,
    Keyset,
    Mac,
    SignatureInvalid,
    blind_index,
)

KEY = bytes(range(32))


@pytest.mark.parametrize(("alg", "size"), [(Alg.HMAC_SHA256, 32), (Alg.HMAC_SHA512, 64)])
def test_a_tag_holds_and_any_change_of_it_does_not(alg: Alg, size: int):
    mac = Mac(Keyset.generate(alg).rotate())
    tag = mac.compute(b"data")
    assert 5 + size == len(tag)
    mac.verify(b"data", tag)
    changes = [tag[:-1], tag + b"\0", b"", bytes([tag[0] ^ 1]) + tag[1:], tag[:-1] + bytes(1)]
    for changed in changes[: 4 + (tag[-1] != 0)]:
        with pytest.raises(SignatureInvalid):
            mac.verify(b"data", changed)
    with pytest.raises(SignatureInvalid):
        mac.verify(b"datb", tag)


def test_a_tag_is_plain_hmac_behind_the_prefix():
    tag = Mac(Keyset.from_raw(Alg.HMAC_SHA256, KEY, key_id=1)).compute(b"x")
    assert b"\x01\0\0\0\x01" + hmac.digest(KEY, b"x", "sha256") == tag


def test_the_key_that_the_tag_names_decides_and_a_disabled_one_refuses():
    keys = Keyset.generate(Alg.HMAC_SHA256)
    old = Mac(keys).compute(b"x")
    rotated = keys.rotate()
    Mac(rotated).verify(b"x", old)
    with pytest.raises(SignatureInvalid):
        Mac(rotated.disable(keys.primary.key_id)).verify(b"x", old)


def test_the_right_tag_is_not_in_the_locals_of_a_refusal():
    mac = Mac(KEY)
    right = mac.compute(b"x")
    with pytest.raises(SignatureInvalid) as caught:
        mac.verify(b"x", right[:5] + bytes(32))
    shown = repr([entry.locals for entry in caught.traceback[1:]])
    assert repr(right[5:])[2:-1] not in shown


def test_an_index_depends_on_key_value_and_context():
    base = blind_index(KEY, "+4915112345678")
    assert 64 == len(base)
    assert base == blind_index(KEY, b"+4915112345678")
    others = {
        blind_index(KEY[::-1], "+4915112345678"),
        blind_index(KEY, "+4915112345679"),
        blind_index(KEY, "+4915112345678", context="users"),
        blind_index(KEY, "s+4915112345678", context="user"),
    }
    assert 4 == len(others)
    assert base not in others


def test_an_index_is_no_plain_hash_of_the_value():
    phone = "+4915112345678"
    digest = hashlib.sha256(phone.encode())
    stored = blind_index(KEY, phone)
    assert stored != digest.hexdigest()
    assert bytes.fromhex(stored) != digest.digest()


def test_an_index_without_a_key_of_16_bytes_is_refused():
    with pytest.raises(InvalidKey, match="15 bytes, need 16"):
        blind_index(b"k" * 15, "x")
    call: Any = blind_index
    with pytest.raises(TypeError):
        call("x")
    with pytest.raises(BytesRequired):
        call(KEY, 5)


def test_candidates_find_what_an_older_key_stored():
    keys = Keyset.generate(Alg.HMAC_SHA256)
    stored = BlindIndex(keys, context="users.phone").compute("x")
    rotated = BlindIndex(keys.rotate(), context="users.phone")
    assert stored != rotated.compute("x")
    assert (rotated.compute("x"), stored) == rotated.candidates("x")
    assert f"{keys.primary.hex_id}:" == stored[:9]
    assert (stored,) == BlindIndex(keys, context="users.phone").candidates("x")


def test_a_raw_key_gives_the_index_of_the_function():
    index = BlindIndex(KEY, context="c")
    assert blind_index(KEY, "x", context="c") == index.compute("x")[9:]
    with pytest.raises(BadArgument):
        BlindIndex(KEY, context=b"c")  # type: ignore[arg-type]
