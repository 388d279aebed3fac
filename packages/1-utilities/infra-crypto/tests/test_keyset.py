from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra_crypto import (
    Aead,
    Alg,
    BadArgument,
    DecryptFailed,
    InvalidKey,
    Keyset,
    KeysetInvalid,
    KeyStatus,
)
from infra_crypto._bytes import base64url, from_base64url
from infra_errors import Secret

SYMMETRIC = [a for a in Alg if a not in {Alg.ED25519, Alg.ECDSA_P256, Alg.JWT_EDDSA, Alg.JWT_ES256}]
ASYMMETRIC = [a for a in Alg if a not in SYMMETRIC]


def text_of(document: Any) -> str:
    return "infra-keyset-1:" + base64url(json.dumps(document).encode())


def document() -> dict[str, Any]:
    text = Keyset.from_raw(Alg.XAES_256_GCM, bytes(32), key_id=7, clock=lambda: 5.5)
    shown = text.export_insecure(reason="a test").reveal()
    return json.loads(from_base64url(shown[15:]) or b"")


@pytest.mark.native("cryptography")
@pytest.mark.parametrize("alg", Alg)
def test_a_keyset_of_each_algorithm_comes_back_from_its_text(alg: Alg):
    keyset = Keyset.generate(alg, clock=lambda: 1_700_000_000.9).rotate()
    text = keyset.export_insecure(reason="a test")
    assert "***" == str(text)
    again = Keyset.parse(text)
    assert (keyset, keyset.version, keyset.keys) == (again, again.version, again.keys)
    assert "2023-11-14T22:13:20+00:00" == keyset.keys[0].created_at.isoformat()


def test_the_text_is_frozen_canonical_json():
    expected = {
        "keys": [
            {
                "alg": "XAES_256_GCM",
                "created_at": 5,
                "id": 7,
                "secret": "A" * 43,
                "status": "ENABLED",
            }
        ],
        "primary": 7,
        "version": 1,
    }
    assert expected == document()
    keyset = Keyset.parse(text_of(expected))
    shown = keyset.export_insecure(reason="a test").reveal()
    assert json.dumps(expected, separators=(",", ":")).encode() == from_base64url(shown[15:])


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("version",), 2),
        (("version",), True),
        (("primary",), 8),
        (("primary",), 0),
        (("more",), 1),
        (("keys",), []),
        (("keys",), {}),
        (("keys", 0, "alg"), "AES_128_GCM"),
        (("keys", 0, "alg"), ["AES_256_GCM"]),
        (("keys", 0, "status"), "enabled"),
        (("keys", 0, "status"), "DESTROYED"),
        (("keys", 0, "status"), "DISABLED"),
        (("keys", 0, "id"), 0),
        (("keys", 0, "id"), 1 << 32),
        (("keys", 0, "id"), 7.0),
        (("keys", 0, "created_at"), -1),
        (("keys", 0, "secret"), "A" * 42),
        (("keys", 0, "secret"), "A" * 42 + "B"),
        (("keys", 0, "secret"), None),
        (("keys", 0, "public"), "A" * 43),
        (("keys", 0, "note"), "x"),
    ],
    ids=str,
)
def test_a_text_that_breaks_a_rule_is_refused(path: Any, value: Any):
    changed = document()
    at: Any = changed
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    with pytest.raises(KeysetInvalid) as caught:
        Keyset.parse(text_of(changed))
    assert "AAAA" not in str(caught.value)


def test_names_given_twice_and_ids_given_twice_are_refused():
    raw = json.dumps(document())
    twice = raw.replace('"primary": 7', '"primary": 7, "primary": 7')
    with pytest.raises(KeysetInvalid, match="twice"):
        Keyset.parse("infra-keyset-1:" + base64url(twice.encode()))
    changed = document()
    changed["keys"] *= 2
    with pytest.raises(KeysetInvalid, match="same id"):
        Keyset.parse(text_of(changed))


@given(st.one_of(st.text(max_size=60), st.binary(max_size=60).map(base64url)))
def test_any_junk_is_no_keyset(junk: str):
    for text in (junk, f"infra-keyset-1:{junk}"):
        with pytest.raises(KeysetInvalid):
            Keyset.parse(text)


@pytest.mark.native("cryptography")
def test_a_wrapped_keyset_and_a_plain_one_are_not_taken_for_each_other():
    wrapping = Aead(bytes(32))
    keyset = Keyset.generate(Alg.HMAC_SHA256)
    blob = keyset.export(wrapping, aad=b"prod")
    assert keyset == Keyset.load(blob, wrapping, aad=b"prod")
    with pytest.raises(DecryptFailed):
        Keyset.load(blob, wrapping, aad=b"test")
    with pytest.raises(DecryptFailed):
        wrapping.open(blob, aad=b"prod")
    with pytest.raises(KeysetInvalid, match=r"wrapped.*load"):
        Keyset.parse(blob)  # type: ignore[arg-type]
    plain = keyset.export_insecure(reason="a test").reveal().encode()
    with pytest.raises(KeysetInvalid, match="not wrapped"):
        Keyset.load(plain, wrapping)


def test_the_primary_cannot_leave_and_what_is_destroyed_stays_so():
    keyset = Keyset.generate(Alg.HMAC_SHA256).add()
    first, second = (key.key_id for key in keyset.keys)
    for change in (keyset.disable, keyset.destroy):
        with pytest.raises(KeysetInvalid, match="primary"):
            change(first)
    gone = keyset.destroy(second)
    assert KeyStatus.DESTROYED is gone.keys[1].status
    assert 1 == gone.export_insecure(reason="a test").reveal().count("infra-keyset-1:")
    text = from_base64url(gone.export_insecure(reason="a test").reveal()[15:]) or b""
    assert 1 == text.count(b"secret")
    for change in (gone.enable, gone.disable, gone.promote):
        with pytest.raises(KeysetInvalid):
            change(second)
    with pytest.raises(KeysetInvalid, match="DISABLED"):
        keyset.disable(second).promote(second)
    assert keyset == keyset.disable(second).enable(second)
    with pytest.raises(KeysetInvalid, match="no key"):
        keyset.promote(1 if 1 not in (first, second) else 2)


def test_every_change_makes_another_version_and_leaves_the_old_keyset_alone():
    one = Keyset.generate(Alg.HMAC_SHA256)
    two = one.add()
    three = two.promote(two.keys[1].key_id)
    four = three.disable(one.primary.key_id)
    assert 4 == len({keyset.version for keyset in (one, two, three, four)})
    assert 1 == len(one.keys)
    assert two != three
    with pytest.raises(AttributeError):
        one.primary = two.primary


def test_keys_of_two_purposes_do_not_share_a_keyset_but_both_aeads_do():
    with pytest.raises(KeysetInvalid, match="one purpose"):
        Keyset.generate(Alg.HMAC_SHA256).add(Alg.AES_256_GCM)
    mixed = Keyset.generate(Alg.AES_256_GCM).add(Alg.XAES_256_GCM)
    assert [Alg.AES_256_GCM, Alg.XAES_256_GCM] == [key.alg for key in mixed.keys]


def test_a_keyset_has_256_keys_at_most():
    keyset = Keyset.generate(Alg.HMAC_SHA256)
    for _ in range(255):
        keyset = keyset.add()
    assert 256 == len({key.key_id for key in keyset.keys})
    with pytest.raises(KeysetInvalid, match="256"):
        keyset.add()


@pytest.mark.parametrize("alg", SYMMETRIC)
def test_a_symmetric_keyset_has_no_public_half(alg: Alg):
    with pytest.raises(KeysetInvalid, match="no public half"):
        Keyset.generate(alg).public()


@pytest.mark.native("cryptography")
@pytest.mark.parametrize("alg", ASYMMETRIC)
def test_a_public_keyset_holds_no_secret_and_comes_back(alg: Alg):
    public = Keyset.generate(alg).rotate().public()
    text = public.export_insecure(reason="a test")
    assert b"secret" not in (from_base64url(text.reveal()[15:]) or b"")
    assert public == Keyset.parse(text) == public.public()
    assert [True, True] == [key.public_only for key in public.keys]


@pytest.mark.parametrize(
    ("alg", "size"),
    [
        (Alg.XAES_256_GCM, 31),
        (Alg.AES_256_GCM, 33),
        (Alg.AES_256_SIV, 32),
        (Alg.HMAC_SHA256, 15),
        (Alg.JWT_HS256, 31),
        (Alg.JWT_HS384, 47),
        (Alg.JWT_HS512, 63),
        (Alg.ED25519, 31),
    ],
)
def test_raw_material_of_another_length_is_refused(alg: Alg, size: int):
    with pytest.raises(InvalidKey, match=f"{size} bytes, need"):
        Keyset.from_raw(alg, bytes([1]) * size)


@pytest.mark.parametrize("scalar", [0, 2**256 - 1], ids=["zero", "above the order"])
def test_a_number_outside_the_curves_order_is_no_key(scalar: int):
    with pytest.raises(InvalidKey, match="order"):
        Keyset.from_raw(Alg.ECDSA_P256, scalar.to_bytes(32))


def test_bad_arguments_say_what_is_taken():
    with pytest.raises(BadArgument, match="XAES_256_GCM"):
        Keyset.generate("ROT13")  # type: ignore[arg-type]
    with pytest.raises(BadArgument, match="key id"):
        Keyset.from_raw(Alg.XAES_256_GCM, bytes(32), key_id=0)
    with pytest.raises(BadArgument, match="reason"):
        Keyset.generate(Alg.HMAC_SHA256).export_insecure(reason=" ")


def test_repr_and_hash_show_ids_only():
    keyset = Keyset.from_raw(Alg.XAES_256_GCM, Secret(b"k" * 32), key_id=7)
    assert "<Keyset 00000007 XAES_256_GCM ENABLED primary>" == repr(keyset)
    other = Keyset.from_raw(Alg.XAES_256_GCM, b"j" * 32, key_id=7)
    assert hash(keyset) == hash(other)
    assert keyset != other
