"""What calls of language models cost: prices, the tokens they are asked for, and running totals."""

from __future__ import annotations

import threading
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Self

import attrs

from infra_cache.errors import wrong_input

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Price", "PriceTable", "Usage", "UsageMeter", "UsageTotals"]

_MILLION = Decimal(1_000_000)
_ZERO = Decimal(0)


def _wrong(what: str) -> Exception:
    return wrong_input("invalid", what)


def _amount(value: Any) -> Decimal:
    """Read a price without the error that a binary float would bring in."""
    try:
        amount = Decimal(str(value)) if not isinstance(value, bool) else None
    except InvalidOperation:
        amount = None
    if amount is None or not amount.is_finite() or amount < 0:
        message = "a price is a number of at least 0, for a million tokens"
        raise _wrong(message)
    return amount


def _amount_or_none(value: Any) -> Decimal | None:
    return None if value is None else _amount(value)


def _is_tokens(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        message = f"{field.name} must be a whole number of at least 0"
        raise _wrong(message)


@attrs.frozen
class Usage:
    """The tokens of one call, or of many.

    `input_tokens` are all that went in, those read from and written to the provider's own prompt
    cache included; `output_tokens` are all that came out, those of reasoning included. The other
    three say how many of them were of that kind.
    """

    input_tokens: int = attrs.field(validator=_is_tokens)
    output_tokens: int = attrs.field(validator=_is_tokens)
    cached_input_tokens: int = attrs.field(default=0, validator=_is_tokens)
    cache_write_tokens: int = attrs.field(default=0, validator=_is_tokens)
    reasoning_tokens: int = attrs.field(default=0, validator=_is_tokens)

    def __attrs_post_init__(self) -> None:
        if self.cached_input_tokens + self.cache_write_tokens > self.input_tokens:
            message = "cached_input_tokens and cache_write_tokens are a part of input_tokens"
            raise _wrong(message)
        if self.reasoning_tokens > self.output_tokens:
            message = "reasoning_tokens are a part of output_tokens"
            raise _wrong(message)

    def __add__(self, other: Usage) -> Usage:
        if not isinstance(other, Usage):
            return NotImplemented
        mine, theirs = attrs.astuple(self), attrs.astuple(other)
        return Usage(*(one + two for one, two in zip(mine, theirs, strict=True)))


@attrs.frozen
class Price:
    """What a million tokens cost; `cached_input` and `cache_write` as `input` where not given.

    Numbers are taken as they are written, so 0.1 is exactly a tenth. One price a model: what a
    provider asks on top for very long contexts, audio or images is not in it.
    """

    input: Decimal = attrs.field(converter=_amount)
    output: Decimal = attrs.field(converter=_amount)
    cached_input: Decimal | None = attrs.field(default=None, converter=_amount_or_none)
    cache_write: Decimal | None = attrs.field(default=None, converter=_amount_or_none)

    def cost(self, usage: Usage) -> Decimal:
        """Give the exact cost of a call."""
        cached, written = usage.cached_input_tokens, usage.cache_write_tokens
        whole = (
            (usage.input_tokens - cached - written) * self.input
            + cached * (self.input if self.cached_input is None else self.cached_input)
            + written * (self.input if self.cache_write is None else self.cache_write)
            + usage.output_tokens * self.output
        )
        return whole / _MILLION


class PriceTable:
    """Prices by model, or by (provider, model) where providers differ.

    Raises ValidationError `cache.invalid` for keys and values of another kind.
    """

    __slots__ = ("_by_model", "_exact")

    def __init__(self, prices: Mapping[str | tuple[str, str], Price]) -> None:
        self._exact: dict[str | tuple[str, str], Price] = dict(prices)
        self._by_model: dict[str, Price | None] = {}
        for key, price in self._exact.items():
            if not isinstance(price, Price) or not _is_name(key):
                message = "a price table maps a model, or (provider, model), to a Price"
                raise _wrong(message)
            if isinstance(key, tuple):
                model = key[1]
                # Without a provider, a model has a price only where all providers agree on it.
                agreed = self._by_model.setdefault(model, price) == price
                self._by_model[model] = price if agreed else None

    def __len__(self) -> int:
        return len(self._exact)

    def __iter__(self) -> Iterator[str | tuple[str, str]]:
        return iter(self._exact)

    @classmethod
    def from_models_dev(cls, data: Mapping[str, Any]) -> Self:
        """Read the table that models.dev publishes as JSON (`https://models.dev/api.json`).

        Models without a price are left out. Raises ValidationError `cache.invalid` for data of
        another shape.
        """
        prices: dict[str | tuple[str, str], Price] = {}
        try:
            for provider, entry in data.items():
                for model, facts in entry["models"].items():
                    if facts.get("cost") is not None:
                        prices[provider, model] = _models_dev(facts["cost"])
        except (KeyError, TypeError, AttributeError) as error:
            message = "the data is not models.dev's table of providers and their models"
            raise _wrong(message) from error
        return cls(prices)

    def price(self, model: str, *, provider: str | None = None) -> Price | None:
        """Give a model's price, None for an unknown model or one whose providers differ."""
        if provider:
            found = self._exact.get((provider, model))
            return found if found is not None else self._exact.get(model)
        found = self._exact.get(model)
        return found if found is not None else self._by_model.get(model)

    def cost(self, model: str, usage: Usage, *, provider: str | None = None) -> Decimal | None:
        """Give the exact cost of a call, or None where the price is not known: never 0."""
        price = self.price(model, provider=provider)
        return None if price is None else price.cost(usage)


def _is_name(key: object) -> bool:
    parts = key if isinstance(key, tuple) and len(key) == 2 else (key,)
    return all(isinstance(part, str) and part for part in parts)


def _models_dev(cost: Mapping[str, Any]) -> Price:
    return Price(cost["input"], cost["output"], cost.get("cache_read"), cost.get("cache_write"))


@attrs.frozen
class UsageTotals:
    """What was asked, what it took and what it spared.

    `calls` counts every answer, `hits` those from the cache, `bypassed` those that were neither
    read from it nor stored. `unpriced`: answers whose cost is unknown and in neither sum.
    """

    calls: int = 0
    hits: int = 0
    bypassed: int = 0
    usage: Usage = Usage(0, 0)
    saved_usage: Usage = Usage(0, 0)
    cost: Decimal = _ZERO
    saved_cost: Decimal = _ZERO
    unpriced: int = 0

    def __add__(self, other: UsageTotals) -> UsageTotals:
        if not isinstance(other, UsageTotals):
            return NotImplemented
        names = [field.name for field in attrs.fields(UsageTotals)]
        return UsageTotals(*(getattr(self, name) + getattr(other, name) for name in names))


class UsageMeter:
    """Totals by model and tenant, counted in this process; safe from threads.

    At most `max_series` pairs of model and tenant are told apart; what comes after them counts in
    the grand total, and `unassigned` says how much that is.
    """

    __slots__ = ("_lock", "_max_series", "_series", "unassigned")

    def __init__(self, *, max_series: int = 10_000) -> None:
        if isinstance(max_series, bool) or not isinstance(max_series, int) or max_series < 1:
            message = "max_series must be a whole number of at least 1"
            raise _wrong(message)
        self._lock = threading.Lock()
        self._max_series = max_series
        self._series: dict[tuple[str, str | None], UsageTotals] = {}
        self.unassigned = UsageTotals()

    def add(self, totals: UsageTotals, *, model: str, tenant: str | None = None) -> None:
        """Count what one or more calls of a model took, for a tenant."""
        key = (model, tenant)
        with self._lock:
            if key not in self._series and len(self._series) >= self._max_series:
                self.unassigned += totals
            else:
                self._series[key] = self._series.get(key, UsageTotals()) + totals

    def totals(self, *, model: str | None = None, tenant: str | None = None) -> UsageTotals:
        """Sum up: everything, one model, one tenant, or both."""
        with self._lock:
            found = UsageTotals() if model or tenant else self.unassigned
            for (its_model, its_tenant), totals in self._series.items():
                if model in {None, its_model} and tenant in {None, its_tenant}:
                    found += totals
            return found
