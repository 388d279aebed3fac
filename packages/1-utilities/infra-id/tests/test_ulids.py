"""ULIDs against the specification's example and python-ulid."""

from __future__ import annotations

import sys
import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ulid import ULID

from infra_errors import ConfigError
from infra_id import (
    BadIdOption,
    InvalidId,
    TimestampOverflow,
    UlidGenerator,
    parse,
    ulid,
    ulid_at,
    ulid_batch,
    ulid_from_parts,
    ulid_str,
    ulids,
)


def test_the_example_of_the_specification():
    assert 1469918176385 == parse("ulid", "01ARYZ6S41TSV4RRFFQ69G5FAV").timestamp_ms


def test_an_object_is_python_ulids_and_a_text_reads_as_one():
    assert isinstance(ulid(), ULID)
    text = ulid_str()
    assert text == str(ULID.from_str(text))


def test_object_text_and_batch_are_one_increasing_sequence():
    texts = [str(ulid()), *ulid_batch(1000), ulid_str(), str(ulid())]
    assert sorted(set(texts)) == texts


def test_within_a_millisecond_the_next_cannot_be_guessed():
    made = UlidGenerator(clock=lambda: 1_700_000_000.0)
    first, second, third = (int.from_bytes(bytes(made.next())) for _ in range(3))
    assert first < second < third
    assert second - first != third - second


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_parts_make_the_text_that_python_ulid_makes(ms: int, random10: bytes):
    expected = ULID(ms.to_bytes(6) + random10)
    assert str(expected) == ulid_from_parts(ms, random10)


@pytest.mark.parametrize(("ms", "random10"), [(-1, b"x" * 10), (2**48, b"x" * 10)])
def test_a_time_that_does_not_fit_is_refused(ms: int, random10: bytes):
    with pytest.raises(TimestampOverflow):
        ulid_from_parts(ms, random10)


def test_a_random_part_of_another_length_is_refused():
    with pytest.raises(InvalidId, match="10 bytes, not 9"):
        ulid_from_parts(0, b"x" * 9)


def test_bounds_hold_every_ulid_of_their_millisecond():
    moment = datetime(2026, 1, 2, 3, 4, 5, 678_999, tzinfo=UTC)
    low, high = ulid_at(moment), ulid_at(moment, fill="max")
    made = UlidGenerator(clock=moment.timestamp).next()
    assert low <= made <= high
    assert low.milliseconds == made.milliseconds == high.milliseconds


def test_a_moment_without_time_zone_is_refused():
    with pytest.raises(BadIdOption, match="time zone"):
        ulid_at(datetime(2026, 1, 1))


@pytest.mark.threads
def test_threads_that_share_a_generator_never_get_the_same():
    made = UlidGenerator()
    collected: list[list[str]] = [[] for _ in range(8)]

    def work(into: list[str]) -> None:
        into.extend(made.next_str() for _ in range(2000))

    threads = [threading.Thread(target=work, args=(into,)) for into in collected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 16_000 == len({text for texts in collected for text in texts})
    assert all(sorted(texts) == texts for texts in collected)


def test_another_package_in_the_place_of_python_ulid_is_named(monkeypatch: Any):
    monkeypatch.setattr(ulids, "_ulid_class", None)
    monkeypatch.setitem(sys.modules, "ulid", type(sys)("ulid"))
    with pytest.raises(ConfigError, match="ulid-py"):
        ulid()
