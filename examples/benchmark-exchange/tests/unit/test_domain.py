"""The rules of the domain: what each value refuses, and which state leads to which."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark_exchange.domain._check import check_slug, slug_of
from benchmark_exchange.domain.benchmark import Metric, MetricKind, NewBenchmark
from benchmark_exchange.domain.errors import IllegalTransition, InvalidEntity
from benchmark_exchange.domain.ids import UserId
from benchmark_exchange.domain.leaderboard import Board
from benchmark_exchange.domain.model import ModelRef
from benchmark_exchange.domain.submission import (
    Counts,
    NewSubmission,
    SubmissionState,
    check_transition,
    findings_of,
)

USER = UserId.new()
DIGEST = "ab" * 32


def new(**changes: Any) -> NewSubmission:
    values = {"model": ModelRef("m"), "submitter": USER, "artifact_sha256": DIGEST, "score": 50.0}
    return NewSubmission(**(values | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"score": float("nan")},
        {"score": float("inf")},
        {"standard_error": -0.1},
        {"standard_error": float("nan")},
        {"n": 0},
        {"artifact_sha256": "AB" * 32},
        {"artifact_sha256": "ab"},
    ],
)
def test_a_submission_that_breaks_a_rule_is_refused(changes: dict[str, Any]):
    with pytest.raises(InvalidEntity) as caught:
        new(**changes)
    assert "exchange.invalid_submission" == caught.value.code


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "bell\x07"])
def test_a_model_has_a_readable_name(name: str):
    with pytest.raises(InvalidEntity):
        ModelRef(name)


def test_a_version_becomes_part_of_the_label():
    assert "m" == ModelRef("m").label
    assert "m 2026-11" == ModelRef("m", "2026-11").label


@pytest.mark.parametrize(
    ("state", "next_states"),
    [
        ("pending", {"checked", "disputed", "rejected", "retracted"}),
        ("checked", {"verified", "disputed", "rejected", "retracted"}),
        ("verified", {"disputed", "retracted"}),
        ("disputed", {"verified", "rejected", "retracted"}),
        ("rejected", set()),
        ("retracted", set()),
    ],
)
def test_a_state_leads_only_where_the_rules_say(state: str, next_states: set[str]):
    old = SubmissionState(state)
    for new_state in SubmissionState:
        if new_state.value in next_states:
            check_transition(old, new_state)
        else:
            with pytest.raises(IllegalTransition, match=f"{state} submission cannot become"):
                check_transition(old, new_state)


def test_counts_that_do_not_add_up_are_a_finding():
    found = findings_of(new(counts=Counts(wins=1, losses=1, draws=1), n=4))
    assert ("wins, losses and draws add up to 3, n is 4",) == found


def test_a_claimed_rate_that_the_counts_deny_is_a_finding():
    counts = Counts(wins=371, losses=417, draws=17)
    found = findings_of(new(counts=counts, n=805, claimed_win_rate=40.18633540372671))
    assert ("counts say 47.143, file says 40.186",) == found


def test_a_consistent_result_has_no_findings():
    counts = Counts(wins=371, losses=417, draws=17)
    assert () == findings_of(new(counts=counts, n=805, claimed_win_rate=counts.win_rate))
    assert () == findings_of(new())


def test_counts_are_not_negative():
    with pytest.raises(InvalidEntity):
        Counts(wins=-1, losses=2)


@pytest.mark.parametrize(
    "changes",
    [{"minimum": 1.0, "maximum": 1.0}, {"confidence": 0.5}, {"confidence": 1.0}, {"name": " "}],
)
def test_a_metric_that_measures_nothing_is_refused(changes: dict[str, Any]):
    with pytest.raises(InvalidEntity) as caught:
        Metric(**({"name": "accuracy"} | changes))
    assert "exchange.invalid_metric" == caught.value.code


def test_a_metric_refuses_and_clips_by_its_range():
    metric = Metric(name="rate", kind="proportion", minimum=0, maximum=100)
    assert MetricKind.PROPORTION is metric.kind
    metric.check_score(100)
    for score in (-0.1, 100.1, float("nan")):
        with pytest.raises(InvalidEntity):
            metric.check_score(score)
    assert (0, 100, 5) == (metric.clip(-1), metric.clip(101), metric.clip(5))


@pytest.mark.parametrize("slug", ["a", "A-b", "a--b", "-a", "a-", "a_b", "é", "x" * 64, "a b"])
def test_what_is_no_slug_is_refused(slug: str):
    with pytest.raises(InvalidEntity):
        NewBenchmark(slug=slug, title="t", description="d", metric=Metric(name="m"))


@given(st.text())
def test_every_label_suggests_a_valid_slug(label: str):
    check_slug("model", slug_of(label))


@pytest.mark.parametrize("name", ["", "Accepted", "mode:", "mode:" + "x" * 60, "all"])
def test_what_is_no_board_is_refused(name: str):
    with pytest.raises(InvalidEntity, match="is no board"):
        Board(name)
