"""The fixtures: a `…_url` a kind of server for the session, `private_server` for one test."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, Any

import pytest

from infra_sim.errors import ServerMissing, ServerNotOurs
from infra_sim.servers import KINDS, find_server, start_private_server

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from infra_sim.servers import Server

__all__ = ["private_server"]


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known: `@pytest.mark.server("postgres")` says what a test needs."""
    kinds = ", ".join(KINDS)
    config.addinivalue_line("markers", f"server(*kinds): needs real servers ({kinds})")


def absent(error: ServerMissing) -> None:
    """Skip the test; or fail it where INFRA_REQUIRE_SERVERS=1 says that servers are there."""
    if os.environ.get("INFRA_REQUIRE_SERVERS") == "1":
        pytest.fail(f"INFRA_REQUIRE_SERVERS=1, and {error.message}", pytrace=False)
    pytest.skip(error.message)


def _url_fixture(kind: str) -> Any:
    @pytest.fixture(scope="session", name=f"{kind}_url")
    def url() -> Iterator[str]:
        try:
            server = find_server(kind)
        except ServerMissing as error:
            absent(error)
            return
        asyncio.run(server.start())
        yield server.url
        with contextlib.suppress(ServerNotOurs):
            asyncio.run(server.stop())

    url.__doc__ = f"The URL of a {kind} server, one for the session; skipped where there is none."
    return url


for _kind in KINDS:
    globals()[f"{_kind}_url"] = _url_fixture(_kind)


@pytest.fixture
def private_server() -> Iterator[Callable[[str], Awaitable[Server]]]:
    """`await private_server("redis")`: a server of this test alone, to stop, restart and kill."""
    started: list[Server] = []

    async def start(kind: str) -> Server:
        try:
            server = await start_private_server(kind)
        except ServerMissing as error:
            absent(error)
            raise
        started.append(server)
        return server

    yield start
    for server in started:
        asyncio.run(server.stop())
