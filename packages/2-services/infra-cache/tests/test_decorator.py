"""`cached`: keys from parameters, single flight, invalidation, and what is refused."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from infra_cache import cached, connect
from infra_errors import ValidationError


async def test_a_result_is_kept_under_its_arguments_and_can_be_forgotten() -> None:
    async with connect("memory://") as cache:
        calls: list[int] = []

        @cached(cache, "user:{id}:{part}", ttl=60)
        async def user(id: int, part: str = "all", *, verbose: bool = False) -> str:
            calls.append(id)
            return f"{part} of {id} {verbose}"

        assert "all of 7 False" == await user(7)
        assert "all of 7 False" == await user(id=7, part="all", verbose=True)  # not in the key
        assert "user:7:all" == user.key(7)
        assert [7] == calls
        assert [True, False] == [await user.invalidate(7), await user.invalidate(7)]
        await user(7)
        assert [7, 7] == calls


async def test_values_cannot_reach_out_of_their_place() -> None:
    async with connect("memory://") as cache:

        @cached(cache, "{a}:{b}")
        async def pair(a: str, b: str) -> str:
            return a + b

        assert "x%3Ay:z" == pair.key("x:y", "z")
        assert pair.key("x:y", "z") != pair.key("x", "y:z")
        assert "%2A:00000000-0000-0000-0000-000000000001" == pair.key("*", UUID(int=1))  # type: ignore[arg-type]


async def test_a_value_without_a_key_form_is_refused_and_never_taken_by_repr() -> None:
    async with connect("memory://") as cache:

        @cached(cache, "k:{a}")
        async def one(a: Any) -> Any:
            return a

        for value in (None, 1.5, True, object(), ["a"], ""):
            with pytest.raises(ValidationError) as caught:
                await one(value)
            assert "cache.invalid_key" == caught.value.code


async def test_a_long_key_is_hashed_whole() -> None:
    async with connect("memory://") as cache:

        @cached(cache, "k:{a}")
        async def one(a: str) -> str:
            return a

        first, second = one.key("x" * 600 + "1"), one.key("x" * 600 + "2")
        assert first != second
        assert (2 + 64, "k") == (len(first), first.partition(":")[0])
        assert "x" * 600 == await one("x" * 600)


@pytest.mark.parametrize(
    "template",
    ["u:{missing}", "u:{}", "u:{0}", "u:{self}", "u:{cls}", "u:{a.b}", "u:{a!r}", "u:{a:>3}",
     "u:{args}", "u:{kwargs}", "u:{a", "", "{a}{b}", "{a}-{b}", "u\n:{a}", None],
)  # fmt: skip
async def test_a_template_that_cannot_be_is_refused_at_decoration(template: Any) -> None:
    async with connect("memory://") as cache:
        with pytest.raises(ValidationError) as caught:

            @cached(cache, template)
            async def method(
                self: Any, cls: Any, a: str, b: str, *args: Any, **kwargs: Any
            ) -> None:
                """Nothing."""

        assert "cache.invalid_key" == caught.value.code


async def test_unknown_options_and_functions_that_are_not_async_are_refused() -> None:
    async with connect("memory://") as cache:
        with pytest.raises(ValidationError):
            cached(cache, "k", tll=3)
        with pytest.raises(ValidationError):
            cached(cache, "k")(lambda: None)  # type: ignore[arg-type, return-value]


async def test_a_callable_makes_the_key_of_a_method() -> None:
    class Users:
        def __init__(self, cache: Any, tenant: str) -> None:
            self.tenant = tenant
            self.get = cached(cache, lambda user: f"{tenant}:{user}")(self._get)

        async def _get(self, user: int) -> str:
            return f"{self.tenant}'s {user}"

    async with connect("memory://") as cache:
        assert "a's 1" == await Users(cache, "a").get(1)
        assert "b's 1" == await Users(cache, "b").get(1)


async def test_many_callers_load_once_and_options_reach_the_load() -> None:
    async with connect("memory://") as cache:
        calls: list[int] = []

        @cached(cache, "k:{a}", tags=("t",), negative_ttl=5, cache_if=lambda value: value != 3)
        async def slow(a: int) -> int:
            calls.append(a)
            await asyncio.sleep(0.01)
            return a

        assert [1] * 50 == await asyncio.gather(*(slow(1) for _ in range(50)))
        await slow(3)
        await slow(3)
        await cache.invalidate_tags("t")
        await slow(1)
        assert [1, 3, 3, 1] == calls
