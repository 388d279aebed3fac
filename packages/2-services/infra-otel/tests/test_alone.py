"""With only the base installed: every call works, nothing is loaded that was not asked for."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest

import infra_otel

NAMES = "from infra_otel import configure, span"
Program = Callable[..., Any]
WITHOUT = """
    import sys
    for name in ("opentelemetry.sdk", "opentelemetry.exporter", "grpc", "prometheus_client"):
        sys.modules[name] = None
"""


@pytest.mark.subprocess
def test_every_helper_works_without_an_sdk(program: Program) -> None:
    program(
        WITHOUT
        + """
    import asyncio, logging, pytest
    from infra_otel import *
    from infra_otel import configure
    handle = configure(service_name="shop")
    configure_logging(format="json")
    @span("work")
    def work():
        with span("inner", lazy=lambda: 1 / 0) as opened:
            record_error(ValueError())
            return opened.is_recording()
    assert work() is False and current_trace_id() is None
    shop = meter("shop")
    shop.counter("c").bind(a=1).add()
    shop.counter("c").add(-1)
    shop.up_down_counter("u").add(-1)
    shop.gauge("g").set(1)
    shop.observable_gauge("o", lambda: 1)
    with shop.histogram("h").timer():
        pass
    parent = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    with attached(parent), span("client"):
        assert inject({}) == parent
        assert tracer("t").span("x").__enter__().get_span_context().is_remote
        logging.getLogger("shop").warning("hello")
    sent = []
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
    async def send(message):
        sent.append(message)
    scope = {"type": "http", "path": "/", "method": "GET", "headers": [], "scheme": "http"}
    asyncio.run(OtelMiddleware(app)(scope, None, send))
    assert len(sent) == 1
    from infra_otel.testing import capture
    with pytest.raises(MissingExtra, match=r"pip install 'infra-otel\\[test\\]'"):
        capture()
    assert handle.shutdown()
    """
    )


@pytest.mark.subprocess
def test_the_package_alone_loads_nothing_of_opentelemetry(program: Program) -> None:
    program("""
        import sys, infra_otel
        assert not any(name.startswith("opentelemetry") for name in sys.modules)
        from infra_otel import span
        assert not any(name.startswith("opentelemetry.metrics") for name in sys.modules)
    """)


def test_every_public_name_is_there_and_listed_once() -> None:
    for name in infra_otel.__all__:
        assert getattr(infra_otel, name) is not None
    # constants, classes and functions, each in order, as the linter sorts them
    assert len(infra_otel.__all__) == len(set(infra_otel.__all__))
    assert set(infra_otel.__all__) <= set(dir(infra_otel))
    assert set(infra_otel.__all__) == set(infra_otel._MODULE_OF)
    with pytest.raises(AttributeError, match="nothing"):
        _ = getattr(infra_otel, "nothing")  # noqa: B009  # mypy knows it is not there


def test_configure_stays_the_function_after_its_module_was_imported() -> None:
    import infra_otel.configure

    assert callable(infra_otel.configure)


def test_the_jaeger_extra_brings_no_exporter_of_its_own() -> None:
    assert not any("exporter-jaeger" in it for it in requires("infra-otel") or [])


def test_the_base_brings_the_api_alone() -> None:
    found = [it for it in requires("infra-otel") or [] if "extra ==" not in it]
    names = {re.split("[<>=~! ]", it)[0] for it in found}
    assert {"infra-errors", "attrs", "opentelemetry-api"} == names


@pytest.mark.subprocess
def test_the_readme_runs_in_a_process_of_its_own(program: Program, tmp_path: Path) -> None:
    pytest.importorskip("opentelemetry.sdk")
    page = Path(__file__).parents[1] / "README.md"
    if not page.is_file():
        pytest.skip("the page is not part of an installed package")
    blocks = [part.partition("```")[0] for part in page.read_text("utf-8").split("```python\n")[1:]]
    assert len(blocks) >= 8
    # the first ends telemetry, which a process has once
    printed = []
    for number, text in enumerate([blocks[0], "\n".join([NAMES, *blocks[1:]])]):
        script = tmp_path / f"readme{number}.py"
        script.write_text(text, "utf-8")
        printed.append(program(f"import runpy; runpy.run_path({str(script)!r})").stderr)
    assert '"name": "load"' in printed[0]
    assert "paid by ********5678" in printed[1]
