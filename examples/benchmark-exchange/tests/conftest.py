"""What the tests of the exchange share: the real table, and a service over its own database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from benchmark_exchange import Resources, Settings, open_resources

TABLE = Path(__file__).parents[1] / "data" / "alpaca_eval_2" / "leaderboard.csv"


@pytest.fixture(scope="session")
def table() -> Path:
    """The real AlpacaEval 2 table."""
    return TABLE


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings whose data stays in the test's folder."""
    return Settings(data=tmp_path / "data")


@pytest.fixture
async def resources(settings: Settings) -> AsyncIterator[Resources]:
    """The services over a fresh database."""
    async with open_resources(settings) as opened:
        yield opened
