"""The services against a model in thirty lines of brute force, over any sequence of submissions."""

from __future__ import annotations

import asyncio
import math
import tempfile
from contextlib import AsyncExitStack
from hashlib import sha256
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from benchmark_exchange import Resources, Settings, open_resources
from benchmark_exchange.domain.benchmark import Metric, NewBenchmark
from benchmark_exchange.domain.errors import DuplicateSubmission, IdempotencyMismatch
from benchmark_exchange.domain.ids import UserId
from benchmark_exchange.domain.model import ModelRef
from benchmark_exchange.domain.submission import NewSubmission

SLUG = "modelled"
Z = 1.959963984540054


def places(latest: dict[str, tuple[float, float]]) -> dict[str, tuple[int, int]]:
    """Return each model's interval of ranks, by comparing every pair."""

    def beats(a: str, b: str) -> bool:
        (score_a, error_a), (score_b, error_b) = latest[a], latest[b]
        return score_a - score_b > Z * math.sqrt(error_a**2 + error_b**2)

    return {
        name: (
            1 + sum(beats(other, name) for other in latest),
            len(latest) - sum(beats(name, other) for other in latest),
        )
        for name in latest
    }


class Exchange(RuleBasedStateMachine):
    """Submits results, repeats calls, reuses keys; the board must always be the model's."""

    @initialize()
    def open(self) -> None:
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.folder = tempfile.TemporaryDirectory()
        self.latest: dict[str, tuple[float, float]] = {}
        self.attempts: dict[str, int] = {}
        self.used: dict[str, NewSubmission] = {}
        self.revision = 0
        self.resources, self.user = self.runner.run(self._open())

    async def _open(self) -> tuple[Resources, UserId]:
        given = Settings(data=Path(self.folder.name))
        resources = await self.stack.enter_async_context(open_resources(given))
        user = await resources.catalogue.administrator()
        metric = Metric(name="score", minimum=0, maximum=100)
        new = NewBenchmark(slug=SLUG, title="t", description="d", metric=metric, status="active")
        await resources.catalogue.ensure(new, publisher="Modelled")
        return resources, user

    def submit(self, new: NewSubmission, key: str) -> Any:
        digest = sha256(repr(new).encode()).hexdigest()
        work = self.resources.submissions.submit(SLUG, new, key=key, body_sha256=digest)
        return self.runner.run(work)

    @rule(
        model=st.sampled_from(["a", "b", "c", "d"]),
        score=st.integers(0, 100),
        error=st.sampled_from([0.0, 0.5, 3.0]),
        private=st.booleans(),
    )
    def submit_new(self, model: str, score: int, error: float, private: bool) -> None:
        number = len(self.used)
        new = NewSubmission(
            model=ModelRef(model),
            submitter=self.user,
            artifact_sha256=f"{number:064x}",
            score=float(score),
            standard_error=error,
            visibility="private" if private else "public",
        )
        assert "checked" == self.submit(new, f"key-{number}").state
        self.used[f"key-{number}"] = new
        self.revision += 1
        if not private:
            self.latest[model] = (float(score), error)
            self.attempts[model] = self.attempts.get(model, 0) + 1

    @rule(data=st.data())
    def repeat_a_call(self, data: st.DataObject) -> None:
        if self.used:
            key = data.draw(st.sampled_from(sorted(self.used)))
            again, once_more = (self.submit(self.used[key], key) for _ in range(2))
            assert again == once_more

    @rule(data=st.data())
    def reuse_a_key_or_an_artifact(self, data: st.DataObject) -> None:
        if self.used:
            key = data.draw(st.sampled_from(sorted(self.used)))
            other = NewSubmission(
                model=ModelRef("e"),
                submitter=self.user,
                artifact_sha256="f" * 64,
                score=1.0,
            )
            for new, with_key, expected in (
                (other, key, IdempotencyMismatch),
                (self.used[key], "a key of its own", DuplicateSubmission),
            ):
                try:
                    self.submit(new, with_key)
                except expected:
                    continue
                raise AssertionError(expected)

    @invariant()
    def the_board_is_the_models(self) -> None:
        if not hasattr(self, "resources"):
            return
        board = self.runner.run(self.resources.boards.leaderboard(SLUG))
        shown = {entry.model: (entry.rank, entry.rank_high) for entry in board.entries}
        assert places(self.latest) == shown
        assert self.attempts == {entry.model: entry.attempts for entry in board.entries}
        assert self.revision == board.revision
        assert [] == self.runner.run(self.resources.check())

    def teardown(self) -> None:
        if hasattr(self, "resources"):
            self.runner.run(self.stack.aclose())
            self.runner.close()
            self.folder.cleanup()


TestExchange = Exchange.TestCase
TestExchange.settings = settings(
    max_examples=12,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
