"""The queue: what it keeps, what it drops, and that nothing waits longer than it was told."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from infra_otel._batch import Batch

pytestmark = pytest.mark.threads


class Sink:
    """Takes batches; `gate` holds an export up while it is clear."""

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []
        self.lost = 0
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.answer = True

    def export(self, items: list[Any]) -> bool:
        self.entered.set()
        self.gate.wait(30)
        self.batches.append(items)
        return self.answer

    def lose(self, count: int) -> None:
        self.lost += count


Make = Callable[..., tuple[Batch, Sink]]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[tuple[Batch, Sink]] = []

    def build(**options: Any) -> tuple[Batch, Sink]:
        sink = Sink()
        settings: dict[str, Any] = {"limit": 100, "size": 10, "delay": 3600.0} | options
        batch = Batch(sink.export, name="test", lost=sink.lose, **settings)
        made.append((batch, sink))
        return made[-1]

    yield build
    for batch, sink in made:
        sink.gate.set()
        batch.stop()
        batch.join(time.monotonic() + 10)


def soon() -> float:
    return time.monotonic() + 30


def until(condition: Callable[[], bool]) -> None:
    deadline = soon()
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_full_batch_is_sent_at_once(make: Make) -> None:
    batch, sink = make(size=3)
    for number in range(7):
        batch.put(number)
    until(lambda: 6 <= sum(map(len, sink.batches)))
    assert [[0, 1, 2], [3, 4, 5]] == sink.batches[:2]
    assert batch.flush(soon())
    assert list(range(7)) == [item for items in sink.batches for item in items]


def test_what_waits_is_sent_after_the_delay(make: Make) -> None:
    batch, sink = make(delay=0.01)
    batch.put(1)
    until(lambda: [[1]] == sink.batches)


def test_a_full_queue_drops_the_newest_and_counts_it(make: Make) -> None:
    batch, sink = make(limit=3, size=3)
    sink.gate.clear()
    batch.put("sent")
    flushing = threading.Thread(target=lambda: batch.flush(soon()))
    flushing.start()
    sink.entered.wait(30)
    for item in ("a", "b", "c", "d", "e"):
        batch.put(item)
    assert 2 == sink.lost
    sink.gate.set()
    flushing.join()
    assert batch.flush(soon())
    assert ["sent", "a", "b", "c"] == [item for items in sink.batches for item in items]


def test_a_flush_keeps_to_its_time(make: Make) -> None:
    batch, sink = make()
    sink.gate.clear()
    batch.put(1)
    since = time.monotonic()
    assert not batch.flush(since + 0.05)
    assert time.monotonic() - since < 5
    sink.gate.set()
    assert batch.flush(soon())


def test_a_failed_export_is_counted_and_told_by_the_flush(make: Make) -> None:
    batch, sink = make(size=2)
    sink.answer = False
    for number in range(5):
        batch.put(number)
    assert not batch.flush(soon())
    assert 5 == sink.lost
    sink.answer = True
    batch.put(6)
    assert batch.flush(soon())


def test_the_end_sends_what_waits_and_takes_no_more(make: Make) -> None:
    batch, sink = make()
    for number in range(25):
        batch.put(number)
    batch.stop()
    batch.put("late")
    assert batch.join(soon())
    assert batch.flush(soon())  # there is nothing to wait for
    assert (list(range(25)), 1) == ([it for items in sink.batches for it in items], sink.lost)


def test_the_end_gives_up_what_hangs_and_counts_it_once(make: Make) -> None:
    batch, sink = make(size=2)
    sink.gate.clear()
    sink.answer = False
    for number in range(5):
        batch.put(number)
    sink.entered.wait(30)
    batch.stop()
    assert not batch.join(time.monotonic() + 0.05)
    assert 5 == sink.lost
    sink.gate.set()
    batch._thread.join(30)
    assert (5, 1) == (sink.lost, len(sink.batches))


@pytest.mark.fork
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # 3.12: a fork beside threads
def test_a_child_has_a_thread_of_its_own_and_an_empty_queue(make: Make) -> None:
    batch, sink = make()
    batch.put("of the parent")
    reader, writer = os.pipe()
    with batch._changed:  # as if another thread of the parent held it
        pid = os.fork()
        if pid == 0:
            sink.batches.clear()
            batch.put("of the child")
            sent = batch.flush(soon())
            os.write(writer, repr((sent, sink.batches)).encode())
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as found:
        assert "(True, [['of the child']])" == found.read()
    os.waitpid(pid, 0)
    assert batch.flush(soon())
    assert [["of the parent"]] == sink.batches
