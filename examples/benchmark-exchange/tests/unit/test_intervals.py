"""Ranks and intervals against brute force, and the facts that make a board honest."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark_exchange.ranking import intervals
from benchmark_exchange.ranking.intervals import Scored, agresti_coull_error, critical_value, rank

entries = st.lists(
    st.builds(
        Scored,
        st.integers(),
        st.floats(0, 100, allow_nan=False),
        st.floats(0, 5, allow_nan=False) | st.just(0.0),
    ),
    max_size=40,
)


def brute(items: list[Scored], z: float) -> list[tuple[int, int]]:
    def beats(a: Scored, b: Scored) -> bool:
        apart = z * math.sqrt(a.standard_error**2 + b.standard_error**2)
        return a.score - b.score > apart

    size = len(items)
    return [
        (1 + sum(beats(b, a) for b in items), size - sum(beats(a, b) for b in items)) for a in items
    ]


def test_the_critical_value_of_95_percent():
    assert critical_value(0.95) == pytest.approx(1.959963984540054, abs=1e-15)


def test_scores_without_uncertainty_rank_as_competitions_do():
    ranked = rank([Scored("a", 0.9), Scored("b", 0.9), Scored("c", 0.8)])
    assert [(1, 2), (1, 2), (3, 3)] == [(r.rank, r.rank_high) for r in ranked]


def test_a_difference_within_the_noise_is_a_tie():
    ranked = rank([Scored("a", 50, 1), Scored("b", 49, 1)])
    assert [(1, 2), (1, 2)] == [(r.rank, r.rank_high) for r in ranked]


def test_rank_is_not_monotone_in_the_score_when_errors_differ():
    high = Scored("surely less known", 52, 10)
    low = Scored("well known", 51, 0.1)
    beaten = Scored("beaten by one", 50, 0.1)
    by_key = {r.entry.key: r for r in rank([high, low, beaten])}
    assert by_key["surely less known"].rank_high > by_key["well known"].rank_high


def test_lower_can_be_better():
    ranked = rank([Scored("slow", 9), Scored("fast", 1)], lower_is_better=True)
    assert [2, 1] == [r.rank for r in ranked]


def test_the_interval_is_the_score_and_its_error_times_z():
    (only,) = rank([Scored("a", 50, 2)])
    assert (50 - 1.959963984540054 * 2, 50 + 1.959963984540054 * 2) == pytest.approx(
        (only.ci_low, only.ci_high)
    )


def test_no_entries_have_no_ranks():
    assert [] == rank([])


def test_a_proportion_without_error_gets_agresti_and_coulls():
    proportion = 12 / 104
    expected = math.sqrt(proportion * (1 - proportion) / 100)
    assert expected == agresti_coull_error(10, 100)


@given(entries)
def test_ranks_are_what_comparing_every_pair_says(items: list[Scored]):
    expected = brute(items, critical_value(0.95))
    assert expected == [(r.rank, r.rank_high) for r in rank(items)]


@given(entries)
def test_without_numpy_the_ranks_are_the_same(items: list[Scored]):
    scores = [item.score for item in items]
    errors = [item.standard_error for item in items]
    pytest.importorskip("numpy")
    assert intervals._count(scores, errors, 1.96) == intervals._count_numpy(scores, errors, 1.96)


def test_more_entries_than_a_block_are_ranked_alike(monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("numpy")
    items = [Scored(n, float(n % 37), 0.5) for n in range(100)]
    expected = rank(items)
    monkeypatch.setattr(intervals, "_BLOCK", 7)
    assert expected == rank(items)
