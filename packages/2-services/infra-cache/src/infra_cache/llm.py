"""Answers of language models: keyed by the whole request, kept only where a repeat is the same."""

from __future__ import annotations

import copy
import hashlib
import logging
import time
from collections.abc import Mapping
from contextlib import aclosing
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import attrs

from infra_cache._core import to_ms
from infra_cache._llm_key import canonical_request
from infra_cache._llm_shapes import is_finished, stream_is_finished, stream_usage, usage_of
from infra_cache.errors import wrong_input
from infra_cache.keys import encode_part, glob_escape
from infra_cache.prices import PriceTable, Usage, UsageMeter, UsageTotals
from infra_cache.values import DEFAULT, MISSING, Ttl
from infra_errors import CacheError, SerializationError, ValidationError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection

    from infra_cache.protocol import Cache

__all__ = ["DEFAULT_IGNORE", "LLMCache", "LLMResult"]

log = logging.getLogger("infra_cache")

DEFAULT_IGNORE = frozenset(
    {"stream", "stream_options", "timeout", "max_retries", "extra_headers", "idempotency_key"}
)
"""Fields of a request that change how an answer arrives, not what it says."""

MAX_MODEL_BYTES = 400  # "llm:", the hash and ":stream" fit into a key beside it
MAX_CHUNKS = 100_000  # a longer stream is passed on and not kept
_STREAM = ":stream"


@attrs.frozen
class LLMResult:
    """An answer: from the cache ("hit"), called for and kept ("miss"), or not kept ("bypass").

    `cost` is what this answer cost, 0 for a hit, and `saved_cost` what a hit spared; None where
    usage or price are unknown. `age`: the seconds since a hit's call.
    """

    response: Any
    outcome: Literal["hit", "miss", "bypass"]
    key: str
    usage: Usage | None = None
    cost: Decimal | None = None
    saved_cost: Decimal | None = None
    age: float | None = None


class LLMCache:
    """A cache of model answers over any Cache.

    `provider` and `tenant` are part of every key: tenants never share an answer. `ignore` are the
    fields of a request that do not count. A request is cacheable if its temperature is 0 or
    `cacheable(request)` says so. `prices` makes usage into cost; `meter` adds it all up.
    """

    def __init__(
        self,
        cache: Cache,
        *,
        provider: str = "",
        tenant: str | None = None,
        ttl: Ttl = 86_400.0,
        ignore: Collection[str] = DEFAULT_IGNORE,
        cacheable: Callable[[Mapping[str, Any]], bool] | None = None,
        prices: PriceTable | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._cache = cache
        self._provider = provider
        self._tenant = tenant
        self._ttl = ttl
        self._ignore = frozenset(ignore)
        self._cacheable = cacheable
        self._prices = prices
        self._clock = clock
        self.meter = UsageMeter()

    # ---- keys ----------------------------------------------------------------------------------

    def key(self, request: Mapping[str, Any], *, tenant: str | None = None) -> str:
        """Give a request's key, `llm:{model}:{64 hex}`.

        The hash is the SHA-256 of the canonical JSON (RFC 8785) of all that the request holds, with
        the provider and the tenant; bytes count as their own SHA-256. Nothing is trimmed.

        Raises ValidationError `cache.invalid_key` without a model, SerializationError
        `cache.encode` for what is not JSON.
        """
        return f"llm:{_model_part(request)}:{self._digest(request, tenant)}"

    def _digest(self, request: Mapping[str, Any], tenant: str | None) -> str:
        counted = {
            name: value
            for name, value in request.items()
            if value is not None and name not in self._ignore
        }
        whole = {
            "provider": self._provider,
            "request": counted,
            "tenant": tenant if tenant is not None else self._tenant,
            "version": 1,
        }
        return hashlib.sha256(canonical_request(whole)).hexdigest()

    # ---- by hand -------------------------------------------------------------------------------

    async def get(self, model: str, prompt: object, **params: Any) -> Any:
        """Return the answer kept for the request {model, prompt, **params}, None for a miss."""
        request = {"model": model, "prompt": prompt, **params}
        record = await self._read(self.key(request))
        return None if record is None else record["response"]

    async def set(
        self, model: str, prompt: object, response: object, *, ttl: Ttl = DEFAULT, **params: Any
    ) -> None:
        """Keep an answer for the request {model, prompt, **params}."""
        key = self.key({"model": model, "prompt": prompt, **params})
        await self._cache.set(key, self._record(key, response), ttl=self._lives(ttl))

    async def invalidate(self, model: str, prompt: object, **params: Any) -> bool:
        """Forget the answer to one request; say whether there was one."""
        key = self.key({"model": model, "prompt": prompt, **params})
        return await self._cache.delete_many([key, key + _STREAM]) > 0

    async def invalidate_model(self, model: str) -> int:
        """Forget all answers of a model, whoever asked; say how many there were."""
        part = _model_part({"model": model})
        return await self._cache.delete_pattern(f"llm:{glob_escape(part)}:*")

    # ---- around a call -------------------------------------------------------------------------

    async def get_or_call(
        self,
        request: Mapping[str, Any],
        call: Callable[[], Awaitable[Mapping[str, Any]]],
        *,
        tenant: str | None = None,
        ttl: Ttl = DEFAULT,
        allow: bool = False,
        sensitive: bool = False,
    ) -> LLMResult:
        """Return the answer that is kept, or call for it, once for all who ask at a time.

        Kept is only what will be the same again: temperature 0 (or `cacheable`, or `allow=True`),
        a clean end, not `sensitive`, and no larger than the cache allows. What the call raises is
        raised and nothing kept. A cache that is down is logged and the call made.
        """
        key = self.key(request, tenant=tenant)
        if sensitive or not self._is_repeatable(request, allow=allow):
            return self._called(request, tenant, key, await call(), is_kept=False)
        made: list[
            tuple[Mapping[str, Any], bool]
        ] = []  # this caller's own answer, and if it is kept
        lives = self._lives(ttl)

        async def load() -> dict[str, Any]:
            response = await call()
            record = self._record(
                key, copy.deepcopy(response)
            )  # others may get it: not ours to change
            is_kept = is_finished(response) and await self._store(key, record, lives)
            made.append((response, is_kept))
            return record

        record = await self._cache.get_or_load(
            key, load, ttl=lives, load_timeout=None, cache_if=_never
        )
        if made:
            response, is_kept = made[0]
            return self._called(request, tenant, key, response, is_kept=is_kept)
        if not _is_record(record, key):
            response = await call()
            is_kept = is_finished(response) and await self._store(
                key, self._record(key, response), lives
            )
            return self._called(request, tenant, key, response, is_kept=is_kept)
        return self._hit(request, tenant, key, record)

    async def get_or_stream(
        self,
        request: Mapping[str, Any],
        open: Callable[[], AsyncIterator[Mapping[str, Any]]],
        *,
        tenant: str | None = None,
        ttl: Ttl = DEFAULT,
        allow: bool = False,
        sensitive: bool = False,
    ) -> AsyncGenerator[Mapping[str, Any], None]:
        """Give an answer chunk by chunk: those that are kept, or those of the stream opened.

        They are kept after the last chunk of a clean end, under the rules of `get_or_call`; a
        stream that breaks off, or that the caller leaves early, keeps nothing.
        """
        key = self.key(request, tenant=tenant) + _STREAM
        lives = self._lives(ttl)
        is_repeatable = not sensitive and self._is_repeatable(request, allow=allow)
        if is_repeatable and (record := await self._read_or_none(key)) is not None:
            for chunk in record["response"]:
                yield chunk
            self._hit(request, tenant, key, record)
            return
        chunks: list[Any] = []
        async with aclosing(_closing(open())) as stream:
            async for chunk in stream:
                if len(chunks) <= MAX_CHUNKS:
                    chunks.append(copy.deepcopy(chunk))  # the caller may change what it is given
                yield chunk
        usage = stream_usage(chunks)
        keep = is_repeatable and len(chunks) <= MAX_CHUNKS and stream_is_finished(chunks)
        is_kept = keep and await self._store(key, self._record(key, chunks, usage), lives)
        self._called(request, tenant, key, chunks, is_kept=is_kept, usage=usage)

    # ---- the parts -----------------------------------------------------------------------------

    def _is_repeatable(self, request: Mapping[str, Any], *, allow: bool) -> bool:
        temperature = request.get("temperature")
        is_number = isinstance(temperature, int | float) and not isinstance(temperature, bool)
        if allow or (is_number and temperature == 0):
            return True
        return self._cacheable is not None and bool(self._cacheable(request))

    def _lives(self, ttl: Ttl) -> Ttl:
        """Give the time to live; what is none is refused before a call is paid for."""
        lives = self._ttl if ttl is DEFAULT else ttl
        if lives is not None and lives is not DEFAULT:
            to_ms(lives)
        return lives

    def _record(self, key: str, response: Any, usage: Usage | None = None) -> dict[str, Any]:
        usage = usage_of(response) if usage is None else usage
        return {
            "key": key,  # compared on reading, so that no other entry passes for this one
            "response": response,
            "usage": None if usage is None else list(attrs.astuple(usage)),
            "at": self._clock(),
        }

    async def _read(self, key: str) -> dict[str, Any] | None:
        record = await self._cache.get(key, MISSING)
        return record if _is_record(record, key) else None

    async def _read_or_none(self, key: str) -> dict[str, Any] | None:
        try:
            return await self._read(key)
        except CacheError as error:
            log.warning("the cache of model answers cannot be read: %s", error.code)
            return None

    async def _store(self, key: str, record: dict[str, Any], ttl: Ttl) -> bool:
        """Keep a record; an answer that is paid for is never lost to a cache that refuses it."""
        try:
            await self._cache.set(key, record, ttl=ttl)
        except (CacheError, SerializationError, ValidationError) as error:
            log.warning("an answer of a model is not kept: %s", error.code)
            return False
        return True

    def _called(
        self,
        request: Mapping[str, Any],
        tenant: str | None,
        key: str,
        response: Any,
        *,
        is_kept: bool,
        usage: Usage | None = None,
    ) -> LLMResult:
        usage = usage_of(response) if usage is None else usage
        cost = self._cost(request, usage)
        totals = UsageTotals(
            calls=1,
            bypassed=0 if is_kept else 1,
            usage=usage or Usage(0, 0),
            cost=cost or Decimal(0),
            unpriced=int(cost is None),
        )
        self._count(request, tenant, totals)
        return LLMResult(response, "miss" if is_kept else "bypass", key, usage, cost)

    def _hit(
        self, request: Mapping[str, Any], tenant: str | None, key: str, record: dict[str, Any]
    ) -> LLMResult:
        usage = None if record["usage"] is None else Usage(*record["usage"])
        saved = self._cost(request, usage)
        totals = UsageTotals(
            calls=1,
            hits=1,
            saved_usage=usage or Usage(0, 0),
            saved_cost=saved or Decimal(0),
            unpriced=int(saved is None),
        )
        self._count(request, tenant, totals)
        age = max(0.0, self._clock() - record["at"])
        response = copy.deepcopy(record["response"])  # callers of one load share it otherwise
        return LLMResult(response, "hit", key, usage, Decimal(0), saved, age)

    def _cost(self, request: Mapping[str, Any], usage: Usage | None) -> Decimal | None:
        if usage is None or self._prices is None:
            return None
        return self._prices.cost(request["model"], usage, provider=self._provider or None)

    def _count(self, request: Mapping[str, Any], tenant: str | None, totals: UsageTotals) -> None:
        whose = tenant if tenant is not None else self._tenant
        self.meter.add(totals, model=request["model"], tenant=whose)


def _never(_: object) -> bool:
    return False


def _model_part(request: Mapping[str, Any]) -> str:
    model = request.get("model") if isinstance(request, Mapping) else None
    if not isinstance(model, str) or not model or len(part := encode_part(model)) == 0:
        message = "a request to a model is a mapping with its name under 'model'"
        raise wrong_input("invalid_key", message)
    if len(part.encode()) > MAX_MODEL_BYTES:
        message = f"a model's name has at most {MAX_MODEL_BYTES} bytes"
        raise wrong_input("invalid_key", message)
    return part


def _is_record(record: Any, key: str) -> bool:
    return (
        isinstance(record, dict)
        and record.keys() == {"key", "response", "usage", "at"}
        and record["key"] == key
    )


async def _closing(stream: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
    """Pass a stream's chunks on, and close it however that ends."""
    try:
        async for chunk in stream:
            yield chunk
    finally:
        if (aclose := getattr(stream, "aclose", None)) is not None:
            await aclose()
