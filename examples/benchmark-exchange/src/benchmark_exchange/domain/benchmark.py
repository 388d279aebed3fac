"""A benchmark, its immutable versions, and the metric that its results are measured in."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import attrs

from benchmark_exchange.domain._check import check_finite, check_slug, check_text
from benchmark_exchange.domain.errors import invalid
from benchmark_exchange.domain.ids import BenchmarkId, BenchmarkVersionId, OrganizationId, UserId

__all__ = [
    "Benchmark",
    "BenchmarkStatus",
    "BenchmarkVersion",
    "Metric",
    "MetricKind",
    "NewBenchmark",
]


class BenchmarkStatus(StrEnum):
    """Where a benchmark is in its life; only an active one takes results."""

    DRAFT = "draft"
    ACTIVE = "active"
    DEPRECATED = "deprecated"
    ARCHIVED = "archived"


class MetricKind(StrEnum):
    """What a score is, which decides how an uncertainty that was not given is estimated."""

    PROPORTION = "proportion"
    MEAN = "mean"
    ELO = "elo"


@attrs.frozen(kw_only=True)
class Metric:
    """What a score means: its unit, its range, and which end of it is better."""

    name: str
    unit: str = ""
    kind: MetricKind = attrs.field(default=MetricKind.MEAN, converter=MetricKind)
    minimum: float | None = None
    maximum: float | None = None
    lower_is_better: bool = False
    confidence: float = 0.95

    def __attrs_post_init__(self) -> None:
        check_text("metric", "name", self.name, 200)
        if self.minimum is not None and self.maximum is not None and self.minimum >= self.maximum:
            message = f"the range {self.minimum} to {self.maximum} holds no score"
            raise invalid("metric", message)
        if not 0.5 < self.confidence < 1:
            message = f"a confidence lies between 0.5 and 1, not at {self.confidence}"
            raise invalid("metric", message)

    def check_score(self, score: float) -> None:
        """Refuse a score that is not finite or lies outside the range."""
        check_finite("submission", "score", score)
        below = self.minimum is not None and score < self.minimum
        if below or (self.maximum is not None and score > self.maximum):
            message = f"the score {score} lies outside {self.minimum} to {self.maximum}"
            raise invalid("submission", message)

    def clip(self, score: float) -> float:
        """Return the score, or the end of the range that it passes."""
        if self.minimum is not None:
            score = max(score, self.minimum)
        return score if self.maximum is None else min(score, self.maximum)


@attrs.frozen(kw_only=True)
class NewBenchmark:
    """What it takes to make a benchmark and its version 1."""

    slug: str
    title: str
    description: str
    metric: Metric
    category: str = "general"
    organization: OrganizationId | None = None
    status: BenchmarkStatus = attrs.field(default=BenchmarkStatus.DRAFT, converter=BenchmarkStatus)

    def __attrs_post_init__(self) -> None:
        check_slug("benchmark", self.slug)
        check_slug("benchmark", self.category)
        check_text("benchmark", "title", self.title, 200)
        check_text("benchmark", "description", self.description, 20_000, lines=True)


@attrs.frozen(kw_only=True)
class BenchmarkVersion:
    """One version: never changed once results may refer to it."""

    id: BenchmarkVersionId
    number: int
    title: str
    description: str
    metric: Metric
    created_at: datetime
    created_by: UserId


@attrs.frozen(kw_only=True)
class Benchmark:
    """A benchmark with the version that was asked for, the latest unless said otherwise."""

    id: BenchmarkId
    slug: str
    status: BenchmarkStatus
    category: str
    organization: OrganizationId | None
    current_version: int
    lock_version: int
    version: BenchmarkVersion
    created_at: datetime
    updated_at: datetime
