"""What a database must offer to be one of ours, and how the one for a URL is found.

A backend registers its class under the entry-point group `infra_db.backends`; it is imported when
a URL first asks for one.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from infra_db.errors import CapabilityError
from infra_errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Engine, Insert, Table
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from infra_db.settings import DatabaseSettings, Isolation
    from infra_errors import InfraError

__all__ = ["Backend", "Capabilities", "backend_for"]

# Execution options that infra-db sets on its engines and a backend reads.
HOOKS = "infra_db_hooks"  # the Database's clock; present on every connection of ours
ISOLATION = "infra_db_isolation"  # the level a transaction asks for, where its BEGIN says it
MODE = "infra_db_mode"  # how a transaction begins: "write" (the default), "read" or "auto"


@attrs.frozen
class Capabilities:
    """What the database can do; ask with `require`, which raises for what it cannot."""

    returning: bool = False
    transactional_ddl: bool = False
    skip_locked: bool = False
    fast_reads: bool = False
    statement_timeout: bool = False
    full_text: bool = False

    def require(self, *names: str) -> None:
        """Raise CapabilityError `db.unsupported` unless all of these are true."""
        missing = [name for name in names if not getattr(self, name, False)]
        if missing:
            message = f"this database does not offer {', '.join(missing)}"
            raise CapabilityError(message, missing=missing)


class Backend(Protocol):
    """One kind of database: its URL schemes, its engine and its dialect's own statements."""

    name: str
    schemes: tuple[str, ...]

    def create_engine(self, settings: DatabaseSettings) -> AsyncEngine:
        """Make the engine; no I/O. Raises ConfigError `db.config` for a URL it cannot use."""

    def prepare(self, engine: AsyncEngine) -> None:
        """Install error translation and transaction begin on an engine derived from its own."""

    def options(self, mode: str, isolation: Isolation | None) -> dict[str, Any]:
        """Return the execution options of a connection in this mode, at this isolation.

        `mode` is "write", "read" (no write is let through) or "auto" (no transaction is begun).
        """

    def unreachable(self, error: Exception, engine: AsyncEngine) -> InfraError:
        """Say in our tree why no connection could be made; the error is the driver's own."""

    async def fetch(self, connection: Any, sql: str, arguments: Sequence[Any]) -> Sequence[Any]:
        """Run a SELECT on the driver's connection of a pooled one and return all rows.

        Called only where `capabilities` say `fast_reads`; raises what the driver raises.
        """

    def translate(self, error: Exception, engine: Engine) -> InfraError:
        """Say in our tree what the driver raised."""

    def failure(self, connection: AsyncConnection) -> InfraError | None:
        """Return what ended the transaction already, so that COMMIT would not commit."""

    async def lock(self, connection: AsyncConnection, name: str, timeout: float | None) -> None:  # noqa: ASYNC109
        """Hold a lock of this name to the end of the transaction; LockTimeout."""

    def capabilities(self, server_version: tuple[int, ...] | None) -> Capabilities:
        """Say what this version can do; None when no connection was made yet."""

    def upsert(
        self, table: Table, *, on: Sequence[str], update: Sequence[str], count_up: Sequence[str]
    ) -> Insert:
        """Build an INSERT that, where the columns `on` are taken, updates that row instead.

        The columns `update` take the new row's values, those in `count_up` grow by one; with no
        `update` the old row stays as it is.
        """


def backend_for(scheme: str) -> Backend:
    """Find the backend for a URL scheme or SQLAlchemy dialect name.

    Raises ConfigError `db.unknown_scheme`, naming the known ones.
    """
    known: list[str] = []
    for entry in sorted(entry_points(group="infra_db.backends"), key=lambda found: found.name):
        backend: Backend = entry.load()()
        if scheme in backend.schemes:
            return backend
        known.extend(backend.schemes)
    listed = ", ".join(f"{name}://" for name in known)
    message = f"no database backend for {scheme}://; known are {listed}"
    raise ConfigError(message, code="db.unknown_scheme", scheme=scheme)
