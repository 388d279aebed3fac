"""The command line: what is in effect and whence, whether it arrives, and the dashboards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infra_otel.__main__ import main


def rows(text: str) -> dict[str, tuple[str, str]]:
    table = text.partition("\n\n")[0].splitlines()
    return {line.split()[0]: (line.split()[1], line.split()[-1]) for line in table}


def test_settings_are_told_with_their_origin_and_secrets_masked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=hunter2")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "100")
    assert 0 == main(["check", "--exporter", "none"])
    out = capsys.readouterr().out
    found = rows(out)
    assert ("shop", "OTEL_SERVICE_NAME") == found["service_name"]
    assert ("none", "argument") == found["exporter"]
    assert ("512", "default") == found["batch_size"]
    assert ("api-key=***", "OTEL_EXPORTER_OTLP_HEADERS") == found["headers"]
    assert ("0.1", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT") == found["signals.traces.export_timeout"]
    assert "hunter2" not in out
    assert "nothing is sent anywhere" in out


@pytest.mark.threads
def test_one_item_of_each_signal_is_sent(
    collector: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == main(["check", "--endpoint", collector.url, "--json"])
    found = json.loads(capsys.readouterr().out)
    assert [("traces", True), ("metrics", True), ("logs", True)] == [
        (it["signal"], it["arrived"]) for it in found["signals"]
    ]
    assert ["infra_otel.check"] == [it.name for it in collector.spans()]
    assert ["infra_otel.check"] == [it.name for it in collector.metrics()]
    assert ["infra_otel.check"] == [it.body.string_value for it in collector.logs()]


@pytest.mark.threads
def test_grpc_is_asked_too(grpc_collector: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["check", "--endpoint", grpc_collector.url, "--protocol", "grpc"])
    assert 3 == capsys.readouterr().out.count("accepted in")


@pytest.mark.threads
def test_a_collector_that_refuses_is_exit_code_1(
    collector: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    collector.status = 401
    assert 1 == main(["check", "--endpoint", collector.url])
    assert "401" in capsys.readouterr().out


def test_a_collector_that_is_not_there_is_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    assert 1 == main(["check", "--endpoint", "http://127.0.0.1:1", "--timeout", "0.2"])
    assert 3 == capsys.readouterr().out.count("Failed to export")


def test_what_stays_in_the_process_is_told_as_that(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("opentelemetry.sdk")
    assert 0 == main(["check", "--exporter", "memory"])
    assert 3 == capsys.readouterr().out.count("kept in the process")


def test_a_wrong_setting_is_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "2.0")
    assert 2 == main(["check"])
    assert "OTEL_TRACES_SAMPLER_ARG" in capsys.readouterr().err
    with pytest.raises(SystemExit) as caught:
        main(["unknown"])
    assert 2 == caught.value.code


def test_the_dashboards_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "grafana" / "dashboards"
    assert 0 == main(["dashboards", "--out", str(out)])
    assert 4 == len(list(out.glob("*.json")))
    assert 4 == len(capsys.readouterr().out.splitlines())
    (tmp_path / "file").write_text("")
    assert 2 == main(["dashboards", "--out", str(tmp_path / "file")])
    assert "cannot be written" in capsys.readouterr().err


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert 0 == caught.value.code
    out = capsys.readouterr().out
    assert "examples:" in out
    assert "exit codes:" in out
