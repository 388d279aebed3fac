"""infra-errors beside its peers: `python benchmarks/bench_errors.py`."""

from __future__ import annotations

import logging
import pickle
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

import stamina
import tenacity
from _bench import (
    Fact,
    Row,
    at_most,
    at_most_times,
    awaited,
    called,
    faster,
    imported,
    report,
)
from azure.core.exceptions import HttpResponseError
from google.api_core.exceptions import NotFound

from infra_errors import (
    CircuitBreaker,
    CircuitOpenError,
    DeadlineExceededError,
    NotFoundError,
    RetryPolicy,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

UNWANTED = "typing re asyncio inspect logging dataclasses json random threading email"


def work() -> int:
    return 1


async def awork() -> int:
    return 1


def creation() -> Iterator[Row]:
    plain = called(lambda: NotFoundError("no such user"))
    fields = called(lambda: NotFoundError("no such user", user=7, table="users"))
    google = called(lambda: NotFound("no such user"))  # type: ignore[no-untyped-call]  # theirs
    azure = called(lambda: HttpResponseError("no such user"))
    for name, ours, limit in (
        ("create, no fields", plain, 1.0),
        ("create, two fields", fields, 1.3),
    ):
        yield Row(name, ours, at_most_times(limit), google, "google NotFound")
        yield Row(name, ours, at_most_times(0.5), azure, "azure HttpResponseError")


def retrying() -> Iterator[Row]:
    policy, unbounded = RetryPolicy(), RetryPolicy(deadline=None)
    run = called(lambda: policy.run(work))
    of_tenacity = tenacity.retry(
        stop=tenacity.stop_after_attempt(4), wait=tenacity.wait_random_exponential(0.1, 10)
    )
    of_stamina = stamina.retry(on=OSError, attempts=4, timeout=60.0)
    yield Row("run, success, defaults", run, at_most(2e-6))
    yield Row("run, success, defaults", run, faster(15), called(of_tenacity(work)), "tenacity")
    yield Row("run, success, defaults", run, faster(15), called(of_stamina(work)), "stamina")
    theirs = awaited(of_stamina(awork))
    for name, chosen, times in (("None", unbounded, 10), ("60 s", policy, 4)):
        yield Row(
            f"arun, success, deadline={name}",
            awaited(partial(chosen.arun, awork)),
            faster(times),
            theirs,
            "stamina async",
        )


def breaking() -> Iterator[Row]:
    closed, opened = CircuitBreaker(), CircuitBreaker(consecutive=1, open_for=1e6)
    opened.allow().failure()

    def guarded() -> int:
        with closed.allow():
            return work()

    def refused() -> None:
        try:
            with opened.allow():
                work()
        except CircuitOpenError:
            pass

    bare = called(work)
    yield Row(
        "breaker closed, success", called(guarded), at_most(1.5e-6, over_peer=True), bare, "bare"
    )
    yield Row("breaker open, refusal", called(refused), at_most(3e-6, over_peer=True), bare, "bare")


def wire() -> Iterator[Row]:
    error = NotFoundError("no such user", user=7, table="users")
    error.__cause__ = DeadlineExceededError("the database did not answer")
    lone = NotFoundError("no such user", user=7, table="users")
    for name, it in (("two fields", lone), ("two fields and a cause", error)):
        yield Row(f"to_dict, {name}", called(it.to_dict), at_most(8e-6))
        yield Row(f"pickle round trip, {name}", called(partial(copied, it)), at_most(40e-6))


def copied(error: Exception) -> object:
    return pickle.loads(pickle.dumps(error))


def importing() -> Iterator[Row | Fact]:
    ours, bare = imported("infra_errors"), imported()
    yield Row("import infra_errors", ours, at_most(15e-3, over_peer=True), bare, "bare interpreter")
    errors = imported("infra_errors.errors")
    yield Row("import its errors", errors, at_most(15e-3, over_peer=True), bare, "bare interpreter")
    yield Row(
        "import infra_errors", ours, at_most_times(1), imported("tenacity"), "import tenacity"
    )
    script = (
        "import sys; a = set(sys.modules); import infra_errors.errors; print(*set(sys.modules) - a)"
    )
    # -S: what the site's own .pth files load is not ours.
    path = next(p for p in sys.path if p.endswith("infra-errors/src"))
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.append({path!r}); {script}"]
    loaded = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    found = sorted(set(loaded) & set(UNWANTED.split()))
    yield Fact(
        f"loaded of {UNWANTED.replace(' ', ', ')}", ", ".join(found) or "none", "none", not found
    )


def main() -> None:
    logging.disable()
    rows = [*creation(), *retrying(), *breaking(), *wire(), *importing()]
    report("infra-errors", rows)


if __name__ == "__main__":
    main()
