"""infra-http beside its peers: `python benchmarks/bench_http.py`.

The origin of the client's rows is a process of its own that answers as fast as Python can, so that
what is measured is the client.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import time
from typing import TYPE_CHECKING, Any

import tenacity
from _bench import Row, at_most, faster, imported, report
from _http_server import running, server_rows
from _http_wire import rows as wire_rows

from infra_http import BreakerRule, CircuitOpen, ConnectFailed, Policy, RateRule

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from _bench import Fact, Goal, Timer

ENDLESS = RateRule(1e9, burst=10**9)


async def work(attempt: Any = None) -> int:
    """Do nothing, so that what is around it is what is measured."""
    return 1


def awaited(fn: Callable[[], Awaitable[object]]) -> Timer:
    """Time an awaited call; one loop for all rounds, since a policy keeps what belongs to it."""
    loop = asyncio.new_event_loop()

    async def repeat(times: int) -> float:
        gc.disable()
        repetitions = itertools.repeat(None, times)
        start = time.perf_counter()
        for _ in repetitions:
            await fn()
        taken = time.perf_counter() - start
        gc.enable()
        return taken

    return lambda times: loop.run_until_complete(repeat(times))


async def within_a_timeout() -> None:
    async with asyncio.timeout(10):
        await work()


def over(seconds: float) -> Goal:
    """Ours takes at most so much longer than the peer."""
    return at_most(seconds, over_peer=True)


def policy_rows() -> list[Row]:
    untimed: dict[str, Any] = {"total_timeout": None, "attempt_timeout": None}
    default, retrying = Policy(), Policy(**untimed)
    full = Policy(**untimed, bulkhead=10, rate=ENDLESS)
    repeated = tenacity.AsyncRetrying(stop=tenacity.stop_after_attempt(3))
    left_alone = Policy(retry=None, breaker=BreakerRule(consecutive=1, open_for=3600))

    async def fail(attempt: Any) -> None:
        message = "refused"
        raise ConnectFailed(message)

    async def refused() -> None:
        try:
            await left_alone.execute(fail)
        except (CircuitOpen, ConnectFailed):
            pass

    asyncio.run(refused())
    tenacious = awaited(lambda: repeated(work))
    return [
        Row(
            "Policy.execute: retry, budget, breaker",
            awaited(lambda: retrying.execute(work)),
            at_most(5e-6),
            tenacious,
            "tenacity, retry alone",
        ),
        Row(
            "the same",
            awaited(lambda: retrying.execute(work)),
            faster(9),
            tenacious,
            "tenacity, retry alone",
        ),
        Row(
            "and with rate limit and bulkhead",
            awaited(lambda: full.execute(work)),
            at_most(5e-6),
            tenacious,
            "tenacity, retry alone",
        ),
        Row(
            "Policy() with both timeouts",
            awaited(lambda: default.execute(work)),
            over(5e-6),
            awaited(within_a_timeout),
            "asyncio.timeout alone",
        ),
        Row("refusal of an open breaker", awaited(refused), at_most(5e-6)),
    ]


def rows() -> Iterator[Row | Fact]:
    """Yield the rows of the client, the policy and the server."""
    yield from wire_rows()
    yield from policy_rows()
    with running() as ports:
        yield from server_rows(ports)
    for module, goal in (("infra_http", 0.040), ("infra_http.client", 0.120)):
        yield Row(
            f"import {module}", imported(module), over(goal), imported("httpx2"), "import httpx2"
        )


def main() -> None:
    """Print the table."""
    report("infra-http", rows())


if __name__ == "__main__":
    main()
