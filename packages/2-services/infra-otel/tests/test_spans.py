"""Spans: a block, a decorator, errors, and nothing at all without a listener."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk")

from opentelemetry import trace
from opentelemetry.context import get_current
from opentelemetry.trace import StatusCode

from infra_errors import NotFoundError
from infra_otel import OtelConfigError, current_trace_id, record_error, span, tracer
from infra_otel._failures import described
from infra_otel.testing import Telemetry, capture


def attributes(telemetry: Telemetry, name: str) -> dict[str, Any]:
    return dict(telemetry.span(name).attributes or {})


def test_a_block_is_one_span_with_its_attributes(telemetry: Telemetry) -> None:
    with span("load", kind="client", attributes={"http.route": "/a"}, size=3) as opened:
        assert opened.is_recording()
        assert f"{opened.get_span_context().trace_id:032x}" == current_trace_id()
    (found,) = telemetry.spans
    assert ("load", trace.SpanKind.CLIENT) == (found.name, found.kind)
    assert {"http.route": "/a", "size": 3} == dict(found.attributes or {})
    assert StatusCode.UNSET is found.status.status_code
    assert current_trace_id() is None


def test_a_lazy_attribute_is_made_only_for_a_recorded_span(telemetry: Telemetry) -> None:
    with span("load", size=lambda: 40 + 2, plain=1):
        pass
    assert {"size": 42, "plain": 1} == attributes(telemetry, "load")
    with capture(sampler="always_off") as dropped, span("load", size=lambda: 1 / 0):
        pass
    assert [] == dropped.spans


def test_spans_nest_also_across_async_blocks(telemetry: Telemetry) -> None:
    async def main() -> None:
        async with span("outer"):
            async with span("a"):
                await asyncio.sleep(0)
            async with span("a"):
                pass

    asyncio.run(main())
    assert {"outer": {"a": {}, "a #2": {}}} == telemetry.tree()


def test_a_tracer_has_a_name_and_a_version_of_its_own(telemetry: Telemetry) -> None:
    shop = tracer("shop", "1.2")
    with shop.span("pay", amount=3), span("log", tracer=shop):
        pass
    for found in telemetry.spans:
        assert found.instrumentation_scope is not None
        assert ("shop", "1.2") == (
            found.instrumentation_scope.name,
            found.instrumentation_scope.version,
        )
    shop.otel.start_span("plain").end()
    assert "plain" == telemetry.span("plain").name


def test_links_are_spans_or_links(telemetry: Telemetry) -> None:
    with span("one") as one:
        context = one.get_span_context()
    with span("two", links=[context, trace.Link(context, {"a": 1})]):
        pass
    found = telemetry.span("two").links
    assert [context.span_id] * 2 == [link.context.span_id for link in found]
    assert {"a": 1} == dict(found[1].attributes or {})


def test_an_exception_is_told_once_redacted_and_raised_on(telemetry: Telemetry) -> None:
    error = NotFoundError("no user for token=hunter2")
    with pytest.raises(NotFoundError) as caught, span("load"):
        raise error
    assert caught.value is error
    found = telemetry.span("load")
    assert StatusCode.ERROR is found.status.status_code
    assert "general.not_found" == (found.attributes or {})["error.type"]
    (event,) = found.events
    told = dict(event.attributes or {})
    assert str(told["exception.type"]).endswith(".NotFoundError")
    assert "test_spans" in str(told["exception.stacktrace"])
    telemetry.assert_no_values("hunter2")


def test_another_exception_is_told_by_its_class(telemetry: Telemetry) -> None:
    with pytest.raises(ZeroDivisionError), span("load"):
        1 / 0
    assert "ZeroDivisionError" == attributes(telemetry, "load")["error.type"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (asyncio.CancelledError(), {"error.type": "CancelledError"}),
        (GeneratorExit(), {}),
        (KeyboardInterrupt(), {}),
        (SystemExit(), {}),
    ],
    ids=["cancelled", "generator", "keyboard", "exit"],
)
def test_what_is_no_error_ends_the_span_without_one(
    telemetry: Telemetry, error: BaseException, told: dict[str, str]
) -> None:
    with pytest.raises(type(error)), span("load"):
        raise error
    found = telemetry.span("load")
    assert (StatusCode.UNSET, told, ()) == (
        found.status.status_code,
        dict(found.attributes or {}),
        tuple(found.events),
    )


def test_a_handled_error_is_told_by_record_error(telemetry: Telemetry) -> None:
    with span("outer") as outer, span("inner"):
        record_error(ValueError("password=hunter2"))
        record_error(KeyError("x"), span=outer)
    assert "ValueError" == attributes(telemetry, "inner")["error.type"]
    assert "KeyError" == attributes(telemetry, "outer")["error.type"]
    telemetry.assert_no_values("hunter2")
    record_error(ValueError("outside of any span"))


def test_a_message_is_redacted_before_any_exporter() -> None:
    kind, event = described(ValueError("password=hunter2"))
    assert ("ValueError", "password=***") == (kind, event["exception.message"])
    assert "hunter2" not in str(event)


def test_an_exception_without_text_is_told_by_its_class(telemetry: Telemetry) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    with pytest.raises(Mute), span("load"):
        raise Mute
    assert "<Mute without text>" == telemetry.span("load").status.description


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(OtelConfigError, match="internal, server, client"):
        span("x", kind="clinet")  # type: ignore[arg-type]  # the case


def test_without_a_listener_nothing_is_attached_and_nothing_evaluated() -> None:
    before = get_current()
    with span("load", size=lambda: 1 / 0) as opened:
        assert get_current() is before
        assert not opened.is_recording()
        assert not opened.get_span_context().is_valid
        opened.set_attribute("a", 1)
        opened.end()


# ---- the decorator


def test_a_function_keeps_its_name_and_result(telemetry: Telemetry) -> None:
    @span("work", step=1)
    def work(x: int) -> int:
        """Do it."""
        return x + 1

    assert (3, 4, "work", "Do it.") == (work(2), work(3), work.__name__, work.__doc__)
    assert ["work", "work"] == [found.name for found in telemetry.spans]


async def test_a_coroutine_is_spanned_until_it_is_done(telemetry: Telemetry) -> None:
    @span("work")
    async def work() -> str:
        await asyncio.sleep(0)
        with span("inner"):
            return "done"

    assert 3 * ["done"] == list(await asyncio.gather(work(), work(), work()))
    assert 3 == len(telemetry.tree())
    assert all({"inner": {}} == children for children in telemetry.tree().values())


def test_a_decorator_made_before_a_capture_works_in_it() -> None:
    @span("work")
    def work() -> None: ...

    work()
    with capture() as telemetry:
        work()
    assert "work" == telemetry.span("work").name


def test_a_generator_has_its_context_only_while_it_runs(telemetry: Telemetry) -> None:
    @span("items")
    def items() -> Iterator[str | None]:
        yield current_trace_id()
        with span("inner"):
            yield current_trace_id()
            with span("deep"):  # under what was open at the last yield
                yield current_trace_id()

    found = []
    for item in items():
        assert current_trace_id() is None
        found.append(item)
    (trace_id,) = set(found)
    assert trace_id is not None
    assert {"items": {"inner": {"deep": {}}}} == telemetry.tree()


def test_a_generator_is_sent_to_thrown_into_and_returns(telemetry: Telemetry) -> None:
    @span("talk")
    def talk() -> Generator[Any, Any, str]:
        got = yield 1
        try:
            yield got
        except KeyError:
            yield "caught"
        return "end"

    def outer() -> Iterator[Any]:
        result = yield from talk()
        yield result

    running: Any = outer()
    assert 1 == next(running)
    assert "x" == running.send("x")
    assert "caught" == running.throw(KeyError())
    assert "end" == next(running)
    assert StatusCode.UNSET is telemetry.span("talk").status.status_code


def test_a_generator_that_raises_is_an_error(telemetry: Telemetry) -> None:
    @span("fail")
    def fail() -> Iterator[int]:
        yield 1
        raise ValueError

    with pytest.raises(ValueError):
        list(fail())
    assert "ValueError" == attributes(telemetry, "fail")["error.type"]


def test_a_generator_that_is_closed_early_ends_its_span(telemetry: Telemetry) -> None:
    closed = []

    @span("items")
    def items() -> Iterator[int]:
        try:
            yield 1
            yield 2
        finally:
            closed.append(current_trace_id() is not None)

    running: Any = items()
    next(running)
    running.close()
    assert ([True], StatusCode.UNSET) == (closed, telemetry.span("items").status.status_code)


async def test_an_async_generator_closed_from_another_task_detaches_nothing_of_it(
    telemetry: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    @span("items")
    async def items() -> AsyncIterator[int]:
        with span("inner"):
            yield 1
            yield 2

    running: Any = items()
    assert 1 == await anext(running)
    assert current_trace_id() is None

    async def close() -> None:
        with span("closer"):
            before = get_current()
            await running.aclose()
            assert get_current() is before

    await asyncio.create_task(close())
    assert {"items": {"inner": {}}, "closer": {}} == telemetry.tree()
    assert "different Context" not in caplog.text
    assert "detach" not in caplog.text


async def test_a_generator_closed_by_the_garbage_collector_is_no_error_in_the_log(
    telemetry: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    async def items() -> AsyncIterator[int]:
        with span("plain"):  # attached in one task, closed by the loop's hook in another
            yield 1

    async def leave() -> None:
        async for _ in items():
            break

    await asyncio.create_task(leave())
    gc.collect()
    async with asyncio.timeout(30):
        while not telemetry.spans:  # noqa: ASYNC110  # the loop's hook tells nobody
            await asyncio.sleep(0.01)
    assert "detach" not in caplog.text
    assert current_trace_id() is None


async def test_an_async_generator_is_sent_to_and_thrown_into(telemetry: Telemetry) -> None:
    @span("talk")
    async def talk() -> AsyncIterator[Any]:
        got = yield 1
        try:
            yield got
        except KeyError:
            yield "caught"

    running: Any = talk()
    assert 1 == await running.asend(None)
    assert "x" == await running.asend("x")
    assert "caught" == await running.athrow(KeyError())
    assert [] == [item async for item in running]
    assert "talk" == telemetry.span("talk").name


async def test_decorated_generators_work_without_a_listener() -> None:
    @span("a")
    async def numbers() -> AsyncIterator[int]:
        yield 1
        yield 2

    @span("b")
    def letters() -> Iterator[str]:
        yield "x"

    @span("c")
    async def one() -> int:
        return 1

    assert ([1, 2], ["x"], 1) == ([it async for it in numbers()], list(letters()), await one())
