"""Which keys are sensitive, what is masked in text, and that it takes linear time."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from types import MappingProxyType
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra_errors import (
    IoError,
    NotFoundError,
    Secret,
    add_sensitive,
    is_sensitive,
    mask_phone,
    redact,
    redact_text,
)

redact_module = __import__("sys").modules["infra_errors.redact"]


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "PASSWORD",
        "db_password",
        "dbPassword",
        "passwordHash",
        "passwd",
        "pwd",
        "userPwd",
        "passphrase",
        "secret",
        "secrets",
        "client_secret",
        "clientSecret",
        "credential",
        "credentials",
        "Authorization",
        "proxy-authorization",
        "cookie",
        "Set-Cookie",
        "cookies",
        "apikey",
        "APIKEY",
        "otp",
        "cvv",
        "cvc",
        "ssn",
        "jwt",
        "pepper",
        "bearer",
        "token",
        "access_token",
        "accessToken",
        "X-Auth-Token",
        "csrf.token",
        "pin",
        "user_pin",
        "api_key",
        "apiKey",
        "APIKey",
        "X-API-Key",
        "access_key",
        "AWS_ACCESS_KEY_ID",
        "private_key",
        "secretKey",
        "signing_key",
        "encryption-key",
        "masterKey",
        "account_key",
        "shared_key",
        "session_id",
        "sessionId",
        "SESSIONID2x session id",
        "code",
        "auth",
        "sid",
        "Code",
        "password2",
        "PGPASSWORD",
        "dbpassword",
        "clientsecret",
    ],
)
def test_a_key_that_names_a_secret_is_sensitive(key: str) -> None:
    assert is_sensitive(key)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "user",
        "max_tokens",
        "maxTokens",
        "token_count",
        "tokens",
        "status_code",
        "cache_key",
        "cacheKey",
        "key",
        "primary_key",
        "keyboard",
        "pinned",
        "spin",
        "author",
        "authority",
        "auth_mode",
        "session",
        "id",
        "session_count",
        "error_code",
        "sidecar",
        "monkey",
        "compass",
        "public_key",
        "phone",
        "---",
        "secretary",
    ],
)
def test_a_harmless_key_is_shown(key: str) -> None:
    assert not is_sensitive(key)


@pytest.fixture
def _clean_words(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(redact_module, "_WORDS", set(redact_module._WORDS))
    monkeypatch.setattr(redact_module, "_EXACT", set(redact_module._EXACT))
    yield
    redact_module._verdicts.clear()


@pytest.mark.usefixtures("_clean_words")
def test_words_can_be_added() -> None:
    assert not is_sensitive("patient")
    assert "patient=7" == NotFoundError("patient=7").message
    add_sensitive("Patient", "internal ref", "")
    assert is_sensitive("patient_id")
    assert is_sensitive("internalRef")
    assert not is_sensitive("my_internal_ref")
    assert "patient=***" == NotFoundError("patient=7").message


MASKED = [
    ("postgres://app:hunter2@db/main", "postgres://***@db/main"),
    ("postgres://app:hun%40ter2@db:5432/main?x=1", "postgres://***@db:5432/main?x=1"),
    ("redis://:hunter2@h", "redis://***@h"),
    ("amqp://u:hun/ter2@h/v", "amqp://***@h/v"),
    ("amqp://u:hun@ter2@h/v", "amqp://***@h/v"),
    ("https://user@host/", "https://***@host/"),
    ("a http://u:hunter2@h/ b ftp://u:hunter2@h/ c", "a http://***@h/ b ftp://***@h/ c"),
    ("https://h/p?token=hunter2&max=1", "https://h/p?token=***&max=1"),
    ("https://h/p?a=1&code=hunter2#f", "https://h/p?a=1&code=***#f"),
    ("/cb?next=/x?code=hunter2", "/cb?next=/x?code=***"),
    ("host=db password=hunter2 user=app", "host=db password=*** user=app"),
    ("host=db password='hun ter\\'2' user=app", "host=db password='***' user=app"),
    ("password: hunter2", "password: ***"),
    ("failed: password=hunter2", "failed: password=***"),
    ("ValueError: password: hunter2", "ValueError: password: ***"),
    ("Server=x;Pwd=hunter2;User=y", "Server=x;Pwd=***;User=y"),
    ("{'api_key': 'hunter2', 'a': 1}", "{'api_key': '***', 'a': 1}"),
    ('{"client_secret":"hunter2"}', '{"client_secret":"***"}'),
    ("password='unterminated hunter2", "password=***"),
    ('password="cut before its end hunter2\nnext', "password=***\nnext"),
    ("password: 'it''s hunter2' x", "password: '***' x"),
    (r'{"body": "{\"password\": \"hun ter2\"}"}', r'{"body": "{\"password\": \"***\"}"}'),
    ("{'password': b'hun ter2', 'a': 1}", "{'password': b'***', 'a': 1}"),
    (r"host=h password=hun\ ter2 user=x", "host=h password=*** user=x"),
    ('password => "hunter2", a', 'password => "***", a'),
    ("password := hunter2 a", "password := *** a"),
    ("passWord=hunter2", "passWord=***"),
    ("https://s3/b/k?X-Amz-Signature=hunter2&x=1", "https://s3/b/k?X-Amz-Signature=***&x=1"),
    ("https://b/c?sv=1&sig=hunter2", "https://b/c?sv=1&sig=***"),
    ("Authorization: Basic aHVudGVyMg==", "Authorization: ***"),
    ("Authorization: Digest username=a, response=hunter2", "Authorization: ***"),
    ("Cookie: a=b; session=hunter2\nHost: h", "Cookie: ***\nHost: h"),
    ("{'Authorization': 'Bearer hunter2', 'a': 1}", "{'Authorization': '***', 'a': 1}"),
    ("got Bearer hunter2 there", "got Bearer *** there"),
    ("sent bearer abc.def-123", "sent bearer ***"),
    ("Basic dXNlcjpodW50ZXIy", "Basic ***"),
    ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln!", "jwt ***!"),
    ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY----- after", "*** after"),
    ("x -----BEGIN PRIVATE KEY-----\nabc", "x ***"),
    ("key AKIAIOSFODNN7EXAMPLE here", "key *** here"),
    ("sk-abcdefghijklmnopqrstuv", "***"),
    ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "***"),
    ("xoxb-123456789012-abcdef", "***"),
    ("call +491701234567 now", "call ********4567 now"),
    ("auth_token = hunter2", "auth_token = ***"),
]


@pytest.mark.parametrize(("text", "masked"), MASKED, ids=range(len(MASKED)))
def test_a_secret_in_text_is_masked(text: str, masked: str) -> None:
    assert masked == redact_text(text)
    assert masked == redact_text(masked)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing here",
        "users: no such user",
        "http://host:8080/a@b",
        "exit code: 5",
        "https://host/path?page=2&max_tokens=5",
        "Basic authentication required",
        "Bearer token missing",
        "2026-01-02T03:04:05+00:00",
        "a+b",
        "task-force-one-and-two",
        "status_code=404",
        "the password is wrong",
        "ratio 1:2",
        "C:\\dir\\file",
        "12:30",
        "mailto:a@b.example",
        "-----BEGIN CERTIFICATE-----",
        "+123",
        "auth: off",
    ],
)
def test_harmless_text_is_left_alone(text: str) -> None:
    assert text == redact_text(text)


HOSTILE = {
    "schemes": "a" * 65_536,
    "scheme ends": "://" * 21_845,
    "ports": "://a:b" * 10_922,
    "ats": "://a@" * 13_107,
    "jwts": "eyJ" * 21_845,
    "pairs": "password=" * 7_281,
    "colons": ":" * 65_536,
    "keys": ("k" * 64 + " ") * 1_008,
    "quotes": "password='" * 6_553,
    "backslashes": "password='" + "\\" * 65_000,
    "pems": "-----BEGIN PRIVATE KEY" * 2_978,
    "plus": "+1" * 32_768,
    "bearer": "Bearer " * 9_362,
    "bearer words": "Bearer " + "a" * 65_000,
    "vendor": "sk-" * 21_845,
    "cookies": "cookie:" * 9_362,
    "spaces": "password" + " " * 65_000,
    "queries": "?a=" * 21_845,
    "dashes": "-" * 65_536,
    "doubled quotes": "password='" + "''" * 30_000,
    "open quotes": "password='\\\n" * 5_957,
    "escaped quotes": 'password=\\"' * 5_957,
    "prefixes": "password=" + "b" * 60_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_takes_linear_work(name: str) -> None:
    # a quadratic pattern would need minutes here, and the suite's own limit would end it
    text = HOSTILE[name]
    assert len(redact_text(text)) <= 2 * len(text)


def test_text_over_the_limit_is_cut() -> None:
    text = redact_text("x" * 100_000 + " password=hunter2")
    assert len(text) <= 65_536
    assert text.endswith(")")
    assert "hunter2" not in text


@given(st.text(max_size=300))
def test_masking_twice_is_masking_once(text: str) -> None:
    once = redact_text(text)
    assert once == redact_text(once)


PIECES = st.lists(
    st.sampled_from(
        [
            "://",
            "u:",
            "hunter2",
            "@",
            "h/",
            "?token=",
            "&code=",
            "password=",
            "'",
            '"',
            " ",
            ";",
            "Bearer ",
            "eyJhbGciOiJI",
            ".",
            "+4917012345",
            "cookie: ",
            "\n",
            ",",
            "sk-",
            "***",
            "=",
            ":",
            "PRIVATE KEY",
            "''",
            "\\",
            '\\"',
            "b'",
            "=>",
            ":=",
            "&sig=",
        ]
    ),
    max_size=20,
).map("".join)


@given(PIECES)
def test_masking_what_looks_like_secrets_twice_is_masking_once(text: str) -> None:
    once = redact_text(text)
    assert once == redact_text(once)


def test_headers_are_redacted_however_they_are_listed() -> None:
    asgi = [(b"authorization", b"Bearer hunter2"), (b"cookie", b"sid=hunter2"), (b"host", b"h")]
    assert [(b"authorization", "***"), (b"cookie", "***"), (b"host", b"h")] == redact(asgi)
    assert {b"x-api-key": "***"} == redact({b"x-api-key": b"hunter2"})
    context = IoError("x", headers=[("Cookie", "sid=hunter2")], context={b"password": "hunter2"})
    assert {"headers": [["Cookie", "***"]], "password": "***"} == dict(context.context)


def test_redact_reaches_into_any_mapping_tuple_and_bytes() -> None:
    class Point(NamedTuple):
        where: str

    assert {"a": {"token": "***"}} == redact({"a": MappingProxyType({"token": "hunter2"})})
    assert [("password=***",)] == redact([Point("password=hunter2")])
    assert ("wrong password", 5) == redact(("wrong password", 5))
    assert (b"password=***", b"\xff\x00") == redact((b"password=hunter2", b"\xff\x00"))


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("+491701234567", "********4567"),
        ("0170 123-45-67", "********4567"),
        ("12345678", "********5678"),
        ("1234567", "********"),
        ("", "********"),
        ("********4567", "********4567"),
        ("********", "********"),
    ],
)
def test_a_phone_number_keeps_its_last_four_digits(number: str, masked: str) -> None:
    assert masked == mask_phone(number)


def test_redact_copies_and_never_mutates() -> None:
    value = {
        "user": "a",
        "password": "hunter2",
        "phone": "+491701234567",
        "mobile": 491701234567,
        "is_mobile": True,
        "nested": [{"token": 5, "url": "http://u:hunter2@h/"}, ("x", {1, 2})],
        "secret_box": Secret("hunter2"),
        5: "y",
    }
    before = copy.deepcopy(value)
    assert {
        "user": "a",
        "password": "***",
        "phone": "********4567",
        "mobile": "********4567",
        "is_mobile": True,
        "nested": [{"token": "***", "url": "http://***@h/"}, ("x", {1, 2})],
        "secret_box": "***",
        5: "y",
    } == redact(value)
    assert before == value


def test_redact_ends_in_a_circle() -> None:
    loop: list[object] = []
    loop.append(loop)
    assert [[[[[["…"]]]]]] == redact(loop)
    error = IoError("x")
    assert error is redact(error)


def test_a_phone_number_in_a_query_is_masked_as_well() -> None:
    assert "?phone=********5678&a=%2B1" == redact_text("?phone=%2B4915112345678&a=%2B1")
    assert "to=********5678" == redact_text("to=%2b4915112345678")
