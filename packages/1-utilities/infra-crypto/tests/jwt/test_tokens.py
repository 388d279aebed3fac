"""Signing and verifying: each rule of a token once kept and once broken."""

from __future__ import annotations

import base64
import copy
import hmac
import json
import pickle
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra_crypto.algorithms import Alg
from infra_crypto.errors import BadArgument, InvalidKey, KeysetInvalid
from infra_crypto.jwt import (
    ClaimNotJson,
    Claims,
    Jwk,
    Jwks,
    JwtSigner,
    JwtVerifier,
    TokenAlgorithm,
    TokenAudience,
    TokenClaimInvalid,
    TokenClaimMissing,
    TokenError,
    TokenExpired,
    TokenIssuedInFuture,
    TokenIssuer,
    TokenKeyUnknown,
    TokenMalformed,
    TokenNotYetValid,
    TokenSignature,
    TokenTooLarge,
    TokenType,
    sign_jws,
    verify_jws,
)
from infra_crypto.keyset import Keyset
from infra_errors import AuthError, UnauthenticatedError

NOW = 1_900_000_000.0
SECRET = bytes(range(64))
SEED = bytes(range(32))


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def segment(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def forge(header: object, payload: object, secret: bytes = SECRET, name: str = "sha256") -> str:
    signed = f"{segment(header)}.{segment(payload)}"
    return f"{signed}.{segment(hmac.digest(secret, signed.encode(), name))}"


def token_of(payload: dict[str, Any], **header: Any) -> str:
    return forge({"alg": "HS256", "typ": "JWT"} | header, payload)


def verifier(clock: Clock, **options: Any) -> JwtVerifier:
    return JwtVerifier(SECRET, **({"issuer": None, "audience": None, "clock": clock} | options))


GOOD = {"exp": NOW + 60, "sub": "u"}


@pytest.mark.parametrize("name", ["hs256", "hs384", "hs512"])
def test_a_signed_token_verifies_and_says_what_was_signed(name: str, clock: Clock):
    signer = getattr(JwtSigner, name)(SECRET, issuer="me", clock=clock)
    token = signer.sign(Claims(subject="user123", audience="api", scope="read"))
    claims = signer.verifier(audience="api").verify(token)
    assert ("user123", "me", "read") == (claims.subject, claims.issuer, claims["scope"])
    assert datetime.fromtimestamp(NOW + 900, UTC) == claims.expires_at
    assert datetime.fromtimestamp(NOW, UTC) == claims.issued_at


@pytest.mark.native("cryptography")
def test_an_ed25519_token_verifies_with_the_public_key_alone(clock: Clock):
    signer = JwtSigner.ed25519(SEED, clock=clock)
    token = signer.sign({"sub": "u"})
    public = Jwks.parse(json.dumps(signer.jwks()))
    assert "d" not in signer.jwks()["keys"][0]
    assert "u" == JwtVerifier(public, issuer=None, audience=None, clock=clock).verify(token).subject


@pytest.mark.parametrize(("name", "need"), [("hs256", 32), ("hs384", 48), ("hs512", 64)])
def test_a_secret_has_as_many_bytes_as_the_hash(name: str, need: int):
    getattr(JwtSigner, name)(b"k" * need)
    with pytest.raises(InvalidKey, match=f"{need - 1} bytes, need {need}"):
        getattr(JwtSigner, name)(b"k" * (need - 1))


def test_the_founding_example_of_30_bytes_is_refused_by_its_count():
    with pytest.raises(InvalidKey, match="30 bytes, need 32"):
        JwtSigner.hs256(b"secret_key_at_least_32_bytes!!")


def test_a_text_secret_is_its_utf8_bytes(clock: Clock):
    token = JwtSigner.hs256("s" * 32, clock=clock).sign({})
    JwtVerifier(b"s" * 32, issuer=None, audience=None, clock=clock).verify(token)


def test_the_token_of_rfc_7515_a1_verifies_in_2011_and_is_expired_today():
    token = (
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
        ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0"
        "cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    )
    key = Jwk.parse(
        {
            "kty": "oct",
            "alg": "HS256",
            "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75a"
            "KtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
        }
    )
    then = JwtVerifier(key, issuer="joe", audience=None, clock=lambda: 1_300_819_379.0)
    assert True is then.verify(token)["http://example.com/is_root"]
    with pytest.raises(TokenExpired) as caught:
        JwtVerifier(key, issuer="joe", audience=None).verify(token)
    assert "crypto.token_expired" == caught.value.code
    assert isinstance(caught.value, AuthError)
    assert isinstance(caught.value, UnauthenticatedError)


@pytest.mark.asvs("9.2.1")
@pytest.mark.parametrize(
    ("payload", "error"),
    [
        ({"exp": NOW}, TokenExpired),
        ({"exp": NOW + 60, "nbf": NOW + 1}, TokenNotYetValid),
        ({"exp": NOW + 60, "iat": NOW + 61}, TokenIssuedInFuture),
        ({}, TokenClaimMissing),
        ({"exp": str(NOW)}, TokenClaimInvalid),
        ({"exp": True}, TokenClaimInvalid),
        ({"exp": NOW + 60, "sub": 5}, TokenClaimInvalid),
        ({"exp": NOW + 60, "aud": "api"}, TokenAudience),
        ({"exp": NOW + 60, "aud": []}, TokenAudience),
    ],
    ids=str,
)
def test_a_payload_that_breaks_a_rule_is_refused(
    payload: dict[str, Any], error: type[TokenError], clock: Clock
):
    with pytest.raises(error):
        verifier(clock).verify(token_of(payload))


def test_leeway_moves_both_ends(clock: Clock):
    lenient = verifier(clock, leeway=60)
    lenient.verify(token_of({"exp": NOW - 59}))
    lenient.verify(token_of({"exp": NOW + 60, "nbf": NOW + 60}))
    with pytest.raises(TokenExpired):
        lenient.verify(token_of({"exp": NOW - 60}))


def test_max_age_counts_from_iat_and_needs_it(clock: Clock):
    aged = verifier(clock, max_age=100)
    aged.verify(token_of(GOOD | {"iat": NOW - 99}))
    with pytest.raises(TokenExpired, match="100 s old"):
        aged.verify(token_of(GOOD | {"iat": NOW - 100}))
    with pytest.raises(TokenClaimMissing, match="iat"):
        aged.verify(token_of(GOOD))


def test_the_issuer_is_one_of_the_accepted(clock: Clock):
    two = verifier(clock, issuer=["a", "b"])
    two.verify(token_of(GOOD | {"iss": "b"}))
    for payload in (GOOD, GOOD | {"iss": "c"}):
        with pytest.raises(TokenIssuer):
            two.verify(token_of(payload))


@pytest.mark.asvs("9.2.3")
@pytest.mark.asvs("9.2.4")
def test_the_audience_is_one_of_the_accepted(clock: Clock):
    api = verifier(clock, audience="api")
    api.verify(token_of(GOOD | {"aud": ["web", "api"]}))
    for payload in (GOOD, GOOD | {"aud": "web"}, GOOD | {"aud": ["a", "p", "i"]}):
        with pytest.raises(TokenAudience):
            api.verify(token_of(payload))


@pytest.mark.asvs("9.2.2")
def test_typ_is_compared_without_case_and_prefix(clock: Clock):
    access = verifier(clock, typ="at+jwt")
    for typ in ("at+jwt", "AT+JWT", "application/at+jwt"):
        access.verify(token_of(GOOD, typ=typ))
    with pytest.raises(TokenType):
        access.verify(token_of(GOOD))
    bare = forge({"alg": "HS256"}, GOOD)
    with pytest.raises(TokenType, match="absent"):
        verifier(clock).verify(bare)
    verifier(clock, typ=None).verify(bare)


def test_required_claims_are_required(clock: Clock):
    strict = verifier(clock, require=("exp", "sub", "tenant"))
    strict.verify(token_of(GOOD | {"tenant": "t"}))
    with pytest.raises(TokenClaimMissing, match="tenant"):
        strict.verify(token_of(GOOD))
    verifier(clock, require=()).verify(token_of({}))


@pytest.mark.asvs("9.1.2")
@pytest.mark.parametrize("alg", ["none", "None", "HS384", "RS256", "EdDSA", ""])
def test_the_header_does_not_choose_the_algorithm(alg: str, clock: Clock):
    with pytest.raises(TokenAlgorithm):
        verifier(clock).verify(token_of(GOOD, alg=alg))
    with pytest.raises(TokenError):
        verifier(clock).verify(f"{segment({'alg': alg, 'typ': 'JWT'})}.{segment(GOOD)}.")


@pytest.mark.native("cryptography")
def test_an_hmac_over_a_public_key_is_no_signature(clock: Clock):
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    signer = JwtSigner.ed25519(SEED, clock=clock)
    raw = base64.urlsafe_b64decode(signer.jwks()["keys"][0]["x"] + "=")
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for secret, check in ((raw, signer.verifier()), (pem, None), (der, None)):
        forged = forge({"alg": "HS256", "typ": "JWT"}, GOOD, secret)
        key = Jwk.from_pem(pem)
        target = check or JwtVerifier(key, issuer=None, audience=None, clock=clock)
        with pytest.raises(TokenAlgorithm):
            target.verify(forged)
    for secret in (pem, der):
        with pytest.raises(InvalidKey, match="public key"):
            JwtSigner.hs256(secret)


@pytest.mark.asvs("9.1.1")
def test_a_changed_token_is_refused_before_its_claims_are_read(clock: Clock):
    header, _, mac = token_of(GOOD).split(".")
    with pytest.raises(TokenSignature):
        verifier(clock).verify(f"{header}.{segment({'exp': 'junk'})}.{mac}")
    with pytest.raises(TokenSignature):
        verifier(clock).verify(forge({"alg": "HS256", "typ": "JWT"}, GOOD, b"x" * 32))


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t + ".x",
        lambda t: t.rpartition(".")[0],
        lambda t: t + "=",
        lambda t: t + "\n",
        lambda t: " " + t,
        lambda t: t.replace(".", "..", 1),
        lambda t: "." + t,
        lambda t: json.dumps({"payload": t}),
        lambda t: (
            t[:-1] + ("B" if t[-1] == "A" else "A" if t[-1] not in "AEIMQUYcgkosw048" else "B")
        ),
        lambda t: t + "\u00e9",
        lambda t: t.encode(),
        lambda t: None,
        lambda t: "",
    ],
    ids=[
        *("four segments", "two segments", "padding", "line end", "space", "empty", "lead"),
        *("json", "last character", "not ascii", "bytes", "none", "nothing"),
    ],
)
def test_what_is_no_strict_compact_form_is_malformed(change: Any, clock: Clock):
    with pytest.raises(TokenMalformed):
        verifier(clock).verify(change(token_of(GOOD)))


@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["b64"], "b64": True},
        {"crit": []},
        {"crit": ["exp"], "exp": 1},
        {"b64": False},
        {"alg": 5},
        {"kid": 5},
        {"kid": None},
        {"typ": 5},
    ],
    ids=str,
)
def test_a_header_with_extensions_or_wrong_types_is_malformed(header: Any, clock: Clock):
    with pytest.raises(TokenMalformed):
        verifier(clock).verify(token_of(GOOD, **header))


@pytest.mark.parametrize(
    "text",
    [b'{"alg":"HS256","alg":"HS256"}', b'["HS256"]', b'"alg"', b"", b"\xff", b'{"alg":"HS256"'],
)
def test_a_header_that_is_no_strict_json_object_is_malformed(text: bytes, clock: Clock):
    with pytest.raises(TokenMalformed):
        verifier(clock).verify(forge(text, GOOD))


@pytest.mark.parametrize(
    "text",
    [
        b'{"exp":1,"exp":9999999999}',
        b"[]",
        b'{"exp":NaN}',
        b'{"a":' * 32 + b"1" + b"}" * 32 + b"}",
        b'{"a":' + b"[" * 32 + b"]" * 32 + b"}",
        b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}",
        '{"exp":1}'.encode("utf-16"),
        b"\xef\xbb\xbf{}",
        b'{"exp":' + b"9" * 5000 + b"}",
    ],
    ids=["twice", "list", "nan", "33 objects", "33 lists", "endless", "utf-16", "bom", "digits"],
)
def test_a_payload_that_is_no_strict_json_object_is_malformed(text: bytes, clock: Clock):
    with pytest.raises(TokenMalformed):
        verifier(clock).verify(forge({"alg": "HS256", "typ": "JWT"}, text))


def test_depth_32_is_taken(clock: Clock):
    text = b'{"exp":2000000000,"a":' + b"[" * 31 + b"]" * 31 + b"}"
    verifier(clock).verify(forge({"alg": "HS256", "typ": "JWT"}, text))


def test_a_number_that_overflows_is_an_invalid_claim(clock: Clock):
    for text in (b'{"exp":1e999}', b'{"exp":2000000000,"x":1e999}'):
        with pytest.raises(TokenClaimInvalid):
            verifier(clock).verify(forge({"alg": "HS256", "typ": "JWT"}, text))


def test_size_comes_first(clock: Clock):
    with pytest.raises(TokenTooLarge):
        verifier(clock).verify("!" * (3 << 20))
    token = token_of(GOOD)
    verifier(clock, max_bytes=len(token)).verify(token)
    with pytest.raises(TokenTooLarge):
        verifier(clock, max_bytes=len(token) - 1).verify(token)


def keys(*kids: str | None) -> list[Jwk]:
    return [Jwk.from_secret(bytes([n]) * 32, "HS256", kid=kid) for n, kid in enumerate(kids, 1)]


def test_the_kid_chooses_the_key(clock: Clock):
    one, two = keys("one", "two")
    both = JwtVerifier(Jwks([one, two]), issuer=None, audience=None, clock=clock)
    for key in (one, two):
        both.verify(JwtSigner.from_jwk(key, clock=clock).sign({}))
    with pytest.raises(TokenKeyUnknown, match="three"):
        both.verify(forge({"alg": "HS256", "typ": "JWT", "kid": "three"}, GOOD, b"\1" * 32))
    with pytest.raises(TokenSignature):
        both.verify(forge({"alg": "HS256", "typ": "JWT", "kid": "two"}, GOOD, b"\1" * 32))


def test_a_token_without_kid_needs_exactly_one_key(clock: Clock):
    one, two = keys("one", "two")
    bare = forge({"alg": "HS256", "typ": "JWT"}, GOOD, b"\1" * 32)
    JwtVerifier(one, issuer=None, audience=None, clock=clock).verify(bare)
    with pytest.raises(TokenKeyUnknown):
        JwtVerifier(Jwks([one, two]), issuer=None, audience=None, clock=clock).verify(bare)


def test_a_kid_matches_no_key_of_another_kid_and_any_key_without(clock: Clock):
    named = forge({"alg": "HS256", "typ": "JWT", "kid": "x"}, GOOD, b"\1" * 32)
    with pytest.raises(TokenKeyUnknown):
        JwtVerifier(keys("one")[0], issuer=None, audience=None, clock=clock).verify(named)
    JwtVerifier(keys(None)[0], issuer=None, audience=None, clock=clock).verify(named)


@pytest.mark.asvs("9.1.3")
@pytest.mark.native("cryptography")
@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c"])
def test_keys_in_the_header_are_never_used(name: str, clock: Clock):
    signer = JwtSigner.ed25519(SEED, clock=clock)
    forged = forge({"alg": "HS256", "typ": "JWT", name: {"kty": "oct"}}, GOOD)
    with pytest.raises(TokenAlgorithm):
        signer.verifier().verify(forged)
    with pytest.raises(TokenSignature):
        JwtVerifier(b"k" * 32, issuer=None, audience=None, clock=clock).verify(forged)


# -- signing


def test_claims_without_expiry_get_one_unless_that_is_said(clock: Clock):
    signer = JwtSigner.hs256(SECRET, clock=clock)
    lax = verifier(clock, require=())
    assert NOW + 900 == lax.verify(signer.sign(Claims.new()))["exp"]
    assert NOW + 5 == lax.verify(signer.sign(Claims(expires_in=5)))["exp"]
    assert lax.verify(signer.sign(Claims.new().without_expiry())).expires_at is None
    with pytest.raises(BadArgument, match="without_expiry"):
        JwtSigner.hs256(SECRET, default_ttl=None).sign(Claims.new())


def test_a_mapping_with_a_wrong_type_is_the_callers_mistake():
    with pytest.raises(BadArgument, match="sub"):
        JwtSigner.hs256(SECRET).sign({"sub": 5})
    for claims in ({"x": object()}, {5: "x"}):
        with pytest.raises(ClaimNotJson):
            JwtSigner.hs256(SECRET).sign(claims)  # type: ignore[arg-type]


def test_typ_is_the_signers_and_its_verifiers(clock: Clock):
    signer = JwtSigner.hs256(SECRET, typ="at+jwt", clock=clock)
    token = signer.sign({})
    signer.verifier().verify(token)
    with pytest.raises(TokenType):
        verifier(clock).verify(token)


@pytest.mark.native("cryptography")
def test_a_public_key_cannot_sign():
    key = Jwk.parse(JwtSigner.ed25519(SEED).jwks()["keys"][0])
    for call in (lambda: JwtSigner.from_jwk(key), lambda: sign_jws(b"x", key)):
        with pytest.raises(InvalidKey, match="cannot sign"):
            call()


@pytest.mark.native("cryptography")
def test_a_jws_carries_any_bytes():
    key = Jwk.parse(Jwk.from_secret(SECRET, "HS512", kid="k").to_dict(private=True))
    jws = verify_jws(sign_jws(b"\0not json", key, typ="x"), key)
    assert (b"\0not json", "k", "x") == (jws.payload, jws.key_id, jws.header["typ"])
    with pytest.raises(TokenSignature):
        verify_jws(sign_jws(b"a", key), Jwk.from_secret(b"z" * 64, "HS512", kid="k"))


# -- keysets, the cache


@pytest.mark.parametrize("alg", [Alg.JWT_HS256, Alg.JWT_HS384, Alg.JWT_HS512])
def test_a_token_of_an_old_key_verifies_until_the_key_is_gone(alg: Alg, clock: Clock):
    first = Keyset.generate(alg)
    live = [first]
    signer = JwtSigner.from_keyset(lambda: live[0], clock=clock)
    check = signer.verifier()
    old = signer.sign({"sub": "old"})
    live[0] = first.rotate()
    new = signer.sign({"sub": "new"})
    assert ("old", "new") == (check.verify(old).subject, check.verify(new).subject)
    live[0] = live[0].disable(first.primary.key_id)
    with pytest.raises(TokenKeyUnknown):  # although it was verified, and is remembered
        check.verify(old)
    check.verify(new)


@pytest.mark.native("cryptography")
@pytest.mark.parametrize("alg", [Alg.JWT_EDDSA, Alg.JWT_ES256])
def test_an_asymmetric_keyset_verifies_by_its_public_half(alg: Alg, clock: Clock):
    keyset = Keyset.generate(alg).rotate()
    token = JwtSigner.from_keyset(keyset, clock=clock).sign({"sub": "u"})
    public = JwtVerifier(keyset.public(), issuer=None, audience=None, clock=clock)
    assert "u" == public.verify(token).subject
    with pytest.raises(InvalidKey, match="cannot sign"):
        JwtSigner.from_keyset(keyset.public())


def test_a_keyset_for_something_else_is_refused():
    with pytest.raises(KeysetInvalid):
        JwtSigner.from_keyset(Keyset.generate(Alg.HMAC_SHA256))


def test_a_remembered_token_still_expires_and_still_begins(clock: Clock):
    check = verifier(clock, leeway=1)
    token = token_of({"exp": NOW + 60, "nbf": NOW, "iat": NOW})
    assert check.verify(token) is check.verify(token)
    clock.now = NOW + 61
    with pytest.raises(TokenExpired):
        check.verify(token)
    clock.now = NOW - 2
    with pytest.raises(TokenNotYetValid):
        check.verify(token)


def test_a_remembered_token_grows_too_old(clock: Clock):
    check = verifier(clock, max_age=10)
    token = token_of(GOOD | {"iat": NOW})
    check.verify(token)
    clock.now += 10
    with pytest.raises(TokenExpired):
        check.verify(token)


def test_a_failure_is_not_remembered(clock: Clock):
    check = verifier(clock)
    token = token_of({"exp": NOW + 60, "nbf": NOW + 10})
    with pytest.raises(TokenNotYetValid):
        check.verify(token)
    clock.now += 10
    check.verify(token)


def test_the_cache_is_bounded_and_can_be_off(clock: Clock):
    check = verifier(clock, cache_size=2)
    tokens = [token_of(GOOD | {"n": n}) for n in range(3)]
    seen = [check.verify(token) for token in tokens]
    assert seen[2] is check.verify(tokens[2])
    assert seen[0] is not check.verify(tokens[0])
    assert 2 == len(check._cache)
    off = verifier(clock, cache_size=0)
    assert off.verify(tokens[0]) is not off.verify(tokens[0])


def test_what_a_caller_does_with_claims_does_not_reach_the_cache(clock: Clock):
    check = verifier(clock)
    token = token_of(GOOD | {"roles": ["user"]})
    check.verify(token).to_dict()["roles"].append("admin")
    assert ("user",) == check.verify(token)["roles"]


# -- nothing leaks


def test_no_error_or_repr_shows_a_token_or_a_secret(clock: Clock):
    token = token_of(GOOD | {"exp": NOW})
    with pytest.raises(TokenExpired) as caught:
        verifier(clock).verify(token)
    assert token not in f"{caught.value!r}{caught.value.to_dict()}"
    key = Jwk.from_secret(b"s3cr3t-s3cr3t-s3cr3t-s3cr3t-s3cr3t", "HS256")
    signer = JwtSigner.from_jwk(key)
    for thing in (key, signer, signer.verifier(), Jwks([key])):
        assert "s3cr3t" not in repr(thing)
        assert "czNjcjN0" not in repr(thing)  # the same in base64


@pytest.mark.parametrize(
    "make",
    [lambda k: k, JwtSigner.from_jwk, lambda k: verifier(Clock())],
    ids=["key", "signer", "verifier"],
)
def test_what_holds_a_key_is_not_pickled(make: Any):
    thing = make(Jwk.from_secret(SECRET, "HS256"))
    with pytest.raises(TypeError):
        pickle.dumps(thing)
    assert copy.copy(thing) is thing


@pytest.mark.parametrize(
    "options",
    [
        {"leeway": 61},
        {"leeway": -1},
        {"leeway": float("nan")},
        {"issuer": 5},
        {"issuer": []},
        {"audience": [5]},
        {"max_bytes": 0},
        {"cache_size": -1},
        {"typ": 5},
        {"max_age": -1},
    ],
    ids=str,
)
def test_bad_options_are_refused(options: dict[str, Any], clock: Clock):
    with pytest.raises(BadArgument):
        verifier(clock, **options)


# -- bytes of foreigners: only our errors come out


@given(st.one_of(st.text(), st.binary()))
@settings(max_examples=300)
def test_any_text_is_refused_as_a_token(text: Any):
    with pytest.raises(TokenError):
        verifier(Clock()).verify(text)


@given(header=st.binary(max_size=60), payload=st.binary(max_size=60))
@settings(max_examples=300)
def test_any_signed_bytes_are_refused_as_a_token(header: bytes, payload: bytes):
    with pytest.raises(TokenError):
        verifier(Clock()).verify(forge(header, payload))
    with pytest.raises(TokenError):
        verifier(Clock()).verify(forge({"alg": "HS256", "typ": "JWT"}, payload))


@given(data=st.data())
@settings(max_examples=200)
def test_any_changed_character_is_refused(data: st.DataObject):
    token = token_of(GOOD)
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters().filter(lambda c: c != token[at]))
    with pytest.raises(TokenError):
        verifier(Clock()).verify(token[:at] + other + token[at + 1 :])


@pytest.mark.threads
def test_eight_threads_share_a_verifier_whose_cache_is_small(clock: Clock):
    from concurrent.futures import ThreadPoolExecutor

    check = verifier(clock, cache_size=3)
    tokens = [token_of(GOOD | {"n": n}) for n in range(8)]

    def work(start: int) -> bool:
        order = [(start + n) % 8 for n in range(400)]
        return all(n == check.verify(tokens[n])["n"] for n in order)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
    assert len(check._cache) <= 3 + 8  # each thread may be one insertion ahead


SHORT = {"kty": "oct", "alg": "HS512", "k": segment(b"s3cr3t-" * 5)}


@pytest.mark.parametrize(
    "call",
    [
        lambda: JwtSigner.hs512(bytes(b"s3cr3t-" * 5)),
        lambda: JwtSigner.hs512("s3cr3t-" * 5),
        lambda: Jwk.from_secret("s3cr3t-" * 2, "HS256"),
        lambda: JwtVerifier("s3cr3t-" * 2, issuer=None, audience=None),
        lambda: Jwk.parse({"kty": "oct", "alg": "HS512", "k": segment(b"s3cr3t-" * 5)}),
        lambda: Jwks.parse(
            {"keys": [{"kty": "oct", "alg": "HS512", "k": segment(b"s3cr3t-" * 5)}]}
        ),
    ],
    ids=["hs512 bytes", "hs512 text", "from_secret", "verifier", "jwk", "jwks"],
)
def test_no_frame_of_a_refusal_shows_the_secret(call: Any):
    with pytest.raises((InvalidKey, KeysetInvalid)) as caught:
        call()
    shown = "".join(
        repr(value)
        for entry in caught.traceback
        if "infra_crypto" in str(entry.path) and "tests" not in str(entry.path)
        for value in entry.frame.f_locals.values()
    )
    assert "s3cr3t" not in shown
    assert segment(b"s3cr3t-" * 5)[:8] not in shown


@pytest.mark.parametrize(
    "options",
    [{"default_ttl": 0}, {"default_ttl": float("nan")}, {"issuer": 5}, {"typ": ""}],
    ids=str,
)
def test_bad_options_of_a_signer_are_refused(options: dict[str, Any]):
    with pytest.raises(BadArgument):
        JwtSigner.hs256(SECRET, **options)


def test_a_seed_has_32_bytes():
    with pytest.raises(InvalidKey, match="31 bytes, need 32"):
        JwtSigner.ed25519(b"k" * 31)


def test_a_keyset_in_its_text_form_is_taken_wherever_keys_are(clock: Clock):
    keyset = Keyset.generate(Alg.JWT_HS256)
    text = keyset.export_insecure(reason="test")
    token = JwtSigner.from_keyset(text, clock=clock).sign({"sub": "u"})
    check = JwtVerifier(text.reveal(), issuer=None, audience=None, clock=clock)
    assert "u" == check.verify(token).subject
    assert keyset.primary.hex_id == json.loads(base64.b64decode(token.split(".")[0] + "=="))["kid"]
