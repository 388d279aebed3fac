from __future__ import annotations

from typing import Any

import pytest

from infra_crypto import BadArgument, BytesRequired, InvalidKey, derive_key, generate_key, hkdf
from infra_crypto._bytes import from_base64url


def test_case_3_of_rfc_5869_has_neither_salt_nor_info():
    expected = (
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
    )
    assert expected == hkdf(b"\x0b" * 22, info=b"", length=42).hex()


def test_case_2_of_rfc_5869_is_long():
    found = hkdf(
        bytes(range(0x50)),
        salt=bytes(range(0x60, 0xB0)),
        info=bytes(range(0xB0, 0x100)),
        length=82,
    )
    expected = (
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41"
        "c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"
    )
    assert expected == found.hex()


@pytest.mark.parametrize("length", [0, -1, 255 * 32 + 1, True, 1.5])
def test_a_length_that_hkdf_cannot_give_is_refused(length: Any):
    with pytest.raises(BadArgument, match="8160"):
        hkdf(b"k" * 32, info=b"", length=length)


def test_hkdf_takes_bytes_and_two_hashes():
    call: Any = hkdf
    with pytest.raises(BytesRequired):
        call("text", info=b"")
    with pytest.raises(BadArgument, match="md5"):
        call(b"k" * 32, info=b"", hash="md5")
    assert 255 * 64 == len(hkdf(b"k" * 32, info=b"", length=255 * 64, hash="sha512"))


def test_each_purpose_has_its_own_key_which_is_hkdf_with_our_info():
    master = bytes(range(32))
    one, two = derive_key(master, "phone-index"), derive_key(master, "cursors")
    assert one != two
    assert hkdf(master, info=b"infra-crypto/derive/1\0phone-index") == one


def test_a_text_master_is_the_key_it_stands_for():
    key = generate_key()
    raw = from_base64url(key.reveal()) or b""
    assert derive_key(raw, "x") == derive_key(key, "x") == derive_key(key.reveal(), "x")


@pytest.mark.parametrize("master", [b"k" * 15, "no base64!", ""])
def test_a_short_or_malformed_master_is_refused(master: Any):
    with pytest.raises(InvalidKey):
        derive_key(master, "x")
    with pytest.raises(BadArgument, match="purpose"):
        derive_key(b"k" * 32, "")
