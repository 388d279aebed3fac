"""LLMCache: what counts in a key, what is kept, streams, usage and money."""

from __future__ import annotations

import asyncio
import hashlib
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra_cache import LLMCache, Price, PriceTable, Usage, connect
from infra_cache._llm_shapes import is_finished, stream_is_finished, stream_usage, usage_of
from infra_errors import SerializationError, ValidationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from infra_cache.cache import StoreCache

REQUEST = {"model": "gpt", "temperature": 0, "messages": [{"role": "user", "content": "hi"}]}


def answer(text: str = "hello", reason: str = "stop") -> dict[str, Any]:
    return {
        "choices": [{"message": {"content": text}, "finish_reason": reason}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 500},
    }


class Model:
    """A provider that counts its calls."""

    def __init__(self, *answers: Any) -> None:
        self.calls = 0
        self.answers = answers or (answer(),)

    async def __call__(self) -> Any:
        self.calls += 1
        await asyncio.sleep(0)
        found = self.answers[min(self.calls, len(self.answers)) - 1]
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture(
    params=["memory", "shared", pytest.param("redis", marks=pytest.mark.server("redis"))]
)
def opened(request: pytest.FixtureRequest) -> StoreCache:
    if request.param == "redis":
        url, namespace = (request.getfixturevalue(name) for name in ("redis_url", "namespace"))
        return connect(url, namespace=namespace)
    return connect("memory://", share_objects=request.param == "shared")


@pytest.fixture
async def cache(opened: StoreCache) -> AsyncIterator[StoreCache]:
    async with opened:
        yield opened
        await opened.clear()


# ---- keys ----------------------------------------------------------------------------------------


def test_the_key_is_the_hash_of_canonical_json_and_stays_what_it_is() -> None:
    text = (
        '{"provider":"openai","request":{"model":"gpt-4","prompt":"hello"},'
        '"tenant":"acme","version":1}'
    )
    llm = LLMCache(connect("memory://"), provider="openai", tenant="acme")
    wanted = f"llm:gpt-4:{hashlib.sha256(text.encode()).hexdigest()}"
    assert wanted == llm.key({"prompt": "hello", "model": "gpt-4"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 0.5),
        ("tool_choice", "none"),
        ("tools", [{"name": "f"}]),
        ("model", "other"),
        ("max_tokens", 5),
        ("system", "be brief"),
        ("seed", 1),
        ("response_format", {"type": "json_object"}),
        ("something_new", 0),
        ("messages", [{"role": "user", "content": "hi "}]),
        ("messages", [{"role": "system", "content": "hi"}]),
    ],
)
def test_whatever_differs_in_a_request_gives_another_key(name: str, value: Any) -> None:
    llm = LLMCache(connect("memory://"))
    assert llm.key(REQUEST) != llm.key({**REQUEST, name: value})


def test_tenants_and_providers_have_keys_of_their_own() -> None:
    plain, other = (LLMCache(connect("memory://"), provider=name) for name in ("", "openai"))
    keys = {plain.key(REQUEST), plain.key(REQUEST, tenant="a"), plain.key(REQUEST, tenant="b"),
            plain.key(REQUEST, tenant=""), other.key(REQUEST)}  # fmt: skip
    assert 5 == len(keys)


def test_order_zero_nulls_and_how_it_is_sent_do_not_count() -> None:
    llm = LLMCache(connect("memory://"))
    turned = dict(reversed(REQUEST.items()))
    same = {**turned, "temperature": 0.0, "stop": None, "stream": True, "timeout": 3,
            "max_retries": 1, "idempotency_key": "x"}  # fmt: skip
    assert llm.key(REQUEST) == llm.key(same)
    assert llm.key(REQUEST) != llm.key({**REQUEST, "metadata": {"a": None}})  # only at the top


def test_bytes_and_long_integers_count_and_pass_for_nothing_else() -> None:
    llm = LLMCache(connect("memory://"))
    digest = hashlib.sha256(b"image").hexdigest()
    values = [b"image", b"other", {"\x00sha256": digest}, digest, 2**60, str(2**60), 2**60 + 1,
              {"\x00int": str(2**60)}, {"\x00object": [["\x00int", str(2**60)]]},
              float(2**60)]  # fmt: skip
    assert len(values) == len({llm.key({**REQUEST, "value": value}) for value in values})


def test_what_is_no_json_is_refused_and_never_taken_by_repr() -> None:
    llm = LLMCache(connect("memory://"))
    nested: list[Any] = []
    nested.append(nested)
    for value in (object(), float("nan"), {1: 2}, {"a"}, "\ud800", 1j, nested):
        with pytest.raises(SerializationError) as caught:
            llm.key({**REQUEST, "value": value})
        assert "cache.encode" == caught.value.code


@pytest.mark.parametrize("request_", [{}, {"model": ""}, {"model": 3}, {"model": "m" * 500}, None])
def test_a_request_without_a_model_is_refused(request_: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        LLMCache(connect("memory://")).key(request_)
    assert "cache.invalid_key" == caught.value.code


def test_a_models_name_cannot_reach_out_of_its_place() -> None:
    key = LLMCache(connect("memory://")).key({"model": "a:*/b"})
    assert key.startswith("llm:a%3A%2A/b:")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(json_values, json_values)
def test_two_values_have_one_key_only_when_they_are_the_same_json(one: Any, other: Any) -> None:
    llm = LLMCache(connect("memory://"))
    keys = [llm.key({"model": "m", "x": [value]}) for value in (one, other)]
    assert (repr(_ordered(one)) == repr(_ordered(other))) == (keys[0] == keys[1])


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _ordered(value[name]) for name in sorted(value)}
    return [_ordered(item) for item in value] if isinstance(value, list) else value


# ---- by hand -------------------------------------------------------------------------------------


async def test_get_set_and_invalidate(cache: StoreCache) -> None:
    llm = LLMCache(cache)
    assert await llm.get("m", "p") is None
    await llm.set("m", "p", "")
    await llm.set("m", "p", {"text": "warm"}, temperature=1)
    assert "" == await llm.get("m", "p")
    assert {"text": "warm"} == await llm.get("m", "p", temperature=1)
    assert [True, False] == [await llm.invalidate("m", "p"), await llm.invalidate("m", "p")]


async def test_a_days_life_is_the_default_and_another_can_be_asked_for(cache: StoreCache) -> None:
    llm = LLMCache(cache)
    await llm.set("m", "p", "x")
    left: Any = await cache.ttl(llm.key({"model": "m", "prompt": "p"}))
    assert 86_395 <= left <= 86_400
    await llm.set("m", "p", "x", ttl=60)
    left = await cache.ttl(llm.key({"model": "m", "prompt": "p"}))
    assert left <= 60
    with pytest.raises(ValidationError):
        await llm.set("m", "p", "x", ttl=0)


async def test_invalidate_model_forgets_that_model_only(cache: StoreCache) -> None:
    llm = LLMCache(cache)
    for model in ("m", "m*", "mm"):
        await llm.set(model, "p", model)
        await llm.set(model, "q", model)
    assert 2 == await llm.invalidate_model("m*")
    assert ["m", None, "mm"] == [await llm.get(model, "p") for model in ("m", "m*", "mm")]


async def test_a_record_of_another_request_is_a_miss(cache: StoreCache) -> None:
    llm = LLMCache(cache)
    await llm.set("m", "p", "right")
    key, other = (llm.key({"model": "m", "prompt": name}) for name in "pq")
    await cache.set(other, await cache.get(key))
    await cache.set(key, "no record at all")
    assert [None, None] == [await llm.get("m", "p"), await llm.get("m", "q")]
    model = Model()
    await cache.set(llm.key(REQUEST), {"key": "x", "response": "planted", "usage": None, "at": 0})
    assert answer() == (await llm.get_or_call(REQUEST, model)).response


# ---- around a call -------------------------------------------------------------------------------


async def test_a_repeat_is_a_hit_that_costs_nothing_and_says_what_it_spared(
    cache: StoreCache,
) -> None:
    clock = [100.0]
    prices = PriceTable({"gpt": Price("2", "10")})
    llm, model = LLMCache(cache, prices=prices, clock=lambda: clock[0]), Model()
    first = await llm.get_or_call(REQUEST, model)
    clock[0] += 7
    second = await llm.get_or_call(REQUEST, model)
    cost = Decimal("0.007")
    assert ("miss", cost, None) == (first.outcome, first.cost, first.saved_cost)
    assert ("hit", 0, cost, 7.0) == (second.outcome, second.cost, second.saved_cost, second.age)
    assert first.response == second.response == answer()
    totals = llm.meter.totals(model="gpt")
    assert (2, 1, 0, cost, cost) == (
        totals.calls, totals.hits, totals.bypassed, totals.cost, totals.saved_cost,
    )  # fmt: skip
    assert Usage(1000, 500) == totals.usage == totals.saved_usage
    assert 1 == model.calls


async def test_callers_at_the_same_time_share_one_call_and_no_object(cache: StoreCache) -> None:
    llm, model = LLMCache(cache), Model()
    results = await asyncio.gather(*(llm.get_or_call(REQUEST, model) for _ in range(20)))
    assert 1 == model.calls
    assert 20 == len({id(result.response) for result in results})
    assert ["hit"] * 19 + ["miss"] == sorted(result.outcome for result in results)


async def test_what_may_differ_next_time_is_neither_read_nor_kept(cache: StoreCache) -> None:
    llm = LLMCache(cache)
    warm: Any
    for warm in (1.0, None, False, "0"):
        model, request = Model(), {**REQUEST, "temperature": warm}
        outcomes = [(await llm.get_or_call(request, model)).outcome for _ in range(2)]
        assert (["bypass", "bypass"], 2) == (outcomes, model.calls)
    model, request = Model(), {**REQUEST, "temperature": 0.7}
    await llm.get_or_call(request, model, allow=True)
    assert "hit" == (await llm.get_or_call(request, model, allow=True)).outcome
    assert "bypass" == (await llm.get_or_call(request, model)).outcome


async def test_cacheable_decides_where_temperature_says_nothing(cache: StoreCache) -> None:
    llm, model = LLMCache(cache, cacheable=lambda request: "embed" in request["model"]), Model()
    request = {"model": "embed-1", "input": "x"}
    outcomes = [(await llm.get_or_call(request, model)).outcome for _ in range(2)]
    assert ["miss", "hit"] == outcomes


async def test_sensitive_requests_leave_no_trace(cache: StoreCache) -> None:
    llm, model = LLMCache(cache), Model()
    result = await llm.get_or_call(REQUEST, model, allow=True, sensitive=True)
    assert "bypass" == result.outcome
    assert [] == [key async for key in cache.keys("*")]


@pytest.mark.parametrize("reason", ["length", "content_filter", None])
async def test_an_answer_without_a_clean_end_is_not_kept(cache: StoreCache, reason: Any) -> None:
    llm, model = LLMCache(cache), Model(answer(reason=reason), answer())
    outcomes = [(await llm.get_or_call(REQUEST, model)).outcome for _ in range(3)]
    assert ["bypass", "miss", "hit"] == outcomes


async def test_an_error_is_raised_and_not_kept(cache: StoreCache) -> None:
    llm, model = LLMCache(cache), Model(ConnectionError("no"), answer())
    with pytest.raises(ConnectionError):
        await llm.get_or_call(REQUEST, model)
    assert "miss" == (await llm.get_or_call(REQUEST, model)).outcome


async def test_an_answer_too_large_or_of_no_form_is_given_and_not_kept() -> None:
    async with connect("memory://", max_value_bytes=200) as cache:
        for found in (answer("x" * 500), {**answer(), "raw": object()}):
            model = Model(found)
            result = await LLMCache(cache).get_or_call(REQUEST, model)
            assert ("bypass", 1) == (result.outcome, model.calls)
            assert found == result.response


async def test_a_bad_ttl_is_refused_before_the_call_is_paid_for(cache: StoreCache) -> None:
    model = Model()
    with pytest.raises(ValidationError):
        await LLMCache(cache).get_or_call(REQUEST, model, ttl=0)
    assert 0 == model.calls


async def test_tenants_never_share_an_answer(cache: StoreCache) -> None:
    llm = LLMCache(cache)
    mine, theirs = Model(answer("mine")), Model(answer("theirs"))
    await llm.get_or_call(REQUEST, mine, tenant="a")
    found = await llm.get_or_call(REQUEST, theirs, tenant="b")
    assert answer("theirs") == found.response
    assert (1, 0) == (llm.meter.totals(tenant="b").calls, llm.meter.totals(tenant="b").hits)


async def test_unknown_prices_are_counted_as_unknown(cache: StoreCache) -> None:
    llm = LLMCache(cache, prices=PriceTable({}))
    result = await llm.get_or_call(REQUEST, Model())
    assert result.cost is None
    assert (1, Decimal(0)) == (llm.meter.totals().unpriced, llm.meter.totals().cost)


async def test_no_prompt_stands_in_a_key(cache: StoreCache) -> None:
    llm = LLMCache(cache, tenant="acme-corp")
    await llm.set("m", "my phone is 555-1234", "x")
    assert not any("555" in key or "acme" in key for key in [key async for key in cache.keys("*")])


# ---- streams -------------------------------------------------------------------------------------

CHUNKS: list[dict[str, Any]] = [
    {"choices": [{"index": 0, "delta": {"content": "hel"}, "finish_reason": None}]},
    {"choices": [{"index": 0, "delta": {"content": "lo"}, "finish_reason": "stop"}]},
    {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}},
]


class Stream:
    def __init__(self, chunks: list[dict[str, Any]], error: Exception | None = None) -> None:
        self.chunks = chunks
        self.error = error
        self.opened = self.closed = 0

    async def open(self) -> AsyncIterator[dict[str, Any]]:
        self.opened += 1
        try:
            for chunk in self.chunks:
                yield chunk
            if self.error is not None:
                raise self.error
        finally:
            self.closed += 1


async def test_a_stream_is_replayed_chunk_by_chunk(cache: StoreCache) -> None:
    llm, stream = LLMCache(cache, prices=PriceTable({"gpt": Price(1, 1)})), Stream(CHUNKS)
    for _ in range(2):
        assert CHUNKS == [chunk async for chunk in llm.get_or_stream(REQUEST, stream.open)]
    assert (1, 1) == (stream.opened, stream.closed)
    totals = llm.meter.totals()
    assert (1, Usage(3, 2), Decimal("0.000005")) == (
        totals.hits, totals.saved_usage, totals.saved_cost,
    )  # fmt: skip
    assert "miss" == (await llm.get_or_call(REQUEST, Model())).outcome  # another kind of answer


async def test_what_the_caller_does_to_a_chunk_is_not_kept(cache: StoreCache) -> None:
    llm, stream = LLMCache(cache), Stream([dict(chunk) for chunk in CHUNKS])
    async for chunk in llm.get_or_stream(REQUEST, stream.open):
        dict.clear(chunk)  # type: ignore[arg-type]
    assert CHUNKS == [chunk async for chunk in llm.get_or_stream(REQUEST, stream.open)]


async def test_a_stream_that_breaks_off_or_is_left_keeps_nothing(cache: StoreCache) -> None:
    llm = LLMCache(cache)
    broken = Stream(CHUNKS, ConnectionError("cut"))
    with pytest.raises(ConnectionError):
        [chunk async for chunk in llm.get_or_stream(REQUEST, broken.open)]
    left = Stream(CHUNKS)
    chunks: Any = llm.get_or_stream(REQUEST, left.open)
    await anext(chunks)
    await chunks.aclose()
    short = Stream(CHUNKS[:1])
    assert CHUNKS[:1] == [chunk async for chunk in llm.get_or_stream(REQUEST, short.open)]
    assert [1, 1, 1] == [broken.closed, left.closed, short.closed]
    assert [] == [key async for key in cache.keys("*")]


async def test_a_sensitive_or_warm_stream_is_passed_through(cache: StoreCache) -> None:
    llm, stream = LLMCache(cache), Stream(CHUNKS)
    warm = {**REQUEST, "temperature": 1}
    assert CHUNKS == [chunk async for chunk in llm.get_or_stream(warm, stream.open)]
    sensitive = llm.get_or_stream(REQUEST, stream.open, sensitive=True)
    assert CHUNKS == [chunk async for chunk in sensitive]
    assert [] == [key async for key in cache.keys("*")]
    assert 2 == llm.meter.totals().bypassed


# ---- what answers say of themselves --------------------------------------------------------------


@pytest.mark.parametrize(
    ("usage", "wanted"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 5}, Usage(10, 5)),
        (
            {"prompt_tokens": 10, "completion_tokens": 5,
             "prompt_tokens_details": {"cached_tokens": 4},
             "completion_tokens_details": {"reasoning_tokens": 2}},
            Usage(10, 5, 4, 0, 2),
        ),
        (
            {"input_tokens": 10, "output_tokens": 5, "input_tokens_details": {"cached_tokens": 4},
             "output_tokens_details": {"reasoning_tokens": 2}},
            Usage(10, 5, 4, 0, 2),
        ),
        (
            {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 100,
             "cache_creation_input_tokens": 20},
            Usage(130, 5, 100, 20),
        ),
        ({"tokens": 3}, None),
        ({"prompt_tokens": "10", "completion_tokens": 5}, None),
        ({"prompt_tokens": -1, "completion_tokens": 5}, None),
        ({"input_tokens": 5}, None),
        (None, None),
        ([1], None),
    ],
)  # fmt: skip
def test_usage_is_read_from_three_shapes_and_never_guessed(usage: Any, wanted: Any) -> None:
    assert wanted == usage_of({"usage": usage})


@pytest.mark.parametrize(
    ("response", "wanted"),
    [
        (answer(), True),
        (answer(reason="tool_calls"), True),
        ({"choices": [*answer()["choices"], {"finish_reason": "length"}]}, False),
        ({"type": "message", "stop_reason": "end_turn"}, True),
        ({"type": "message", "stop_reason": "max_tokens"}, False),
        ({"object": "response", "status": "completed"}, True),
        ({"object": "response", "status": "incomplete"}, False),
        ({"status": "completed"}, False),
        ({"text": "x"}, False),
        ({"choices": []}, False),
        ("text", False),
    ],
)
def test_the_end_is_read_from_three_shapes(response: Any, wanted: bool) -> None:
    assert wanted == is_finished(response)


def test_streams_of_anthropic_and_of_responses_are_understood() -> None:
    anthropic = [
        {"type": "message_start", "message": {"usage": {"input_tokens": 9, "output_tokens": 1}}},
        {"type": "content_block_delta", "delta": {"text": "x"}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"},
         "usage": {"output_tokens": 7}},
        {"type": "message_stop"},
    ]  # fmt: skip
    responses = [
        {"type": "response.created", "response": {"status": "in_progress"}},
        {"type": "response.output_text.delta", "delta": "x"},
        {"type": "response.completed", "response": {
            "status": "completed", "usage": {"input_tokens": 9, "output_tokens": 7}}},
    ]  # fmt: skip
    assert [True, True] == [stream_is_finished(chunks) for chunks in (anthropic, responses)]
    assert [Usage(9, 7)] * 2 == [stream_usage(chunks) for chunks in (anthropic, responses)]
    assert not stream_is_finished([*anthropic, {"type": "error", "error": {"type": "overloaded"}}])
    assert not stream_is_finished(responses[:2])
    assert stream_usage([{"a": 1}]) is None
