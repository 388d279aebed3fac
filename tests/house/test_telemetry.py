"""Calls that leave the process are spans, retries are log records, and no secret is in either.

What is public and asynchronous is found by inspection of each package's front door. Each such
name is called here, or is listed with the reason why no span is expected of it: a new one that is
neither fails.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import inspect
import logging
import re
import socket
import tomllib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, contextmanager
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import MetaData, String, insert, literal, select
from sqlalchemy.orm import Mapped, mapped_column

import infra_cache
import infra_db
from infra_cache import EntityCache, LLMCache, Rate, RateLimiter, entities, invalidate_after
from infra_db import (
    TX_RETRY,
    Base,
    FoldedStr,
    IdMixin,
    LockTimeout,
    Repository,
    SearchIndex,
    SoftDeleteMixin,
    TimestampMixin,
    VersionedMixin,
    VersionedRepository,
)
from infra_errors import InfraError, RetryPolicy, UnavailableError
from infra_http import (
    AsyncClient,
    Client,
    FastTransport,
    Policy,
    PolicyTransport,
    RetryRule,
    SSRFGuard,
    UpstreamPool,
)
from infra_http.testing import RawPeer, RawServer, stub_server
from infra_otel._masking import Masking
from infra_otel.testing import Telemetry
from tools.house import packages

pytestmark = pytest.mark.threads

Call = Callable[[Any], Any]
ASYNC = {
    *("AbstractAsyncContextManager", "AsyncGenerator", "AsyncIterator", "Awaitable", "Coroutine"),
}


# ---- what there is -------------------------------------------------------------------------------


def asynchronous(found: Any) -> str | None:
    """Return the qualified name of a function that is awaited, entered or iterated over."""
    if isinstance(found, staticmethod | classmethod):
        found = found.__func__
    if not inspect.isfunction(found):
        return None
    fn = inspect.unwrap(found)
    returned = str(fn.__annotations__.get("return", "")).partition("[")[0].rpartition(".")[2]
    is_one = inspect.iscoroutinefunction(fn) or inspect.isasyncgenfunction(fn) or returned in ASYNC
    return fn.__qualname__ if is_one else None


def front_door(module: Any) -> Iterator[Any]:
    """Give what a package exports; for `connect` also the class of what it returns."""
    for name in module.__all__:
        yield getattr(module, name)
    if "connect" in module.__all__:
        home = import_module(module.connect.__module__)
        yield getattr(home, module.connect.__annotations__["return"])


def public_coroutines(module: Any) -> set[str]:
    """Return `package:Class.method` or `package:function` of all that is asynchronous.

    What is inherited has the name of the class that defines it. A Protocol has no code to call.
    """
    found = set()
    for it in front_door(module):
        parts = [it]
        if inspect.isclass(it):
            names = [name for name in dir(it) if not name.startswith("_")]
            is_role = getattr(it, "_is_protocol", False)
            parts = [] if is_role else [inspect.getattr_static(it, name) for name in names]
        found |= {f"{module.__name__}:{name}" for part in parts if (name := asynchronous(part))}
    return found


MODULES = [name.replace("-", "_") for name in packages()]
FOUND = {name for module in MODULES for name in public_coroutines(import_module(module))}


# ---- the database --------------------------------------------------------------------------------


class _Models(Base):
    __abstract__ = True
    metadata = MetaData(naming_convention=Base.metadata.naming_convention)


class Paper(IdMixin, TimestampMixin, VersionedMixin, SoftDeleteMixin, _Models):
    __tablename__ = "house_paper"

    slug: Mapped[str] = mapped_column(FoldedStr(50), unique=True)
    title: Mapped[str] = mapped_column(String(100), default="")
    status: Mapped[str] = mapped_column(String(20), default="draft")


SearchIndex(Paper, {"title": "A"})
NEW = {"slug": "new"}


async def opened(context: AbstractAsyncContextManager[Any]) -> None:
    async with context:
        pass


async def entered(context: AbstractAsyncContextManager[Any]) -> None:
    async with context as connection:
        await connection.execute(select(literal(1)))


async def drained(stream: Any) -> list[Any]:
    async with aclosing(stream):
        return [it async for it in stream]


async def flushed(it: Any) -> None:
    async with it.db.transaction() as tx:
        tx.session.add(Paper(**NEW))
        it.telemetry.clear()
        await tx.flush()


async def stated(it: Any) -> None:
    async with it.db.transaction() as tx:
        it.telemetry.clear()
        await entered(it.db.statement(tx))


async def restored(papers: Any, it: Any) -> None:
    await papers.delete(it.id)
    it.telemetry.clear()
    await papers.restore(it.id)


@asynccontextmanager
async def database(folder: Path, telemetry: Telemetry) -> AsyncIterator[Any]:
    async with infra_db.connect(f"sqlite:///{folder / 'a.db'}") as db:
        await db.create_all(_Models.metadata)
        plain: Repository[Paper, UUID] = Repository(db, Paper)
        versioned: VersionedRepository[Paper, UUID] = VersionedRepository(db, Paper)
        made = await versioned.create({"slug": "a", "title": "house"})
        await versioned.update(made.id, {"title": "the house"})
        yield SimpleNamespace(
            db=db, plain=plain, versioned=versioned, id=made.id, telemetry=telemetry
        )


def rows(*slugs: str) -> list[dict[str, str]]:
    return [{"slug": slug} for slug in slugs]


DATABASE: dict[str, Call] = {
    "Database.acquire": lambda it: entered(it.db.acquire(it.db.engine)),
    "Database.aclose": lambda it: it.db.aclose(),
    "Database.check_schema": lambda it: it.db.check_schema(_Models.metadata),
    "Database.create_all": lambda it: it.db.create_all(_Models.metadata),
    "Database.execute": lambda it: it.db.execute(insert(Paper).values(**NEW)),
    "Database.fast_slot": lambda it: opened(it.db.fast_slot()),
    "Database.fetch_all": lambda it: it.db.fetch_all(select(Paper.slug)),
    "Database.fetch_one": lambda it: it.db.fetch_one(select(Paper.slug)),
    "Database.health": lambda it: it.db.health(),
    "Database.ping": lambda it: it.db.ping(),
    "Database.reading": lambda it: entered(it.db.reading()),
    "Database.run": lambda it: it.db.run(lambda tx: tx.connection.execute(select(literal(1)))),
    "Database.session": lambda it: entered(it.db.session()),
    "Database.statement": stated,
    "Database.transaction": lambda it: opened(it.db.transaction()),
    "Database.writing": lambda it: opened(it.db.writing()),
    "Repository.count": lambda it: it.plain.count(),
    "Repository.exists": lambda it: it.plain.exists(),
    "Repository.get_all": lambda it: it.plain.get_all(),
    "Repository.get_by": lambda it: it.plain.get_by(slug="a"),
    "Repository.get_by_id": lambda it: it.plain.get_by_id(it.id),
    "Repository.get_many": lambda it: it.plain.get_many([it.id]),
    "Repository.page": lambda it: it.plain.page(),
    "Repository.require": lambda it: it.plain.require(it.id),
    "Repository.search": lambda it: it.plain.search("house"),
    "Repository.stream": lambda it: drained(it.plain.stream()),
    "Transaction.flush": flushed,
    "VersionedRepository.create": lambda it: it.versioned.create(NEW),
    "VersionedRepository.delete": lambda it: it.versioned.delete(it.id),
    "VersionedRepository.diff": lambda it: it.versioned.diff(it.id, 1, 2),
    "VersionedRepository.get_by_id": lambda it: it.versioned.get_by_id(it.id, version=1),
    "VersionedRepository.get_by_slug": lambda it: it.versioned.get_by_slug("a"),
    "VersionedRepository.get_version_history": lambda it: it.versioned.get_version_history(it.id),
    "VersionedRepository.insert_many": lambda it: it.versioned.insert_many(rows("b", "c")),
    "VersionedRepository.restore": lambda it: restored(it.versioned, it),
    "VersionedRepository.revert": lambda it: it.versioned.revert(it.id, 1),
    "VersionedRepository.update": lambda it: it.versioned.update(it.id, {"title": "b"}),
    "Writes.add": lambda it: it.plain.add(Paper(**NEW)),
    "Writes.create": lambda it: it.plain.create(NEW),
    "Writes.delete": lambda it: it.plain.delete(it.id),
    "Writes.insert_many": lambda it: it.plain.insert_many(rows("b", "c")),
    "Writes.restore": lambda it: restored(it.plain, it),
    "Writes.update": lambda it: it.plain.update(it.id, {"title": "b"}),
    "Writes.update_status": lambda it: it.plain.update_status(it.id, "done"),
    "Writes.upsert_many": lambda it: it.plain.upsert_many(rows("a", "b"), on=["slug"]),
}


# ---- the cache -----------------------------------------------------------------------------------


async def loaded(*_: Any) -> dict[str, Any]:
    return {"choices": [{"finish_reason": "stop"}]}


async def chunks() -> AsyncIterator[dict[str, Any]]:
    yield await loaded()


async def renewed(it: Any) -> None:
    async with it.cache.lock("long", ttl=3.0) as lock:
        it.telemetry.clear()
        renewal = asyncio.create_task(lock.renew())
        async with asyncio.timeout(30):
            while not it.telemetry.spans:  # noqa: ASYNC110  # nothing tells of a renewal
                await asyncio.sleep(0.01)
        renewal.cancel()


async def released(it: Any) -> None:
    async with it.cache.lock("held") as lock:
        it.telemetry.clear()
        await lock.release()


@asynccontextmanager
async def cache(folder: Path, telemetry: Telemetry) -> AsyncIterator[Any]:
    async with infra_cache.connect(f"sqlite:///{folder / 'c.db'}", namespace="n") as kept:
        await kept.set("k", 1)
        yield SimpleNamespace(
            cache=kept,
            entities=EntityCache(kept, "user", loaded),
            limiter=RateLimiter(kept, Rate(10, 60), name="r"),
            llm=LLMCache(kept),
            telemetry=telemetry,
        )


ASKED = {"model": "m", "prompt": "p", "temperature": 0}
CACHE: dict[str, Call] = {
    "EntityCache.get": lambda it: it.entities.get(1),
    "EntityCache.get_many": lambda it: it.entities.get_many([1, 2]),
    "EntityCache.invalidate": lambda it: it.entities.invalidate(1),
    "EntityCache.put": lambda it: it.entities.put(1, {}),
    "LLMCache.get": lambda it: it.llm.get("m", "p"),
    "LLMCache.get_or_call": lambda it: it.llm.get_or_call(ASKED, loaded),
    "LLMCache.get_or_stream": lambda it: drained(it.llm.get_or_stream(ASKED, chunks)),
    "LLMCache.invalidate": lambda it: it.llm.invalidate("m", "p"),
    "LLMCache.invalidate_model": lambda it: it.llm.invalidate_model("m"),
    "LLMCache.set": lambda it: it.llm.set("m", "p", {}),
    "Lock.release": released,
    "Lock.renew": renewed,
    "RateLimiter.acquire": lambda it: it.limiter.acquire("r"),
    "RateLimiter.hit": lambda it: it.limiter.hit("r"),
    "RateLimiter.peek": lambda it: it.limiter.peek("r"),
    "RateLimiter.refund": lambda it: it.limiter.refund("r", cost=1),
    "RateLimiter.reset": lambda it: it.limiter.reset("r"),
    "StoreCache.aclose": lambda it: it.cache.aclose(),
    "StoreCache.clear": lambda it: it.cache.clear(),
    "StoreCache.compare_and_set": lambda it: it.cache.compare_and_set("k", 1, 2, ttl=9),
    "StoreCache.delete": lambda it: it.cache.delete("k"),
    "StoreCache.delete_many": lambda it: it.cache.delete_many(["k"]),
    "StoreCache.delete_pattern": lambda it: it.cache.delete_pattern("k*"),
    "StoreCache.exists": lambda it: it.cache.exists("k"),
    "StoreCache.expire": lambda it: it.cache.expire("k", 9),
    "StoreCache.get": lambda it: it.cache.get("k"),
    "StoreCache.get_json": lambda it: it.cache.get_json("k"),
    "StoreCache.get_many": lambda it: it.cache.get_many(["k"]),
    "StoreCache.get_or_load": lambda it: it.cache.get_or_load("l", loaded),
    "StoreCache.guard_check": lambda it: it.cache.guard_check("g", b"d" * 32),
    "StoreCache.guard_remaining": lambda it: it.cache.guard_remaining("g"),
    "StoreCache.guard_set": lambda it: it.cache.guard_set("g", b"d" * 32, attempts=3, ttl=9),
    "StoreCache.health": lambda it: it.cache.health(),
    "StoreCache.increment": lambda it: it.cache.increment("i"),
    "StoreCache.index_add": lambda it: it.cache.index_add("x", "m", ttl=9),
    "StoreCache.index_members": lambda it: it.cache.index_members("x"),
    "StoreCache.index_remove": lambda it: it.cache.index_remove("x", "m"),
    "StoreCache.invalidate_tags": lambda it: it.cache.invalidate_tags("t"),
    "StoreCache.keys": lambda it: drained(it.cache.keys()),
    "StoreCache.lock": lambda it: opened(it.cache.lock("other")),
    "StoreCache.ping": lambda it: it.cache.ping(),
    "StoreCache.set": lambda it: it.cache.set("k", 1),
    "StoreCache.set_json": lambda it: it.cache.set_json("k", 1),
    "StoreCache.set_many": lambda it: it.cache.set_many({"k": 1}),
    "StoreCache.set_nx": lambda it: it.cache.set_nx("k", 1, ttl=9),
    "StoreCache.set_with_expiry": lambda it: it.cache.set_with_expiry("k", 1, 9),
    "StoreCache.take": lambda it: it.cache.take("k"),
    "StoreCache.ttl": lambda it: it.cache.ttl("k"),
}


# ---- the client ----------------------------------------------------------------------------------


async def shake_hands(peer: RawPeer) -> None:
    """Be a web socket server (RFC 6455) that says nothing more."""
    head = (await peer.request()).decode("latin-1")
    key = re.search(r"(?im)^sec-websocket-key: *(.+?)\r$", head)
    assert key is not None
    digest = hashlib.sha1(f"{key[1]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
    fields = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: "
    accept = base64.b64encode(digest).decode()
    await peer.send(f"HTTP/1.1 101 Switching Protocols\r\n{fields}{accept}\r\n\r\n".encode())
    await peer.read()


async def web_socket(it: Any) -> None:
    pytest.importorskip("wsproto")
    async with RawServer(shake_hands) as server:
        await opened(it.client.websocket(server.url.replace("http", "ws")))


async def exchanged(it: Any, call: Call) -> Any:
    async with await call(it.pool) as response:
        return await response.read()


@asynccontextmanager
async def client(_: Path, telemetry: Telemetry) -> AsyncIterator[Any]:
    events = {"content-type": "text/event-stream"}
    async with (
        stub_server((200, events, b"data: 1\n\n")) as server,
        AsyncClient() as ours,
        UpstreamPool(server.url) as pool,
        FastTransport() as fast,
        PolicyTransport(FastTransport()) as policy,
    ):
        yield SimpleNamespace(
            client=ours,
            fast=fast,
            policy=policy,
            pool=pool,
            request=httpx2.Request("GET", server.url),
            telemetry=telemetry,
            timeouts=pool._timeouts,
            url=server.url,
        )


CLIENT: dict[str, Call] = {
    "AsyncClient.aclose": lambda it: it.client.aclose(),
    "AsyncClient.delete": lambda it: it.client.delete(it.url),
    "AsyncClient.get": lambda it: it.client.get(it.url),
    "AsyncClient.head": lambda it: it.client.head(it.url),
    "AsyncClient.options": lambda it: it.client.options(it.url),
    "AsyncClient.patch": lambda it: it.client.patch(it.url),
    "AsyncClient.post": lambda it: it.client.post(it.url),
    "AsyncClient.put": lambda it: it.client.put(it.url),
    "AsyncClient.query": lambda it: it.client.query(it.url),
    "AsyncClient.request": lambda it: it.client.request("GET", it.url),
    "AsyncClient.send": lambda it: it.client.send(it.request),
    "AsyncClient.sse": lambda it: opened(it.client.sse(it.url)),
    "AsyncClient.stream": lambda it: opened(it.client.stream("GET", it.url)),
    "AsyncClient.websocket": web_socket,
    "FastTransport.aclose": lambda it: it.fast.aclose(),
    "FastTransport.handle_async_request": lambda it: it.fast.handle_async_request(it.request),
    "PolicyTransport.aclose": lambda it: it.policy.aclose(),
    "PolicyTransport.handle_async_request": lambda it: it.policy.handle_async_request(it.request),
    "SSRFGuard.resolve": lambda it: SSRFGuard(allow_private=True).resolve("localhost", 80),
    "UpstreamPool.aclose": lambda it: it.pool.aclose(),
    "UpstreamPool.exchange": lambda it: exchanged(
        it, lambda pool: pool.exchange("GET", b"/", [], None, timeouts=it.timeouts)
    ),
    "UpstreamPool.ping": lambda it: it.pool.ping(),
    "UpstreamPool.request": lambda it: exchanged(it, lambda pool: pool.request("GET", b"/", [])),
}


# ---- which of them are recorded ------------------------------------------------------------------

STAGES: dict[str, tuple[str, Any, dict[str, Call]]] = {
    "infra_cache": ("db.system.name", cache, CACHE),
    "infra_db": ("db.system.name", database, DATABASE),
    "infra_http": ("http.request.method", client, CLIENT),
}
CALLS = {f"{module}:{name}" for module, (_, _, calls) in STAGES.items() for name in calls}

# They leave the process and no span says so: each is called here, and leaves this list with the
# span that it gets.
UNRECORDED = {
    "infra_db:Database.aclose": "it closes connections: no statement, so no span of the convention",
    "infra_db:Database.fast_slot": "it lends a connection; who reads with it makes the span",
    "infra_http:AsyncClient.aclose": "it closes connections and sends no request",
    "infra_http:FastTransport.aclose": "it closes connections and sends no request",
    "infra_http:FastTransport.handle_async_request": "the transport before it makes the span",
    "infra_http:PolicyTransport.aclose": "it closes connections and sends no request",
    "infra_http:SSRFGuard.resolve": "a look-up of a name, for which there is no span convention",
    "infra_http:UpstreamPool.aclose": "it closes connections and sends no request",
    "infra_http:UpstreamPool.exchange": "the raw client of a gateway, which has a span of its own",
    "infra_http:UpstreamPool.ping": "it opens a connection and sends no request",
    "infra_http:UpstreamPool.request": "the raw client of a gateway, which has a span of its own",
}

# They ask no other system themselves; a reason for each group.
WITHOUT_IO = {
    "it runs the caller's function, whose own calls are recorded": """
        infra_errors:RetryPolicy.arun infra_http:Policy.execute
    """,
    "a floor without telemetry: the caller's own client, KMS or source does the work": """
        infra_config:Reloader.run infra_crypto:AsyncJwtVerifier.verify infra_crypto:Envelope.open
        infra_crypto:Envelope.rewrap infra_crypto:Envelope.seal infra_crypto:Keyset.aexport
        infra_crypto:Keyset.aload infra_crypto:RemoteJwks.get infra_crypto:RemoteJwks.refresh
        infra_crypto:RemoteJwks.get_for_unknown
    """,
    "it computes, in a thread": """
        infra_crypto:PasswordHasher.ahash infra_crypto:PasswordHasher.averify
        infra_crypto:ahash_password infra_crypto:averify_password
    """,
    "rows in a dict": " ".join(
        f"infra_db:MemoryRepository.{name}"
        for name in (
            *("add", "count", "create", "delete", "exists", "get_all", "get_by", "get_by_id"),
            *("get_many", "insert_many", "page", "require", "restore", "search", "stream"),
            *("update", "update_status", "upsert_many"),
        )
    ),
    "it does nothing: a hook, a refusal, and a lock that SQLite's writers hold anyway": """
        infra_db:Writes.on_change infra_db:VersionedRepository.upsert_many
        infra_db:Transaction.lock
    """,
    "it counts the statements of a block": "infra_db:query_budget",
    "the rest of an answer that is begun": """
        infra_http:UpstreamResponse.aclose infra_http:UpstreamResponse.read
    """,
    "it serves: the SERVER span around a request is infra_otel.OtelMiddleware's": """
        infra_http:Request.body infra_http:Request.close infra_http:Request.is_disconnected
        infra_http:Request.json infra_http:Request.send_early_hints
        infra_http:Request.send_push_promise infra_http:Request.stream
        infra_http:ServerApp.start_drain infra_http:serve
    """,
    "a tool for tests, which starts processes": """
        infra_sim:CrashingProcess.restart infra_sim:CrashingProcess.start
        infra_sim:CrashingProcess.wait infra_sim:start_private_server
    """,
}
EXCUSED = {name for names in WITHOUT_IO.values() for name in names.split()}


def test_each_public_coroutine_is_called_here_or_excused_with_a_reason() -> None:
    assert set() == FOUND - CALLS - EXCUSED
    assert set() == CALLS & EXCUSED
    assert set() == (CALLS | EXCUSED | UNRECORDED.keys()) - FOUND
    assert UNRECORDED.keys() <= CALLS


def test_a_new_coroutine_is_found_whatever_its_shape() -> None:
    class Base:
        async def inherited(self) -> None: ...

    class Thing(Base):
        async def awaited(self) -> None: ...

        async def iterated(self) -> AsyncIterator[int]:
            yield 1

        @asynccontextmanager
        async def entered(self) -> AsyncIterator[int]:
            yield 1

        @classmethod
        async def made(cls) -> None: ...

        def promised(self) -> AbstractAsyncContextManager[int]:
            return self.entered()

        async def _private(self) -> None: ...

        def plain(self) -> int:
            return 1

    door = SimpleNamespace(__name__="new", __all__=["Thing"], Thing=Thing)
    found = {name.rpartition(".")[2] for name in public_coroutines(door)}
    assert {"inherited", "awaited", "iterated", "entered", "made", "promised"} == found


@pytest.mark.parametrize("name", sorted(CALLS))
async def test_a_call_is_a_span_with_the_attribute_of_its_convention(
    name: str, telemetry: Telemetry, tmp_path: Path
) -> None:
    module, _, method = name.partition(":")
    attribute, stage, calls = STAGES[module]
    async with stage(tmp_path, telemetry) as it:
        telemetry.clear()
        await calls[method](it)
        spans = telemetry.spans
    recorded = [span.name for span in spans if attribute in (span.attributes or {})]
    assert (name not in UNRECORDED) == bool(recorded), UNRECORDED.get(name)


def test_telemetry_is_the_api_alone_and_belongs_to_who_does_io() -> None:
    declared = {}
    for name, folder in packages().items():
        project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
        named = [re.split(r"[^A-Za-z0-9-]", it)[0] for it in project["dependencies"]]
        declared[name.replace("-", "_")] = {it for it in named if it.startswith("opentelemetry")}
    assert {name: {"opentelemetry-api"} for name in (*STAGES, "infra_otel")} == {
        name: found for name, found in declared.items() if found
    }


@pytest.mark.parametrize("module", sorted(set(MODULES) - {"infra_otel"}))
def test_a_library_neither_configures_telemetry_nor_needs_its_sdk(module: str) -> None:
    root = next(path for name, path in packages().items() if name.replace("-", "_") == module)
    text = "".join(file.read_text("utf-8") for file in (root / "src").rglob("*.py"))
    for found in ("opentelemetry.sdk", "import infra_otel", "from infra_otel", "set_tracer_prov"):
        assert found not in text
    assert (module in STAGES) == ("opentelemetry" in text)


# ---- levels --------------------------------------------------------------------------------------


def levels(telemetry: Telemetry) -> list[str]:
    """Return the levels of what the family logged, from INFO on, in order."""
    scoped = [(it.instrumentation_scope, it.log_record) for it in telemetry.logs]
    ours = [log for scope, log in scoped if scope and scope.name.startswith("infra_")]
    return [str(it.severity_text) for it in ours if it.severity_text not in {"DEBUG", None}]


@pytest.fixture
def loud(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


AT_ONCE = RetryPolicy(attempts=3, base=0.0)
BUSY = (503, {"retry-after": "0"}, b"")
NO_WAIT = Policy(retry=RetryRule(policy=AT_ONCE, budget=None), breaker=None)


@pytest.mark.usefixtures("loud")
@pytest.mark.parametrize("scheme", ["memory", "sqlite"])
async def test_a_hit_and_a_miss_are_nothing_to_report(
    scheme: str, telemetry: Telemetry, tmp_path: Path
) -> None:
    url = "memory://" if scheme == "memory" else f"sqlite:///{tmp_path / 'c.db'}"
    async with infra_cache.connect(url) as kept:
        assert await kept.get("k") is None
        await kept.set("k", 1)
        assert 1 == await kept.get("k")
        found: object = await kept.get_or_load("k", loaded)
        assert 1 == found
        assert {"k": 1} == await kept.get_many(["k", "absent"])
        assert (3, 2) == (kept.stats.hits, kept.stats.misses)
    assert [] == levels(telemetry)


async def by_the_client(failures: int, _: Path) -> None:
    async with stub_server([BUSY] * failures + [200]) as server, AsyncClient(policy=NO_WAIT) as it:
        (await it.get(server.url)).raise_for_status()


async def by_the_sync_client(failures: int, _: Path) -> None:
    def get(url: str) -> None:
        with Client(policy=NO_WAIT) as it:
            it.get(url).raise_for_status()

    async with stub_server([BUSY] * failures + [200]) as server:
        await asyncio.to_thread(get, server.url)


def failing(failures: int) -> Callable[[], None]:
    left = iter(range(failures))

    def fail() -> None:
        if next(left, None) is not None:
            raise UnavailableError("not now")

    return fail


async def by_a_policy(failures: int, _: Path) -> None:
    fail = failing(failures)

    async def once() -> None:
        fail()

    await AT_ONCE.arun(once)


async def by_a_sync_policy(failures: int, _: Path) -> None:
    AT_ONCE.run(failing(failures))


async def by_policies_in_each_other(failures: int, folder: Path) -> None:
    fail = failing(failures)

    async def inner() -> None:
        fail()

    await AT_ONCE.arun(AT_ONCE.arun, inner)


async def by_a_transaction(failures: int, folder: Path) -> None:
    """Wait for a lock that another connection holds, until it has kept us waiting so often."""
    url, told, free = f"sqlite:///{folder / 'a.db'}", 0, asyncio.Event()

    def tell(_: object) -> None:
        nonlocal told
        told += 1
        if told == failures:
            free.set()

    async def hold(other: infra_db.Database, held: asyncio.Event) -> None:
        async with other.transaction():
            await other.execute(insert(Paper).values(**NEW))
            held.set()
            await free.wait()

    async with infra_db.connect(url) as other, infra_db.connect(url, lock_timeout=0.02) as db:
        await other.create_all(_Models.metadata)
        held = asyncio.Event()
        holder = asyncio.create_task(hold(other, held))
        await held.wait()
        try:
            retry = TX_RETRY.with_(attempts=3, base=0.0, on=LockTimeout, on_retry=tell)
            await db.run(lambda _: db.execute(insert(Paper).values(slug="b")), retry=retry)
        finally:
            free.set()
            await holder


RETRIED = {
    fn.__name__.removeprefix("by_"): fn
    for fn in (
        *(by_the_client, by_the_sync_client, by_a_policy, by_a_sync_policy),
        *(by_policies_in_each_other, by_a_transaction),
    )
}


@pytest.mark.usefixtures("loud")
@pytest.mark.parametrize("way", RETRIED)
async def test_a_retry_is_a_warning_and_no_error(
    way: str, telemetry: Telemetry, tmp_path: Path
) -> None:
    await RETRIED[way](1, tmp_path)
    assert ["WARN"] == levels(telemetry)


async def by_the_cache(_: int, __: Path) -> None:
    with dead_port() as port:
        async with infra_cache.connect(f"redis://127.0.0.1:{port}", retry=AT_ONCE) as kept:
            await kept.get("k")


class Commit:
    """A transaction of whatever kind that runs what is to come after it."""

    def after_commit(self, fn: Callable[[], Any], /) -> None:
        self.run = fn


async def by_an_invalidation(key: str, folder: Path) -> None:
    tx, kept = Commit(), infra_cache.connect(f"sqlite:///{folder / 'c.db'}")
    await kept.aclose()
    invalidate_after(tx, kept, keys=[key])
    await tx.run()


EXHAUSTED = {**RETRIED, "the_cache": by_the_cache}


@pytest.mark.usefixtures("loud")
@pytest.mark.parametrize("way", EXHAUSTED)
async def test_exhausted_retries_are_exactly_one_error(
    way: str, telemetry: Telemetry, tmp_path: Path
) -> None:
    with pytest.raises((InfraError, httpx2.HTTPStatusError)):
        await EXHAUSTED[way](99, tmp_path)
    assert ["WARN", "WARN", "ERROR"] == levels(telemetry)


@pytest.mark.usefixtures("loud")
async def test_an_invalidation_that_fails_for_good_is_exactly_one_error(
    telemetry: Telemetry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    retry = AT_ONCE.with_(on=InfraError)
    monkeypatch.setattr(entities, "RETRY", retry)
    await by_an_invalidation("k", tmp_path)
    assert ["WARN", "WARN", "ERROR"] == levels(telemetry)


# ---- what nobody may read ------------------------------------------------------------------------

TOKEN = "tok-5f1d0c9e7b"
PASSWORD = "hunter2-swordfish"
PHONE = "+4915112345678"


@contextmanager
def dead_port() -> Iterator[int]:
    """Keep a port on which nobody listens."""
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        yield kept.getsockname()[1]


async def ask(url: str) -> None:
    async with AsyncClient(policy=NO_WAIT, raise_errors=True) as it:
        await it.post(url, headers={"authorization": f"Bearer {TOKEN}"}, json={"phone": PHONE})
        await it.get(url.replace("//", f"//ann:{PASSWORD}@"), params={"token": TOKEN})
        await it.get(f"{url}/?phone={PHONE}", headers={"authorization": f"Bearer {TOKEN}"})


async def keep_in_the_cache(url: str) -> None:
    async with infra_cache.connect(url, retry=AT_ONCE) as kept:
        await kept.get(f"user:{PHONE}")
        await kept.set(f"user:{PHONE}", {"phone": PHONE}, tags=[PHONE])
        await kept.get_or_load(f"user:{PHONE}", loaded)
        await kept.increment(f"user:{PHONE}")


async def keep_in_the_database(url: str) -> None:
    async with infra_db.connect(url) as db:
        await db.create_all(_Models.metadata)
        papers: VersionedRepository[Paper, UUID] = VersionedRepository(db, Paper)
        made = await papers.create({"slug": PHONE, "title": TOKEN})
        await papers.update(made.id, {"title": PASSWORD})
        await papers.get_by_slug(PHONE)
        await papers.create({"slug": PHONE})


async def secret_life(folder: Path) -> list[str]:
    """Use each package with secrets, well and badly; return the errors' codes."""
    codes = []
    with dead_port() as port:
        async with stub_server([200, BUSY, 200, BUSY]) as server:
            for work in (
                ask(server.url),
                keep_in_the_cache(f"sqlite:///{folder / 'c.db'}"),
                keep_in_the_cache(f"redis://:{PASSWORD}@127.0.0.1:{port}"),
                keep_in_the_database(f"sqlite:///{folder / 'a.db'}"),
                keep_in_the_database(f"postgresql://ann:{PASSWORD}@127.0.0.1:{port}/app"),
            ):
                with pytest.raises(InfraError) as caught:
                    await work
                codes.append(caught.value.code)
    return codes


@pytest.fixture(params=["as_exported", "as_recorded"])
def told(
    request: pytest.FixtureRequest, telemetry: Telemetry, caplog: pytest.LogCaptureFixture
) -> Telemetry:
    """The telemetry as infra-otel exports it, and as the packages alone leave it.

    In the first is also what other libraries log at INFO.
    """
    caplog.set_level(logging.INFO)
    for module in MODULES:
        caplog.set_level(logging.DEBUG, logger=module)
    if request.param == "as_recorded":
        caplog.set_level(logging.ERROR)
        telemetry._masking = Masking(None)
    return telemetry


@pytest.mark.native("asyncpg")
async def test_no_secret_is_in_a_span_a_metric_or_a_log_record(
    told: Telemetry, tmp_path: Path
) -> None:
    pytest.importorskip("asyncpg")
    pytest.importorskip("redis")
    codes = await secret_life(tmp_path)
    assert [
        *("http.unavailable", "cache.wrong_type", "cache.connection", "db.unique_violation"),
        "db.connection",
    ] == codes
    assert {"infra_cache", "infra_db", "infra_http"} <= {
        span.instrumentation_scope.name for span in told.spans if span.instrumentation_scope
    }
    assert told.metric("http.client.request.duration", error_type="503") is not None
    assert {"WARN", "ERROR"} <= set(levels(told))
    told.assert_no_values(TOKEN, PASSWORD, PHONE, PHONE[1:])


def test_a_secret_that_is_recorded_would_be_found(told: Telemetry) -> None:
    logging.getLogger("infra_x").error("the word is %s", PASSWORD)
    with pytest.raises(AssertionError, match="must not be recorded"):
        told.assert_no_values(TOKEN, PASSWORD)


async def test_a_phone_number_in_a_query_is_not_exported_with_httpx2s_log(
    telemetry: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with stub_server(200) as server, AsyncClient() as it:
        await it.get(server.url, params={"phone": PHONE})
    telemetry.assert_no_values(PHONE[1:])


async def test_a_key_is_in_no_log_record_of_an_invalidation_that_fails(
    telemetry: Telemetry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    telemetry._masking = Masking(None)
    monkeypatch.setattr(entities, "RETRY", AT_ONCE.with_(on=InfraError))
    await by_an_invalidation(f"user:{PHONE}", tmp_path)
    telemetry.assert_no_values(PHONE)


@pytest.mark.parametrize(
    ("scheme", "attribute"),
    [
        ("http", "http.request.method"),
        ("redis", "db.system.name"),
        ("postgresql", "db.system.name"),
    ],
)
async def test_a_call_to_a_server_that_is_gone_is_a_span_with_its_error(
    scheme: str, attribute: str, telemetry: Telemetry
) -> None:
    with dead_port() as port:
        url = f"{scheme}://127.0.0.1:{port}"
        with pytest.raises(InfraError) as caught:
            if scheme == "http":
                async with AsyncClient(policy=None) as it:
                    await it.get(url)
            elif scheme == "redis":
                pytest.importorskip("redis")
                async with infra_cache.connect(url, retry=AT_ONCE) as kept:
                    await kept.ping()
            else:
                pytest.importorskip("asyncpg")
                async with infra_db.connect(f"{url}/app") as db:
                    await db.ping()
    found = [dict(span.attributes or {}) for span in telemetry.spans]
    assert [caught.value.code] == list({it["error.type"] for it in found if attribute in it})
