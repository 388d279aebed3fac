"""Prices: exact costs, the published table, and totals."""

from __future__ import annotations

import gzip
import json
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra_cache import Price, PriceTable, Usage, UsageMeter, UsageTotals
from infra_errors import ValidationError


def published() -> Any:
    for parent in Path(__file__).resolve().parents:
        found = parent.parent / "shared" / "conformance" / "prices" / "data.json.gz"
        if found.exists():
            return json.loads(gzip.decompress(found.read_bytes()))
    pytest.skip("the published prices are not on this machine")


def test_cached_and_written_tokens_have_their_own_prices() -> None:
    price = Price("3", "15", cached_input="0.3", cache_write="3.75")
    usage = Usage(1000, 100, cached_input_tokens=600, cache_write_tokens=300)
    parts = [100 * 3, 600 * Decimal("0.3"), 300 * Decimal("3.75"), 100 * 15]
    assert sum(parts) / 1_000_000 == price.cost(usage)


def test_without_them_the_price_of_input_counts() -> None:
    assert Decimal("0.003") == Price("3", "15").cost(Usage(1000, 0, 600, 300))


def test_a_price_is_what_is_written_not_its_binary_neighbour() -> None:
    assert Decimal("0.1") == Price(0.1, 0).cost(Usage(1_000_000, 0))


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_costs_are_exact(tokens_in: int, tokens_out: int) -> None:
    cost = Price("0.15", "0.6").cost(Usage(tokens_in, tokens_out))
    assert cost * 10**8 == tokens_in * 15 + tokens_out * 60


@pytest.mark.parametrize("value", [-1, "x", float("nan"), float("inf"), True, None])
def test_what_is_no_price_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError):
        Price(value, 1)


@pytest.mark.parametrize(
    "tokens", [(-1, 0), (0, 1.5), (True, 0), (1, 1, 2), (10, 1, 6, 5), (1, 1, 0, 0, 2)]
)
def test_what_is_no_usage_is_refused(tokens: Any) -> None:
    with pytest.raises(ValidationError):
        Usage(*tokens)


def test_an_unknown_model_costs_none_and_not_zero() -> None:
    table = PriceTable({"known": Price(1, 1)})
    assert table.cost("unknown", Usage(1, 1)) is None
    assert Decimal(0) == PriceTable({"free": Price(0, 0)}).cost("free", Usage(1, 1))


def test_without_a_provider_a_model_has_a_price_only_where_all_agree() -> None:
    table = PriceTable(
        {
            ("a", "same"): Price(1, 1),
            ("b", "same"): Price(1, 1),
            ("a", "differs"): Price(1, 1),
            ("b", "differs"): Price(2, 1),
            ("c", "differs"): Price(1, 1),
        }
    )
    million = Usage(1_000_000, 0)
    assert Decimal(1) == table.cost("same", million)
    assert table.cost("differs", million) is None
    assert Decimal(2) == table.cost("differs", million, provider="b")
    assert table.cost("same", million, provider="z") is None


@pytest.mark.parametrize("prices", [{"m": 1}, {("a", "b", "c"): Price(1, 1)}, {"": Price(1, 1)}])
def test_a_table_of_another_shape_is_refused(prices: Any) -> None:
    with pytest.raises(ValidationError):
        PriceTable(prices)


@pytest.mark.parametrize("data", [[], {"p": {}}, {"p": {"models": {"m": {"cost": {"input": 1}}}}}])
def test_data_that_is_not_models_dev_is_refused(data: Any) -> None:
    with pytest.raises(ValidationError):
        PriceTable.from_models_dev(data)


def test_every_published_price_is_read_exactly() -> None:
    data = published()
    table = PriceTable.from_models_dev(data)
    wanted = {
        (provider, model): facts["cost"]
        for provider, entry in data.items()
        for model, facts in entry["models"].items()
        if facts.get("cost") is not None
    }
    assert wanted.keys() == set(table)
    assert len(table) > 4500
    for (provider, model), cost in wanted.items():
        both = Decimal(str(cost["input"])) + Decimal(str(cost["output"]))
        assert both == table.cost(model, Usage(1_000_000, 1_000_000), provider=provider)


def test_totals_add_up_by_model_and_tenant() -> None:
    meter = UsageMeter()
    meter.add(UsageTotals(calls=1, cost=Decimal(1)), model="m", tenant="a")
    meter.add(UsageTotals(calls=1, hits=1, saved_cost=Decimal(2)), model="m", tenant="b")
    meter.add(UsageTotals(calls=1, usage=Usage(5, 6)), model="n", tenant="a")
    assert (3, 1) == (meter.totals().calls, meter.totals().hits)
    assert Decimal(2) == meter.totals(model="m").saved_cost
    assert Usage(5, 6) == meter.totals(tenant="a").usage
    assert 1 == meter.totals(model="m", tenant="a").calls
    assert UsageTotals() == meter.totals(model="other")


def test_a_meter_tells_apart_so_many_series_and_loses_no_call() -> None:
    meter = UsageMeter(max_series=2)
    for number in range(5):
        meter.add(UsageTotals(calls=1), model="m", tenant=str(number))
    assert (5, 3) == (meter.totals().calls, meter.unassigned.calls)
    assert UsageTotals() == meter.totals(tenant="4")
    with pytest.raises(ValidationError):
        UsageMeter(max_series=0)


@pytest.mark.threads
def test_threads_lose_no_call() -> None:
    meter = UsageMeter()

    def work() -> None:
        for _ in range(500):
            meter.add(UsageTotals(calls=1), model="m")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 2000 == meter.totals().calls
