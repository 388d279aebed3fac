"""The parts of the adaptive policy: counts, shares, the race; and the wheel of times."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from infra_cache import _policy
from infra_cache._policy import SHARES, Adaptive, Node, Race
from infra_cache._sketch import MOST, Sketch
from infra_cache._wheel import Wheel


class Played:
    """An adaptive policy with its keys, as a cache plays it."""

    def __init__(self, size: int) -> None:
        self.policy = Adaptive(size)
        self.nodes: dict[Any, Node] = {}
        self.size = size

    def request(self, key: Any) -> bool:
        node = self.nodes.get(key)
        if node is not None:
            self.policy.touch((node,))
            return True
        self.nodes[key] = node = Node(key)
        self.policy.add(node)
        if len(self.nodes) > self.size:
            del self.nodes[self.policy.evict().key]
        else:
            self.policy.settle()
        return False


def test_a_sketch_never_counts_too_low_and_halves() -> None:
    sketch = Sketch(100)
    counts = {f"key{number}": number % MOST for number in range(100)}
    for key, count in counts.items():
        sketch.keep(key, count)
    assert all(sketch.get(key) >= count for key, count in counts.items())
    sketch.halve()
    assert all(sketch.get(key) >= count // 2 for key, count in counts.items())
    assert sketch.get("key14") < 14


def test_sketches_do_not_share_their_places() -> None:
    one, other = Sketch(100), Sketch(100)
    one.keep("a", 1)
    other.keep("a", 1)
    assert one._counts != other._counts  # else an attacker could choose keys that fall together


def test_looping_over_more_than_fits_takes_the_small_window() -> None:
    played = Played(100)
    hits = sum(played.request(number % 200) for number in range(20_000))
    assert SHARES[0] == played.policy.share
    assert hits > 0.35 * 20_000  # least recently used has none, the optimum has half


def test_going_forth_and_back_takes_the_large_window() -> None:
    played = Played(100)
    way = [*range(500), *reversed(range(500))]
    for key in way * 20:
        played.request(key)
    assert SHARES[-1] == played.policy.share


def test_a_changed_share_lets_the_main_part_grow_at_once() -> None:
    played = Played(100)
    played.policy.share = 0.9
    for key in range(100):
        played.request(key)
    played.policy.share = 0.01
    played.policy.settle()
    assert 1 == len(played.policy._window)


def test_large_caches_race_one_key_in_eight_and_small_ones_all() -> None:
    assert all(Race(500).takes(key) for key in range(100))
    taken = sum(Race(100_000).takes(key) for key in range(8000))
    assert 700 < taken < 1300


def test_counts_stop_at_the_most() -> None:
    played = Played(10)
    for _ in range(50):
        played.request("a")
    assert MOST == played.nodes["a"].frequency


@given(st.lists(st.integers(0, 30), max_size=400), st.integers(1, 12))
def test_a_policy_and_its_cache_agree_on_what_is_kept(keys: list[int], size: int) -> None:
    played = Played(size)
    for key in keys:
        played.request(key)
        assert key in played.nodes
        policy = played.policy
        kept = [*policy._window, *policy._probation, *policy._protected]
        assert sorted(kept) == sorted(played.nodes)
        assert len(kept) <= size
        assert all(node.home is not None and name in node.home
                   for name, node in played.nodes.items())  # fmt: skip


class Timed:
    def __init__(self, expires: float) -> None:
        self.expires: float | None = expires
        self.due: float | None = None


@given(st.lists(st.tuples(st.floats(0.001, 1e6), st.floats(0, 1e4)), max_size=60))
def test_the_wheel_gives_out_each_entry_once_after_its_time_and_not_late(steps: Any) -> None:
    wheel, now = Wheel(), 0.0
    waiting: dict[Timed, float] = {}
    for lives, wait in steps:
        entry = Timed(now + lives)
        waiting[entry] = lives
        wheel.file(entry, now)
        now += wait
        for out in list(wheel.due(now)):
            del waiting[out]
            assert out.expires <= now
        assert all(entry.expires + lives / 16 + 0.001 > now for entry, lives in waiting.items())


def test_the_wheel_has_few_times_for_many_entries() -> None:
    wheel = Wheel()
    for number in range(20_000):
        wheel.file(Timed(number * 0.01 + 3600), number * 0.01)
    assert len(wheel._times) < 64


def test_the_policys_constants_are_those_documented() -> None:
    assert ((0.01, 0.2, 0.9), 8, 10) == (SHARES, _policy.SAMPLE, _policy.AGE)
