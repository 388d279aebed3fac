"""`sqlite:///file.db`: a store in a file, for several processes of one machine.

One thread does all of it on one connection; a step that writes is one BEGIN IMMEDIATE transaction.
A caller that is cancelled leaves a step that is either not begun or done whole.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from hmac import compare_digest
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from infra_cache._rates import gcra_step, window_step
from infra_cache._telemetry import Telemetry
from infra_cache.errors import (
    CacheFull,
    CacheTimeout,
    CacheUnavailable,
    CounterOverflow,
    StoreError,
    WrongType,
)
from infra_cache.protocol import Found, RateState
from infra_cache.values import Capabilities, GuardOutcome, GuardResult
from infra_errors import CacheError, ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from infra_cache.keys import Glob
    from infra_cache.protocol import StoreContext
    from infra_cache.settings import CacheSettings

__all__ = ["SqliteStore", "make_store"]

T = TypeVar("T")

INT64 = 2**63
FENCE_MS = 86_400_000
SWEEP_EVERY = 64  # writes; so many rows over max_items a process may leave for a moment
SWEEP_ROWS = 1000
VALUE, GUARD, INDEX, LOCK, LIMIT = range(5)
VERSION = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    key TEXT PRIMARY KEY, kind INTEGER NOT NULL, data BLOB NOT NULL, expires INTEGER,
    written INTEGER NOT NULL, pinned INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS entries_expires ON entries (expires) WHERE expires IS NOT NULL;
CREATE INDEX IF NOT EXISTS entries_written ON entries (written) WHERE NOT pinned;
CREATE TABLE IF NOT EXISTS members (
    key TEXT NOT NULL REFERENCES entries (key) ON DELETE CASCADE, member TEXT NOT NULL,
    expires INTEGER NOT NULL, PRIMARY KEY (key, member)
) WITHOUT ROWID;
"""


class _Row(NamedTuple):
    kind: int
    data: bytes
    expires: int | None


def make_store(settings: CacheSettings, *, context: StoreContext) -> SqliteStore:
    """Make the store of a file; no I/O. Raises ConfigError `cache.config`."""
    path = settings.resolved_url().reveal().removeprefix("sqlite://").removeprefix("/")
    if not path or path.startswith(":") or "?" in path:
        message = "the SQLite URL names a file, like sqlite:///cache.db; memory:// keeps none"
        raise ConfigError(message, code="cache.config")
    return SqliteStore(path, settings, context)


class SqliteStore:
    """Rows with an expiry in wall milliseconds."""

    name = "sqlite"
    capabilities = Capabilities(durable=True, shared=True)

    def __init__(self, path: str, settings: CacheSettings, context: StoreContext) -> None:
        self._path = path
        self._settings = settings
        self._counters = context.counters
        self._clock = context.clock
        self._telemetry = Telemetry("sqlite")
        self._latest = 0
        self._writes = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="infra-cache")
        self._db: sqlite3.Connection

    # ---- the thread --------------------------------------------------------------------------

    async def _do(self, name: str, step: Callable[[], T]) -> T:
        """Run a step in the thread."""
        with self._telemetry.call(name):
            try:
                return await asyncio.get_running_loop().run_in_executor(self._thread, step)
            except sqlite3.Error as error:
                raise _meaning(error) from error
            except RuntimeError as error:  # the thread was shut down
                message = "the cache was closed; connect again"
                raise CacheUnavailable(message, retryable=False) from error

    async def _write(self, name: str, step: Callable[[], T]) -> T:
        """Run a step as one transaction."""

        def whole() -> T:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                result = step()
                self._writes += 1
                if self._writes % SWEEP_EVERY == 0:
                    self._sweep()
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            return result

        return await self._do(name, whole)

    async def open(self) -> None:
        """Open the file and make its tables."""

        def connect() -> None:
            db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            try:
                db.execute(f"PRAGMA busy_timeout = {int(self._settings.timeout * 1000)}")
                _require_version(db)
                db.execute("PRAGMA journal_mode = WAL")
                db.execute("PRAGMA synchronous = NORMAL")
                db.execute("PRAGMA foreign_keys = ON")
                db.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version={VERSION}; COMMIT")
            except BaseException:
                db.close()
                raise
            self._db = db

        await self._do("OPEN", connect)

    async def aclose(self) -> None:
        """Close the file and end the thread."""

        def close() -> None:
            db = getattr(self, "_db", None)
            if db is not None:
                db.close()

        try:
            await self._do("CLOSE", close)
        except CacheUnavailable:
            return  # closed before
        self._thread.shutdown()

    def _now_us(self) -> int:
        self._latest = now = max(self._latest, int(self._clock() * 1e6))
        return now

    def _now(self) -> int:
        return self._now_us() // 1000

    def _sweep(self) -> None:
        """Drop what has expired, and the oldest of what is too much."""
        gone = self._db.execute(
            "DELETE FROM entries WHERE key IN (SELECT key FROM entries WHERE expires <= ? LIMIT ?)",
            (self._now(), SWEEP_ROWS),
        )
        self._counters.expired += gone.rowcount
        query = "SELECT count(*) FROM entries WHERE NOT pinned"
        over = self._db.execute(query).fetchone()[0] - self._settings.max_items
        if over > 0:
            gone = self._db.execute(
                "DELETE FROM entries WHERE key IN "
                "(SELECT key FROM entries WHERE NOT pinned ORDER BY written LIMIT ?)",
                (over,),
            )
            self._counters.evictions += gone.rowcount

    # ---- rows --------------------------------------------------------------------------------

    def _row(self, key: str, kind: int | None = None) -> _Row | None:
        """Find a live row; WrongType for one of another kind."""
        found = self._db.execute(
            "SELECT kind, data, expires FROM entries "
            "WHERE key = ? AND (expires IS NULL OR expires > ?)",
            (key, self._now()),
        ).fetchone()
        if found is None:
            return None
        if kind is not None and found[0] != kind:
            raise WrongType
        return _Row(*found)

    def _put(
        self, key: str, data: bytes, expires: int | None, *, kind: int = VALUE, pin: bool = True
    ) -> None:
        if kind != INDEX:
            self._db.execute("DELETE FROM members WHERE key = ?", (key,))
        self._db.execute(
            "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET "
            "kind = excluded.kind, data = excluded.data, expires = excluded.expires, "
            "written = excluded.written, pinned = excluded.pinned",
            (key, kind, data, expires, self._now_us(), pin),
        )

    def _until(self, ttl: int | None) -> int | None:
        return None if ttl is None else self._now() + ttl

    def _left(self, row: _Row) -> int | None:
        return None if row.expires is None else row.expires - self._latest // 1000

    # ---- entries -----------------------------------------------------------------------------

    async def get(self, key: str) -> Any:
        """Return the data or None."""
        row = await self._do("GET", lambda: self._row(key, VALUE))
        return None if row is None else row.data

    async def mget(self, keys: Sequence[str]) -> list[Any]:
        """Return the data or None."""

        def step() -> list[Any]:
            rows = (self._row(key) for key in keys)
            return [None if row is None or row.kind != VALUE else row.data for row in rows]

        return await self._do("MGET", step)

    async def fetch(
        self,
        key: str,
        tags: Sequence[str] = (),
        *,
        fresh: Sequence[str] = (),
        keep: int | None = 0,
        size: int | None = None,
    ) -> Found:
        """Return data, time left and stamps."""

        def step(fresh: Sequence[str]) -> Found:
            row = self._row(key, VALUE if size is None else None)
            stamps: list[str | None] = []
            for at, tag in enumerate(tags):
                stamp = self._row(tag, VALUE)
                if stamp is None and fresh:
                    self._put(tag, fresh[at].encode(), self._until(keep), pin=False)
                    stamps.append(fresh[at])
                else:
                    stamps.append(None if stamp is None else stamp.data.decode())
            if row is None:
                return Found(None, None, tuple(stamps))
            return Found(row.data[:size], self._left(row), tuple(stamps))

        found = await self._do("FETCH", lambda: step(()))
        if fresh and None in found.stamps:  # only what must make a stamp takes the write lock
            found = await self._write("FETCH", lambda: step(fresh))
        return found

    def _keep_tags(self, tags: Sequence[str], until: int | None) -> None:
        for tag in tags:
            if until is None:
                self._db.execute("UPDATE entries SET expires = NULL WHERE key = ?", (tag,))
            else:
                self._db.execute(
                    "UPDATE entries SET expires = max(expires, ?) WHERE key = ?", (until, tag)
                )

    async def set(
        self,
        key: str,
        data: Any,
        ttl: int | None,
        *,
        nx: bool = False,
        pin: bool = False,
        tags: Sequence[str] = (),
    ) -> bool:
        """Store an entry; `nx` also pins it."""

        def step() -> bool:
            if nx and self._row(key) is not None:
                return False
            until = self._until(ttl)
            self._put(key, data, until, pin=pin or nx)
            self._keep_tags(tags, until)
            return True

        return await self._write("SET", step)

    async def mset(self, items: Mapping[str, Any], ttl: int | None, tags: Sequence[str]) -> None:
        """Store many, in one transaction."""

        def step() -> None:
            until = self._until(ttl)
            for key, data in items.items():
                self._put(key, data, until, pin=False)
            self._keep_tags(tags, until)

        await self._write("MSET", step)

    async def delete(self, keys: Sequence[str]) -> int:
        """Remove; return how many were there."""

        def step() -> int:
            count = 0
            for key in keys:
                count += self._row(key) is not None
                self._db.execute("DELETE FROM entries WHERE key = ?", (key,))
            return count

        return await self._write("DELETE", step)

    async def expire(self, key: str, ttl: int, tags: Sequence[str] = ()) -> bool:
        """Set the time left."""

        def step() -> bool:
            if self._row(key) is None:
                return False
            until = self._until(ttl)
            self._db.execute("UPDATE entries SET expires = ? WHERE key = ?", (until, key))
            self._keep_tags(tags, until)
            return True

        return await self._write("EXPIRE", step)

    async def incr(self, key: str, by: int, ttl: int | None) -> int:
        """Add to a counter."""

        def step() -> int:
            row = self._row(key, VALUE)
            value = (0 if row is None else _integer(row.data)) + by
            if not -INT64 <= value < INT64:
                raise CounterOverflow
            self._put(key, str(value).encode(), self._until(ttl) if row is None else row.expires)
            return value

        return await self._write("INCR", step)

    async def take(self, key: str) -> Found:
        """Return and remove."""

        def step() -> Found:
            row = self._row(key, VALUE)
            if row is None:
                return Found(None, None)
            self._db.execute("DELETE FROM entries WHERE key = ?", (key,))
            return Found(row.data, self._left(row))

        return await self._write("TAKE", step)

    async def cas(self, key: str, old: Any, new: Any, ttl: int | None) -> bool:
        """Replace exactly `old`."""

        def step() -> bool:
            row = self._row(key, VALUE)
            if row is None or row.data != old:
                return False
            self._put(key, new, self._until(ttl))
            return True

        return await self._write("CAS", step)

    async def cad(self, key: str, old: Any) -> bool:
        """Remove exactly `old`."""

        def step() -> bool:
            row = self._row(key, VALUE)
            if row is None or row.data != old:
                return False
            self._db.execute("DELETE FROM entries WHERE key = ?", (key,))
            return True

        return await self._write("CAD", step)

    # ---- codes and indexes -------------------------------------------------------------------

    async def guard_set(self, key: str, digest: bytes, attempts: int, ttl: int) -> None:
        """Keep a digest."""

        def step() -> None:
            self._put(key, _pair(attempts, digest.hex()), self._until(ttl), kind=GUARD)

        await self._write("GUARD.SET", step)

    async def guard_check(self, key: str, digest: bytes) -> GuardResult:
        """Count, compare, remove on a match."""

        def step() -> GuardResult:
            row = self._row(key, GUARD)
            if row is None:
                return GuardResult(GuardOutcome.ABSENT)
            left, kept = json.loads(row.data)
            if left <= 0:
                return GuardResult(GuardOutcome.EXHAUSTED)
            if compare_digest(bytes.fromhex(kept), digest):
                self._db.execute("DELETE FROM entries WHERE key = ?", (key,))
                return GuardResult(GuardOutcome.MATCH, left - 1)
            self._put(key, _pair(left - 1, kept), row.expires, kind=GUARD)
            return GuardResult(GuardOutcome.MISMATCH, left - 1)

        return await self._write("GUARD.CHECK", step)

    async def guard_remaining(self, key: str) -> int | None:
        """Return the tries left."""
        row = await self._do("GUARD.GET", lambda: self._row(key, GUARD))
        return None if row is None else max(0, json.loads(row.data)[0])

    async def zadd(self, key: str, member: str, ttl: int, limit: int) -> None:
        """Add an expiring member."""

        def step() -> None:
            self._row(key, INDEX)
            self._put(key, b"", self._until(ttl), kind=INDEX)
            self._drop_members(key)
            count = "SELECT count(*) FROM members WHERE key = ? AND member <> ?"
            if self._db.execute(count, (key, member)).fetchone()[0] >= limit:
                message = f"the index has {limit} members, which is all it may have"
                raise CacheFull(message)
            self._db.execute(
                "INSERT OR REPLACE INTO members VALUES (?, ?, ?)", (key, member, self._until(ttl))
            )
            self._db.execute(
                "UPDATE entries SET expires = (SELECT max(expires) FROM members "
                "WHERE members.key = entries.key) WHERE key = ?",
                (key,),
            )

        await self._write("ZADD", step)

    def _drop_members(self, key: str) -> None:
        now = self._now()
        self._db.execute("DELETE FROM members WHERE key = ? AND expires <= ?", (key, now))

    async def zrem(self, key: str, member: str) -> bool:
        """Remove a member."""

        def step() -> bool:
            self._row(key, INDEX)
            self._drop_members(key)
            gone = self._db.execute(
                "DELETE FROM members WHERE key = ? AND member = ?", (key, member)
            )
            left = "SELECT 1 FROM members WHERE key = ? LIMIT 1"
            if self._db.execute(left, (key,)).fetchone() is None:
                self._db.execute("DELETE FROM entries WHERE key = ? AND kind = ?", (key, INDEX))
            return gone.rowcount > 0

        return await self._write("ZREM", step)

    async def zrange(self, key: str, limit: int) -> list[str]:
        """Return live members by expiry."""

        def step() -> list[str]:
            self._row(key, INDEX)
            found = self._db.execute(
                "SELECT member FROM members WHERE key = ? AND expires > ? "
                "ORDER BY expires, member LIMIT ?",
                (key, self._now(), limit),
            )
            return [member for (member,) in found]

        return await self._do("ZRANGE", step)

    # ---- limits and locks --------------------------------------------------------------------

    async def gcra(self, key: str, cost: int, rates: Sequence[tuple[int, int]]) -> RateState:
        """Spend from every rate or none."""
        return await self._limit("GCRA", key, cost, rates, gcra_step)

    async def window(self, key: str, cost: int, rates: Sequence[tuple[int, int]]) -> RateState:
        """Log hits if every rate allows."""
        return await self._limit("WINDOW", key, cost, rates, window_step)

    async def _limit(
        self,
        name: str,
        key: str,
        cost: int,
        rates: Sequence[tuple[int, int]],
        step: Callable[..., tuple[RateState, list[int]]],
    ) -> RateState:
        def whole() -> RateState:
            row = self._row(key, LIMIT)
            times = [] if row is None else json.loads(row.data)
            state, times = step(self._now_us(), times, cost, rates)
            if cost and state.allowed:
                until = self._until(max(1, -(-state.reset_us // 1000)))
                self._put(key, json.dumps(times).encode(), until, kind=LIMIT)
            return state

        return await (self._write if cost else self._do)(name, whole)

    async def lock_acquire(self, key: str, owner: str, ttl: int) -> int | None:
        """Take the lock."""

        def step() -> int | None:
            row, now = self._row(key, LOCK), self._now_us()
            holder, token, until = ("", 0, 0) if row is None else json.loads(row.data)
            if holder and until > now:
                return None
            token = max(now, token + 1)
            self._put_lock(key, owner, token, ttl)
            return int(token)

        return await self._write("LOCK.ACQUIRE", step)

    def _put_lock(self, key: str, owner: str, token: int, ttl: int) -> None:
        data = json.dumps([owner, token, self._now_us() + ttl * 1000]).encode()
        self._put(key, data, self._until(ttl + FENCE_MS), kind=LOCK)

    async def lock_renew(self, key: str, owner: str, ttl: int) -> bool:
        """Prolong the lock."""
        return await self._write("LOCK.RENEW", lambda: self._hold(key, owner, owner, ttl))

    async def lock_release(self, key: str, owner: str) -> bool:
        """Give the lock back."""
        return await self._write("LOCK.RELEASE", lambda: self._hold(key, owner, "", 0))

    def _hold(self, key: str, owner: str, next_owner: str, ttl: int) -> bool:
        row = self._row(key, LOCK)
        if row is None:
            return False
        holder, token, until = json.loads(row.data)
        if holder != owner or until <= self._now_us():
            return False
        self._put_lock(key, next_owner, token, ttl)
        return True

    # ---- the rest ----------------------------------------------------------------------------

    async def scan(self, prefix: str, glob: Glob, batch: int) -> AsyncIterator[list[str]]:
        """Give the keys that match, in the order of their bytes."""
        last, end = prefix + glob.prefix, prefix + glob.prefix + "\U0010ffff"
        is_first = True
        while True:

            def step(last: str = last, compare: str = ">=" if is_first else ">") -> list[str]:
                found = self._db.execute(
                    f"SELECT key FROM entries WHERE key {compare} ? AND key < ? "  # noqa: S608  # our own operator
                    "AND (expires IS NULL OR expires > ?) ORDER BY key LIMIT ?",
                    (last, end, self._now(), batch),
                )
                return [key for (key,) in found]

            keys = await self._do("SCAN", step)
            if not keys:
                return
            if found := [key for key in keys if glob.regex.fullmatch(key, len(prefix))]:
                yield found
            last, is_first = keys[-1], False

    async def ping(self) -> None:
        """Read one row."""
        await self._do("PING", lambda: self._db.execute("SELECT 1").fetchone())

    async def warnings(self) -> tuple[str, ...]:
        """Nothing is dangerous here."""
        return ()


def _require_version(db: sqlite3.Connection) -> None:
    (found,) = db.execute("PRAGMA user_version").fetchone()
    if found not in {0, VERSION}:
        message = "the file holds another version of this cache; give it a new name"
        raise StoreError(message)


def _integer(data: bytes) -> int:
    if len(data) <= 20 and data.removeprefix(b"-").isdigit():
        value = int(data)
        if str(value).encode() == data and -INT64 <= value < INT64:
            return value
    raise WrongType


def _pair(number: int, text: str) -> bytes:
    return json.dumps([number, text]).encode()


def _meaning(error: sqlite3.Error) -> CacheError:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith("SQLITE_FULL"):
        message = "the disk, or what the file may grow to, is full; nothing was written"
        return CacheFull(message)
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        message = "another process held the cache's file for longer than timeout"
        return CacheTimeout(message)
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_PERM")):
        message = "the cache's file cannot be opened, read or written"
        return CacheUnavailable(message)
    if isinstance(error, sqlite3.ProgrammingError):
        message = "the cache was closed; connect again"
        return CacheUnavailable(message, retryable=False)
    message = "SQLite refused the call; the cause says why"
    return StoreError(message)
