"""
Settings from files, environment and secrets, in one frozen object that knows their places.

>>> import attrs
>>> from typing import Annotated
>>> from infra_config import EnvSource, MemorySource, Range, Seconds, load, setting
>>> @attrs.frozen
... class Settings:
...     port: Annotated[int, Range(0, 65535)] = setting(8000, help="port to listen at")
...     timeout: Seconds = setting(30.0, unit="s")
>>> env = EnvSource("APP_", environ={"APP_TIMEOUT": "5m"})
>>> loaded = load(Settings, MemorySource({"port": 80}), env)
>>> loaded.value
Settings(port=80, timeout=300.0)
>>> print(loaded.explain("timeout"))
timeout = 300.0 (Seconds)
  from env APP_TIMEOUT: '5m'
  over default timeout: 30.0
"""

from infra_config.builder import Config, ConfigBuilder, Required
from infra_config.config import Explanation, Layer, Origin
from infra_config.env import DotEnvSource, EnvSource
from infra_config.envtable import EnvVar, env_table
from infra_config.errors import (
    BadPath,
    BadSetting,
    BadSource,
    ConfigLoadError,
    MissingFile,
    UnreadableFile,
)
from infra_config.house import InfrastructureConfig, InfrastructureSettings
from infra_config.load import Loaded, load, load_with_env
from infra_config.reload import Reloader
from infra_config.rules import Custom, Length, Pattern, Range
from infra_config.schema import json_schema
from infra_config.secretsdir import SecretsDirSource
from infra_config.setting import Seconds, Size, setting
from infra_config.sources import FileSource, MemorySource, Shape, Source, TextSource

__all__ = [
    "BadPath",
    "BadSetting",
    "BadSource",
    "Config",
    "ConfigBuilder",
    "ConfigLoadError",
    "Custom",
    "DotEnvSource",
    "EnvSource",
    "EnvVar",
    "Explanation",
    "FileSource",
    "InfrastructureConfig",
    "InfrastructureSettings",
    "Layer",
    "Length",
    "Loaded",
    "MemorySource",
    "MissingFile",
    "Origin",
    "Pattern",
    "Range",
    "Reloader",
    "Required",
    "Seconds",
    "SecretsDirSource",
    "Shape",
    "Size",
    "Source",
    "TextSource",
    "UnreadableFile",
    "env_table",
    "json_schema",
    "load",
    "load_with_env",
    "setting",
]
