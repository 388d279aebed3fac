"""Who the client is behind proxies, and who only says so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis.strategies import text

from infra_errors import ConfigError
from infra_http.middleware import TrustedProxies

PROXY = "10.0.0.1"


async def seen(peer, *headers, trusted=("10.0.0.0/8", "2001:db8::/32"), **scope):
    found = {}

    async def app(scope, receive, send):
        found.update(scope)

    pairs = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers]
    full = {
        "type": "http",
        "scheme": "http",
        "headers": [(b"host", b"inside"), *pairs],
        "client": (peer, 1) if peer is not None else None,
        **scope,
    }
    await TrustedProxies(app, trusted=trusted)(full, None, None)
    host = dict(found["headers"])[b"host"].decode()
    client = found["client"][0] if found["client"] else None
    return client, found["scheme"], host


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([("x-forwarded-for", "192.0.2.1")], ("192.0.2.1", "http", "inside")),
        ([("x-forwarded-for", "6.6.6.6, 192.0.2.1")], ("192.0.2.1", "http", "inside")),
        ([("x-forwarded-for", "6.6.6.6, 192.0.2.1, 10.0.0.9")], ("192.0.2.1", "http", "inside")),
        ([("x-forwarded-for", "10.0.0.8, 10.0.0.9")], ("10.0.0.8", "http", "inside")),
        (
            [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "192.0.2.1")],
            ("192.0.2.1", "http", "inside"),
        ),
        ([("x-forwarded-for", "[2001:db9::1]:443")], ("2001:db9::1", "http", "inside")),
        ([("x-forwarded-for", "192.0.2.1:4711")], ("192.0.2.1", "http", "inside")),
        ([("x-forwarded-for", "unknown")], (PROXY, "http", "inside")),
        ([("x-forwarded-proto", "https")], (PROXY, "https", "inside")),
        ([("x-forwarded-proto", "gopher")], (PROXY, "http", "inside")),
        (
            [
                ("x-forwarded-for", "192.0.2.1"),
                ("x-forwarded-proto", "http, https"),
                ("x-forwarded-host", "evil.example, app.example:8443"),
            ],
            ("192.0.2.1", "https", "app.example:8443"),
        ),
        ([("x-forwarded-host", "evil\r\nx: y")], (PROXY, "http", "inside")),
        (
            [("forwarded", "for=192.0.2.1;proto=https;host=app.example")],
            ("192.0.2.1", "https", "app.example"),
        ),
        (
            [("forwarded", 'for=6.6.6.6, For="[2001:db9::7]:47011";Proto=https, for=10.1.1.1')],
            ("2001:db9::7", "https", "inside"),
        ),
        ([("forwarded", "for=_hidden;proto=https")], (PROXY, "https", "inside")),
        (
            [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=6.6.6.6")],
            (PROXY, "http", "inside"),
        ),
        (
            [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.1;proto=https")],
            ("192.0.2.1", "https", "inside"),
        ),
    ],
    ids=[
        "one", "forged left", "two proxies", "all trusted", "two headers", "v6", "port", "unknown",
        "proto", "odd proto", "nearest", "odd host", "rfc 7239", "chain", "obfuscated", "disagree",
        "agree",
    ],
)  # fmt: skip
async def test_a_trusted_proxy_is_believed_from_right_to_left(headers, expected):
    assert expected == await seen(PROXY, *headers)


async def test_nobody_else_is_believed():
    headers = [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.1;proto=https")]
    assert ("192.0.2.9", "http", "inside") == await seen("192.0.2.9", *headers)
    assert (None, "http", "inside") == await seen(None, *headers)
    assert ("192.0.2.1", "https", "inside") == await seen(None, *headers, trusted=("unix",))


async def test_an_address_in_its_v6_form_is_the_same_address():
    assert "192.0.2.1" == (await seen("::ffff:10.0.0.1", ("x-forwarded-for", "192.0.2.1")))[0]


async def test_a_web_sockets_scheme_stays_one():
    header = ("x-forwarded-proto", "https")
    assert "wss" == (await seen(PROXY, header, type="websocket", scheme="ws"))[1]


@given(text(max_size=60), text(max_size=60))
async def test_no_header_breaks_it(one, two):
    found = await seen(PROXY, ("forwarded", one), ("x-forwarded-for", two))
    assert found[1] in {"http", "https"}


def test_what_is_no_network_is_refused():
    with pytest.raises(ConfigError, match="networks"):
        TrustedProxies(None, trusted=["10.0.0.1/8"])
