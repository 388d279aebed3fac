"""What others say of tokens: Wycheproof's verdicts, PyJWT and joserfc, both ways."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from infra_crypto.errors import InvalidKey, KeysetInvalid
from infra_crypto.jwt import Jwk, JwtSigner, JwtVerifier, TokenError, verify_jws

pytestmark = pytest.mark.native("cryptography")
pytest.importorskip("cryptography")

# The set wants the first four read leniently (372, 373) or judges a text by bytes it does not have
# (367, 370 are the valid token 357 again); the others name another algorithm than their key's.
EXCEPTIONS = {367, 370, 372, 373, 346, 347, 350, 351}


def wycheproof(name: str) -> list[tuple[Any, dict[str, Any]]]:
    for folder in Path(__file__).parents:
        file = folder.parent / "shared" / "conformance" / "wycheproof" / f"{name}_test.json"
        if file.exists():
            groups = json.loads(file.read_text("utf-8"))["testGroups"]
            return [(g.get("public") or g["private"], t) for g in groups for t in g["tests"]]
    return []


CASES = wycheproof("json_web_signature")


@pytest.mark.skipif(not CASES, reason="the Wycheproof vectors are not here")
def test_wycheproof_verdicts_hold_but_for_the_named_exceptions():
    differing = set()
    for key, case in CASES:
        try:
            verify_jws(case["jws"], Jwk.parse(key))
            verdict = "valid"
        except (TokenError, InvalidKey):
            verdict = "invalid"
        if verdict != case["result"]:
            differing.add(case["tcId"])
    assert EXCEPTIONS == differing
    assert 401 == len(CASES)


@pytest.mark.parametrize("name", ["json_web_key", "json_web_crypto"])
def test_wycheproof_key_sets_hold(name: str):
    cases = wycheproof(name)
    if not cases:
        pytest.skip("these Wycheproof vectors are not here")
    from infra_crypto.jwt import Jwks

    for key, case in cases:
        try:
            verify_jws(case["jws"], Jwks.parse(key) if "keys" in key else Jwk.parse(key))
            verdict = "valid"
        except (TokenError, InvalidKey, KeysetInvalid):
            verdict = "invalid"
        assert case["result"] == verdict, case


SECRET, SEED = b"s" * 64, bytes(range(32))
SIGNERS = {
    "HS256": JwtSigner.hs256(SECRET),
    "HS384": JwtSigner.hs384(SECRET),
    "HS512": JwtSigner.hs512(SECRET),
    "EdDSA": JwtSigner.ed25519(SEED),
}
CLAIMS = {"sub": "u", "iss": "me", "aud": "api", "n": [1, {"x": None}]}


def private(alg: str) -> Any:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(SEED) if alg == "EdDSA" else SECRET


@pytest.mark.parametrize("alg", SIGNERS)
def test_pyjwt_reads_ours_and_we_read_its(alg: str):
    jwt = pytest.importorskip("jwt")
    key = private(alg)
    public = key.public_key() if alg == "EdDSA" else key
    token = SIGNERS[alg].sign(CLAIMS)
    theirs = jwt.decode(token, public, algorithms=[alg], audience="api", issuer="me")
    assert CLAIMS == {name: theirs[name] for name in CLAIMS}
    back = jwt.encode(theirs, key, alg)
    ours = SIGNERS[alg].verifier(issuer="me", audience="api").verify(back)
    assert "u" == ours.subject


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # RFC 9864's name is not common yet
@pytest.mark.parametrize("alg", SIGNERS)
def test_joserfc_reads_ours_and_we_read_its(alg: str):
    pytest.importorskip("joserfc")
    from joserfc import jwt
    from joserfc.jwk import OctKey, OKPKey

    members = {"kty": "oct"}
    key: Any = OctKey.import_key(SECRET)
    if alg == "EdDSA":
        members = SIGNERS[alg].jwks()["keys"][0]
        key = OKPKey.import_key({**members, "d": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"})
    theirs = jwt.decode(SIGNERS[alg].sign(CLAIMS), key, algorithms=[alg])
    assert "u" == theirs.claims["sub"]
    claims = CLAIMS | {"exp": int(time.time()) + 60}
    token = jwt.encode({"alg": alg, "typ": "JWT"}, claims, key, algorithms=[alg])
    ours = SIGNERS[alg].verifier(issuer="me", audience="api").verify(token)
    assert CLAIMS == {name: ours.to_dict()[name] for name in CLAIMS}


@pytest.mark.parametrize("alg", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"])
def test_rsa_tokens_of_others_verify_when_the_key_names_the_algorithm(alg: str):
    jwt = pytest.importorskip("jwt")
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = rsa.generate_private_key(65537, 2048)
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    token = jwt.encode({"exp": time.time() + 60, "sub": "u"}, key, alg)
    verifier = JwtVerifier(Jwk.from_pem(pem, alg=alg), issuer=None, audience=None)
    assert "u" == verifier.verify(token).subject
    other = "PS256" if alg != "PS256" else "RS256"
    with pytest.raises(TokenError, match="algorithm"):
        JwtVerifier(Jwk.from_pem(pem, alg=other), issuer=None, audience=None).verify(token)


@pytest.mark.parametrize(("alg", "curve"), [("ES256", 256), ("ES384", 384), ("ES512", 521)])
def test_ecdsa_tokens_verify_on_their_own_curve(alg: str, curve: int):
    jwt = pytest.importorskip("jwt")
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ec.generate_private_key(getattr(ec, f"SECP{curve}R1")())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    token = jwt.encode({"exp": time.time() + 60, "sub": "u"}, key, alg)
    ours = Jwk.from_pem(pem)
    check = JwtVerifier(ours.public(), issuer=None, audience=None)
    assert "u" == check.verify(token).subject
    assert "u" == check.verify(JwtSigner.from_jwk(ours).sign({"sub": "u"})).subject
