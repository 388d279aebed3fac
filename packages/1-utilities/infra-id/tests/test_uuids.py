"""UUIDv7 against RFC 9562, and the one policy for clocks that go wrong."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra_id import (
    BadIdOption,
    ClockRollbackError,
    InvalidId,
    SequenceExhausted,
    TimestampOverflow,
    Uuid7Generator,
    uuid4,
    uuid4_str,
    uuid7,
    uuid7_at,
    uuid7_batch,
    uuid7_from_parts,
    uuid7_str,
)


class Clock:
    """A clock that the test turns; sleeping turns it too."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def generator(clock: Clock, **options: Any) -> Uuid7Generator:
    return Uuid7Generator(clock=clock, sleep=clock.sleep, **options)


def milliseconds(value: uuid.UUID) -> int:
    return value.int >> 80


def ones(n: int) -> bytes:
    return b"\xff" * n


def test_an_id_is_a_uuid_of_version_7_and_the_rfc_variant():
    value = uuid7()
    assert isinstance(value, uuid.UUID)
    assert 7 == value.version
    assert uuid.RFC_4122 == value.variant


def test_the_example_of_the_rfc_has_its_parts_where_we_put_them():
    # RFC 9562, A.6: time 1645557742000 ms, rand_a cc3, rand_b 18c4dc0c0c07398f without the variant
    counter = 0xCC3 << 62 | 0x18C4DC0C0C07398F
    parts = counter.to_bytes(10)
    made = Uuid7Generator(clock=lambda: 1645557742.0, entropy=lambda n: parts[-n:]).next()
    expected = uuid.UUID("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")
    # A fresh counter starts with its top bit 0, which the example's rand_a of cc3 has set.
    assert expected.int & ~(0x800 << 64) == made.int
    assert 1645557742000 == milliseconds(made)


def test_the_time_of_an_id_is_the_clock_in_milliseconds():
    before = time.time_ns() // 1_000_000
    made = milliseconds(uuid7())
    assert before <= made <= time.time_ns() // 1_000_000 + 1


def test_text_and_batch_are_canonical_and_increasing():
    texts = [uuid7_str(), *uuid7_batch(1000), uuid7_str()]
    assert sorted(texts) == texts
    assert texts == [str(uuid.UUID(text)) for text in texts]
    assert 1002 == len(set(texts))


@pytest.mark.parametrize("n", [0, -1, 1_000_001, True, 2.0])
def test_a_batch_size_outside_one_to_a_million_is_refused(n: Any):
    with pytest.raises(BadIdOption, match="a batch has 1 to 1,000,000 ids"):
        uuid7_batch(n)


def test_ids_of_one_millisecond_grow_by_unguessable_steps():
    clock = Clock()
    made = generator(clock)
    values = [made.next().int for _ in range(200)]
    assert sorted(values) == values
    steps = {b - a for a, b in pairwise(values)}
    assert len(steps) > 150


def test_a_clock_a_little_back_is_held():
    clock = Clock()
    made = generator(clock)
    first = made.next()
    clock.now -= 5
    second = made.next()
    assert second > first
    assert milliseconds(first) == milliseconds(second)
    assert [] == clock.slept


def test_a_clock_a_little_back_is_waited_for_when_asked():
    clock = Clock()
    made = generator(clock, on_rollback="wait")
    first = made.next()
    clock.now -= 5
    second = made.next()
    assert milliseconds(second) > milliseconds(first)
    assert 5 == pytest.approx(sum(clock.slept), abs=0.01)


@pytest.mark.parametrize("mode", ["hold", "wait", "error"])
def test_a_clock_far_back_is_an_error_that_changes_nothing(mode: Any):
    clock = Clock()
    made = generator(clock, on_rollback=mode)
    first = made.next()
    clock.now -= 3600
    with pytest.raises(ClockRollbackError) as caught:
        made.next()
    assert 3_600_000 == pytest.approx(caught.value.context["drift_ms"], abs=1)
    assert caught.value.retry_after is not None
    clock.now += 3600
    assert made.next() > first


def test_any_rollback_is_an_error_when_asked():
    clock = Clock()
    made = generator(clock, on_rollback="error")
    made.next()
    clock.now -= 0.005
    with pytest.raises(ClockRollbackError, match="on_rollback='error'"):
        made.next()


@pytest.mark.parametrize("now", [float("nan"), -1.0])
def test_a_clock_that_tells_no_time_is_an_error(now: float):
    with pytest.raises(ClockRollbackError, match="no time since 1970"):
        Uuid7Generator(clock=lambda: now).next()


@pytest.mark.parametrize("now", [2**48 / 1000, float("inf")])
def test_a_time_beyond_48_bits_is_an_error(now: float):
    with pytest.raises(TimestampOverflow):
        Uuid7Generator(clock=lambda: now).next()


def exhausted(clock: Clock, **options: Any) -> Uuid7Generator:
    """A generator with a counter of 2 bits, so that a millisecond is used up at once."""
    made = generator(clock, entropy=ones, **options)
    made._counter._limit = 4
    made.next()
    return made


def test_a_used_up_millisecond_borrows_the_next():
    clock = Clock()
    made = exhausted(clock)
    assert 1_700_000_000_001 == milliseconds(made.next())
    assert [] == clock.slept


def test_borrowing_ends_at_the_allowed_drift_and_waits():
    clock = Clock()
    made = exhausted(clock, max_drift_ms=2)
    times = [milliseconds(made.next()) for _ in range(5)]
    assert sorted(set(times)) == times
    assert clock.slept


def test_a_used_up_millisecond_is_waited_out_when_asked():
    clock = Clock()
    made = exhausted(clock, on_overflow="wait")
    assert 1_700_000_000_001 == milliseconds(made.next())
    assert 0.001 == pytest.approx(sum(clock.slept))


def test_a_used_up_millisecond_is_an_error_when_asked():
    made = exhausted(Clock(), on_overflow="error")
    with pytest.raises(SequenceExhausted):
        made.next()


@pytest.mark.parametrize(
    "options",
    [
        {"on_rollback": "ignore"},
        {"on_overflow": "hold"},
        {"max_drift_ms": -1},
        {"max_drift_ms": 1.5},
    ],
)
def test_a_policy_nobody_knows_is_refused_by_name(options: dict[str, Any]):
    with pytest.raises(BadIdOption, match=next(iter(options))):
        Uuid7Generator(**options)


@given(
    steps=st.lists(st.integers(-9_000, 9_000), max_size=50),
    on_rollback=st.sampled_from(["hold", "wait"]),
    on_overflow=st.sampled_from(["borrow", "wait"]),
    tiny=st.booleans(),
)
def test_whatever_the_clock_does_ids_only_grow(
    steps: list[int], on_rollback: Any, on_overflow: Any, tiny: bool
):
    clock = Clock()
    made = generator(clock, on_rollback=on_rollback, on_overflow=on_overflow, max_drift_ms=500_000)
    if tiny:
        made._counter._limit = 8
    values = [made.next()]
    for step in steps:
        clock.now += step / 1000
        values.append(made.next())
        values.extend(uuid.UUID(text) for text in made.batch(2))
    assert sorted(set(values)) == values


@pytest.mark.threads
def test_threads_that_share_a_generator_get_one_increasing_sequence():
    made = Uuid7Generator()
    collected: list[list[uuid.UUID]] = [[] for _ in range(8)]

    def work(into: list[uuid.UUID]) -> None:
        into.extend(made.next() for _ in range(2000))

    _run_threads(work, collected)
    everything = [value for values in collected for value in values]
    assert 16_000 == len(set(everything))
    assert all(sorted(values) == values for values in collected)


@pytest.mark.threads
def test_threads_at_module_level_never_meet():
    collected: list[list[uuid.UUID]] = [[] for _ in range(8)]

    def work(into: list[uuid.UUID]) -> None:
        into.extend(uuid7() for _ in range(40_000))

    _run_threads(work, collected)
    assert 320_000 == len({value for values in collected for value in values})


def _run_threads(work: Callable[[list[uuid.UUID]], None], collected: list[list[uuid.UUID]]) -> None:
    threads = [threading.Thread(target=work, args=(into,)) for into in collected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")
@pytest.mark.fork
def test_parent_and_child_of_a_fork_never_give_the_same_id():
    clock = Clock()
    made = generator(clock, entropy=lambda n: b"\x01" * n)
    made.next()
    receiver, sender = multiprocessing.Pipe(duplex=False)
    child = os.fork()
    if child == 0:
        sender.send(made.batch(100))
        os._exit(0)
    theirs = receiver.recv()
    os.waitpid(child, 0)
    ours = made.batch(100)
    assert set() == set(ours) & set(theirs)
    assert sorted(theirs) == theirs


@pytest.mark.slow
def test_a_million_of_a_thread_are_unique_and_those_with_a_time_increase():
    assert 1_000_000 == len({uuid4_str() for _ in range(1_000_000)})
    last = ""
    for _ in range(1_000_000):
        assert last < (last := uuid7_str())


def test_a_uuid4_is_random_and_of_its_version():
    made = [uuid4() for _ in range(1000)]
    assert 1000 == len(set(made))
    assert {(4, uuid.RFC_4122)} == {(value.version, value.variant) for value in made}


def test_parts_make_the_example_of_the_rfc():
    random10 = (0xCC3 << 62 | 0x18C4DC0C0C07398F).to_bytes(10)
    made = uuid7_from_parts(1645557742000, random10)
    assert "017f22e2-79b0-7cc3-98c4-dc0c0c07398f" == made


@pytest.mark.parametrize(
    ("ms", "random10", "error"),
    [(-1, b"x" * 10, TimestampOverflow), (2**48, b"x" * 10, TimestampOverflow)]
    + [(0, b"x" * length, InvalidId) for length in (0, 9, 11)],
)
def test_parts_that_do_not_fit_are_refused(ms: int, random10: bytes, error: type[Exception]):
    with pytest.raises(error):
        uuid7_from_parts(ms, random10)


def test_bounds_hold_every_uuid7_of_their_millisecond():
    moment = datetime(2026, 1, 2, 3, 4, 5, 678_999, tzinfo=UTC)
    low, high = uuid7_at(moment), uuid7_at(moment, fill="max")
    made = Uuid7Generator(clock=moment.timestamp)
    assert all(low <= made.next() <= high for _ in range(100))
    assert high < uuid7_at(moment + timedelta(milliseconds=1))
    assert {7} == {low.version, high.version}


@pytest.mark.parametrize("moment", [datetime(2026, 1, 1), "2026-01-01", None])
def test_a_moment_is_an_aware_datetime(moment: Any):
    with pytest.raises(BadIdOption, match="time zone"):
        uuid7_at(moment)


def test_a_moment_before_1970_is_refused():
    with pytest.raises(TimestampOverflow):
        uuid7_at(datetime(1969, 12, 31, tzinfo=UTC))


def test_another_fill_is_refused():
    with pytest.raises(BadIdOption, match="min or max"):
        uuid7_at(datetime(2026, 1, 1, tzinfo=UTC), fill="middle")  # type: ignore[arg-type]  # the test
