"""Redaction: by key, by word, by pattern; and in every part of what an exporter is given."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra_errors import Secret
from infra_otel import Redaction

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
PHONE = "+4915112345678"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("password=hunter2 ok", "password=*** ok"),
        (f"call {PHONE}", "call ********5678"),
        ("postgresql://app:hunter2@db/x", "postgresql://***@db/x"),
        ("Authorization: Bearer abcdefghijkl", None),
        (f"token {JWT}", None),
        ("nothing here", "nothing here"),
    ],
    ids=["pair", "phone", "userinfo", "bearer", "jwt", "plain"],
)
def test_text_is_masked(text: str, shown: str | None) -> None:
    found = Redaction().text(text)
    for needle in ("hunter2", "151123", "abcdefghijkl", JWT[:40]):
        assert needle not in found
    assert shown in {None, found}


def test_keys_decide_first() -> None:
    found = Redaction().attributes(
        {
            "password": 7,
            "http.request.header.authorization": ["Basic abc"],
            "user.phone": PHONE,
            "count": 3,
            "ratio": 0.5,
            "on": True,
            "none": None,
            "max_tokens": 5,
            "nested": {"api_key": "x", "list": [{"secret": "y"}, "fine"]},
            "held": Secret("z"),
            "raw": b"password=hunter2",
            "pair": ("a", "token=hunter2"),
        }
    )
    assert {
        "password": "***",
        "http.request.header.authorization": "***",
        "user.phone": "********5678",
        "count": 3,
        "ratio": 0.5,
        "on": True,
        "none": None,
        "max_tokens": 5,
        "nested": {"api_key": "***", "list": [{"secret": "***"}, "fine"]},
        "held": "***",
        "raw": b"password=***",
        "pair": ("a", "token=***"),
    } == found


def test_own_words_are_sensitive_in_keys_and_texts() -> None:
    redaction = Redaction(words=["ticket", "customer ref"])
    assert {"ticketId": "***", "customer_ref": "***", "customer": 1, "tickets": 2} == (
        redaction.attributes({"ticketId": 5, "customer_ref": 6, "customer": 1, "tickets": 2})
    )
    assert 'ticket=*** ticket: *** "ticket" 5' == redaction.text(
        'ticket=5 ticket: "a b" "ticket" 5'
    )


def test_own_patterns_are_masked_wherever_they_stand() -> None:
    redaction = Redaction(patterns=[re.compile(r"\bDE\d{20}\b")])
    assert {"note": "to ***!"} == redaction.attributes({"note": f"to DE{'1' * 20}!"})


def test_a_long_text_is_cut_after_it_was_masked() -> None:
    redaction = Redaction(max_value=20)
    assert "aaaaaaaaaaaaaaaaaaaa… (+80)" == redaction.text("a" * 100)
    assert "hunt" not in redaction.text("x" * 5 + " password=hunter2hunter2")


@pytest.mark.parametrize("wrap", [lambda it: {"k": it}, lambda it: [it]], ids=["dict", "list"])
def test_what_lies_deep_is_left_out(wrap: Any) -> None:
    deep: Any = "password=hunter2"
    for _ in range(50):
        deep = wrap(deep)
    found = repr(Redaction().attributes({"deep": deep}))
    assert "hunter2" not in found
    assert "…" in found


def test_equal_redactions_are_equal() -> None:
    one, other = (Redaction(words=["a", "b"], patterns=[re.compile("x")]) for _ in range(2))
    one.attributes({"k": 1})
    assert one == other
    assert one != Redaction(words=["a"])


def test_the_memory_of_keys_is_bounded() -> None:
    redaction = Redaction()
    redaction.attributes({f"key{number}": 1 for number in range(10_000)})
    assert len(redaction._verdicts) <= 4096


KEYS = st.text(max_size=12)
VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_nothing_is_mutated_and_keys_stay(mapping: dict[str, Any]) -> None:
    before = repr(mapping)
    redaction = Redaction(words=["abc"])
    found = redaction.attributes(mapping)
    assert (before, list(mapping)) == (repr(mapping), list(found))
    assert found == redaction.attributes(found) or any("+" in str(it) for it in mapping.values())
