"""Everything the service holds open, made from its settings: no globals, closed in one place."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import attrs

from benchmark_exchange.persistence.accounts import SqlAccountRepository
from benchmark_exchange.persistence.benchmarks import SqlBenchmarkRepository
from benchmark_exchange.persistence.boards import SqlBoardRepository
from benchmark_exchange.persistence.imports import SqlIdempotencyRepository, SqlImportRepository
from benchmark_exchange.persistence.models import SqlModelRepository
from benchmark_exchange.persistence.submissions import SqlSubmissionRepository
from benchmark_exchange.services import invariants
from benchmark_exchange.services.boards import BoardService
from benchmark_exchange.services.catalogue import CatalogueService
from benchmark_exchange.services.imports import ImportService
from benchmark_exchange.services.submissions import SubmissionService
from benchmark_exchange.settings import MIN_TOKEN, Settings
from infra_db import Database, DatabaseSettings, Transaction, connect
from infra_db.migrations import migrate
from infra_errors import ConfigError, Secret, SecretUrl

__all__ = ["MIGRATIONS", "Resources", "admin_token", "database_url", "open_resources"]

MIGRATIONS = "benchmark_exchange:migrations"
T = TypeVar("T")


@attrs.frozen(kw_only=True)
class Resources:
    """The open database and the services over it."""

    settings: Settings
    db: Database
    catalogue: CatalogueService
    submissions: SubmissionService
    boards: BoardService
    imports: ImportService
    benchmarks: SqlBenchmarkRepository
    results: SqlSubmissionRepository
    published: SqlBoardRepository

    async def check(self) -> list[str]:
        """Return what is wrong with the stored data; empty when it is sound."""
        return await invariants.check(self.benchmarks, self.results, self.published)


@asynccontextmanager
async def open_resources(
    settings: Settings,
    *,
    upgrade: bool = True,
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[Resources]:
    """
    Open the database, bring its tables up to date unless told not to, and yield the services.

    Raises ConfigError for a folder that cannot be written and for a wrong URL, and infra-db's
    errors for a database that does not answer.
    """
    url = database_url(settings)
    options = DatabaseSettings(
        url=url,
        max_connections=settings.database_max_connections,
        min_connections=settings.database_min_connections,
        application_name="benchmark-exchange",
    )
    async with connect(options, clock=clock) as db:
        if upgrade:
            await migrate(db, directory=MIGRATIONS)
        yield _wire(settings, db, clock)


def _wire(settings: Settings, db: Database, clock: Callable[[], float]) -> Resources:
    async def unit(work: Callable[[], Awaitable[T]]) -> T:
        async def alone(tx: Transaction) -> T:
            await tx.lock("benchmark-exchange")  # one writer at a time: docs/decisions/0007
            return await work()

        return await db.run(alone)

    benchmarks = SqlBenchmarkRepository(db)
    results = SqlSubmissionRepository(db, clock=clock)
    published = SqlBoardRepository(db, clock=clock)
    models = SqlModelRepository(db)
    keys = SqlIdempotencyRepository(db)
    jobs = SqlImportRepository(db)
    boards = BoardService(benchmarks, results, published)
    catalogue = CatalogueService(benchmarks, SqlAccountRepository(db, clock=clock), unit)
    return Resources(
        settings=settings,
        db=db,
        catalogue=catalogue,
        submissions=SubmissionService(benchmarks, models, results, keys, boards, unit),
        boards=boards,
        imports=ImportService(catalogue, models, results, jobs, boards, unit),
        benchmarks=benchmarks,
        results=results,
        published=published,
    )


def database_url(settings: Settings) -> SecretUrl:
    """Return the database's URL; for the embedded one, make its folder (0700) first."""
    if settings.database_url is not None:
        return settings.database_url
    folder = data_folder(settings)
    return SecretUrl(f"sqlite:///{quote(str(folder / 'exchange.db'))}")


def data_folder(settings: Settings) -> Path:
    """Return the data folder, made if missing and checked to be writable; else ConfigError."""
    folder = settings.data.absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        message = f"cannot make the data folder {folder}: {exc.strerror}; set EXCHANGE_DATA"
        raise ConfigError(message, code="exchange.data_folder", path=str(folder)) from exc
    if not os.access(folder, os.W_OK | os.X_OK):
        message = f"cannot write into the data folder {folder}: set EXCHANGE_DATA to another"
        raise ConfigError(message, code="exchange.data_folder", path=str(folder))
    return folder


def admin_token(settings: Settings) -> Secret[str]:
    """
    Return the administrator's bearer token.

    When the settings have none, it is read from `admin-token` in the data folder, and made there
    (0600) at the first start. Raises ConfigError for a file that cannot be read or holds less than
    32 characters.
    """
    if settings.admin_token is not None:
        return settings.admin_token
    file = data_folder(settings) / "admin-token"
    if not file.exists():
        _make_token(file)
    try:
        token = file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as exc:
        message = f"cannot read {file}: remove it, or set EXCHANGE_ADMIN_TOKEN"
        raise ConfigError(message, code="exchange.admin_token") from exc
    if len(token) < MIN_TOKEN:
        message = f"{file} holds less than {MIN_TOKEN} characters: remove it, and one is made"
        raise ConfigError(message, code="exchange.admin_token")
    return Secret(token)


def _make_token(file: Path) -> None:
    """Write a fresh token, whole or not at all; who comes second keeps the first one's."""
    draft = file.with_name(f"admin-token.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(secrets.token_urlsafe(32) + "\n")
        with suppress(FileExistsError):
            os.link(draft, file)
    except OSError as exc:
        message = f"cannot write {file}: {exc.strerror}; set EXCHANGE_ADMIN_TOKEN"
        raise ConfigError(message, code="exchange.admin_token") from exc
    finally:
        draft.unlink(missing_ok=True)
