"""A server of one's own that has the real table, and a client that asks it over a real socket."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from benchmark_exchange import Resources, Settings, open_resources
from benchmark_exchange.resources import admin_token
from benchmark_exchange.server import running
from infra_http import AsyncClient


@pytest.fixture(scope="session")
def imported(tmp_path_factory: pytest.TempPathFactory, table: Path) -> Path:
    """A data folder into which the real table was imported; copy it, do not write into it."""
    folder = tmp_path_factory.mktemp("imported") / "data"

    async def work() -> None:
        async with open_resources(Settings(data=folder)) as resources:
            await resources.imports.run(table)

    asyncio.run(work())
    return folder


@pytest.fixture
async def resources(settings: Settings, imported: Path, table: Path) -> AsyncIterator[Resources]:
    """The services over a database that holds the real table."""
    if settings.database_url is None:
        shutil.copytree(imported, settings.data)
    async with open_resources(settings) as opened:
        if settings.database_url is not None:
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
