"""Rules: asked after the type, all of them, and their words hold no value."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import attrs
import pytest

from infra_config import (
    BadSetting,
    ConfigLoadError,
    Custom,
    Length,
    MemorySource,
    Pattern,
    Range,
    Seconds,
    load,
)
from infra_errors import Secret


def broken(value: object) -> bool:
    raise KeyError(value)


def test_range():
    assert Range(0, 10).check(0) is None
    assert Range(0, 10).check(10) is None
    assert "must be 0..10" == Range(0, 10).check(11)
    assert "must be at least 1" == Range(min=1).check(0)
    assert "must be at most 1" == Range(max=1).check(2)
    assert Range(date(2026, 1, 1)).check(date(2026, 1, 1)) is None


def test_an_exclusive_range_does_not_hold_its_bounds():
    both = Range(0, 1, exclusive=True)
    assert both.check(0.5) is None
    assert "must be more than 0 and less than 1" == both.check(0) == both.check(1)
    assert "must be more than 0" == Range(min=0, exclusive=True).check(0)


@pytest.mark.parametrize("value", [True, False, float("nan")])
def test_nan_and_bool_are_in_no_range(value: Any):
    assert Range().check(value)
    assert Range(0, 1).check(value)


def test_length():
    assert Length(1, 2).check("ab") is None
    assert "must have 1..2 characters" == Length(1, 2).check("abc")
    assert "must have at least 2 items" == Length(2).check(["a"])
    assert "must have at least 32 characters" == Length(32).check(Secret("hunter2"))
    assert "must have at least 32 bytes" == Length(32).check(Secret(b"hunter2"))


def test_pattern_is_a_full_match_of_a_bounded_text():
    assert Pattern("[a-z]+").check("abc") is None
    assert "does not match [a-z]+" == Pattern("[a-z]+").check("abc\n")
    assert Pattern("[a-z]+").check("a" * 4096) is None
    assert Pattern("[a-z]+").check("a" * 4097)
    assert Pattern("[a-z]+").check(Secret("abc")) is None


def test_custom():
    assert Custom(str.islower, "must be lower case").check("a") is None
    assert "must be lower case" == Custom(str.islower, "must be lower case").check("A")


@pytest.mark.parametrize(
    ("rule", "arguments"), [(Range, (2, 1)), (Length, (2, 1)), (Length, (-1,)), (Pattern, ("[",))]
)
def test_a_rule_that_nothing_satisfies_is_refused_when_made(rule: Any, arguments: tuple[Any, ...]):
    with pytest.raises(BadSetting):
        rule(*arguments)


@attrs.frozen
class Settings:
    name: Annotated[str, Length(3), Pattern("[a-z]+")] = "abc"
    wait: Annotated[Seconds, Range(min=0, exclusive=True)] = 1.0
    level: Annotated[int, Custom(broken, "never"), Range(0, 1)] | None = None
    ports: list[Annotated[int, Range(1, 9)]] = attrs.field(factory=list)


def violations(**table: object) -> tuple[list[str], ConfigLoadError]:
    with pytest.raises(ConfigLoadError) as caught:
        load(Settings, MemorySource(table))
    return [str(found) for found in caught.value.violations], caught.value


def test_all_rules_are_asked_and_each_has_its_violation():
    assert [
        "name: must have at least 3 characters (memory name)",
        "name: does not match [a-z]+ (memory name)",
        "ports[1]: must be 1..9 (memory ports[1])",
        "wait: must be more than 0 (memory wait)",
    ] == violations(name="A", wait="0s", ports=[1, 10])[0]


def test_a_rule_that_raises_is_a_violation_with_a_cause_and_the_others_are_asked():
    found, error = violations(level=5)
    assert ["level: KeyError: 5 (memory level)", "level: must be 0..1 (memory level)"] == found
    assert "KeyError: 5" == str(error.__cause__)


def test_none_is_asked_nothing():
    assert load(Settings, MemorySource({"level": None})).value.level is None
