"""RetryBudget: rule 20."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra_errors.budget import RetryBudget
from infra_errors.errors import ValidationError


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def spend(budget: RetryBudget) -> int:
    """Spend all there is; return how much that was."""
    return next(n for n in range(100_000) if not budget.allow())


def test_a_quiet_client_may_retry_a_little() -> None:
    assert 20 == spend(RetryBudget(min_per_second=2, window=10, clock=Clock()))


def test_successes_earn_retries() -> None:
    budget = RetryBudget(ratio=0.2, min_per_second=0, clock=Clock())
    for _ in range(14):
        budget.success()
    assert 2 == spend(budget)


def test_a_denied_retry_costs_nothing() -> None:
    budget = RetryBudget(ratio=1, min_per_second=0, clock=Clock())
    assert not budget.allow()
    budget.success()
    assert budget.allow()


def test_a_spent_budget_refills_when_the_window_has_passed() -> None:
    budget = RetryBudget(min_per_second=1, window=10, clock=(clock := Clock()))
    assert 10 == spend(budget)
    clock.now = 9.9
    assert not budget.allow()
    clock.now = 10.0
    assert 10 == spend(budget)


def test_it_refills_bucket_by_bucket() -> None:
    budget = RetryBudget(min_per_second=0.5, window=10, clock=(clock := Clock()))
    for second in range(5):
        clock.now = float(second)
        assert budget.allow()
    assert not budget.allow()
    for second in range(10, 15):
        clock.now = float(second)
        assert [True, False] == [budget.allow(), budget.allow()]


def test_earned_retries_are_forgotten_with_the_window() -> None:
    budget = RetryBudget(ratio=1, min_per_second=0, window=10, clock=(clock := Clock()))
    budget.success()
    clock.now = 10.0
    assert not budget.allow()


@given(
    st.lists(st.tuples(st.sampled_from(["allow", "success"]), st.integers(0, 25)), max_size=60),
    st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    st.sampled_from([0.0, 0.25, 1.0]),
)
def test_it_agrees_with_a_list_of_all_that_happened(
    steps: list[tuple[str, int]], ratio: float, free: float
) -> None:
    clock = Clock()
    budget = RetryBudget(ratio=ratio, min_per_second=free, window=10, clock=clock)
    happened: list[tuple[str, int]] = []
    for kind, later in steps:
        clock.now += later / 2
        bucket = int(clock.now)
        if kind == "success":
            budget.success()
            happened.append((kind, bucket))
            continue
        recent = [what for what, when in happened if when > bucket - 10]
        expected = recent.count("allow") + 1 <= free * 10 + ratio * recent.count("success")
        assert expected == budget.allow()
        if expected:
            happened.append((kind, bucket))


@pytest.mark.threads
def test_threads_share_one_budget() -> None:
    budget = RetryBudget(min_per_second=10, window=10, clock=Clock())
    allowed: list[bool] = []
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        allowed.extend(budget.allow() for _ in range(50))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (100, 100) == (allowed.count(True), allowed.count(False))


@pytest.mark.parametrize(
    "options",
    [
        {"ratio": -0.1},
        {"ratio": float("nan")},
        {"ratio": "0.2"},
        {"min_per_second": None},
        {"min_per_second": -1},
        {"window": 0},
        {"window": -1},
        {"window": float("inf")},
    ],
    ids=repr,
)
def test_a_bad_option_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValidationError) as caught:
        RetryBudget(**options)  # type: ignore[arg-type]
    assert "errors.bad_policy" == caught.value.code
