"""Settings: defaults, refusals, and what a URL or a host becomes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from infra_cache import CacheConfig, CacheSettings, LocalOptions, RedisConfig, connect
from infra_cache.opening import MemoryCache
from infra_errors import ConfigError, Secret


def test_what_is_not_set_runs_in_memory_with_an_hour_to_live() -> None:
    settings = CacheSettings()
    assert ("memory://", 5, 3600.0) == (
        settings.resolved_url().reveal(),
        settings.pool_size,
        settings.default_ttl,
    )
    assert CacheSettings is CacheConfig is RedisConfig
    assert "memory" == connect(settings).name


def test_a_host_becomes_a_url_whose_password_no_text_shows() -> None:
    settings = CacheSettings(host="cache", username="app", password="p@ss/word")
    assert "redis://app:p%40ss%2Fword@cache:6379/0" == settings.resolved_url().reveal()
    assert "p@ss" not in f"{settings!r}"
    assert "p%40" not in f"{settings.resolved_url()!r}"
    assert "redis://[::1]:7000/0" == CacheSettings(host="::1", port=7000).resolved_url().reveal()
    assert Secret("x") == CacheSettings(host="h", password=Secret("x")).password


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"url": "http://h"}, "REDIS_URL"),
        ({"url": "localhost"}, "REDIS_URL"),
        ({"url": ""}, "REDIS_URL"),
        ({"url": "redis://h", "host": "h"}, "not both"),
        ({"host": ""}, "host"),
        ({"host": "h", "port": 70000}, "port"),
        ({"host": "h", "port": True}, "port"),
        ({"pool_size": 0}, "pool_size"),
        ({"pool_size": 1.5}, "pool_size"),
        ({"default_ttl": -1}, "default_ttl"),
        ({"default_ttl": 0}, "default_ttl"),
        ({"timeout": 0}, "timeout"),
        ({"connect_timeout": float("inf")}, "connect_timeout"),
        ({"max_items": 0}, "max_items"),
        ({"max_bytes": 0}, "max_bytes"),
        ({"max_pinned": 0}, "max_pinned"),
        ({"max_value_bytes": 0}, "max_value_bytes"),
        ({"namespace": "a\nb"}, "namespace"),
        ({"ca_file": ""}, "ca_file"),
        ({"username": ""}, "username"),
    ],
    ids=lambda it: str(it),
)
def test_a_value_that_cannot_work_is_refused_by_name(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        CacheSettings(**given)


def test_a_ttl_may_be_a_timedelta_or_none() -> None:
    assert 90.0 == CacheSettings(default_ttl=timedelta(seconds=90)).default_ttl  # type: ignore[arg-type]  # a converter takes it
    assert CacheSettings(default_ttl=None).default_ttl is None


@pytest.mark.parametrize(
    "url",
    [
        "redis://h:0",
        "redis://h:x",
        "redis://h/abc",
        "redis://h?x=1",
        "redis://a,b",
        "redis+sentinel://a,b",
        "redis+cluster://a/1",
        "redis://h,",
    ],
)
def test_a_redis_url_that_cannot_work_is_refused(url: str) -> None:
    pytest.importorskip("redis")
    with pytest.raises(ConfigError) as caught:
        connect(url)
    assert "cache.config" == caught.value.code


def test_a_ca_file_without_tls_is_refused() -> None:
    pytest.importorskip("redis")
    with pytest.raises(ConfigError, match="rediss"):
        connect("redis://h", ca_file="ca.pem")


def test_an_unknown_option_and_a_second_address_are_refused() -> None:
    for options in ({"pool": 3}, {"host": "h"}, {"share_objects": True, "codec": object()}):
        with pytest.raises(ConfigError):
            connect("memory://", **options)  # type: ignore[arg-type]  # the case
    with pytest.raises(ConfigError):
        connect("redis://h", share_objects=True)
    with pytest.raises(ConfigError):
        connect("memory://", policy="fifo")
    with pytest.raises(ConfigError):
        LocalOptions(ttl=0)


def test_options_go_over_the_settings() -> None:
    cache = MemoryCache(CacheSettings(host="h", namespace="a"), namespace="b", default_ttl=5)
    assert ("memory", "b", 5) == (cache.name, cache.namespace, cache.default_ttl)
