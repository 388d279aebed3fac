"""The settings of installed packages: listed by entry points, read at once."""

from __future__ import annotations

import copy
import importlib.metadata
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import attrs
import pytest

from infra_config import (
    BadSetting,
    ConfigLoadError,
    EnvSource,
    InfrastructureConfig,
    InfrastructureSettings,
    TextSource,
)
from infra_config.house import part_tables
from infra_errors import ConfigError

MODULE = """
import attrs
from infra_config import setting
from infra_errors import ConfigError, Secret

@attrs.frozen
class Database:
    url: str = setting(env="DATABASE_URL")
    size: int = setting(5, env="DATABASE_SIZE", help="how many")

@attrs.frozen
class Cache:
    ttl: float = setting(60.0, env="CACHE_TTL", unit="s")
    password: Secret[str] | None = setting(None, env="CACHE_PASSWORD")

@attrs.frozen
class Other:
    size: int = setting(6, env="DATABASE_SIZE")

@attrs.frozen
class Telemetry:
    name: str

    @classmethod
    def from_env(cls, environ):
        if not environ.get("OTEL_NAME"):
            raise ConfigError("OTEL_NAME is not set")
        return cls(environ["OTEL_NAME"])

number = 5
"""

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Return a function that lists classes of a module, and no others."""
    (tmp_path / "shop_of_settings.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "shop_of_settings", raising=False)

    def list_parts(**parts: str) -> None:
        group = "infra_config.settings"
        listed = [
            EntryPoint(name.rstrip("_"), f"shop_of_settings:{value}", group)
            for name, value in parts.items()
        ]
        monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: listed)

    return list_parts


def read(**variables: str) -> InfrastructureSettings:
    return InfrastructureSettings.load(EnvSource(environ=variables))


def wrong(**variables: str) -> list[str]:
    with pytest.raises(ConfigLoadError) as caught:
        read(**variables)
    return [str(found) for found in caught.value.violations]


def test_each_listed_part_is_an_attribute(install: Install):
    install(database="Database", cache="Cache")
    found = read(DATABASE_URL="db://x", CACHE_TTL="5m")
    assert ("db://x", 5) == (found.database.url, found.database.size)
    assert 300.0 == found.cache.ttl


def test_a_part_that_needs_a_setting_is_none_while_nothing_of_it_is_given(install: Install):
    install(database="Database", cache="Cache")
    found = read()
    assert found.database is None
    assert 60.0 == found.cache.ttl


def test_a_part_of_which_something_is_given_needs_the_rest(install: Install):
    install(database="Database")
    assert ["database.url: required, and not given; set DATABASE__URL or DATABASE_URL"] == wrong(
        DATABASE_SIZE="1"
    )


def test_the_mistakes_of_all_parts_are_told_at_once(install: Install):
    install(database="Database", cache="Cache", telemetry="Telemetry")
    with pytest.raises(ConfigLoadError, match="3 settings are wrong"):
        read(DATABASE_URL="x", DATABASE_SIZE="x", CACHE_TTL="soon")
    assert [
        "cache.ttl: expected a duration like 30s, got text (env CACHE_TTL)",
        "database.size: expected an integer, got text (env DATABASE_SIZE)",
        "telemetry: OTEL_NAME is not set (env)",
    ] == wrong(DATABASE_URL="x", DATABASE_SIZE="x", CACHE_TTL="soon")


def test_a_variable_named_like_a_part_is_somebody_elses(install: Install):
    install(database="Database", cache="Cache")
    assert read(DATABASE="main", CACHE="1").database is None


def test_a_part_may_stand_in_a_file_as_a_table(install: Install):
    install(database="Database")
    file = TextSource('[database]\nurl = "db://file"\nsize = 1', "toml")
    env = EnvSource(environ={"DATABASE_SIZE": "2"})
    found = InfrastructureSettings.load(file, env)
    assert ("db://file", 2) == (found.database.url, found.database.size)


def test_the_environment_of_the_process_is_the_default(
    install: Install, monkeypatch: pytest.MonkeyPatch
):
    install(database="Database")
    monkeypatch.setenv("DATABASE_URL", "db://process")
    assert "db://process" == InfrastructureSettings.load().database.url


def test_a_class_that_reads_itself_is_given_the_variables(install: Install):
    install(telemetry="Telemetry")
    assert "shop" == read(OTEL_NAME="shop").telemetry.name


def test_an_unknown_part_names_the_installed_ones(install: Install):
    install(database="Database", cache="Cache")
    with pytest.raises(AttributeError, match=r"no part broker is installed.*: cache, database"):
        _ = read().broker


def test_it_is_frozen_and_copies(install: Install):
    install(cache="Cache")
    found = read()
    assert found == copy.copy(found)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        found.cache = None
    assert "InfrastructureSettings(cache)" == repr(found)


def test_it_has_a_second_name():
    assert InfrastructureConfig is InfrastructureSettings


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("Nothing", "cannot be imported"),
        ("number", "is no class"),
        ("MODULE.Other", "cannot be imported"),
    ],
)
def test_what_is_listed_and_cannot_be_used_is_told(install: Install, value: str, why: str):
    install(broken=value)
    with pytest.raises(BadSetting, match=f"the settings broken are listed as .*{why}"):
        read()


@pytest.mark.parametrize(
    ("code", "cause", "told"),
    [
        ("import no_such_module_of_ours", ModuleNotFoundError, "no_such_module_of_ours"),
        ("from attrs import no_such_name", ImportError, "ImportError"),
        ("raise RuntimeError('hunter2')", RuntimeError, "RuntimeError"),
        ("def", SyntaxError, "SyntaxError"),
    ],
    ids=["module", "name", "run", "syntax"],
)
def test_a_listed_package_that_is_broken_is_named_and_its_cause_kept(
    install: Install, tmp_path: Path, code: str, cause: type[Exception], told: str
):
    (tmp_path / "shop_of_settings.py").write_text(code)
    install(cache="Cache")
    for call in (read, part_tables):
        with pytest.raises(
            BadSetting, match=rf"the settings cache are listed as .*{told}"
        ) as caught:
            call()
        assert isinstance(caught.value, ConfigError)
        assert type(caught.value.__cause__) is cause
        assert "hunter2" not in str(caught.value)


def test_a_part_listed_twice_is_refused(install: Install):
    install(part="Database", part_="Cache")
    with pytest.raises(BadSetting, match="two packages list the settings part"):
        read()


def test_two_parts_that_disagree_about_a_variable_are_refused(install: Install):
    install(database="Database", other="Other")
    with pytest.raises(BadSetting, match=r"database and other disagree .* DATABASE_SIZE"):
        read()
    with pytest.raises(BadSetting):
        part_tables()


def test_the_tables_are_told_by_part(install: Install):
    install(database="Database", telemetry="Telemetry")
    tables = part_tables()
    assert ["DATABASE_URL", "DATABASE_SIZE"] == [row.name for row in tables["database"]]
    assert [] == tables["telemetry"]


def test_an_installed_distribution_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "shop_of_parts.py").write_text(MODULE.replace("DATABASE_", "SHOP_OF_PARTS_"))
    info = tmp_path / "shop_of_parts-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shop-of-parts\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[infra_config.settings]\nshop = shop_of_parts:Database\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    # what else is installed here is not the matter
    (found,) = importlib.metadata.distributions(path=[str(tmp_path)])
    monkeypatch.setattr(
        importlib.metadata, "entry_points", lambda group: found.entry_points.select(group=group)
    )
    assert "shop" in part_tables()
