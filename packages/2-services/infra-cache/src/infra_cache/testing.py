"""What every cache and every limiter must do, as pytest classes to inherit.

    class TestMyCache(CacheContract):
        async def make_cache(self, **options):
            return connect("mycache://…", namespace=…, **options)

The tests are coroutines: run them with pytest-asyncio in auto mode. `make_cache` returns a cache in
an empty namespace, which the test enters and closes; `make_limiter` a limiter that is ready.
"""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import attrs
import pytest

from infra_cache.codecs import JsonCodec
from infra_cache.errors import (
    CounterOverflow,
    LoadTimeout,
    LockHeld,
    LockLost,
    RateLimitExceeded,
    RecursiveLoad,
    WrongType,
)
from infra_cache.limits import Rate
from infra_cache.values import MISSING, GuardOutcome
from infra_errors import NotFoundError, SerializationError, ValidationError

if TYPE_CHECKING:
    from infra_cache.cache import StoreCache
    from infra_cache.limits import RateLimiter

__all__ = ["CacheContract", "LimiterContract"]

SHORT = 0.3  # seconds to live, in tests of expiry
PAST = 0.4  # seconds after which that is over


@attrs.frozen
class Point:
    """A value of a class that the codec is told of."""

    x: int
    when: datetime


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()


class CacheContract:
    """What every backend must do."""

    shares_objects = False
    """Whether the cache keeps the objects themselves: set it for `share_objects=True`."""

    async def make_cache(self, **options: Any) -> StoreCache:
        """Return a cache in an empty namespace; override it."""
        pytest.fail("override make_cache(self, **options)")

    # ---- entries -----------------------------------------------------------------------------

    async def test_what_was_set_is_got_and_what_was_not_is_the_default(self) -> None:
        async with await self.make_cache() as cache:
            await cache.set("a", {"b": [1, 2.5, None, True, "ü"]})
            assert {"b": [1, 2.5, None, True, "ü"]} == await cache.get("a")
            assert await cache.get("b") is None
            assert await cache.get("b", 7) == 7

    @pytest.mark.parametrize("value", [None, "", 0, False, [], {}, -1, 1e300, "\x01", "\x02"])
    async def test_a_value_that_looks_like_nothing_is_a_value(self, value: object) -> None:
        async with await self.make_cache() as cache:
            await cache.set("a", value)
            found = await cache.get("a", MISSING)
            assert (type(value), value) == (type(found), found)
            assert await cache.exists("a")
            assert {"a": value} == await cache.get_many(["a"])

    async def test_typed_values_come_back_equal_and_of_their_type(self) -> None:
        when = datetime(2026, 3, 1, 12, 30, 0, 5, tzinfo=UTC)
        values = [
            b"\x00\xff",
            when,
            date(2026, 3, 1),
            time(1, 2, 3),
            timedelta(days=-1, microseconds=3),
            uuid4(),
            Decimal("1.10"),
            {1, "a", UUID(int=3)},
            {"\x00": [1], "deep": [{"at": when}]},
            Point(1, when),
        ]
        options = {} if self.shares_objects else {"codec": JsonCodec([Point])}
        async with await self.make_cache(**options) as cache:
            for value in values:
                await cache.set("a", value)
                found = await cache.get("a")
                assert (type(value), value) == (type(found), found)

    async def test_what_has_no_encoded_form_is_refused_and_nothing_is_written(self) -> None:
        if self.shares_objects:
            pytest.skip("objects are kept as they are")
        async with await self.make_cache() as cache:
            for value in (object(), float("nan"), {1: 2}, datetime(2026, 1, 1), "\ud800"):  # noqa: DTZ001
                with pytest.raises(SerializationError) as caught:
                    await cache.set("a", value)
                assert caught.value.code == "cache.encode"
            assert not await cache.exists("a")

    async def test_a_value_that_was_got_is_nobody_elses(self) -> None:
        if self.shares_objects:
            pytest.skip("objects are shared on purpose")
        async with await self.make_cache() as cache:
            value = {"a": [1]}
            await cache.set("a", value)
            value["a"].append(2)
            (await cache.get("a"))["a"].append(3)
            assert {"a": [1]} == await cache.get("a")

    async def test_a_value_over_the_bound_is_refused(self) -> None:
        if self.shares_objects:
            pytest.skip("objects have no size")
        async with await self.make_cache(max_value_bytes=100) as cache:
            await cache.set("a", "x" * 98)
            with pytest.raises(ValidationError) as caught:
                await cache.set("a", "x" * 99)
            assert caught.value.code == "cache.value_too_large"
            assert await cache.get("a") == "x" * 98

    @pytest.mark.parametrize("key", ["", "a\nb", "x" * 513, "\x1f", "é" * 257, "\ud800"])
    async def test_a_bad_key_is_refused_by_every_call(self, key: str) -> None:
        async def load() -> int:
            return 1

        async with await self.make_cache() as cache:
            for call in (
                cache.get(key),
                cache.set(key, 1),
                cache.delete(key),
                cache.exists(key),
                cache.get_many([key]),
                cache.increment(key),
                cache.get_or_load(key, load),
                cache.take(key),
                cache.expire(key, 1),
            ):
                with pytest.raises(ValidationError) as caught:
                    await call
                assert caught.value.code == "cache.invalid_key"

    async def test_keys_hold_any_text(self) -> None:
        async with await self.make_cache() as cache:
            for key in ("a b", "*", "[x]", "\\", "é" * 256, "{tag}", "a:b", "%s", "'\""):
                await cache.set(key, key)
            assert await cache.get("{tag}") == "{tag}"
            assert await cache.delete("*")
            assert await cache.get("[x]") == "[x]"

    async def test_delete_says_whether_there_was_something(self) -> None:
        async with await self.make_cache() as cache:
            await cache.set("a", 1)
            await cache.set("b", 1)
            assert await cache.delete("a")
            assert not await cache.delete("a")
            assert 1 == await cache.delete_many(["a", "b", "b"])

    async def test_many_keys_at_once_keep_their_order(self) -> None:
        async with await self.make_cache() as cache:
            items = {f"k{n}": n for n in range(1000)}
            await cache.set_many(items)
            asked = ["k7", "absent", "k3", "k999", "k7"]
            assert [("k7", 7), ("k3", 3), ("k999", 999)] == list(
                (await cache.get_many(asked)).items()
            )
            assert items == await cache.get_many(list(items))
            assert 1000 == await cache.delete_many(list(items))

    # ---- time to live --------------------------------------------------------------------------

    async def test_an_entry_ends_with_its_ttl(self) -> None:
        async with await self.make_cache() as cache:
            await cache.set("a", 1, ttl=SHORT)
            await cache.set("b", 1, ttl=timedelta(hours=1))
            assert await cache.get("a") == 1
            await asyncio.sleep(PAST)
            assert await cache.get("a") is None
            assert not await cache.exists("a")
            assert MISSING is await cache.ttl("a")
            assert await cache.get("b") == 1

    async def test_the_default_ttl_is_an_hour_and_none_is_for_ever(self) -> None:
        async with await self.make_cache() as cache:
            await cache.set("a", 1)
            await cache.set("b", 1, ttl=None)
            left = await cache.ttl("a")
            assert isinstance(left, float)
            assert 3595 <= left <= 3600
            assert await cache.ttl("b") is None
            assert MISSING is await cache.ttl("c")
        async with await self.make_cache(default_ttl=60) as cache:
            await cache.set("a", 1)
            left = await cache.ttl("a")
            assert isinstance(left, float)
            assert 55 <= left <= 60

    @pytest.mark.parametrize("ttl", [0, -1, float("nan"), True, "1", float("inf"), timedelta(0)])
    async def test_a_ttl_that_is_none_is_refused(self, ttl: Any) -> None:
        async with await self.make_cache() as cache:
            for call in (
                cache.set("a", 1, ttl=ttl),
                cache.set_nx("a", 1, ttl=ttl),
                cache.increment("a", ttl=ttl),
                cache.set_many({"a": 1}, ttl=ttl),
                cache.expire("a", ttl),
                cache.set_with_expiry("a", 1, ttl),
            ):
                with pytest.raises(ValidationError) as caught:
                    await call
                assert caught.value.code == "cache.invalid_ttl"
            assert not await cache.exists("a")

    async def test_expire_gives_a_new_ttl_to_what_is_there(self) -> None:
        async with await self.make_cache() as cache:
            await cache.set("a", 1, ttl=None)
            assert await cache.expire("a", SHORT)
            assert not await cache.expire("b", 10)
            await asyncio.sleep(PAST)
            assert await cache.get("a") is None

    # ---- atomic steps --------------------------------------------------------------------------

    async def test_a_hundred_tasks_count_every_increment_once(self) -> None:
        async with await self.make_cache() as cache:

            async def count() -> None:
                for _ in range(10):
                    await cache.increment("n")

            await asyncio.gather(*(count() for _ in range(100)))
            assert 1000 == await cache.get("n")

    async def test_a_counter_keeps_the_ttl_it_was_made_with(self) -> None:
        async with await self.make_cache() as cache:
            assert await cache.increment("n", 5, ttl=SHORT) == 5
            assert await cache.increment("n", -7, ttl=1000) == -2
            await asyncio.sleep(PAST)
            assert await cache.increment("n") == 1
            left = await cache.ttl("n")
            assert isinstance(left, float)
            assert left <= 3600

    async def test_a_counter_has_64_bits_and_what_is_no_counter_is_told(self) -> None:
        async with await self.make_cache() as cache:
            await cache.set("n", 2**63 - 2)
            assert await cache.increment("n") == 2**63 - 1
            for by in (1, 2**63):
                with pytest.raises(CounterOverflow):
                    await cache.increment("n", by)
            assert await cache.get("n") == 2**63 - 1
            for value in ("text", 1.5, None, [1], True, 2**63):
                await cache.set("t", value)
                with pytest.raises(WrongType):
                    await cache.increment("t")

    async def test_exactly_one_of_a_hundred_sets_a_key_that_is_free(self) -> None:
        async with await self.make_cache() as cache:
            won = await asyncio.gather(*(cache.set_nx("a", n, ttl=60) for n in range(100)))
            assert 1 == sum(won)
            assert won.index(True) == await cache.get("a")
            assert await cache.expire("a", SHORT)
            await asyncio.sleep(PAST)
            assert await cache.set_nx("a", "again", ttl=10)

    async def test_exactly_one_of_many_takes_a_value(self) -> None:
        async with await self.make_cache() as cache:
            await cache.set("a", None)
            taken = await asyncio.gather(*(cache.take("a", MISSING) for _ in range(20)))
            assert 1 == sum(value is None for value in taken)
            assert 19 == sum(value is MISSING for value in taken)
            assert not await cache.exists("a")

    async def test_a_value_is_replaced_only_if_it_is_the_expected_one(self) -> None:
        async with await self.make_cache() as cache:
            assert not await cache.compare_and_set("a", None, 1, ttl=10)
            await cache.set("a", {"x": 1, "y": [2]})
            assert not await cache.compare_and_set("a", {"x": True, "y": [2]}, 0, ttl=10)
            assert await cache.compare_and_set("a", {"y": [2], "x": 1}, 0, ttl=10)
            won = await asyncio.gather(
                *(cache.compare_and_set("a", 0, n, ttl=10) for n in range(1, 20))
            )
            assert 1 == sum(won)
            assert won.index(True) + 1 == await cache.get("a")

    # ---- patterns ------------------------------------------------------------------------------

    async def test_a_pattern_removes_what_it_matches_and_nothing_else(self) -> None:
        async with await self.make_cache() as cache:
            names = ["user:1", "user:2", "user:12", "users", "é1", "a*b", "axb", "order:1"]
            for glob, left in {
                "user:?": {"user:12", "users", "é1", "a*b", "axb", "order:1"},
                "user:[13]": set(names) - {"user:1"},
                "user:[^1]": set(names) - {"user:2"},
                "user:1*": set(names) - {"user:1", "user:12"},
                r"a\*b": set(names) - {"a*b"},
                "?1": set(names) - {"é1"},
                "*:1": set(names) - {"user:1", "order:1"},
            }.items():
                await cache.set_many(dict.fromkeys(names, 1))
                assert len(names) - len(left) == await cache.delete_pattern(glob)
                assert left == {key async for key in cache.keys("*")}

    @pytest.mark.parametrize("glob", ["*", "**", "[", "[]", "a[b", "a\\", ""])
    async def test_a_pattern_that_is_none_or_means_everything_is_refused(self, glob: str) -> None:
        async with await self.make_cache() as cache:
            await cache.set("a", 1)
            with pytest.raises(ValidationError) as caught:
                await cache.delete_pattern(glob)
            assert caught.value.code == "cache.invalid_pattern"
            assert await cache.exists("a")
            assert 1 == await cache.delete_pattern("*", all=True)

    async def test_a_namespace_sees_only_its_own(self) -> None:
        async with await self.make_cache() as cache:
            one, two = cache.namespaced("x"), cache.namespaced("x", version=2)
            await one.set("a", 1)
            await two.set("a", 2)
            assert (1, 2) == (await one.get("a"), await two.get("a"))
            assert await one.clear() >= 1
            assert (None, 2) == (await one.get("a"), await two.get("a"))
            assert await cache.clear() >= 1
            assert await two.get("a") is None

    # ---- tags ------------------------------------------------------------------------------------

    async def test_a_tag_ends_all_its_entries_and_no_other(self) -> None:
        async with await self.make_cache() as cache:
            await cache.set("a", 1, tags=["t", "u"])
            await cache.set_many({"b": 2, "c": 3}, tags=["u"])
            await cache.set("d", 4, tags=["v"])
            assert {"a": 1, "b": 2, "c": 3, "d": 4} == await cache.get_many(["a", "b", "c", "d"])
            await cache.invalidate_tags("t")
            assert {"b": 2, "c": 3, "d": 4} == await cache.get_many(["a", "b", "c", "d"])
            await cache.invalidate_tags("u")
            assert await cache.get("b") is None
            assert not await cache.exists("c")
            assert MISSING is await cache.ttl("c")
            assert await cache.take("c") is None
            assert await cache.get("d") == 4

    async def test_a_load_that_an_invalidation_overtook_is_not_seen_again(self) -> None:
        async with await self.make_cache() as cache:
            loading, go = asyncio.Event(), asyncio.Event()

            async def load() -> str:
                loading.set()
                await go.wait()
                return "old"

            running = asyncio.create_task(cache.get_or_load("a", load, tags=["t"]))
            await loading.wait()
            await cache.invalidate_tags("t")
            go.set()
            assert await running == "old"
            assert await cache.get("a") is None

    async def test_a_tag_lives_as_long_as_its_longest_entry(self) -> None:
        async with await self.make_cache() as cache:
            await cache.set("a", 1, ttl=SHORT, tags=["t"])
            await cache.set("b", 2, ttl=60, tags=["t"])
            await cache.set("c", 3, ttl=SHORT, tags=["t"])
            await cache.set("d", 4, ttl=SHORT, tags=["s"])
            assert await cache.expire("d", 60)
            await asyncio.sleep(PAST)
            assert await cache.get("b") == 2
            assert await cache.get("d") == 4

    # ---- loading ---------------------------------------------------------------------------------

    async def test_two_hundred_callers_load_once_though_the_first_is_cancelled(self) -> None:
        async with await self.make_cache() as cache:
            loads = 0

            async def load() -> dict[str, int]:
                nonlocal loads
                loads += 1
                await asyncio.sleep(0.1)
                return {"n": loads}

            callers = [asyncio.create_task(cache.get_or_load("a", load)) for _ in range(200)]
            await asyncio.sleep(0.05)
            callers[0].cancel()
            ends = await asyncio.gather(*callers, return_exceptions=True)
            assert isinstance(ends[0], asyncio.CancelledError)
            assert [{"n": 1}] * 199 == ends[1:]
            assert 1 == loads == cache.stats.loads
            assert {"n": 1} == await cache.get("a")

    async def test_a_load_that_nobody_waits_for_is_cancelled(self) -> None:
        async with await self.make_cache() as cache:
            ended = asyncio.Event()

            async def load() -> None:
                try:
                    await asyncio.sleep(30)
                finally:
                    ended.set()

            callers = [asyncio.create_task(cache.get_or_load("a", load)) for _ in range(3)]
            await asyncio.sleep(0.05)
            for caller in callers:
                caller.cancel()
            await asyncio.wait(callers)
            async with asyncio.timeout(2):
                await ended.wait()

    async def test_a_loaders_error_reaches_all_and_is_not_kept(self) -> None:
        async with await self.make_cache() as cache:
            loads = 0

            async def load() -> int:
                nonlocal loads
                loads += 1
                await asyncio.sleep(0.05)
                if loads == 1:
                    raise KeyError("broken")
                return loads

            ends = await asyncio.gather(
                *(cache.get_or_load("a", load) for _ in range(5)), return_exceptions=True
            )
            assert [KeyError] * 5 == [type(end) for end in ends]
            assert await cache.get_or_load("a", load) == 2

    async def test_what_was_not_found_is_remembered_for_negative_ttl(self) -> None:
        async with await self.make_cache() as cache:
            loads = 0

            async def absent() -> None:
                nonlocal loads
                loads += 1
                message = "no such user"
                raise NotFoundError(message, code="users.absent", user=7)

            for _ in range(3):
                with pytest.raises(NotFoundError) as caught:
                    await cache.get_or_load("a", absent, negative_ttl=SHORT)
                assert ("users.absent", 7) == (caught.value.code, caught.value.context["user"])
            assert 1 == loads
            assert await cache.get("a", "nothing") == "nothing"
            assert 2 == cache.stats.negative_hits
            await asyncio.sleep(PAST)
            with pytest.raises(NotFoundError):
                await cache.get_or_load("a", absent)
            assert 2 == loads

    async def test_none_is_a_value_that_negative_ttl_shortens(self) -> None:
        async with await self.make_cache() as cache:
            loads = 0

            async def load() -> None:
                nonlocal loads
                loads += 1

            for _ in range(2):
                await cache.get_or_load("a", load, negative_ttl=SHORT)
                await cache.get_or_load("b", load)
            assert await cache.get("a", MISSING) is None
            assert 2 == loads
            await asyncio.sleep(PAST)
            await cache.get_or_load("a", load)
            await cache.get_or_load("b", load)
            assert 3 == loads

    async def test_a_stale_value_is_served_while_one_load_refreshes_it(self) -> None:
        async with await self.make_cache() as cache:
            loads = 0
            loaded = asyncio.Event()

            async def load() -> int:
                nonlocal loads
                loads += 1
                if loads == 2:
                    await asyncio.sleep(0.05)
                    loaded.set()
                return loads

            assert await cache.get_or_load("a", load, ttl=SHORT, stale=10) == 1
            assert await cache.get("a") == 1
            await asyncio.sleep(PAST)
            assert await cache.get("a") is None  # its ttl is over
            assert not await cache.exists("a")
            found = await asyncio.gather(
                *(cache.get_or_load("a", load, ttl=60, stale=10) for _ in range(10))
            )
            assert [1] * 10 == found
            async with asyncio.timeout(2):
                await loaded.wait()
                while await cache.get("a") != 2:  # noqa: ASYNC110  # the server tells nobody
                    await asyncio.sleep(0.01)
            assert 2 == loads
            assert 10 == cache.stats.stale_hits

    async def test_a_refresh_that_fails_leaves_the_stale_value(self) -> None:
        async with await self.make_cache() as cache:
            loads = 0

            async def load() -> int:
                nonlocal loads
                loads += 1
                if loads > 1:
                    raise OSError("down")
                return loads

            for _ in range(3):
                assert await cache.get_or_load("a", load, ttl=0.05, stale=10) == 1
                await asyncio.sleep(0.1)
            assert 3 == loads

    async def test_what_cache_if_refuses_is_returned_and_not_stored(self) -> None:
        async with await self.make_cache() as cache:

            async def load() -> int:
                return 5

            assert await cache.get_or_load("a", load, cache_if=lambda n: n > 5) == 5
            assert not await cache.exists("a")

    async def test_a_load_that_takes_too_long_is_cut(self) -> None:
        async with await self.make_cache() as cache:
            with pytest.raises(LoadTimeout):
                await cache.get_or_load("a", lambda: asyncio.sleep(10), load_timeout=0.05)

    async def test_a_loader_that_asks_for_its_own_key_is_told_at_once(self) -> None:
        async with await self.make_cache() as cache:

            async def outer() -> int:
                return await cache.get_or_load("b", inner)

            async def inner() -> int:
                return await cache.get_or_load("a", outer)

            async with asyncio.timeout(2):
                with pytest.raises(RecursiveLoad):
                    await cache.get_or_load("a", outer)

    async def test_a_lease_lets_one_of_two_processes_load(self) -> None:
        async with await self.make_cache() as cache:
            loads = 0

            async def load() -> int:
                nonlocal loads
                loads += 1
                await asyncio.sleep(0.1)
                return loads

            await cache.get_or_load("a", load, across=True)
            assert await cache.get_or_load("a", load, across=True) == 1
            assert 1 == loads

    async def test_closing_ends_the_loads_that_run(self) -> None:
        before = asyncio.all_tasks()
        cache = await self.make_cache()
        async with cache:
            caller = asyncio.create_task(cache.get_or_load("a", lambda: asyncio.sleep(30)))
            await asyncio.sleep(0.05)
        ends = await asyncio.gather(caller, return_exceptions=True)
        assert [getattr(end, "code", None) for end in ends] == ["cache.connection"]
        assert before == asyncio.all_tasks()

    # ---- locks -----------------------------------------------------------------------------------

    async def test_a_lock_lets_one_in_at_a_time_and_its_tokens_grow(self) -> None:
        async with await self.make_cache() as cache:
            inside, tokens = 0, []

            async def work() -> None:
                nonlocal inside
                async with cache.lock("l") as lock:
                    inside += 1
                    assert inside == 1
                    tokens.append(lock.fencing_token)
                    await asyncio.sleep(0.005)
                    lock.check()
                    inside -= 1

            await asyncio.gather(*(work() for _ in range(10)))
            assert tokens == sorted(set(tokens))
            assert 10 == len(tokens)

    async def test_a_lock_that_is_held_is_refused_and_lives_on(self) -> None:
        async with await self.make_cache() as cache:
            async with cache.lock("l", ttl=0.2):
                await asyncio.sleep(0.5)  # renewed meanwhile
                for wait in (0, 0.05):
                    with pytest.raises(LockHeld):
                        async with cache.lock("l", wait=wait):
                            pytest.fail("the lock was held")
            async with cache.lock("l", wait=0):
                pass

    async def test_a_lock_that_was_lost_says_so_and_is_not_taken_from_its_next_holder(self) -> None:
        async with await self.make_cache() as cache:
            with pytest.raises(LockLost):  # noqa: PT012  # the block is the case
                async with cache.lock("l") as lock:
                    await lock.release()
                    async with cache.lock("other"):
                        assert not await lock.release()
                    assert lock.lost.is_set()
                    lock.check()

    async def test_a_lock_whose_block_is_cancelled_is_given_back(self) -> None:
        async with await self.make_cache() as cache:
            held = asyncio.Event()

            async def work() -> None:
                async with cache.lock("l"):
                    held.set()
                    await asyncio.sleep(30)

            task = asyncio.create_task(work())
            await held.wait()
            task.cancel()
            await asyncio.wait([task])
            async with cache.lock("l", wait=0):
                pass

    # ---- codes and indexes -----------------------------------------------------------------------

    async def test_fifty_parallel_tries_see_no_more_than_the_attempts(self) -> None:
        async with await self.make_cache() as cache:
            await cache.guard_set("g", _digest("1234"), attempts=3, ttl=60)
            assert await cache.guard_remaining("g") == 3
            wrong = await asyncio.gather(
                *(cache.guard_check("g", _digest(f"{n}")) for n in range(50))
            )
            outcomes = [result.outcome for result in wrong]
            assert 3 == outcomes.count(GuardOutcome.MISMATCH)
            assert 47 == outcomes.count(GuardOutcome.EXHAUSTED)
            right = await cache.guard_check("g", _digest("1234"))
            assert (GuardOutcome.EXHAUSTED, 0) == (right.outcome, right.remaining)
            assert await cache.guard_remaining("g") == 0

    async def test_a_code_matches_exactly_once(self) -> None:
        async with await self.make_cache() as cache:
            await cache.guard_set("g", _digest("1234"), attempts=60, ttl=60)
            tries = await asyncio.gather(
                *(cache.guard_check("g", _digest("1234")) for _ in range(50))
            )
            assert 1 == sum(result.matched for result in tries)
            assert 49 == sum(result.outcome is GuardOutcome.ABSENT for result in tries)
            assert await cache.guard_remaining("g") is None

    async def test_a_code_ends_with_its_ttl_and_is_no_value(self) -> None:
        async with await self.make_cache() as cache:
            await cache.guard_set("g", _digest("1234"), attempts=3, ttl=SHORT)
            for call in (cache.get("g"), cache.increment("g"), cache.index_add("g", "m", ttl=1)):
                with pytest.raises(WrongType):
                    await call
            assert await cache.exists("g")
            await asyncio.sleep(PAST)
            result = await cache.guard_check("g", _digest("1234"))
            assert GuardOutcome.ABSENT is result.outcome
            for bad in (b"short", "1234"):
                with pytest.raises(ValidationError):
                    await cache.guard_set("g", bad, attempts=3, ttl=1)  # type: ignore[arg-type]  # the case

    async def test_the_members_of_an_index_expire_one_by_one(self) -> None:
        async with await self.make_cache() as cache:
            await cache.index_add("i", "late", ttl=60)
            await cache.index_add("i", "soon", ttl=SHORT)
            await cache.index_add("i", "next", ttl=30)
            assert ["soon", "next", "late"] == await cache.index_members("i")
            assert ["soon"] == await cache.index_members("i", limit=1)
            await cache.index_add("i", "late", ttl=20)
            await asyncio.sleep(PAST)
            assert ["late", "next"] == await cache.index_members("i")
            assert not await cache.index_remove("i", "soon")
            assert await cache.index_remove("i", "next")
            assert await cache.index_remove("i", "late")
            assert [] == await cache.index_members("i")
            assert not await cache.exists("i")

    # ---- the rest --------------------------------------------------------------------------------

    async def test_get_json_takes_what_is_not_json_for_a_miss(self) -> None:
        async with await self.make_cache() as cache:
            await cache.set_json("a", {"b": [None]})
            await cache.set("d", datetime.now(UTC))
            await cache.set_with_expiry("e", 1, 0.05)
            assert {"b": [None]} == await cache.get_json("a")
            assert "no" == await cache.get_json("d", "no")
            with pytest.raises(SerializationError):
                await cache.set_json("a", datetime.now(UTC))
            await asyncio.sleep(0.1)
            assert await cache.get_json("e") is None

    async def test_it_answers_a_ping_and_closing_twice_is_closing_once(self) -> None:
        cache = await self.make_cache()
        async with cache:
            await cache.ping()
            health = await cache.health()
            assert health.ok
            assert health.latency is not None
        await cache.aclose()
        assert not (await cache.health()).ok

    async def test_the_first_use_opens_it_once_for_all_who_come(self) -> None:
        cache = await self.make_cache()
        try:
            await asyncio.gather(*(cache.set(f"k{n}", n) for n in range(20)))
            assert 20 == len(await cache.get_many([f"k{n}" for n in range(20)]))
        finally:
            await cache.aclose()


class LimiterContract:
    """What every limiter on a cache must do."""

    async def make_limiter(self, *rates: Rate, **options: Any) -> RateLimiter:
        """Return a limiter whose keys are all unused; override it."""
        pytest.fail("override make_limiter(self, *rates, **options)")

    @pytest.mark.parametrize("algorithm", ["gcra", "sliding_window"])
    async def test_the_limit_goes_through_and_the_next_is_refused(self, algorithm: str) -> None:
        limiter = await self.make_limiter(Rate(5, 60), algorithm=algorithm)
        for left in (4, 3, 2, 1, 0):
            decision = await limiter.hit("a")
            assert (True, left) == (decision.allowed, decision.remaining)
        refused = await limiter.hit("a")
        assert not refused.allowed
        assert 0 < refused.retry_after <= 60
        assert 0 < refused.reset_after <= 60
        assert (await limiter.hit("b")).allowed
        await limiter.reset("a")
        assert (await limiter.hit("a")).allowed

    @pytest.mark.parametrize("algorithm", ["gcra", "sliding_window"])
    async def test_retry_after_is_exact(self, algorithm: str) -> None:
        limiter = await self.make_limiter(Rate(3, 0.6), algorithm=algorithm)
        assert (await limiter.hit("a", cost=3)).allowed
        refused = await limiter.hit("a", cost=2)
        assert not refused.allowed
        await asyncio.sleep(refused.retry_after - 0.05)
        assert not (await limiter.hit("a", cost=2)).allowed
        await asyncio.sleep(0.055)
        assert (await limiter.hit("a", cost=2)).allowed

    @pytest.mark.parametrize("algorithm", ["gcra", "sliding_window"])
    async def test_a_hundred_at_once_never_pass_the_limit(self, algorithm: str) -> None:
        limiter = await self.make_limiter(Rate(10, 60), algorithm=algorithm)
        decisions = await asyncio.gather(*(limiter.hit("a") for _ in range(100)))
        assert 10 == sum(decision.allowed for decision in decisions)

    @pytest.mark.parametrize("algorithm", ["gcra", "sliding_window"])
    async def test_several_rates_let_through_together_or_not_at_all(self, algorithm: str) -> None:
        limiter = await self.make_limiter(Rate(2, 0.2), Rate(3, 60), algorithm=algorithm)
        assert (await limiter.hit("a", cost=2)).allowed
        assert not (await limiter.hit("a")).allowed
        await asyncio.sleep(0.25)
        assert not (await limiter.hit("a", cost=2)).allowed  # the second rate has one left
        assert (await limiter.hit("a")).allowed  # which the refused hit did not take

    @pytest.mark.parametrize("algorithm", ["gcra", "sliding_window"])
    async def test_peek_spends_nothing_and_refund_gives_back(self, algorithm: str) -> None:
        limiter = await self.make_limiter(Rate(3, 60), algorithm=algorithm)
        for _ in range(5):
            assert (await limiter.peek("a")).remaining == 3
        await limiter.hit("a", cost=3)
        assert not (await limiter.peek("a")).allowed
        assert (await limiter.refund("a", cost=2)).remaining == 2
        assert (await limiter.refund("a", cost=3)).remaining == 3
        assert (await limiter.hit("a", cost=3)).allowed
        assert not (await limiter.hit("a")).allowed

    async def test_a_burst_goes_at_once_and_then_one_by_one(self) -> None:
        limiter = await self.make_limiter(Rate(100, 10, burst=2))
        assert [True, True, False] == [(await limiter.hit("a")).allowed for _ in range(3)]
        refused = await limiter.hit("a")
        assert 0 < refused.retry_after <= 0.1

    async def test_acquire_waits_and_then_says_how_long_it_would_have_to(self) -> None:
        limiter = await self.make_limiter(Rate(1, 0.1))
        await limiter.acquire("a")
        await limiter.acquire("a", wait=1.0)
        with pytest.raises(RateLimitExceeded) as caught:
            await limiter.acquire("a")
        assert caught.value.retry_after is not None
        assert 0 < caught.value.retry_after <= 0.1

    async def test_a_cost_that_never_fits_is_refused(self) -> None:
        limiter = await self.make_limiter(Rate(3, 60))
        bad: Any
        for bad in (0, -1, 4, True, 1.5):
            with pytest.raises(ValidationError) as caught:
                await limiter.hit("a", cost=bad)
            assert caught.value.code == "cache.invalid_cost"
