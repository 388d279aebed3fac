"""Entities by id: each is tagged with its own name, so that forgetting one cannot lose a race."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar
from uuid import UUID

from infra_cache._core import INTERNAL
from infra_cache._frames import Frame
from infra_cache.keys import CacheKey
from infra_cache.protocol import Found
from infra_cache.tags import MAX_TAGS, judge, new_stamps, tag_keys
from infra_cache.values import DEFAULT, Ttl
from infra_errors import CacheError, InfraError, RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

    from infra_cache.cache import StoreCache
    from infra_cache.protocol import Cache

__all__ = ["EntityCache", "invalidate_after"]

log = logging.getLogger("infra_cache")

T = TypeVar("T")
Id: TypeAlias = str | int | UUID

RETRY = RetryPolicy(attempts=4, base=0.05, on=CacheError, deadline=None)


class EntityCache(Generic[T]):
    """A read-through cache of entities: `load(id)` gives one, or None where there is none.

    `load_many(ids)` gives a mapping of those that exist, for `get_many`. An absent entity is
    remembered for `negative_ttl` seconds. Keys and tags are `name:id`.
    """

    def __init__(
        self,
        cache: StoreCache,
        name: str,
        load: Callable[[Any], Awaitable[T | None]],
        *,
        load_many: Callable[[Sequence[Any]], Awaitable[Mapping[Any, T | None]]] | None = None,
        ttl: Ttl = DEFAULT,
        negative_ttl: float | None = 30.0,
    ) -> None:
        self.name = str(CacheKey(name))
        self._cache = cache
        self._raw_name = name
        self._load = load
        self._load_many = load_many
        self._ttl = ttl
        self._negative_ttl = negative_ttl

    def key(self, id: Id) -> str:
        """Give an entity's key, which is its tag, too."""
        return str(CacheKey(self._raw_name, id))

    async def get(self, id: Id) -> T | None:
        """Return an entity, loaded once for all who ask; None where there is none."""
        key = self.key(id)
        return await self._cache.get_or_load(
            key,
            lambda: self._load(id),
            ttl=self._ttl,
            negative_ttl=self._negative_ttl,
            tags=(key,),
        )

    async def get_many(self, ids: Collection[Id]) -> dict[Any, T]:
        """Return those that exist, in the order of `ids`; what is not kept is loaded in one call.

        Two round trips, or three when something is loaded. Raises what the cache and the loader
        raise.
        """
        names = {id: self.key(id) for id in ids}
        if not names:
            return {}
        if self._load_many is None:
            loaded = await self._one_by_one(list(names))
        else:
            loaded = await self._kept(names)
            missing = [id for id in names if id not in loaded]
            if missing:
                loaded |= await self._fill({id: names[id] for id in missing}, self._load_many)
        found = ((id, loaded.get(id)) for id in names)
        return {id: value for id, value in found if value is not None}

    async def _one_by_one(self, ids: Sequence[Any]) -> dict[Any, T | None]:
        tasks = [asyncio.create_task(self.get(id)) for id in ids]
        try:
            return dict(zip(ids, await asyncio.gather(*tasks), strict=True))
        finally:
            for task in tasks:
                task.cancel()

    async def _kept(self, names: Mapping[Any, str]) -> dict[Any, T | None]:
        """Read what is kept, with the stamps of all tags in the same round trip."""
        core, prefix = self._cache._core, self._cache._prefix
        await core.ready()
        keys = list(names.values())
        marks = [name for key in keys for name in tag_keys(prefix, (key,))]
        raw = await core.store.mget([*(prefix + key for key in keys), *marks])
        stamps = {
            key: None if it is None else it.decode()
            for key, it in zip(keys, raw[len(keys) :], strict=True)
        }
        kept: dict[Any, T | None] = {}
        for (id, _), data in zip(names.items(), raw, strict=False):
            entry = await judge(core, prefix, Found(data, None), stamps)
            if entry is None or entry.frame.stale:
                core.counters.misses += 1
                continue
            core.counters.hits += 1
            kept[id] = entry.value  # None for one that is known to be absent
        return kept

    async def _fill(
        self,
        names: Mapping[Any, str],
        load_many: Callable[[Sequence[Any]], Awaitable[Mapping[Any, T | None]]],
    ) -> dict[Any, T | None]:
        """Load and keep; the stamps are read before, so that a racing invalidation wins."""
        core, prefix = self._cache._core, self._cache._prefix
        marks = [name for key in names.values() for name in tag_keys(prefix, (key,))]
        lives = [core.ttl(self._ttl)]
        if self._negative_ttl is not None:
            lives.append(core.ttl(self._negative_ttl))
        keep = None if None in lives else max(live for live in lives if live is not None)
        stamps = (
            await core.store.fetch(prefix + INTERNAL, marks, fresh=new_stamps(marks), keep=keep)
        ).stamps
        core.counters.loads += 1
        try:
            loaded = await load_many(list(names))
        except BaseException:
            core.counters.load_errors += 1
            raise
        for (id, key), mark, stamp in zip(names.items(), marks, stamps, strict=True):
            value = loaded.get(id)
            is_absent = value is None
            if (is_absent and self._negative_ttl is None) or stamp is None:
                continue
            frame = Frame(tags={key: stamp}, negative=is_absent)
            data = core.pack(core.encode(value), frame)
            live = core.ttl(self._negative_ttl if is_absent else self._ttl)
            await core.store.set(prefix + key, data, live, tags=[mark])
        return {id: loaded.get(id) for id in names}

    async def put(self, id: Id, entity: T) -> None:
        """Keep an entity that the caller has at hand."""
        key = self.key(id)
        await self._cache.set(key, entity, ttl=self._ttl, tags=(key,))

    async def invalidate(self, *ids: Id) -> None:
        """Forget entities; a load under way will not bring back what it began with."""
        tags = [self.key(id) for id in ids]
        for at in range(0, len(tags), MAX_TAGS):
            await self._cache.invalidate_tags(*tags[at : at + MAX_TAGS])


class Transaction(Protocol):
    """Anything that runs a function after its commit, and not after a rollback."""

    def after_commit(self, fn: Callable[[], Any], /) -> Any:
        """Run `fn`, which may be async, once the transaction is committed."""


def invalidate_after(
    tx: Transaction, cache: Cache, *, keys: Collection[str] = (), tags: Collection[str] = ()
) -> None:
    """Forget keys and tags once a transaction is committed; after a rollback nothing happens.

    What fails is tried three times more and then one error in the log, which counts the keys and
    names none: the data is committed by then, and no exception could undo it.
    """
    keys, tags = tuple(keys), tuple(tags)

    async def forget() -> None:
        if keys:
            await cache.delete_many(keys)
        for at in range(0, len(tags), MAX_TAGS):
            await cache.invalidate_tags(*tags[at : at + MAX_TAGS])

    # what the retry policy calls it in the log
    forget.__qualname__ = f"the invalidation of {len(keys)} keys and {len(tags)} tags"

    async def after() -> None:
        try:
            await RETRY.arun(forget)
        except Exception as error:  # noqa: BLE001  # it is logged, and the commit stands
            if not isinstance(error, InfraError) or (error.attempts or 1) == 1:
                # after several attempts the retry policy has said so itself
                log.error("%s failed: %s", forget.__qualname__, type(error).__name__)  # noqa: TRY400  # a trace would name the keys

    tx.after_commit(after)
