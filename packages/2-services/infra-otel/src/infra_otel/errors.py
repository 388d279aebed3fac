"""What infra-otel raises on purpose.

    ConfigError
    └── OtelConfigError          otel.bad_setting
        ├── MissingExtra         otel.missing_extra
        ├── AlreadyConfigured    otel.already_configured
        └── ExistingProvider     otel.existing_provider

Only settings and `configure` raise. Nothing that a request passes through does: a helper that is
used wrongly logs a warning on the logger `infra_otel` and drops what it cannot use.
"""

from __future__ import annotations

from infra_errors import ConfigError

__all__ = [
    "AlreadyConfigured",
    "ExistingProvider",
    "MissingExtra",
    "OtelConfigError",
    "bad_setting",
]


class OtelConfigError(ConfigError):
    """Telemetry cannot be switched on as asked."""

    code = "otel.bad_setting"


class MissingExtra(OtelConfigError):
    """What was asked for comes with an extra that is not installed; the message has the command."""

    code = "otel.missing_extra"


class AlreadyConfigured(OtelConfigError):
    """This process has configured telemetry before, with other settings, or has shut it down."""

    code = "otel.already_configured"


class ExistingProvider(OtelConfigError):
    """Somebody else has installed an OpenTelemetry provider; a process has only one."""

    code = "otel.existing_provider"


def bad_setting(name: str, what: str) -> OtelConfigError:
    """Make the error for a setting, or a variable, that cannot be used."""
    message = f"telemetry setting {name}: {what}"
    return OtelConfigError(message, setting=name)
