"""The front door: schemes, awaiting, third-party backends, and what an import costs."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from typing import Any

import pytest

import infra_cache
from infra_cache import CacheUnavailable, Capabilities, CapabilityError, MemoryCache, connect
from infra_cache.backends import memory
from infra_errors import CacheError, ConfigError, RetryPolicy, ValidationError


async def test_a_cache_may_be_awaited_entered_or_just_used() -> None:
    cache = await connect("memory://")
    await cache.set("a", 1)
    await cache.aclose()
    async with connect("memory://") as entered:
        assert await entered.get("a") is None  # each memory is its own
    used = connect("memory://")
    await used.set("a", 1)
    assert await used.get("a") == 1
    await used.aclose()


async def test_a_closed_cache_is_told_by_every_call() -> None:
    cache = MemoryCache()
    async with cache:
        pass

    async def load() -> int:
        return 1

    for call in (cache.get("a"), cache.set("a", 1), cache.get_or_load("a", load), cache.ping()):
        with pytest.raises(CacheUnavailable) as caught:
            await call
        assert not caught.value.retryable


@pytest.mark.parametrize("key", [5, b"a", None, 1.5, ["a"]])
async def test_a_key_that_is_no_text_is_refused(key: Any) -> None:
    async with connect("memory://") as cache:
        await cache.set("5", 1)
        for call in (cache.get(key), cache.set(key, 1), cache.delete(key)):
            with pytest.raises(ValidationError) as caught:
                await call
            assert "cache.invalid_key" == caught.value.code


def test_an_unknown_scheme_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="redis://") as caught:
        connect("memcached://h")
    assert "cache.unknown_scheme" == caught.value.code


async def test_a_backend_of_a_third_party_is_found_by_its_scheme(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    group = "infra_cache.backends"
    mine = EntryPoint("mine", "infra_cache.backends.memory:make_store", group)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: [mine])
    async with connect("mine://") as cache:
        await cache.set("a", 1)
        assert await cache.get("a") == 1
        assert isinstance(cache._store, memory.MemoryStore)


@pytest.mark.subprocess
def test_a_missing_extra_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['redis'] = None\n"
        "from infra_cache import connect\n"
        "try: connect('redis://h')\n"
        "except Exception as error: print(error.code, error.message)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "cache.missing_extra" in run.stdout
    assert "pip install 'infra-cache[redis]'" in run.stdout


@pytest.mark.subprocess
def test_importing_it_imports_no_driver_and_no_name_is_missing() -> None:
    code = "import sys, infra_cache, infra_cache.opening; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"redis", "sqlite3"}.isdisjoint(run.stdout.split())
    for name in infra_cache.__all__:
        assert getattr(infra_cache, name) is not None
    assert set(infra_cache.__all__) <= set(dir(infra_cache))
    with pytest.raises(AttributeError):
        infra_cache.Pickle  # type: ignore[attr-defined]  # the case


def test_a_capability_that_is_not_there_is_named() -> None:
    with pytest.raises(CapabilityError, match="tracking") as caught:
        Capabilities().require("atomic", "tracking")
    assert isinstance(caught.value, CacheError)


async def test_a_retry_policy_may_be_given_and_rng_is_its_chance() -> None:
    pytest.importorskip("redis")
    draws: list[float] = []

    def rng() -> float:
        draws.append(0.5)
        return 0.5

    cache = connect("redis://127.0.0.1:1", retry=RetryPolicy(attempts=4, base=0.01), rng=rng)
    with pytest.raises(CacheUnavailable):
        await cache.get("a")
    await cache.aclose()
    assert draws
