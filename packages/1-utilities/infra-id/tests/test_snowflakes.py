"""Snowflakes: their bits, the 4,097th of a millisecond, clocks that go back, restarts and forks."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra_errors import ConfigError
from infra_id import (
    EPOCH_2020,
    BadIdOption,
    ClockRollbackError,
    InvalidId,
    SequenceExhausted,
    Snowflake,
    TimestampOverflow,
)

NOW = 1_700_000_000.0


class Clock:
    def __init__(self, now: float = NOW) -> None:
        self.now = now
        self.slept = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.now += seconds


def snowflake(clock: Clock, node: int = 7, **options: Any) -> Snowflake:
    return Snowflake(node, clock=clock, sleep=clock.sleep, **options)


def test_an_id_holds_time_node_and_sequence():
    made = snowflake(Clock())
    first, second = made.decompose(made.next()), made.decompose(made.next())
    assert (1_700_000_000_000, 7, 0) == first[:3]
    assert (1_700_000_000_000, 7, 1) == second[:3]
    assert datetime.fromtimestamp(NOW, UTC) == first.datetime


def test_the_layout_is_time_node_sequence_from_the_top():
    value = snowflake(Clock(EPOCH_2020 / 1000 + 1)).next()
    assert 1000 << 22 | 7 << 12 == value


def test_an_id_of_another_epoch_reads_with_that_epoch():
    # A published example: 1541815603606036480 was made at 2022-06-28T16:07:40.105Z
    twitter = snowflake(Clock(), epoch=1_288_834_974_657)
    parts = twitter.decompose(1541815603606036480)
    assert datetime(2022, 6, 28, 16, 7, 40, 105_000, tzinfo=UTC) == parts.datetime
    assert (378, 0) == (parts.node, parts.sequence)


def test_the_4097th_of_a_millisecond_waits_for_the_next():
    clock = Clock()
    made = snowflake(clock)
    values = [made.next() for _ in range(4097)]
    assert sorted(set(values)) == values
    assert [4095, 0] == [made.decompose(value).sequence for value in values[-2:]]
    assert clock.slept > 0


def test_the_4097th_can_borrow_or_be_an_error():
    clock = Clock()
    borrowing = snowflake(clock, on_overflow="borrow")
    values = borrowing.batch(4097)
    assert 1_700_000_000_001 == borrowing.decompose(values[-1]).timestamp_ms
    assert 0 == clock.slept
    failing = snowflake(clock, on_overflow="error")
    failing.batch(4096)
    with pytest.raises(SequenceExhausted):
        failing.next()


def test_a_clock_a_little_back_is_held_and_then_borrows():
    clock = Clock()
    made = snowflake(clock)
    before = made.next()
    clock.now -= 5
    values = made.batch(5000)
    assert before < values[0]
    assert sorted(set(values)) == values
    assert 0 == clock.slept


def test_a_clock_a_little_back_is_waited_for_or_an_error_when_asked():
    clock = Clock()
    waiting = snowflake(clock, on_rollback="wait")
    waiting.next()
    clock.now -= 5
    assert waiting.decompose(waiting.next()).timestamp_ms > 1_700_000_000_000
    failing = snowflake(clock, on_rollback="error")
    failing.next()
    clock.now -= 1
    with pytest.raises(ClockRollbackError):
        failing.next()


@pytest.mark.parametrize("mode", ["hold", "wait", "error"])
def test_a_clock_far_back_is_an_error_in_every_mode(mode: Any):
    clock = Clock()
    made = snowflake(clock, on_rollback=mode)
    first = made.next()
    clock.now -= 20
    with pytest.raises(ClockRollbackError, match="20000 ms behind"):
        made.next()
    clock.now += 20
    assert made.next() > first


def test_a_clock_that_jumps_a_year_ahead_and_back_is_told():
    clock = Clock()
    made = snowflake(clock)
    clock.now += 31_536_000
    made.next()
    clock.now -= 31_536_000
    with pytest.raises(ClockRollbackError):
        made.next()


@given(
    st.lists(st.integers(-3000, 3000), max_size=40),
    st.sampled_from(["hold", "wait"]),
    st.sampled_from(["wait", "borrow"]),
)
def test_whatever_the_clock_does_ids_only_grow(steps: list[int], rollback: Any, overflow: Any):
    clock = Clock()
    options = {"on_rollback": rollback, "on_overflow": overflow, "max_drift_ms": 500_000}
    made = snowflake(clock, bits=(41, 10, 1), **options)
    values = [made.next()]
    for step in steps:
        clock.now += step / 1000
        values += [made.next(), *made.batch(3)]
    assert sorted(set(values)) == values


@pytest.mark.parametrize(
    "options",
    [
        {"node": -1},
        {"node": 1024},
        {"node": True},
        {"node": "1"},
        {"bits": (41, 10, 13)},
        {"bits": (0, 10, 12)},
        {"bits": (41, 22)},
        {"epoch": -1},
        {"epoch": 2_000_000_000_000},
        {"epoch": datetime(2020, 1, 1)},
        {"on_rollback": "never"},
        {"max_drift_ms": -1},
    ],
)
def test_an_option_that_cannot_work_is_refused(options: dict[str, Any]):
    clock = Clock()
    with pytest.raises(BadIdOption):
        Snowflake(**({"node": 1, "clock": clock} | options))


def test_time_past_its_bits_is_told():
    clock = Clock()
    made = snowflake(clock, bits=(38, 10, 12))
    clock.now = (EPOCH_2020 + 2**38) / 1000
    with pytest.raises(TimestampOverflow):
        made.next()


def test_bounds_hold_every_id_of_their_millisecond():
    moment = datetime.fromtimestamp(NOW, UTC)
    made = snowflake(Clock())
    assert made.min_for(moment) <= made.next() <= made.max_for(moment)
    assert made.max_for(moment) - made.min_for(moment) == 2**22 - 1


@pytest.mark.parametrize("bad", [-5, 2**63, "-1", "+123", "-0", "01", "", "1 ", "1\n", "١", "x"])
def test_what_is_no_snowflake_is_refused(bad: Any):
    with pytest.raises(InvalidId):
        snowflake(Clock()).decompose(bad)


@pytest.mark.parametrize("n", [0, 1_000_001, True])
def test_a_batch_size_outside_its_range_is_refused(n: Any):
    with pytest.raises(BadIdOption):
        snowflake(Clock()).batch(n)


def test_a_restart_never_repeats_reserved_time(tmp_path: Path):
    state = tmp_path / "state"
    clock = Clock()
    before = snowflake(clock, state=state).batch(10)
    clock.now -= 0.5  # the clock was set back while the process was down
    again = snowflake(clock, state=state)
    assert again.next() > max(before)
    assert clock.slept > 1  # it waited for the second that was reserved


def test_a_restart_far_behind_its_reserved_time_is_an_error(tmp_path: Path):
    state = tmp_path / "state"
    clock = Clock()
    snowflake(clock, state=state).next()
    clock.now -= 60
    with pytest.raises(ClockRollbackError):
        snowflake(clock, state=state).next()


def test_time_is_reserved_a_second_at_a_time(tmp_path: Path):
    state = tmp_path / "state"
    clock = Clock()
    made = snowflake(clock, state=state)
    made.next()
    assert "1700000001000" == state.read_text().strip()
    clock.now += 0.5
    made.next()
    assert "1700000001000" == state.read_text().strip()
    clock.now += 1
    made.next()
    assert "1700000002500" == state.read_text().strip()
    assert ["state"] == [file.name for file in tmp_path.iterdir()]


@pytest.mark.parametrize("content", [b"", b"soon", b"-5", b"\xff", b"1.5"])
def test_a_corrupt_state_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / "state").write_bytes(content)
    with pytest.raises(ConfigError, match="is no state"):
        snowflake(Clock(), state=tmp_path / "state")


def test_a_state_that_cannot_be_written_is_told_and_no_id_given(tmp_path: Path):
    made = snowflake(Clock(), state=tmp_path / "missing" / "state")
    with pytest.raises(ConfigError, match="cannot write the state"):
        made.next()


@pytest.mark.threads
def test_threads_share_one_increasing_sequence():
    made = Snowflake(1)
    collected: list[list[int]] = [[] for _ in range(8)]

    def work(into: list[int]) -> None:
        into.extend(made.next() for _ in range(2000))

    threads = [threading.Thread(target=work, args=(into,)) for into in collected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 16_000 == len({value for values in collected for value in values})
    assert all(sorted(values) == values for values in collected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")
@pytest.mark.fork
def test_a_forked_child_has_no_node_of_its_own_and_says_so():
    made = Snowflake(1)
    made.next()
    child = os.fork()
    if child == 0:
        try:
            made.next()
        except ConfigError as error:
            os._exit(0 if error.code == "id.node_in_use" else 1)
        os._exit(2)
    _, status = os.waitpid(child, 0)
    assert 0 == os.waitstatus_to_exitcode(status)
    assert made.next()
