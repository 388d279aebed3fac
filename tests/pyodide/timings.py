"""What a few calls cost, in seconds; the same script in Pyodide and on the machine itself."""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import Callable

__all__ = ["measure"]

PACKAGES = ("infra_errors", "infra_config", "infra_json", "infra_id", "infra_crypto")


def measure() -> dict[str, float]:
    """Import the packages, each for the first time, and time the calls; the fastest of five."""
    found = {
        f"import {name}": _once(lambda n=name: importlib.import_module(n)) for name in PACKAGES
    }
    found["import pytest"] = _once(lambda: importlib.import_module("pytest"))

    from infra_errors import RetryPolicy
    from infra_id import uuid4_str, uuid7_str
    from infra_json import canonicalize, diff

    numbers = list(range(5000))
    edited = [n for n in numbers if n % 250] + list(range(20))
    document = [
        {"id": n, "name": f"item {n}", "price": n / 7, "tags": ["a", "b", "é"], "nested": {"x": n}}
        | {f"field{k}": "some text" for k in range(8)}
        for n in range(4000)
    ]
    policy = RetryPolicy()

    async def succeed() -> int:
        return 1

    async def retry() -> None:
        for _ in range(1000):
            await policy.arun(succeed)

    found["uuid4_str"] = _fastest(uuid4_str, 1000)
    found["uuid7_str"] = _fastest(uuid7_str, 1000)
    found["diff of 5,000 numbers"] = _fastest(lambda: diff(numbers, edited), 1)
    found["canonicalize of 0.84 MB"] = _fastest(lambda: canonicalize(document), 1)
    found["retry of what succeeds"] = _fastest(lambda: asyncio.run(retry()), 1) / 1000
    return found


def _once(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _fastest(call: Callable[[], object], times: int) -> float:
    rounds = []
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(times):
            call()
        rounds.append(time.perf_counter() - start)
    return min(rounds) / times
