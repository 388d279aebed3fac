"""Whether anybody listens: by the API's global, and by its public question where that is gone."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry import trace

from infra_otel import _state

WAYS = ["global", "api"]


@pytest.mark.parametrize("way", WAYS)
def test_nobody_listens_before_a_provider_is_there(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    monkeypatch.setattr(_state, "_idle_tracing", None)
    monkeypatch.setattr(_state._public_tracing, "_found", None)
    ask = getattr(_state, f"_tracing_by_{way}")
    assert not ask()
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", trace.NoOpTracerProvider())
    assert ask()


@pytest.mark.parametrize("way", WAYS)
def test_a_provider_that_sleeps_does_not_listen(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = trace.NoOpTracerProvider()
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    monkeypatch.setattr(_state, "_idle_tracing", None)
    monkeypatch.setattr(_state._public_tracing, "_found", None)
    ask = getattr(_state, f"_tracing_by_{way}")
    assert ask()
    monkeypatch.setattr(_state, "_idle_tracing", provider)
    assert not ask()


def test_a_yes_of_the_public_question_holds_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    answers: list[Any] = [trace.ProxyTracerProvider(), trace.NoOpTracerProvider()]

    def ask() -> Any:
        asked.append(1)
        return answers.pop(0)

    question = _state._Public(ask, lambda it: isinstance(it, trace.ProxyTracerProvider))
    assert [False, True, True, True] == [question(None) for _ in range(4)]
    assert 2 == len(asked)


@pytest.mark.parametrize("signal", ["tracing", "metering"])
def test_both_ways_agree(signal: str) -> None:
    _state.check_metering()
    by_global = getattr(_state, f"_{signal}_by_global")
    by_api = getattr(_state, f"_{signal}_by_api")
    assert by_global() == by_api()
