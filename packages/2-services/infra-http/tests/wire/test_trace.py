"""A span and a duration for each attempt, with no secret in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from opentelemetry import trace

from infra_http import _trace
from infra_http._trace import attempting, redacted
from infra_http.errors import ReadTimedOut

sdk = pytest.importorskip("opentelemetry.sdk.trace")
memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
export = pytest.importorskip("opentelemetry.sdk.trace.export")

URL = httpx2.URL("https://me:secret@example.com:8443/a/b?token=secret&x=1&flag#f")


class Recorded:
    def __init__(self) -> None:
        self.durations: list[tuple[float, dict[str, Any]]] = []
        self.exporter = memory.InMemorySpanExporter()

    def record(self, seconds: float, attributes: dict[str, Any]) -> None:
        self.durations.append((seconds, dict(attributes)))

    @property
    def spans(self) -> Any:
        return self.exporter.get_finished_spans()


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    found = Recorded()
    provider = sdk.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(found.exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    monkeypatch.setattr(_trace, "_duration", found)
    yield found
    provider.shutdown()


def test_an_attempt_is_a_client_span_and_a_duration(recorded: Recorded) -> None:
    with attempting("GET", URL, resend_count=2, route="/a/{id}") as attempt:
        assert trace.get_current_span().is_recording()
        attempt.answered(200)
    (span,) = recorded.spans
    assert ("GET /a/{id}", trace.SpanKind.CLIENT) == (span.name, span.kind)
    expected = {
        "http.request.method": "GET",
        "server.address": "example.com",
        "server.port": 8443,
        "url.scheme": "https",
        "url.template": "/a/{id}",
        "http.response.status_code": 200,
        "network.protocol.version": "1.1",
    }
    url = "https://REDACTED:REDACTED@example.com:8443/a/b?token=REDACTED&x=REDACTED&flag"
    assert {**expected, "url.full": url, "http.request.resend_count": 2} == dict(span.attributes)
    assert [expected] == [attributes for _, attributes in recorded.durations]
    assert recorded.durations[0][0] >= 0
    assert span.status.is_unset


def test_a_first_attempt_says_nothing_of_a_resend(recorded: Recorded) -> None:
    with attempting("GET", URL):
        pass
    assert "GET" == recorded.spans[0].name
    assert "http.request.resend_count" not in recorded.spans[0].attributes


def test_an_error_status_and_a_failure_are_errors_of_the_span(recorded: Recorded) -> None:
    with attempting("GET", URL) as attempt:
        attempt.answered(404)
    with pytest.raises(ReadTimedOut), attempting("GET", URL):
        message = "secret"
        raise ReadTimedOut(message)
    with pytest.raises(KeyError), attempting("GET", URL):
        raise KeyError
    assert ["404", "http.read_timed_out", "KeyError"] == [
        span.attributes["error.type"] for span in recorded.spans
    ]
    assert [False] * 3 == [span.status.is_ok or span.status.is_unset for span in recorded.spans]
    assert "secret" not in "".join(span.to_json() for span in recorded.spans)
    assert ["404", "http.read_timed_out", "KeyError"] == [
        attributes["error.type"] for _, attributes in recorded.durations
    ]


def test_an_unknown_method_does_not_become_a_name(recorded: Recorded) -> None:
    with attempting("BREW", URL):
        pass
    (span,) = recorded.spans
    assert ("HTTP", "_OTHER") == (span.name, span.attributes["http.request.method"])
    assert "BREW" == span.attributes["http.request.method_original"]
    assert "_OTHER" == recorded.durations[0][1]["http.request.method"]


def test_without_an_sdk_no_span_is_made() -> None:
    with attempting("GET", URL) as attempt:
        assert not trace.get_current_span().is_recording()
        attempt.answered(200)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://a/b", "http://a/b"),
        ("http://a/?x=1;y=2", "http://a/?x=REDACTED;y=REDACTED"),
        ("http://a/?secret", "http://a/?REDACTED"),
        ("http://user@a/?x=", "http://REDACTED:REDACTED@a/?x=REDACTED"),
    ],
)
def test_a_url_is_redacted(url: str, expected: str) -> None:
    assert expected == redacted(httpx2.URL(url))
