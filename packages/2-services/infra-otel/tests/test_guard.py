"""Before each exporter: failures are told once a minute, and never raised."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, get_value
from opentelemetry.sdk.trace.export import SpanExportResult

from infra_otel._guard import Guard, last_complaint, quiet


class Exporter:
    def __init__(self, act: Callable[[], Any]) -> None:
        self.act = act
        self.given: list[Any] = []

    def export(self, items: Any) -> Any:
        self.given.append((items, get_value(_SUPPRESS_INSTRUMENTATION_KEY)))
        return self.act()

    def shutdown(self) -> None:
        raise RuntimeError("password=hunter2")


def boom() -> Any:
    raise OSError("cannot reach http://app:hunter2@host")


def test_what_is_exported_is_redacted_and_not_traced_itself() -> None:
    exporter = Exporter(lambda: SpanExportResult.SUCCESS)
    guard = Guard("traces", "test", lambda: exporter, lambda items: [*items, "redacted"])
    assert guard.export([1])
    assert [([1, "redacted"], True)] == exporter.given
    assert get_value(_SUPPRESS_INSTRUMENTATION_KEY) is None


@pytest.mark.parametrize("act", [boom, lambda: SpanExportResult.FAILURE], ids=["raises", "fails"])
def test_a_failure_is_told_once_a_minute_without_secrets(
    act: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    now = [0.0]
    guard = Guard(
        "traces", "test", lambda: Exporter(act), lambda items: items, clock=lambda: now[0]
    )
    for second in (0, 1, 59.9, 60, 61):
        now[0] = second
        assert not guard.export([1])
    told = [(it.name, it.levelno, it.getMessage()) for it in caplog.records]
    assert [("infra_otel", logging.WARNING)] * 2 == [it[:2] for it in told]
    assert told[0][2].startswith("cannot export traces by test: ")
    assert "(2 more since the last message)" in told[1][2]
    assert "hunter2" not in caplog.text


def test_a_redaction_that_fails_exports_nothing(caplog: pytest.LogCaptureFixture) -> None:
    exporter = Exporter(lambda: SpanExportResult.SUCCESS)
    guard = Guard("traces", "test", lambda: exporter, lambda _: 1 / 0)
    assert not guard.export([1])
    assert [] == exporter.given
    assert "ZeroDivisionError" in caplog.text


def test_a_close_that_fails_is_told(caplog: pytest.LogCaptureFixture) -> None:
    Guard("logs", "test", lambda: Exporter(boom), lambda items: items).shutdown()
    assert "RuntimeError: password=***" in caplog.text


def test_the_exporters_own_messages_are_kept_from_the_log(
    root_log: list[logging.LogRecord],
) -> None:
    quiet()
    quiet()
    theirs = logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    for text in ("refused by http://app:hunter2@h", "again", "gave up"):
        theirs.error(text)
    assert [] == root_log
    assert "refused by http://***@h gave up" == last_complaint()
    assert "" == last_complaint()


def test_a_child_process_makes_an_exporter_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Exporter] = []

    def make() -> Exporter:
        made.append(Exporter(lambda: SpanExportResult.SUCCESS))
        return made[-1]

    guard = Guard("traces", "test", make, lambda items: items)
    assert guard.export([1])
    monkeypatch.setattr("os.getpid", lambda: -1)
    assert guard.export([2])
    assert guard.export([3])
    assert [1, 2] == [len(exporter.given) for exporter in made]
