"""Claims: the builder, the two spellings, and that nothing of them can be changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra_crypto.errors import BadArgument
from infra_crypto.jwt import ClaimNotJson, ClaimReserved, Claims, TokenClaimInvalid
from infra_crypto.jwt.claims import REGISTERED

MOMENT = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_the_builder_and_the_call_make_the_same_claims():
    built = (
        Claims.new()
        .with_subject("u1")
        .with_issuer("me")
        .with_audience("a", "b")
        .with_expires_in(timedelta(minutes=15))
        .with_not_before(MOMENT)
        .with_issued_at(MOMENT)
        .with_jwt_id("j")
        .with_claim("scope", "read")
    )
    called = Claims(
        subject="u1",
        issuer="me",
        audience=("a", "b"),
        expires_in=900,
        not_before=MOMENT,
        issued_at=MOMENT,
        jwt_id="j",
        scope="read",
    )
    assert called == built
    assert ("u1", "read", None, 7) == (
        *(built["sub"], built["scope"], built.get("none")),
        built.get("none", 7),
    )
    with pytest.raises(KeyError):
        built["none"]


def test_a_payload_comes_back_as_it_was():
    payload = {
        "iss": "i",
        "sub": "s",
        "aud": ["a", "b"],
        "exp": 1893553445,
        "nbf": 1.5,
        "iat": 0,
        "jti": "j",
        "roles": ["x", {"y": [1, None, 2.5]}],
    }
    assert payload == Claims.from_dict(payload).to_dict()


def test_what_is_given_out_is_not_what_is_kept():
    given_list = ["a"]
    claims = Claims(roles=given_list, deep={"x": [1]})
    given_list.append("b")
    claims.to_dict()["deep"]["x"].append(2)
    assert {"roles": ["a"], "deep": {"x": [1]}} == claims.to_dict()
    with pytest.raises(TypeError):
        claims.custom["roles"] = ()  # type: ignore[index]
    with pytest.raises(TypeError):
        claims["deep"]["x"] = ()
    with pytest.raises(AttributeError):
        claims.subject = "other"  # type: ignore[misc]


@pytest.mark.parametrize("name", ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"])
def test_a_registered_claim_is_no_custom_one(name: str):
    with pytest.raises(ClaimReserved, match=name):
        Claims.new().with_claim(name, "x")
    with pytest.raises(ClaimReserved):
        Claims(**{name: "x"})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value", [object(), float("nan"), float("inf"), {1: 2}, {"a": {1, 2}}, b"x"]
)
def test_what_json_cannot_hold_is_refused(value: Any):
    with pytest.raises(ClaimNotJson, match="thing"):
        Claims.new().with_claim("thing", value)


def test_a_claim_that_holds_itself_is_refused():
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ClaimNotJson):
        Claims(thing=endless)


@pytest.mark.parametrize(
    "values",
    [
        {"subject": 5},
        {"audience": 5},
        {"audience": ["a", 5]},
        {"expires_at": datetime(2030, 1, 1)},
        {"expires_at": 5},
        {"expires_in": 0},
        {"expires_in": True},
        {"expires_in": float("nan")},
    ],
    ids=repr,
)
def test_a_value_of_the_wrong_type_is_refused(values: dict[str, Any]):
    with pytest.raises(BadArgument):
        Claims(**values)


@pytest.mark.parametrize(
    "payload",
    [
        {"sub": 5},
        {"sub": None},
        {"iss": ["i"]},
        {"jti": {}},
        {"aud": 5},
        {"aud": ["a", 5]},
        {"aud": None},
        {"exp": "5"},
        {"exp": True},
        {"exp": -1},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"exp": 10**15},
        {"exp": 10**400},
        {"nbf": None},
        {"iat": [1]},
    ],
    ids=lambda payload: str(payload)[:40],
)
def test_a_registered_claim_of_the_wrong_type_is_refused(payload: dict[str, Any]):
    with pytest.raises(TokenClaimInvalid, match=next(iter(payload))):
        Claims.from_dict(payload)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text().filter(lambda name: name not in REGISTERED), JSON))
def test_any_custom_claims_come_back(payload: dict[str, Any]):
    assert payload == Claims.from_dict(payload).to_dict()
