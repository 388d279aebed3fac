"""What the databases behind a network share: their URL's options, TLS, and a pool kept fresh."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from infra_errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from infra_db.settings import DatabaseSettings

__all__ = ["make_engine", "require_driver", "split_url", "tls", "within"]

T = TypeVar("T")
_MODES = ("disable", "prefer", "require", "verify-ca", "verify-full")
_IDLE = 30.0  # seconds after which a connection is asked whether it still lives


def split_url(
    settings: DatabaseSettings, *, driver: str, drivers: Collection[str]
) -> tuple[URL, dict[str, str]]:
    """Return the URL with its driver and without our options, and those options.

    `drivers` are the schemes that name a driver of their own. Raises ConfigError `db.config` for
    an option that is not one of ours.
    """
    url = make_url(settings.url.reveal())
    unknown = sorted(set(url.query) - {"sslmode", "sslrootcert"})
    if unknown:
        message = f"the database URL has unknown options {unknown}; known are sslmode, sslrootcert"
        raise ConfigError(message, code="db.config", options=unknown)
    if not url.host or not url.database:
        message = f"the database URL needs a host and a database: {driver}://user@host/database"
        raise ConfigError(message, code="db.config")
    name = url.drivername if url.drivername in drivers else driver
    options = {key: value for key, value in url.query.items() if isinstance(value, str)}
    return url.set(drivername=name, query={}), options


def require_driver(name: str, *, extra: str) -> Any:
    """Import a driver; ConfigError `db.missing_extra` where it is not installed."""
    try:
        return import_module(name)
    except ImportError as error:
        message = f"{name} is not installed: pip install 'infra-db[{extra}]'"
        raise ConfigError(message, code="db.missing_extra", missing=name) from error


def tls(options: Mapping[str, str]) -> tuple[str, ssl.SSLContext | None]:
    """Read sslmode and sslrootcert; return the mode, and a context where one is asked for.

    The modes are libpq's. With `sslrootcert` the default is verify-full, without it prefer.
    """
    root = options.get("sslrootcert")
    mode = options.get("sslmode", "verify-full" if root else "prefer")
    if mode not in _MODES:
        message = f"sslmode is one of {', '.join(_MODES)}"
        raise ConfigError(message, code="db.config", option="sslmode")
    if mode in {"disable", "prefer"}:
        return mode, None
    try:
        context = ssl.create_default_context(cafile=root)
    except (OSError, ssl.SSLError) as error:
        message = f"sslrootcert {root} cannot be read as a list of certificates"
        raise ConfigError(message, code="db.config", option="sslrootcert") from error
    context.check_hostname = mode == "verify-full"
    if mode == "require":
        context.verify_mode = ssl.CERT_NONE
    return mode, context


def within(seconds: float, connect: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
    """Bound the whole of connecting, where a driver bounds only the first answer."""

    async def bounded(*arguments: Any, **options: Any) -> T:
        async with asyncio.timeout(seconds):
            return await connect(*arguments, **options)

    return bounded


def make_engine(url: URL, settings: DatabaseSettings, **options: Any) -> AsyncEngine:
    """Make the engine of a server, with its pool."""
    small, large = settings.min_connections, settings.max_connections
    engine = create_async_engine(
        url,
        poolclass=AsyncAdaptedQueuePool,
        pool_size=small,
        max_overflow=large - small,
        pool_timeout=settings.pool_timeout,
        pool_use_lifo=True,
        hide_parameters=True,
        **options,
    )
    _keep_fresh(engine, settings.max_lifetime)
    return engine


def _keep_fresh(engine: AsyncEngine, max_lifetime: float) -> None:
    """Ask a connection that stood idle whether it lives, and let none live too long."""
    pool, dialect = engine.sync_engine.pool, engine.dialect

    def born(_: Any, record: Any) -> None:
        # Spread, so that connections opened together do not all end together.
        spread = 0.9 + 0.2 * random.random()  # noqa: S311  # no secret
        record.info["infra_db_dies"] = time.monotonic() + max_lifetime * spread

    def parked(_: Any, record: Any) -> None:
        record.info["infra_db_parked"] = time.monotonic()

    def taken(connection: Any, record: Any, _: Any) -> None:
        now = time.monotonic()
        if now > record.info.get("infra_db_dies", now):
            raise DisconnectionError
        if now - record.info.get("infra_db_parked", now) > _IDLE:
            try:
                alive = dialect.do_ping(connection)
            except Exception as error:
                raise DisconnectionError from error
            if not alive:
                raise DisconnectionError

    event.listen(pool, "connect", born)
    event.listen(pool, "checkin", parked)
    event.listen(pool, "checkout", taken)
