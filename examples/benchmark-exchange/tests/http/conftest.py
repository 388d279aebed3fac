"""A server of one's own that has the real table, and a client that asks it over a real socket."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from benchmark_exchange import Resources, Settings, open_resources
from benchmark_exchange.resources import admin_token
from benchmark_exchange.server import running
from infra_errors import SecretUrl
from infra_http import AsyncClient

OwnDatabase = Callable[..., AbstractAsyncContextManager[SecretUrl]]


@pytest.fixture(scope="session")
def imported(tmp_path_factory: pytest.TempPathFactory, table: Path) -> Path:
    """A data folder into which the real table was imported; copy it, do not write into it."""
    folder = tmp_path_factory.mktemp("imported") / "data"

    async def work() -> None:
        async with open_resources(Settings(data=folder)) as resources:
            await resources.imports.run(table)

    asyncio.run(work())
    return folder


@pytest.fixture(scope="session")
def template(server_url: str | None, table: Path, own_database: OwnDatabase) -> Iterator[str]:
    """A database of PostgreSQL that holds the real table, to be copied; "" elsewhere."""
    if server_url is None or not server_url.startswith("postgres"):
        yield ""
        return
    with asyncio.Runner() as runner:
        made = own_database(server_url)
        url = runner.run(made.__aenter__())

        async def work() -> None:
            async with open_resources(Settings(database_url=url)) as resources:
                await resources.imports.run(table)

        runner.run(work())
        yield url.reveal().rpartition("/")[2]
        runner.run(made.__aexit__(None, None, None))


@pytest.fixture
async def settings(
    tmp_path: Path, server_url: str | None, template: str, own_database: OwnDatabase
) -> AsyncIterator[Settings]:
    """Settings over a database of the test's own, which may hold the real table already."""
    if server_url is None:
        yield Settings(data=tmp_path / "data")
        return
    async with own_database(server_url, template) as url:
        yield Settings(data=tmp_path / "data", database_url=url)


@pytest.fixture
async def resources(
    settings: Settings, imported: Path, table: Path, template: str
) -> AsyncIterator[Resources]:
    """The services over a database that holds the real table."""
    if settings.database_url is None:
        shutil.copytree(imported, settings.data)
    async with open_resources(settings) as opened:
        if settings.database_url is not None and not template:
            await opened.imports.run(table)
        yield opened


@pytest.fixture
async def client(resources: Resources) -> AsyncIterator[AsyncClient]:
    """A client of a running exchange, without credentials."""
    async with running(resources) as url, AsyncClient(base_url=url) as client:
        yield client


@pytest.fixture
def signed(resources: Resources) -> dict[str, str]:
    """The administrator's headers, with a key for one submission."""
    token = admin_token(resources.settings).reveal()
    return {"Authorization": f"Bearer {token}", "Idempotency-Key": "key-1"}
