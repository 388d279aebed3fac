"""What several test files share: a namespace of its own on a server for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from infra_cache import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def namespace(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """A namespace that nobody else uses, emptied at the end on the session's Redis server."""
    name = f"test-{uuid4().hex}"
    yield name
    if "redis_url" in request.fixturenames:
        async with connect(request.getfixturevalue("redis_url"), namespace=name) as cache:
            await cache.clear()
