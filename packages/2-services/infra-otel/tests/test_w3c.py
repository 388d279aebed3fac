"""W3C Trace Context, levels 1 and 2, through a small service behind the middleware.

Each case sends headers and says what the service's own request carries: the trace that was sent or
a new one, and the `tracestate`. The numbers are sections of the level 2 recommendation.
"""

from __future__ import annotations

import re
from typing import Any

import attrs
import pytest

pytest.importorskip("opentelemetry.sdk")

from infra_otel import OtelMiddleware, inject, span
from infra_otel.testing import Telemetry, capture

TRACE = "12345678901234567890123456789012"
PARENT = "1234567890123456"
VALID = f"00-{TRACE}-{PARENT}-01"
OUT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


@attrs.frozen
class Case:
    """Headers in, in order; whether the trace goes on; and the tracestate that goes out."""

    name: str
    headers: list[tuple[str, str]]
    joins: bool
    state: str | None = None


def parent(name: str, text: str, *, joins: bool = False) -> Case:
    return Case(name, [("traceparent", text)], joins)


def state(name: str, *lines: str, out: str | None) -> Case:
    return Case(name, [("traceparent", VALID), *[("tracestate", it) for it in lines]], True, out)


LONGEST_VALUE = "v" * 256
FULL = ",".join(f"k{number:02d}=1" for number in range(32))
CASES = [
    # 3.2 traceparent
    Case("neither header", [], False),
    parent("traceparent alone", VALID, joins=True),
    Case("traceparent twice", [("traceparent", VALID), ("traceparent", VALID)], False),
    Case(
        "two different traceparents",
        [("traceparent", VALID), ("traceparent", VALID.replace("9", "8"))],
        False,
    ),
    Case("a name with a hyphen is another header", [("trace-parent", VALID)], False),
    Case("the name in capitals", [("TRACEPARENT", VALID)], True),
    Case("the name in mixed case", [("TraceParent", VALID)], True),
    parent("blanks around the value", f" \t{VALID}\t ", joins=True),
    # 3.2.2.1 version
    parent("version 00 with a fifth field", f"{VALID}-what-comes", joins=False),
    parent("version 00 with something stuck on", f"{VALID}.x"),
    parent("version cc", VALID.replace("00-", "cc-", 1), joins=True),
    parent("version cc with more fields", VALID.replace("00-", "cc-", 1) + "-and-more", joins=True),
    parent("version cc with something stuck on", VALID.replace("00-", "cc-", 1) + ".and-more"),
    parent("version ff", VALID.replace("00-", "ff-", 1)),
    parent("version in capitals", VALID.replace("00-", "CC-", 1)),
    parent("version no hex", VALID.replace("00-", ".0-", 1)),
    parent("version too long", VALID.replace("00-", "000-", 1)),
    parent("version too short", VALID.replace("00-", "0-", 1)),
    # 3.2.2.3 trace-id
    parent("trace id of zeros", f"00-{'0' * 32}-{PARENT}-01"),
    parent("trace id in capitals", f"00-{'A' * 32}-{PARENT}-01"),
    parent("trace id no hex", f"00-{TRACE[:-1]}g-{PARENT}-01"),
    parent("trace id too long", f"00-{TRACE}1-{PARENT}-01"),
    parent("trace id too short", f"00-{TRACE[:-1]}-{PARENT}-01"),
    # 3.2.2.4 parent-id
    parent("parent id of zeros", f"00-{TRACE}-{'0' * 16}-01"),
    parent("parent id in capitals", f"00-{TRACE}-{'A' * 16}-01"),
    parent("parent id no hex", f"00-{TRACE}-{PARENT[:-1]}.-01"),
    parent("parent id too long", f"00-{TRACE}-{PARENT}1-01"),
    parent("parent id too short", f"00-{TRACE}-{PARENT[:-1]}-01"),
    # 3.2.2.5 trace-flags
    parent("flags no hex", f"00-{TRACE}-{PARENT}-0x"),
    parent("flags too long", f"00-{TRACE}-{PARENT}-001"),
    parent("flags too short", f"00-{TRACE}-{PARENT}-1"),
    parent("an empty traceparent", ""),
    # 3.3 tracestate
    Case("tracestate without traceparent", [("tracestate", "foo=1")], False),
    Case(
        "tracestate beside a malformed traceparent",
        [("traceparent", VALID[:-1]), ("tracestate", "foo=1")],
        False,
    ),
    state("tracestate is kept in order", "foo=1,bar=2", out="foo=1,bar=2"),
    Case("its name in capitals", [("traceparent", VALID), ("TRACESTATE", "foo=1")], True, "foo=1"),
    Case("trace-state is another header", [("traceparent", VALID), ("trace-state", "a=1")], True),
    state("an empty tracestate", "", out=None),
    state("empty lines and members", "foo=1,", "", ",,bar=2", out="foo=1,bar=2"),
    state("lines are put together in order", "foo=1,bar=2", "rojo=1", out="foo=1,bar=2,rojo=1"),
    state("of one key twice, the first", "foo=1,foo=2", out="foo=1"),
    state("of one key in two lines, the first", "foo=1,bar=2", "foo=3", out="foo=1,bar=2"),
    state("every character of a key", "0az_-*/@=1", out="0az_-*/@=1"),
    state(
        "every character of a value",
        "k=" + "".join(chr(it) for it in range(0x21, 0x7F) if chr(it) not in ",="),
        out="k=" + "".join(chr(it) for it in range(0x21, 0x7F) if chr(it) not in ",="),
    ),
    state("blanks within a value", "foo=a b  c", out="foo=a b  c"),
    state("blanks around members", "\tfoo=1 \t , \t bar=2, \t rojo=3", out="foo=1,bar=2,rojo=3"),
    state("a blank before the equals", "foo =1", out=None),
    state("a key in capitals", "FOO=1", out=None),
    state("a key with a dot", "foo.bar=1", out=None),
    state("a key that begins with @", "@foo=1", out=None),
    state("a key that ends with @", "foo@=1", out="foo@=1"),
    state("a key with two @", "foo@bar@baz=1", out="foo@bar@baz=1"),
    state("a key without a value", "foo=", out=None),
    state("a member without equals", "foo", out=None),
    state("a value with equals", "foo=bar=baz", out=None),
    state("a value out of ASCII", "foo=\u00fc", out=None),
    state("32 members", FULL, out=FULL),
    state("33 members", f"{FULL},k32=1", out=None),
    state("33 members in two lines", FULL, "k32=1", out=None),
    state("a key of 256", f"{'z' * 256}=1", out=f"{'z' * 256}=1"),
    state("a key of 257", f"{'z' * 257}=1", out=None),
    state(
        "a tenant of 241 at a system of 14",
        f"{'t' * 241}@{'v' * 14}=1",
        out=f"{'t' * 241}@{'v' * 14}=1",
    ),
    state("a value of 256", f"foo={LONGEST_VALUE}", out=f"foo={LONGEST_VALUE}"),
    state("a value of 257", f"foo={LONGEST_VALUE}v", out=None),
]


async def service(headers: list[tuple[str, str]], calls: int = 1) -> list[dict[str, str]]:
    """Have the service called with headers, and return those of the calls it makes."""
    sent: list[dict[str, str]] = []

    async def app(_: Any, __: Any, send: Any) -> None:
        for _n in range(calls):
            with span("call", kind="client"):
                sent.append(inject({}))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    # a server hands header names over in lower case
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    scope = {
        "type": "http",
        "method": "POST",
        "scheme": "http",
        "path": "/test",
        "query_string": b"",
        "http_version": "1.1",
        "headers": raw,
        "server": ("localhost", 80),
    }

    async def send(_: Any) -> None: ...

    async def receive() -> Any: ...

    await OtelMiddleware(app)(scope, receive, send)
    return sent


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_the_service_joins_the_trace_or_begins_one(case: Case, telemetry: Telemetry) -> None:
    (sent,) = await service(case.headers)
    match = OUT.fullmatch(sent["traceparent"])
    assert match is not None
    assert case.joins == (TRACE == match[1])
    assert match[1] != "0" * 32
    assert match[2] != PARENT
    assert case.state == sent.get("tracestate")


async def test_several_calls_of_one_request_are_of_one_trace(telemetry: Telemetry) -> None:
    sent = await service([("traceparent", VALID)], calls=3)
    found = [OUT.fullmatch(headers["traceparent"]) for headers in sent]
    assert {TRACE} == {match[1] for match in found if match}
    assert 3 == len({match[2] for match in found if match})


async def test_requests_without_a_parent_are_each_a_trace(telemetry: Telemetry) -> None:
    one, two = await service([]), await service([])
    assert one[0]["traceparent"][3:35] != two[0]["traceparent"][3:35]


@pytest.mark.parametrize(
    ("flags", "sent_on"),
    [("00", "00"), ("01", "01"), ("02", "02"), ("03", "03"), ("ff", "03"), ("fc", "00")],
    ids=["none", "sampled", "random", "both", "all", "unknown"],
)
async def test_only_known_flags_are_sent_on(flags: str, sent_on: str) -> None:
    with capture(sampler="parentbased_always_on"):
        (sent,) = await service([("traceparent", f"00-{TRACE}-{PARENT}-{flags}")])
    assert TRACE == sent["traceparent"][3:35]
    assert sent_on == sent["traceparent"][-2:]


@pytest.mark.parametrize("flags", ["00", "01", "02", "03"])
async def test_without_an_sdk_the_same_parent_goes_on(flags: str) -> None:
    text = f"00-{TRACE}-{PARENT}-{flags}"
    (sent,) = await service([("traceparent", text), ("tracestate", "0a@b=1,c=2")])
    assert {"traceparent": text, "tracestate": "0a@b=1,c=2"} == sent
    assert [{}] == await service([("traceparent", VALID[:-1]), ("tracestate", "c=2")])
