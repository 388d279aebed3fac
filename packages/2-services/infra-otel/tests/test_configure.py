"""`configure`: once a process, ended once, and never in the application's way.

Each test is a program of its own, because a process has its providers only once.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk")

pytestmark = [pytest.mark.subprocess, pytest.mark.threads]

Program = Callable[..., Any]


def test_an_application_that_sets_nothing_loads_no_sdk(program: Program) -> None:
    program("""
        import sys
        from infra_otel import configure, span
        handle = configure(service_name="shop")
        with span("a") as opened:
            assert not opened.is_recording()
        assert not any(name.startswith("opentelemetry.sdk") for name in sys.modules)
        assert {"traces": 0, "metrics": 0, "logs": 0} == handle.dropped
        for name in ("tracer_provider", "meter_provider", "logger_provider"):
            assert "Proxy" in type(getattr(handle, name)).__name__
        assert handle.flush() and handle.shutdown()
    """)


def test_the_same_settings_give_the_same_handle_and_others_are_refused(program: Program) -> None:
    program("""
        import pytest
        from infra_otel import AlreadyConfigured, OtelSettings, configure
        handle = configure(service_name="shop", exporter="memory")
        assert configure(OtelSettings(service_name="shop"), exporter="memory") is handle
        with pytest.raises(AlreadyConfigured, match="service_name, sampler_ratio") as caught:
            configure(service_name="other", exporter="memory", sampler_ratio=0.5)
        assert "otel.already_configured" == caught.value.code
        assert handle.shutdown() and handle.shutdown()
        with pytest.raises(AlreadyConfigured, match="shut down"):
            configure(service_name="shop", exporter="memory")
    """)


def test_after_the_end_helpers_are_no_ops(program: Program) -> None:
    program("""
        from infra_otel import configure, current_trace_id, meter, span
        with configure(exporter="memory") as handle:
            hits = meter("m").counter("hits")
            hits.add()
            with span("a", n=1):
                assert current_trace_id()
            assert handle.memory.span("a") and handle.memory.metric("hits").value == 1
        with span("b", n=lambda: 1 / 0) as opened:
            assert not opened.is_recording() and current_trace_id() is None
        hits.add()
        assert ["a"] == [it.name for it in handle.memory.spans]
    """)


def test_an_async_block_ends_it_too(program: Program) -> None:
    program("""
        import asyncio
        from infra_otel import configure, span
        async def main():
            async with configure(exporter="memory") as handle:
                async with span("a"):
                    await asyncio.sleep(0)
            with span("b") as opened:
                assert not opened.is_recording()
        asyncio.run(main())
    """)


def test_somebody_elses_provider_is_refused(program: Program) -> None:
    program("""
        import pytest
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        from infra_otel import ExistingProvider, configure
        trace.set_tracer_provider(TracerProvider())
        with pytest.raises(ExistingProvider, match="opentelemetry.sdk.trace.TracerProvider"):
            configure(exporter="memory")
        configure(metrics="memory")
    """)


def test_settings_of_the_environment_are_in_effect(program: Program) -> None:
    program(
        """
        import logging
        from opentelemetry import propagate
        from infra_otel import configure, span
        handle = configure(propagators=("baggage",))
        assert ("env", 0.0) == (handle.settings.service_name, handle.settings.sampler_ratio)
        assert {"baggage"} == propagate.get_global_textmap().fields
        assert logging.ERROR == logging.getLogger("opentelemetry").level
        with span("dropped") as opened:
            assert not opened.is_recording()
            assert opened.get_span_context().is_valid
    """,
        OTEL_SERVICE_NAME="env",
        OTEL_TRACES_EXPORTER="memory",
        OTEL_TRACES_SAMPLER_ARG="0",
        OTEL_PROPAGATORS="tracecontext",
        OTEL_LOG_LEVEL="error",
    )


def test_the_environment_can_switch_it_off_and_an_argument_on_again(program: Program) -> None:
    off = """
        from infra_otel import configure, span
        configure(exporter="stderr")
        with span("a") as opened:
            assert not opened.is_recording()
    """
    assert "" == program(off, OTEL_SDK_DISABLED="true").stderr
    on = off.replace('"stderr"', '"stderr", disabled=False').replace("not opened", "opened")
    assert '"name": "a"' in program(on, OTEL_SDK_DISABLED="true").stderr


def test_the_end_of_the_process_sends_what_waits(program: Program) -> None:
    found = program("""
        import logging
        from infra_otel import configure, configure_logging, meter, span
        configure(service_name="shop", exporter="stderr")
        configure_logging(stream="stdout", format="json", otlp=True)
        with span("a", n=1):
            logging.getLogger("shop").warning("hello")
        meter("m").counter("hits").add(2)
    """)
    lines = [json.loads(line) for line in found.stderr.splitlines()]
    assert {("span", "a"), ("metric", "hits"), ("log", None)} == {
        (line["type"], line.get("name")) for line in lines
    }
    assert {"shop"} == {line["service"] for line in lines}
    (log,) = [line for line in lines if line["type"] == "log"]
    (opened,) = [line for line in lines if line["type"] == "span"]
    printed = json.loads(found.stdout)
    assert opened["trace_id"] == log["trace_id"] == printed["trace_id"]
    assert "shop" == printed["service"]


def test_a_dead_collector_does_not_hold_the_end_up(program: Program) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    since = time.monotonic()
    found = program("""
        import socket, time
        from infra_otel import configure, meter, span
        server = socket.create_server(("127.0.0.1", 0))  # takes connections and never answers
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        handle = configure(exporter="otlp", endpoint=url, export_timeout=120)
        with span("a"):
            meter("m").counter("hits").add()
        since = time.monotonic()
        assert not handle.flush(0.1)
        assert not handle.shutdown(0.1)
        assert not handle.shutdown(0.1)
        assert time.monotonic() - since < 10
        assert handle.dropped["traces"] == 1
    """)
    assert time.monotonic() - since < 50
    assert "Traceback" not in found.stderr


@pytest.mark.fork
def test_a_forked_child_sends_its_own_and_nothing_twice(program: Program) -> None:
    found = program("""
        import os, sys, warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12: a fork beside threads
        from infra_otel import configure, meter, span
        handle = configure(service_name="shop", exporter="stderr", metrics="none")
        before = handle.tracer_provider.resource.attributes
        with span("parent"):
            pass
        pid = os.fork()
        if pid == 0:
            with span("child"):
                pass
            assert handle.flush()
            mine = handle.tracer_provider.resource.attributes
            assert os.getpid() == mine["process.pid"]
            assert before["service.instance.id"] != mine["service.instance.id"]
            assert "shop" == mine["service.name"]
            os._exit(0)
        assert 0 == os.waitpid(pid, 0)[1]
    """)
    assert ["child", "parent"] == [json.loads(it)["name"] for it in found.stderr.splitlines()]


def test_a_missing_extra_is_told_with_its_command(program: Program) -> None:
    program("""
        import sys, pytest
        from infra_otel import MissingExtra, configure
        for module, extra, options in (
            ("opentelemetry.exporter.prometheus", "prometheus", {"metrics": "prometheus"}),
            ("opentelemetry.exporter.otlp.proto.http", "otlp", {"exporter": "otlp"}),
            ("opentelemetry.exporter.otlp.proto.http", "jaeger", {"exporter": "jaeger"}),
            ("opentelemetry.exporter.otlp.proto.grpc", "grpc",
                {"exporter": "otlp", "protocol": "grpc"}),
        ):
            kept = {name: sys.modules.pop(name) for name in list(sys.modules)
                    if name.startswith("opentelemetry.exporter")}
            sys.modules[module] = None
            with pytest.raises(MissingExtra) as caught:
                configure(**options)
            assert "otel.missing_extra" == caught.value.code
            assert f"pip install 'infra-otel[{extra}]'" in str(caught.value), caught.value
            del sys.modules[module]
        for name in [name for name in sys.modules if name.startswith("opentelemetry.sdk")]:
            del sys.modules[name]
        sys.modules["opentelemetry.sdk"] = sys.modules["opentelemetry.sdk.trace"] = None
        for options, extra in (({"exporter": "stderr"}, "sdk"), ({"exporter": "otlp"}, "otlp")):
            with pytest.raises(MissingExtra, match="opentelemetry") as caught:
                configure(**options)
            assert f"pip install 'infra-otel[{extra}]'" in str(caught.value), caught.value
    """)


def test_the_end_needs_no_new_thread(program: Program) -> None:
    found = program("""
        import threading
        from infra_otel import configure, meter
        handle = configure(metrics="stderr")
        meter("m").counter("hits").add()
        def refuse(self):
            raise RuntimeError("can't create new thread at interpreter shutdown")
        threading.Thread.start = refuse
        assert handle.shutdown()
    """)
    assert '"name": "hits"' in found.stderr


def test_what_is_not_on_says_how_to_switch_it_on(program: Program) -> None:
    program("""
        import pytest
        from infra_otel import OtelConfigError, configure
        handle = configure(exporter="none")
        for name in ("memory", "prometheus"):
            with pytest.raises(OtelConfigError, match=name) as caught:
                handle.metrics_app if name == "prometheus" else handle.memory
            assert "otel.bad_setting" == caught.value.code
    """)


def test_configuring_reads_no_more_than_it_says(program: Program) -> None:
    program("""
        import sys
        from infra_otel import configure
        import infra_otel._providers, opentelemetry.exporter.otlp.proto.http.trace_exporter
        import opentelemetry.exporter.otlp.proto.http.metric_exporter
        import opentelemetry.exporter.otlp.proto.http._log_exporter
        seen = []
        def audit(event, args):
            if event in ("socket.connect", "socket.getaddrinfo"):
                seen.append((event, args))
            if event == "open" and isinstance(args[0], str):
                seen.append((event, args[0]))
        sys.addaudithook(audit)
        configure(exporter="otlp", endpoint="http://localhost:1")
        allowed = ("/proc/", "/etc/hostname", "/etc/os-release", sys.prefix, sys.base_prefix)
        strange = [it for it in seen if it[0] != "open" or
                   not (it[1].startswith(allowed) or it[1].endswith((".py", ".pyc", ".so")))]
        assert strange == [], strange
        import os
        os._exit(0)
    """)
