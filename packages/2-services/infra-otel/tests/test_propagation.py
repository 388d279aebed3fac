"""Carriers, contexts across threads and tasks, baggage, and tracestate as a value."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage, context, propagate, trace
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator, default_getter, default_setter
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from infra_otel import StrictBaggage, StrictTraceContext, attached, bound, extract, inject
from infra_otel import current_trace_id as trace_id
from infra_otel._tracestate import StrictTraceState, parse_tracestate

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HEADER = f"00-{TRACE}-{PARENT}-01"


@pytest.fixture
def textmap() -> Any:
    """The global propagator, put back after the test."""
    before = propagate.get_global_textmap()
    yield
    propagate.set_global_textmap(before)


class MultiDict(dict[str, str]):
    """Headers as web frameworks have them: several lines of one name."""

    def __init__(self, lines: list[tuple[str, str]]) -> None:
        super().__init__(lines)
        self._lines = lines

    def getlist(self, key: str) -> list[str]:
        return [value for name, value in self._lines if name == key]

    def multi_items(self) -> list[tuple[str, str]]:
        return self._lines


CARRIERS: dict[str, Any] = {
    "dict": {"traceparent": HEADER},
    "capitals": {"Traceparent": HEADER},
    "lists": {"traceparent": [HEADER]},
    "bytes": {b"traceparent": HEADER.encode()},
    "asgi": [(b"host", b"h"), (b"traceparent", HEADER.encode())],
    "asgi in capitals": [(b"TraceParent", HEADER.encode())],
    "pairs of text": [("traceparent", HEADER)],
    "multidict": MultiDict([("traceparent", HEADER)]),
}


@pytest.mark.parametrize("name", CARRIERS)
def test_every_shape_of_headers_is_read(name: str) -> None:
    found = trace.get_current_span(extract(CARRIERS[name])).get_span_context()
    assert (TRACE, PARENT, True) == (
        f"{found.trace_id:032x}",
        f"{found.span_id:016x}",
        found.is_remote,
    )


@pytest.mark.parametrize(
    "carrier",
    [
        {"traceparent": [HEADER, HEADER]},
        [(b"traceparent", HEADER.encode())] * 2,
        MultiDict([("traceparent", HEADER)] * 2),
        {"x": "y"},
        {"traceparent": []},
        {"traceparent": 7},
        {},
        [],
    ],
    ids=["lists", "asgi", "multidict", "none", "empty list", "number", "dict", "list"],
)
def test_a_carrier_without_exactly_one_parent_is_a_new_trace(carrier: Any) -> None:
    assert not trace.get_current_span(extract(carrier)).get_span_context().is_valid


@pytest.mark.parametrize("name", ["dict", "capitals", "asgi", "asgi in capitals"])
def test_inject_replaces_and_never_appends(name: str) -> None:
    carrier = type(CARRIERS[name])(CARRIERS[name])
    remote = HEADER.replace("0af7", "1bf7")
    with attached({"traceparent": remote, "tracestate": "a=1"}):
        assert inject(carrier) is carrier
        inject(carrier)
    names: list[Any] = [it[0] for it in carrier] if isinstance(carrier, list) else list(carrier)
    texts = [it.decode() if isinstance(it, bytes) else it for it in names]
    assert 1 == [text.lower() for text in texts].count("traceparent")
    written: dict[str, str] = {}
    assert remote == inject(written, context=extract(carrier))["traceparent"]


def test_without_a_trace_nothing_is_written() -> None:
    assert {} == inject({})
    assert [] == inject([])


def test_what_comes_in_goes_out_as_it_was() -> None:
    carrier = {
        "traceparent": HEADER,
        "tracestate": "1vendor@x=a,b=2",
        "baggage": "request.id=r1,name=J%C3%BCrg%20A",
    }
    assert carrier == inject({}, context=extract(carrier))


def test_attached_makes_it_current_and_takes_it_back() -> None:
    with attached({"traceparent": HEADER, "baggage": "request.id=r1"}):
        assert (TRACE, "r1") == (trace_id(), baggage.get_baggage("request.id"))
    assert (None, None) == (trace_id(), baggage.get_baggage("request.id"))
    with pytest.raises(ValueError), attached({"traceparent": HEADER}):
        raise ValueError
    assert trace_id() is None


async def test_the_context_follows_tasks_and_threads_of_asyncio() -> None:
    with attached({"traceparent": HEADER}):
        task = asyncio.create_task(asyncio.sleep(0, None))
        await task
        assert TRACE == await asyncio.create_task(asyncio.to_thread(trace_id))


@pytest.mark.threads
def test_bound_carries_it_to_threads_and_executors() -> None:
    with attached({"traceparent": HEADER}):
        carried = bound(trace_id)
    found: list[str | None] = []
    thread = threading.Thread(target=lambda: found.append(carried()))
    thread.start()
    thread.join()
    with ThreadPoolExecutor(2) as pool:
        found += pool.map(lambda _: carried(), range(4))
    assert [TRACE] * 5 == found
    assert trace_id() is None


async def test_bound_carries_it_to_coroutines() -> None:
    async def deep() -> str | None:
        await asyncio.sleep(0)
        return trace_id()

    with attached({"traceparent": HEADER}):
        carried = bound(deep)
    task = asyncio.get_running_loop().create_task(carried(), context=contextvars.Context())
    assert TRACE == await task
    assert "deep" == carried.__name__


class Vendor(TextMapPropagator):
    """A propagator of a header of its own."""

    @property
    def fields(self) -> set[str]:
        return {"x-vendor"}

    def extract(self, carrier: Any, context: Any = None, getter: Any = default_getter) -> Any:
        found = getter.get(carrier, "x-vendor")
        return baggage.set_baggage("vendor", found[0], context) if found else context

    def inject(self, carrier: Any, context: Any = None, setter: Any = default_setter) -> None:
        setter.set(carrier, "x-vendor", "1")


def test_the_applications_own_propagator_is_used(textmap: None) -> None:
    propagate.set_global_textmap(CompositePropagator([Vendor(), StrictTraceContext()]))
    found = extract([(b"x-vendor", b"7"), (b"traceparent", HEADER.encode())])
    assert "7" == baggage.get_baggage("vendor", found)
    assert {"x-vendor": "1", "traceparent": HEADER} == inject({}, context=found)


def test_what_the_environment_leaves_out_stays_out(textmap: None) -> None:
    propagate.set_global_textmap(CompositePropagator([TraceContextTextMapPropagator()]))
    found = extract({"traceparent": HEADER, "tracestate": "a@b@c=1", "baggage": "a=1"})
    assert {} == dict(baggage.get_all(found))
    # read by ours, which is stricter and keeps what level 2 allows
    written: dict[str, str] = {}
    assert "a@b@c=1" == inject(written, context=found)["tracestate"]


def test_another_vendors_getter_is_served_too() -> None:
    found = StrictTraceContext().extract({"traceparent": HEADER})
    assert trace.get_current_span(found).get_span_context().is_valid
    carrier: dict[str, str] = {}
    StrictTraceContext().inject(carrier, found)
    assert {"traceparent": HEADER} == carrier
    assert {"traceparent", "tracestate"} == StrictTraceContext().fields
    assert {"baggage"} == StrictBaggage().fields


@given(st.lists(st.tuples(st.sampled_from(["traceparent", "tracestate", "baggage"]), st.text())))
def test_no_input_raises(lines: list[tuple[str, str]]) -> None:
    extract(lines)
    extract(dict(lines))


IDS = st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.integers(0, 255)
KEYS = st.from_regex(r"[a-z0-9][a-z0-9_\-*/@]{0,20}", fullmatch=True)
VALUES = st.from_regex(
    r"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,20}[\x21-\x2b\x2d-\x3c\x3e-\x7e]", fullmatch=True
)


@given(*IDS, st.dictionaries(KEYS, VALUES, max_size=32))
def test_a_context_survives_the_wire(
    trace_: int, span_: int, flags: int, members: dict[str, str]
) -> None:
    state = StrictTraceState(list(members.items()))
    sent = SpanContext(trace_, span_, False, TraceFlags(flags), state)
    carrier: dict[str, str] = {}
    inject(carrier, context=set_span_in_context(NonRecordingSpan(sent), context.Context()))
    found = trace.get_current_span(extract(carrier)).get_span_context()
    assert (trace_, span_, flags & 3) == (found.trace_id, found.span_id, found.trace_flags)
    stripped = {key: value.strip(" ") for key, value in members.items()}
    assert stripped == {key: value.strip(" ") for key, value in found.trace_state.items()}


def test_unknown_flags_are_neither_taken_nor_sent() -> None:
    found = trace.get_current_span(extract({"traceparent": f"{HEADER[:-2]}ff"}))
    assert 3 == found.get_span_context().trace_flags
    sent = SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(0xFE))
    written: dict[str, str] = {}
    inject(written, context=set_span_in_context(NonRecordingSpan(sent), context.Context()))
    assert written["traceparent"].endswith("-02")


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(
    st.dictionaries(
        st.from_regex(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,10}", fullmatch=True), TEXTS, max_size=8
    )
)
def test_baggage_survives_the_wire(members: dict[str, str]) -> None:
    current = context.Context()
    for name, value in members.items():
        current = baggage.set_baggage(name, value, current)
    assert members == dict(baggage.get_all(extract(inject({}, context=current))))


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("a=1,b=2", {"a": "1", "b": "2"}),
        (" a = 1 , b = 2 ", {"a": "1", "b": "2"}),
        ("a=1;prop;p2=x,b=2", {"a": "1", "b": "2"}),
        ("a=x%2Cy%3D%20z", {"a": "x,y= z"}),
        ("a=b+c", {"a": "b+c"}),
        ("a=%ff", {"a": "\ufffd"}),
        ("a==1", {"a": "=1"}),
        ("a=", {"a": ""}),
        ("a,b=2", {"b": "2"}),
        ("a b=1,c=2", {"c": "2"}),
        ("a=\u00fc,c=2", {"c": "2"}),
        ("a=1,a=2", {"a": "2"}),
        ("", {}),
    ],
    ids=range(13),
)
def test_baggage_is_read_member_by_member(header: str, found: dict[str, str]) -> None:
    assert found == dict(baggage.get_all(extract({"baggage": header})))


def test_baggage_is_bounded_both_ways() -> None:
    small = StrictBaggage(max_members=2, max_bytes=12)
    read = small.extract({"baggage": "a=1,b=2,c=3"}, context.Context())
    assert ["a", "b"] == list(baggage.get_all(read))
    read = small.extract({"baggage": "a=1,b=234567"}, context.Context())
    assert ["a", "b"] == list(baggage.get_all(read))
    read = small.extract({"baggage": "a=1,b=2345678"}, context.Context())
    assert ["a"] == list(baggage.get_all(read))
    current = context.Context()
    for name, value in {"a": "1", "b": "2", "c": "3"}.items():
        current = baggage.set_baggage(name, value, current)
    written: dict[str, str] = {}
    small.inject(written, current)
    assert {"baggage": "a=1,b=2"} == written
    current = baggage.set_baggage("long", "x" * 9000, context.Context())
    assert {} == inject({}, context=current)


def test_a_name_that_is_no_token_is_not_written() -> None:
    current = baggage.set_baggage("a b", "1", baggage.set_baggage("c", "2", context.Context()))
    assert {"baggage": "c=2"} == inject({}, context=current)


def test_a_tracestate_changes_as_the_recommendation_says() -> None:
    state = parse_tracestate(["1a@b=1,c=2"])
    assert state is not None
    assert "new=3,1a@b=1,c=2" == state.add("new", "3").to_header()
    assert "c=9,1a@b=1" == state.update("c", "9").to_header()
    assert "d=4,1a@b=1,c=2" == state.update("d", "4").to_header()
    assert "c=2" == state.delete("1a@b").to_header()
    for unchanged in (
        state.add("c", "3"),
        state.add("UPPER", "3"),
        state.update("c", "a,b"),
        state.delete("x"),
    ):
        assert unchanged is state
    full = StrictTraceState([(f"k{it}", "1") for it in range(32)])
    assert full.add("one-more", "1") is full
