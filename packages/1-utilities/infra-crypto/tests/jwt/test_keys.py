"""Keys of others: what a JWK or a set must be before anything is verified with it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra_crypto.errors import BadArgument, InvalidKey, KeysetInvalid
from infra_crypto.jwt import Jwk, Jwks
from infra_crypto.jwt._hygiene import has_roca

pytestmark = pytest.mark.native("cryptography")
ec = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ec")
from cryptography.hazmat.primitives.asymmetric import ed448, ed25519, rsa  # noqa: E402
from cryptography.hazmat.primitives.serialization import (  # noqa: E402
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)


def b64(data: bytes | int) -> str:
    if isinstance(data, int):
        data = data.to_bytes((data.bit_length() + 7) // 8)
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


OCT = {"kty": "oct", "alg": "HS256", "k": b64(b"k" * 32)}
ED_KEY = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ED = {"kty": "OKP", "crv": "Ed25519", "x": b64(ED_KEY.public_key().public_bytes_raw())}
EC_KEY = ec.derive_private_key(7, ec.SECP256R1())
_POINT = EC_KEY.public_key().public_numbers()
EC = {
    "kty": "EC",
    "crv": "P-256",
    "x": b64(_POINT.x.to_bytes(32)),
    "y": b64(_POINT.y.to_bytes(32)),
}
RSA_KEY = rsa.generate_private_key(65537, 2048)
N = RSA_KEY.public_key().public_numbers().n
RSA = {"kty": "RSA", "n": b64(N), "e": "AQAB"}


@pytest.mark.parametrize(
    ("members", "alg"),
    [
        (OCT, "HS256"),
        (ED, "EdDSA"),
        (EC, "ES256"),
        (RSA, "RS256"),
        (RSA | {"alg": "PS512"}, "PS512"),
    ],
    ids=["oct", "ed25519", "p-256", "rsa", "rsa-pss"],
)
def test_a_key_has_one_algorithm_of_its_own(members: dict[str, Any], alg: str):
    assert alg == Jwk.parse(members).alg
    assert alg == Jwk.parse(json.dumps(members | {"x5t": "?", "unknown": 1})).alg


def test_the_thumbprint_is_that_of_rfc_7638():
    n = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECP"
        "ebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY"
        "368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0f"
        "M4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    key = Jwk.parse({"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"})
    assert "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" == key.thumbprint()


def without(members: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in members.items() if key != name}


REFUSED: dict[str, dict[str, Any]] = {
    "oct without alg": without(OCT, "alg"),
    "oct for AES": OCT | {"alg": "A256GCM"},
    "oct with RS256": OCT | {"alg": "RS256"},
    "oct too short": OCT | {"k": b64(b"k" * 31)},
    "oct too short for its alg": OCT | {"alg": "HS512"},
    "oct with padding": OCT | {"k": b64(b"k" * 32) + "="},
    "oct with bits left over": OCT | {"k": b64(b"k" * 32)[:-1] + "t"},
    "oct in standard base64": OCT | {"k": "+/" + b64(b"k" * 32)[2:]},
    "oct of no text": OCT | {"k": 5},
    "none": OCT | {"alg": "none"},
    "alg no text": OCT | {"alg": ["HS256"]},
    "use enc": ED | {"use": "enc"},
    "use unknown": ED | {"use": "tls"},
    "key_ops encrypt": ED | {"key_ops": ["encrypt"]},
    "key_ops mixed": ED | {"key_ops": ["verify", "encrypt"]},
    "key_ops empty": ED | {"key_ops": []},
    "key_ops twice": ED | {"key_ops": ["verify", "verify"]},
    "key_ops no list": ED | {"key_ops": "verify"},
    "kid no text": ED | {"kid": 5},
    "kty unknown": {"kty": "AKP"},
    "kty absent": {},
    "Ed25519 with ES256": ED | {"alg": "ES256"},
    "Ed448": ED | {"crv": "Ed448"},
    "X25519": ED | {"crv": "X25519"},
    "Ed25519 too short": ED | {"x": b64(b"k" * 31)},
    "Ed25519 of another d": ED | {"d": b64(b"k" * 32)},
    "P-256 with ES384": EC | {"alg": "ES384"},
    "secp256k1": EC | {"crv": "secp256k1"},
    "off the curve": EC | {"y": b64(b"\1" * 32)},
    "coordinate too short": EC | {"x": b64(b"\1" * 31)},
    "coordinate with a zero too many": EC | {"x": b64(b"\0" + _POINT.x.to_bytes(32))},
    "EC of another d": EC | {"d": b64((8).to_bytes(32))},
    "EC with d of zero": EC | {"d": b64(bytes(32))},
    "RSA for encryption": RSA | {"alg": "RSA-OAEP"},
    "RSA with HS256": RSA | {"alg": "HS256"},
    "RSA of 1024 bits": RSA | {"n": b64(N >> 1024 | 1)},
    "RSA of 16384 bits": RSA | {"n": b64(1 << 16383 | 1)},
    "RSA with e=1": RSA | {"e": "AQ"},
    "RSA with even e": RSA | {"e": b64(65536)},
    "RSA with even n": RSA | {"n": b64(N - 1)},
    "RSA with a zero byte before n": RSA | {"n": b64(b"\0" + N.to_bytes(256))},
}


@pytest.mark.asvs("11.2.3")
@pytest.mark.asvs("11.6.1")
@pytest.mark.parametrize("members", REFUSED.values(), ids=list(REFUSED))
def test_a_weak_or_contradictory_key_is_refused(members: dict[str, Any]):
    with pytest.raises(InvalidKey):
        Jwk.parse(members)


@pytest.mark.asvs("11.6.1")
def test_a_modulus_with_the_roca_fingerprint_is_refused():
    # the form of the weak primes: a multiple of the primorial plus a power of 65537
    primorial = 1
    for p in range(2, 702):
        if all(p % q for q in range(2, int(p**0.5) + 1)):
            primorial *= p
    halves = [primorial * k + pow(65537, k, primorial) for k in (2**54 + 3, 2**54 + 7)]
    weak = halves[0] * halves[1]
    assert has_roca(weak)
    assert not has_roca(N)
    if 2048 <= weak.bit_length() <= 8192:
        with pytest.raises(InvalidKey, match="ROCA"):
            Jwk.parse(RSA | {"n": b64(weak)})
    else:
        pytest.fail("the example is no key of usual size")


@pytest.mark.parametrize("text", ["[]", '"x"', "", "{", '{"kty":"oct","kty":"oct"}', b"\xff"])
def test_what_is_no_json_object_with_unique_names_is_refused(text: Any):
    with pytest.raises(InvalidKey):
        Jwk.parse(text)
    with pytest.raises(KeysetInvalid):
        Jwks.parse(text)


def test_a_key_is_a_mapping_or_json():
    with pytest.raises(BadArgument):
        Jwk.parse(5)  # type: ignore[arg-type]


PEMS: dict[str, Any] = {
    "Ed25519": (ED_KEY, "EdDSA"),
    "P-256": (EC_KEY, "ES256"),
    "P-384": (ec.generate_private_key(ec.SECP384R1()), "ES384"),
    "P-521": (ec.generate_private_key(ec.SECP521R1()), "ES512"),
    "RSA": (RSA_KEY, "RS256"),
}


@pytest.mark.parametrize(("key", "alg"), PEMS.values(), ids=list(PEMS))
def test_pem_is_read_public_and_private(key: Any, alg: str):
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    one, two = Jwk.from_pem(public, kid="k"), Jwk.from_pem(private.decode(), kid="k")
    assert (alg, False, "k") == (one.alg, one.has_private, one.kid)
    assert (alg, alg != "RS256") == (two.alg, two.has_private)
    assert one.to_dict() == two.to_dict() == two.public().to_dict()
    assert one.thumbprint() == Jwk.parse(two.to_dict(private=True)).thumbprint()


def pems_refused() -> dict[str, bytes]:
    private = (Encoding.PEM, PrivateFormat.PKCS8)
    return {
        "a password": ED_KEY.private_bytes(*private, BestAvailableEncryption(b"x")),
        "Ed448": ed448.Ed448PrivateKey.generate().private_bytes(*private, NoEncryption()),
        "secp256k1": ec.generate_private_key(ec.SECP256K1()).private_bytes(
            *private, NoEncryption()
        ),
        "junk": b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        "nothing": b"",
    }


@pytest.mark.parametrize("pem", pems_refused().values(), ids=list(pems_refused()))
def test_a_pem_of_another_kind_is_refused(pem: bytes):
    with pytest.raises(InvalidKey):
        Jwk.from_pem(pem)


def test_private_members_show_only_when_asked_for():
    private = ED | {"d": b64(bytes(range(32)))}
    key = Jwk.parse(private)
    assert key.has_private
    assert "d" not in key.to_dict()
    assert private["d"] == key.to_dict(private=True)["d"]
    assert "k" not in Jwk.parse(OCT).to_dict()
    assert "d" not in Jwks([key]).to_dict()["keys"][0]
    assert {"keys": []} == Jwks([Jwk.parse(OCT)]).to_dict()
    with pytest.raises(InvalidKey):
        Jwk.parse(OCT).public()


def test_key_ops_of_a_public_half_are_verify():
    key = Jwk.parse(ED | {"d": b64(bytes(range(32))), "key_ops": ["sign"]})
    assert ["verify"] == key.public().to_dict()["key_ops"]


def test_keys_without_kid_go_by_their_thumbprint():
    keys = Jwks.parse({"keys": [ED, EC]})
    assert Jwk.parse(ED).thumbprint() == keys.to_dict()["keys"][0]["kid"]
    assert keys.get(Jwk.parse(EC).thumbprint()) is not None
    assert keys.get("other") is None


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    "keys",
    [
        [ED | {"kid": "a"}, EC | {"kid": "a"}],
        [ED, ED],
        [OCT | {"kid": "a"}, ED | {"kid": "b"}],
        [OCT, OCT | {"kid": "b"}],
    ],
    ids=["one kid twice", "one key twice", "symmetric beside asymmetric", "symmetric without kid"],
)
def test_a_set_that_could_confuse_keys_is_refused_always(keys: list[Any], strict: bool):
    with pytest.raises(KeysetInvalid):
        Jwks.parse({"keys": keys}, strict=strict)


def test_what_is_not_for_us_is_left_out_and_named():
    keys = Jwks.parse({"keys": [ED, EC | {"use": "enc", "kid": "e"}, {"kty": "AKP"}]})
    assert 1 == len(keys)
    assert (("e", "for encryption"), ("#2", "of unknown type")) == keys.ignored


def test_a_bad_key_refuses_the_set_or_is_left_out():
    bad = {"keys": [ED, RSA | {"e": "AQ", "kid": "bad"}, 5]}
    with pytest.raises(KeysetInvalid, match="bad"):
        Jwks.parse(bad)
    assert ["bad", "#2"] == [name for name, _ in Jwks.parse(bad, strict=False).ignored]


@pytest.mark.parametrize("data", [{}, {"keys": {}}, {"keys": None}, [], 5], ids=str)
def test_what_is_no_set_is_refused(data: Any):
    with pytest.raises((KeysetInvalid, BadArgument)):
        Jwks.parse(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(
    ["kty", "alg", "crv", "use", "key_ops", "kid", "k", "n", "e", "x", "y", "d"]
)
VALUES = JSON | st.sampled_from(["oct", "RSA", "EC", "OKP", "P-256", "Ed25519", "HS256", "sig"])


@given(base=st.sampled_from([OCT, ED, EC, RSA]), changes=st.dictionaries(NAMES, VALUES, max_size=4))
@settings(max_examples=400)
def test_any_changed_key_is_taken_or_refused_by_our_error(
    base: dict[str, Any], changes: dict[str, Any]
):
    for parse in (Jwk.parse, lambda members: Jwks.parse({"keys": [members]})):
        make: Callable[[Any], object] = parse
        for form in (dict, json.dumps):
            try:
                make(form(base | changes))
            except (InvalidKey, KeysetInvalid):
                pass


@given(st.one_of(st.text(), st.binary(), JSON))
@settings(max_examples=200)
def test_any_text_is_refused_as_a_key_a_set_and_a_pem(data: Any):
    for call in (Jwk.parse, Jwks.parse):
        with pytest.raises((InvalidKey, KeysetInvalid, BadArgument)):
            call(data)
    if isinstance(data, str | bytes):
        with pytest.raises(InvalidKey):
            Jwk.from_pem(data)
