"""LocalCache: its bounds, its times, what leaves first, and threads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra_cache import LocalCache
from infra_errors import ValidationError

POLICIES = ["adaptive", "lru"]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("policy", POLICIES)
def test_a_value_is_kept_and_a_miss_is_the_default(policy: Any) -> None:
    cache: LocalCache[str, Any] = LocalCache(policy=policy)
    assert cache.set("a", None)
    assert cache.get("a", "default") is None
    assert "default" == cache.get("b", "default")
    assert "a" in cache
    assert "b" not in cache
    assert 1 == len(cache)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_key_is_readable_right_after_set_however_full_the_cache_is(policy: Any) -> None:
    cache: LocalCache[int, int] = LocalCache(50, policy=policy)
    for number in range(1000):
        cache.set(number % 50, number)
        cache.get(number % 50)  # those are popular
    for number in range(1000, 2000):
        cache.set(number, number)
        assert number == cache.get(number)
    assert 50 == len(cache)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_cache_of_one_item_keeps_the_newest(policy: Any) -> None:
    cache: LocalCache[int, int] = LocalCache(1, policy=policy)
    for number in range(300):
        cache.set(number, number)
        assert (number, 1) == (cache.get(number), len(cache))


def test_lru_drops_exactly_the_least_recent() -> None:
    cache: LocalCache[str, int] = LocalCache(3, policy="lru")
    for key in "abc":
        cache.set(key, 1)
    cache.get("a")
    cache.set("b", 2)
    cache.set("d", 1)
    assert {"a": 1, "b": 2, "c": None, "d": 1} == {key: cache.get(key) for key in "abcd"}
    assert 1 == cache.stats.evictions


def test_the_adaptive_policy_keeps_what_is_asked_for_often_through_a_scan() -> None:
    cache: LocalCache[str, int] = LocalCache(100)
    for _ in range(10):
        for number in range(50):
            if cache.get(f"hot{number}") is None:
                cache.set(f"hot{number}", number)
    for number in range(1000):
        cache.set(f"scan{number}", number)
    assert sum(cache.get(f"hot{number}") is not None for number in range(50)) >= 45


def test_expired_entries_are_never_returned_and_are_swept_by_later_writes() -> None:
    clock = Clock()
    cache: LocalCache[str, int] = LocalCache(ttl=10, clock=clock)
    cache.set("own", 1, ttl=timedelta(seconds=1))
    cache.set("default", 1)
    cache.set("never", 1, ttl=None)
    clock.now += 1
    assert cache.get("own") is None
    assert "own" not in cache
    assert 1 == cache.get("default")
    clock.now += 10
    assert cache.get("default") is None
    cache.set("more", 1)  # both are gone by now, though nobody asks for them
    assert {"never", "more"} == set(cache._entries)
    assert 2 == cache.stats.expired
    assert 1 == cache.get("never")


def test_a_new_life_replaces_the_old_one_longer_or_shorter() -> None:
    clock = Clock()
    cache: LocalCache[str, int] = LocalCache(clock=clock)
    cache.set("a", 1, ttl=100)
    cache.set("a", 2, ttl=1)
    cache.set("b", 1, ttl=1)
    cache.set("b", 2, ttl=100)
    cache.set("c", 1, ttl=1)
    cache.set("c", 2)  # this cache's default: for ever
    clock.now += 2
    cache.set("d", 1)
    assert [None, 2, 2] == [cache.get(key) for key in "abc"]
    assert {"b", "c", "d"} == set(cache._entries)


def test_overwriting_with_a_ttl_leaves_nothing_behind() -> None:
    clock = Clock()
    cache: LocalCache[str, int] = LocalCache(ttl=60, clock=clock)
    for number in range(10_000):
        clock.now += 0.5
        cache.set("a", number)
    assert 1 == sum(map(len, cache._wheel._at.values()))
    assert len(cache._wheel._times) < 64


@pytest.mark.parametrize("policy", POLICIES)
def test_bytes_are_bounded_and_what_is_too_large_is_refused(policy: Any) -> None:
    cache: LocalCache[str, str] = LocalCache(max_bytes=100, policy=policy)
    assert not cache.set("big", "x" * 100)
    assert cache.set("a", "x" * 49)
    assert cache.set("b", "x" * 49)
    assert cache.set("c", "x" * 98)
    assert "x" * 98 == cache.get("c")
    assert (1, 1, 2) == (len(cache), cache.stats.rejected, cache.stats.evictions)


def test_a_refused_value_takes_the_old_one_with_it() -> None:
    cache: LocalCache[str, bytes] = LocalCache(max_bytes=10)
    cache.set("a", b"old")
    assert not cache.set("a", b"too large by far")
    assert cache.get("a") is None


@pytest.mark.parametrize("policy", POLICIES)
def test_an_entry_that_grows_makes_room_and_stays(policy: Any) -> None:
    cache: LocalCache[str, str] = LocalCache(max_bytes=40, policy=policy)
    for key in "abcd":
        cache.set(key, "x" * 9)
        cache.get(key)
    cache.set("a", "y" * 29)
    assert "y" * 29 == cache.get("a")
    assert cache._bytes <= 40


def test_weigh_says_what_an_entry_counts() -> None:
    cache: LocalCache[int, list[int]] = LocalCache(
        max_bytes=10, weigh=lambda _key, value: len(value)
    )
    cache.set(1, [0] * 6)
    cache.set(2, [0] * 6)
    assert 1 == len(cache)
    bad: LocalCache[int, int] = LocalCache(max_bytes=10, weigh=lambda _key, _value: -1)
    with pytest.raises(ValidationError):
        bad.set(1, 1)


def test_max_bytes_without_weigh_takes_text_and_bytes_only() -> None:
    cache: LocalCache[str, Any] = LocalCache(max_bytes=10)
    with pytest.raises(ValidationError) as caught:
        cache.set("a", 1)
    assert "cache.invalid" == caught.value.code


@pytest.mark.parametrize("ttl", [0, -1, float("nan"), True, "1", timedelta(0), float("inf")])
def test_a_ttl_that_is_none_is_refused(ttl: Any) -> None:
    cache: LocalCache[str, int] = LocalCache()
    with pytest.raises(ValidationError) as caught:
        cache.set("a", 1, ttl=ttl)
    assert "cache.invalid_ttl" == caught.value.code
    with pytest.raises(ValidationError):
        LocalCache(ttl=ttl)


@pytest.mark.parametrize(
    "options", [{"max_items": 0}, {"max_items": True}, {"max_bytes": 0}, {"policy": "fifo"}]
)
def test_bounds_and_policies_that_are_none_are_refused(options: Any) -> None:
    with pytest.raises(ValidationError):
        LocalCache(**options)


def test_delete_pop_and_clear() -> None:
    clock = Clock()
    cache: LocalCache[str, int] = LocalCache(clock=clock)
    cache.set("a", 1)
    cache.set("b", 2, ttl=1)
    assert [True, False] == [cache.delete("a"), cache.delete("a")]
    clock.now += 1
    assert 7 == cache.pop("b", 7)
    cache.set("c", 3)
    assert 3 == cache.pop("c")
    cache.set("d", 4)
    cache.clear()
    assert (0, None) == (len(cache), cache.get("d"))


def test_stats_count_reads_and_nothing_else() -> None:
    cache: LocalCache[str, int] = LocalCache(ttl=60)
    for _ in range(200):
        cache.set("a", 1)
        cache.get("a")
        cache.get("b")
        assert "a" in cache
    assert (200, 200) == (cache.stats.hits, cache.stats.misses)
    assert (200, 200) == (cache.stats.hits, cache.stats.misses)  # looking changes nothing


class Model:
    """LRU with times to live, the plain way."""

    def __init__(self, items: int) -> None:
        self.items = items
        self.table: OrderedDict[int, tuple[int, float]] = OrderedDict()

    def drop_expired(self, now: float) -> None:
        for key in [key for key, (_, end) in self.table.items() if end <= now]:
            del self.table[key]

    def get(self, key: int, now: float) -> int | None:
        self.drop_expired(now)
        if key not in self.table:
            return None
        self.table.move_to_end(key)
        return self.table[key][0]

    def set(self, key: int, value: int, end: float, now: float) -> None:
        self.drop_expired(now)
        self.table[key] = value, end
        self.table.move_to_end(key)
        if len(self.table) > self.items:
            self.table.popitem(last=False)


actions = st.lists(
    st.tuples(
        st.sampled_from(["get", "set", "set", "delete", "wait"]),
        st.integers(0, 8),
        st.sampled_from([0.25, 1.0, 3.0, 40.0]),
    ),
    max_size=80,
)


@given(actions)
def test_a_time_is_never_outlived_and_a_bound_never_passed(steps: Any) -> None:
    clock = Clock()
    cache: LocalCache[int, int] = LocalCache(4, clock=clock)
    alive: dict[int, tuple[int, float]] = {}
    for number, (what, key, seconds) in enumerate(steps):
        if what == "get":
            found = cache.get(key)
            if found is not None:
                assert (found, True) == (alive[key][0], alive[key][1] > clock.now)
        elif what == "set":
            cache.set(key, number, ttl=seconds)
            alive[key] = number, clock.now + seconds
            assert number == cache.get(key)
        elif what == "delete":
            cache.delete(key)
            alive.pop(key, None)
            assert key not in cache
        else:
            clock.now += seconds
        assert len(cache) <= 4


@settings(max_examples=200)
@given(actions)
def test_lru_does_what_the_plain_model_does(steps: Any) -> None:
    clock = Clock()
    cache: LocalCache[int, int] = LocalCache(4, policy="lru", clock=clock)
    model = Model(4)
    for number, (what, key, seconds) in enumerate(steps):
        if what == "get":
            assert model.get(key, clock.now) == cache.get(key)
        elif what == "set":
            # The model drops what has expired at once; so that the cache does, too, ask its size.
            len(cache)
            cache.set(key, number, ttl=seconds)
            model.set(key, number, clock.now + seconds, clock.now)
        elif what == "delete":
            assert (model.get(key, clock.now) is not None) == cache.delete(key)
            model.table.pop(key, None)
        else:
            clock.now += seconds * 1.2  # beyond the lateness of the sweep


@pytest.mark.threads
@pytest.mark.parametrize("policy", POLICIES)
def test_threads_lose_no_value_count_or_bound(policy: Any) -> None:
    cache: LocalCache[int, tuple[int, int]] = LocalCache(64, ttl=60, policy=policy)
    wrong: list[object] = []

    def work(seed: int) -> None:
        for step in range(4000):
            key = (seed * 7 + step * 13) % 100
            if step % 3:
                found = cache.get(key)
                if found is not None and found[0] != key:
                    wrong.append(found)
            elif step % 97 == 0:
                cache.delete(key)
            else:
                cache.set(key, (key, seed))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [] == wrong
    assert len(cache) <= 64
    reads = 4 * sum(1 for step in range(4000) if step % 3)
    assert reads == cache.stats.hits + cache.stats.misses
