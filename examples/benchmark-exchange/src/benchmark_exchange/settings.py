"""Every setting of the service, with its default and meaning. Nothing is read here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import attrs

from infra_config import Length, Range, Seconds, setting
from infra_errors import Secret, SecretUrl

__all__ = ["MIN_TOKEN", "Settings"]

MIN_TOKEN = 32


@attrs.frozen(kw_only=True)
class Settings:
    """Defaults < `exchange.toml` < environment (prefix `EXCHANGE_`)."""

    data: Path = setting(Path("exchange-data"), help="folder of all embedded state, made 0700")
    database_url: SecretUrl | None = setting(
        None, env="DATABASE_URL", help="the database; a file in the data folder when unset"
    )
    database_max_connections: Annotated[int, Range(1, 1000)] = setting(
        20, env="DATABASE_MAX_CONNECTIONS", help="connections at most"
    )
    database_min_connections: Annotated[int, Range(1, 1000)] = setting(
        5, env="DATABASE_MIN_CONNECTIONS", help="connections kept open"
    )
    admin_token: Annotated[Secret[str], Length(MIN_TOKEN)] | None = setting(
        None, help="bearer token of the administrator, at least 32 characters; made when unset"
    )
    port: Annotated[int, Range(0, 65535)] = setting(
        8000, help="port of `serve`; 0 takes a free one"
    )
    log_level: Literal["debug", "info", "warning", "error"] = setting("info", help="least level")
    telemetry: Literal["stdout", "stderr", "otlp"] | None = setting(
        None, help="where traces and metrics go; unset, the OTEL_* variables say"
    )
    drain_seconds: Seconds = setting(10.0, unit="s", help="time for running requests at a stop")
