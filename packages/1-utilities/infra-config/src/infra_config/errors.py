"""
What infra-config raises.

    ConfigError
    ├── ConfigLoadError      config.invalid        settings are wrong: `violations` has all
    ├── MissingFile          config.missing_file   also a NotFoundError
    ├── UnreadableFile       config.unreadable     a folder, no permission, a device that fails
    ├── BadPath              config.bad_path       no path, or a path to no setting
    ├── BadSource            config.bad_source     a source is declared wrongly, in code
    └── BadSetting           config.bad_setting    a settings class is declared wrongly, in code
"""

from __future__ import annotations

from infra_errors import ConfigError, NotFoundError, Violation

__all__ = [
    "BadPath",
    "BadSetting",
    "BadSource",
    "ConfigLoadError",
    "MissingFile",
    "UnreadableFile",
]


class ConfigLoadError(ConfigError):
    """
    Settings are wrong: `violations` names every mistake of every source, and never a value.

    A violation's `path` is a dot path (`server.port`, "" for the whole), its `source` says where
    the value stands (`config.toml:3:8`, `env APP_SERVER__PORT`), its `hint` what to do. `str()`
    has a line for each.
    """

    code = "config.invalid"

    def __str__(self) -> str:
        lines = [f"{self.code}: {self.message}"]
        lines += [f"  {_line(violation)}" for violation in self.violations]
        return "\n".join(lines)


class MissingFile(NotFoundError, ConfigError):
    """A file that is not optional is not there. Context: `path`, absolute."""

    code = "config.missing_file"


class UnreadableFile(ConfigError):
    """A file is there and cannot be read. Context: `path`, absolute."""

    code = "config.unreadable"


class BadPath(ConfigError):
    """A text is no dot path, or leads to no setting."""

    code = "config.bad_path"


class BadSource(ConfigError):
    """A source is made with arguments that cannot work."""

    code = "config.bad_source"


class BadSetting(ConfigError):
    """A settings class has a field that cannot be read: its type, its rules, its aliases."""

    code = "config.bad_setting"


def _line(violation: Violation) -> str:
    """Return the violation as a person reads it; the whole has no path to name."""
    text = str(violation)
    return text if violation.path else text.removeprefix(": ")
