"""One password, every way in, every way out: it is seen nowhere."""

from __future__ import annotations

import json
import pickle
import traceback
from collections.abc import Callable

import pytest

from infra_errors import (
    ConfigError,
    DatabaseError,
    ErrorGroup,
    InfraError,
    OpaqueError,
    Problem,
    Secret,
    SecretUrl,
    Violation,
)

DSN = "postgresql://app:hunter2@db/main"


def _caused(error: InfraError, cause: BaseException) -> InfraError:
    error.__cause__ = cause
    return error


def _noted(error: InfraError, note: str) -> InfraError:
    error.add_note(note)
    return error


def _with_raw_note() -> InfraError:
    error = DatabaseError("x")
    error.__notes__ = [f"raw {DSN}"]
    return error


WAYS_IN: dict[str, Callable[[], InfraError]] = {
    "message": lambda: DatabaseError(f"cannot open {DSN}"),
    "libpq": lambda: DatabaseError("cannot open host=db password=hunter2"),
    "context value": lambda: DatabaseError("x", dsn=DSN),
    "context key": lambda: DatabaseError("x", password="hunter2"),
    "key with a dsn": lambda: DatabaseError("x", context={DSN: 1}),
    "nested": lambda: DatabaseError("x", options={"a": [{"db_password": "hunter2"}, DSN]}),
    "query": lambda: DatabaseError("x", url="https://h/?token=hunter2&a=1"),
    "secret": lambda: DatabaseError("x", a=Secret("hunter2"), b=[SecretUrl(DSN)]),
    "bytes": lambda: DatabaseError("x", a=b"hunter2", password=b"hunter2"),
    "note": lambda: _noted(DatabaseError("x"), f"while opening {DSN}"),
    "raw note": _with_raw_note,
    "cause": lambda: _caused(DatabaseError("x"), ValueError(f"bad {DSN}")),
    "os error": lambda: _caused(DatabaseError("x"), OSError(2, "no", DSN)),
    "foreign cause": lambda: _caused(DatabaseError("x"), json.JSONDecodeError(DSN, DSN, 0)),
    "opaque": lambda: _caused(DatabaseError("x"), OpaqueError("T", DSN)),
    "decode": lambda: _caused(
        DatabaseError("x"), UnicodeDecodeError("utf-8", b"hunter2", 0, 1, "")
    ),
    "violation": lambda: ConfigError("x", violations=[Violation("/a", DSN, "c", DSN, DSN)]),
    "with_context": lambda: DatabaseError("x").with_context(dsn=DSN),
    "group": lambda: ErrorGroup(DSN, [DatabaseError(DSN), ValueError(DSN)], dsn=DSN),
    "converted": lambda: InfraError.from_exception(ConnectionError(f"refused {DSN}")),
    "from wire": lambda: InfraError.from_dict({**DatabaseError("x").to_dict(), "message": DSN}),
    "from problem": lambda: Problem.parse({"detail": DSN, "status": 400}).to_error(),
    "extra attribute": lambda: _with_attribute(),
    "args": lambda: _with_args(),
}


def _with_attribute() -> InfraError:
    error = DatabaseError("x")
    error.dsn = DSN  # type: ignore[attr-defined]
    return error


def _with_args() -> InfraError:
    error = DatabaseError("x")
    error.args = (DSN,)
    return error


WAYS_OUT: dict[str, Callable[[InfraError], object]] = {
    "str": str,
    "repr": lambda error: [repr(error), repr(dict(error.context)), error.notes],
    "args": lambda error: error.args[0],
    "to_dict": lambda error: error.to_dict(),
    "problem": lambda error: [
        Problem.from_error(error).to_dict(),
        Problem.from_error(error).headers(),
    ],
    "exposed problem": lambda error: Problem.from_error(error, expose=True).to_dict(),
    "pickle": lambda error: [pickle.dumps(error, protocol) for protocol in (0, 2, 5)],
    "log_fields": lambda error: error.log_fields(),
    "after pickle": lambda error: pickle.loads(pickle.dumps(error)).to_dict(),
}


@pytest.mark.parametrize("way_out", WAYS_OUT)
@pytest.mark.parametrize("way_in", WAYS_IN)
def test_hunter2_is_not_seen(way_in: str, way_out: str) -> None:
    assert "hunter2" not in str(WAYS_OUT[way_out](WAYS_IN[way_in]()))


@pytest.mark.parametrize(
    "way_in", ["message", "context value", "note", "with_context", "violation"]
)
def test_hunter2_is_not_seen_in_a_traceback(way_in: str) -> None:
    assert "hunter2" not in "".join(traceback.format_exception_only(WAYS_IN[way_in]()))
