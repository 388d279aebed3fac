"""I-Regexp: what matches, what is none, and that no pattern is slow."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from infra_json import QueryError
from infra_json.jsonpath import iregexp
from infra_json.jsonpath._automaton import Automaton
from infra_json.jsonpath._regexp import parsed


@pytest.mark.parametrize(
    ("pattern", "text", "whole", "part"),
    [
        ("a", "a", True, True),
        ("a", "ba", False, True),
        ("", "", True, True),
        ("", "a", False, True),
        ("a|b", "b", True, True),
        ("ab|cd*", "cdd", True, True),
        ("(ab)+", "abab", True, True),
        ("(ab){2,3}", "ab", False, False),
        ("a{2}", "aa", True, True),
        ("a{2,}", "aaa", True, True),
        ("[a-c0-9_-]+", "a-9_", True, True),
        ("[^a-c]", "d", True, True),
        ("[-a]", "-", True, True),
        (".", "\n", False, False),
        (".", "\r", False, False),
        (".", "\u2028", True, True),
        (".", "😀", True, True),
        (r"\.\*\[\^\n", ".*[^\n", True, True),
        (r"\p{Lu}\p{L}*", "Éa", True, True),
        (r"\P{N}+", "ab1", False, True),
        (r"[\p{Nd}x]+", "1x٣", True, True),
        (r"[^\p{L}]", "a", False, False),
        ("^ab", "abc", False, True),
        ("^ab", "xab", False, False),
        ("bc$", "abc", False, True),
        ("(a|b)*c$", "xabc", False, True),
        ("(^a|b)+", "ab", True, True),
        ("a#b &&~-", "a#b &&~-", True, True),
    ],
)
def test_what_matches(pattern: str, text: str, whole: bool, part: bool):
    assert whole is iregexp.matches(pattern, text, whole=True)
    assert part is iregexp.matches(pattern, text, whole=False)
    automaton = Automaton(parsed(pattern))
    assert whole is automaton.matches(text)
    assert part is automaton.finds(text)


BAD = r"( ) a) [ [] [b-a] * a** a{2,1} a{ {1} a{,2} \d \w ] } \p{Foo} \p{Cs} (?:a) (?i)a \b [a-c-e]"


@pytest.mark.parametrize(
    "pattern", [*BAD.split(), "\ud800", "(" * 200 + "a" + ")" * 200, "a{9999999999}"]
)
def test_what_is_no_pattern_matches_nothing(pattern: str):
    assert not iregexp.matches(pattern, "a", whole=True)
    assert not iregexp.matches(pattern, "a", whole=False)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("(a+)+$", "a" * 30 + "!"),
        ("(a|a)*b", "a" * 40),
        ("(a|aa)+b", "a" * 40),
        ("a?" * 30 + "a" * 30 + "b", "a" * 30),
        ("(a|a)" * 30 + "b", "a" * 30),
        (".*.*.*.*.*x", "a" * 3000),
        ("(.*)*x", "a" * 3000),
        ("((a{1,20}){1,20})b", "a" * 3000),
    ],
)
def test_a_pattern_that_backtracking_would_never_end_ends(pattern: str, text: str):
    assert not iregexp.matches(pattern, text, whole=True)
    assert pattern.endswith("$") or not iregexp.matches(pattern, text, whole=False)


def test_a_pattern_that_is_too_large_is_refused():
    with pytest.raises(QueryError, match="too large"):
        iregexp.matches("((a{100}b?){100}c?){100}", "a", whole=True)
    assert iregexp.matches("a{0,900}", "a" * 900, whole=True)


atoms = st.sampled_from(["a", "b", "[ab]", "[^a]", ".", "(a|b)", "(ab)", "é"])
quantifiers = st.sampled_from(["", "", "*", "+", "?", "{2}", "{1,2}", "{0,1}", "{2,}"])
patterns = st.lists(st.tuples(atoms, quantifiers).map("".join), max_size=4).map("".join)


@given(patterns, st.text("abcé", max_size=8))
def test_the_automaton_says_what_re_says(pattern: str, text: str):
    assume("\n" not in text)
    automaton = Automaton(parsed(pattern))
    assert automaton.matches(text) is (re.fullmatch(pattern, text) is not None)
    assert automaton.finds(text) is (re.search(pattern, text) is not None)
    assert iregexp.matches(pattern, text, whole=True) is automaton.matches(text)
    assert iregexp.matches(pattern, text, whole=False) is automaton.finds(text)


@given(st.text("ab()[]{}|*+?^$-\\.,0p", max_size=10), st.text("ab", max_size=4))
def test_any_text_as_a_pattern_is_a_yes_or_no(pattern: str, text: str):
    assert iregexp.matches(pattern, text, whole=True) in {True, False}
