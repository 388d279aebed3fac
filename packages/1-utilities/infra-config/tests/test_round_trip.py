"""Every type that a setting may have: what is written to a source is read back as it was."""

from __future__ import annotations

import enum
import ipaddress
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NewType, NotRequired, TypedDict
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra_config import EnvSource, Pattern, Range, Seconds, Size, TextSource, load
from infra_config.binder import plan_of
from infra_errors import Secret, SecretUrl

UserName = NewType("UserName", str)


class Color(enum.Enum):
    RED = "red"
    BLUE = 2


class Limits(TypedDict):
    low: int
    high: NotRequired[float]


@dataclass(frozen=True)
class Server:
    host: str
    ports: tuple[int, ...] = ()


@attrs.frozen
class Inner:
    server: Server
    limits: Limits
    password: Secret[str] | None = None


@attrs.frozen
class Everything:
    text: str
    whole: int
    real: float
    flag: bool
    exact: Decimal
    path: Path
    uuid: UUID
    at: datetime
    day: date
    clock: time
    span: timedelta
    color: Color
    choice: Literal["a", 1, True]
    four: ipaddress.IPv4Address
    six: ipaddress.IPv6Address
    net: ipaddress.IPv4Network
    secret: Secret[str]
    raw: Secret[bytes]
    url: SecretUrl
    wait: Seconds
    room: Size
    port: Annotated[int, Range(0, 65535)]
    word: Annotated[str, Pattern("[a-z]*")]
    user: UserName
    either: int | str
    anything: Any
    texts: list[str]
    numbers: tuple[int, ...]
    pair: tuple[str, int]
    unique: set[int]
    fixed: frozenset[str]
    row: Sequence[bool]
    table: dict[str, float]
    mapping: Mapping[str, list[int]]
    inner: Inner
    loose: Limits
    servers: list[Server]
    maybe: int | None = None
    perhaps: Server | None = None


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
WORD = st.from_regex(r"[a-z]{0,8}", fullmatch=True)
REAL = st.floats(-1e300, 1e300)
WHOLE = st.integers(-(2**63), 2**63 - 1)
SERVERS = st.builds(Server, TEXT, st.lists(WHOLE, max_size=2).map(tuple))
LIMITS: Any = st.fixed_dictionaries({"low": WHOLE}, optional={"high": REAL})
VALUES = st.builds(
    Everything,
    text=TEXT,
    whole=WHOLE,
    real=REAL,
    flag=st.booleans(),
    exact=st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), places=3),
    path=st.from_regex(r"/?[a-z.]{1,8}(/[a-z]{1,3})?", fullmatch=True).map(Path),
    uuid=st.uuids(),
    at=st.datetimes(timezones=st.sampled_from([None, UTC])),
    day=st.dates(),
    clock=st.times(),
    span=st.integers(0, 10**14).map(lambda micro: timedelta(microseconds=micro)),
    color=st.sampled_from(Color),
    choice=st.sampled_from(["a", 1, True]),
    four=st.ip_addresses(v=4),
    six=st.ip_addresses(v=6),
    net=st.ip_addresses(v=4).map(ipaddress.IPv4Network),
    secret=TEXT.map(Secret),
    raw=TEXT.map(lambda text: Secret(text.encode())),
    url=st.sampled_from(["db://u:p@h/x", "redis://h"]).map(SecretUrl),
    wait=st.floats(0, 1e300),
    room=st.integers(0, 10**17),
    port=st.integers(0, 65535),
    word=WORD,
    user=TEXT,
    either=WHOLE | WORD,
    anything=TEXT,
    texts=st.lists(TEXT, max_size=3),
    numbers=st.lists(WHOLE, max_size=3).map(tuple),
    pair=st.tuples(TEXT, WHOLE),
    unique=st.sets(WHOLE, max_size=3),
    fixed=st.frozensets(TEXT, max_size=3),
    row=st.lists(st.booleans(), max_size=3).map(tuple),
    table=st.dictionaries(TEXT, REAL, max_size=3),
    mapping=st.dictionaries(WORD, st.lists(WHOLE, max_size=2), max_size=2),
    inner=st.builds(Inner, SERVERS, LIMITS, st.none() | TEXT.map(Secret)),
    loose=LIMITS,
    servers=st.lists(SERVERS, max_size=2),
    maybe=st.none() | WHOLE,
    perhaps=st.none() | SERVERS,
)
SCALARS = str | int | float | bool | None


def native(value: Any) -> Any:
    """Return a value as TOML has it: no None, and dates are dates."""
    if isinstance(value, SCALARS | date | time):
        return value
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Secret):
        held = value.reveal()
        return held.decode() if isinstance(held, bytes) else held
    if isinstance(value, Mapping):
        return {key: native(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [native(item) for item in value]
    if isinstance(value, Everything | Inner | Server):
        pairs = {key: native(getattr(value, key)) for key in plan_of(type(value)).fields}
        return {key: item for key, item in pairs.items() if item is not None}
    return str(value)


def toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{toml(str(key))} = {toml(item)}' for key, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, date | time):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False).replace("\x7f", r"\u007f")


def as_toml(value: Everything) -> TextSource:
    lines = [f"{key} = {toml(item)}\n" for key, item in native(value).items()]
    return TextSource("".join(lines), "toml")


def as_json(value: Everything) -> TextSource:
    return TextSource(json.dumps(native(value), default=lambda item: item.isoformat()), "json")


def as_yaml(value: Everything) -> TextSource:
    yaml = pytest.importorskip("yaml", reason="PyYAML comes with the extra [yaml]")
    table = json.loads(json.dumps(native(value), default=lambda item: item.isoformat()))
    # quoted, as PyYAML leaves a text like 1e3 bare, which is a number in YAML 1.2
    return TextSource(yaml.safe_dump(table, default_style='"'), "yaml")


def as_variables(value: Everything) -> EnvSource:
    return EnvSource("T_", environ=as_variables_of(native(value)))


def as_variables_a_level_each(value: Everything) -> EnvSource:
    table = native(value)
    variables: dict[str, str] = {}
    for outer in ("inner", "loose", "perhaps"):
        for key, item in table.pop(outer, {}).items():
            variables[f"T_{outer}__{key}".upper()] = said(item)
    return EnvSource("T_", environ=variables | as_variables_of(table))


def as_variables_of(table: Mapping[str, Any]) -> dict[str, str]:
    return {f"T_{key.upper()}": said(item) for key, item in table.items()}


def said(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, date | time):
        return value.isoformat()
    return json.dumps(value)


@pytest.mark.parametrize(
    "write", [as_toml, as_json, as_yaml, as_variables, as_variables_a_level_each]
)
@given(value=VALUES)
def test_what_is_written_is_read_back(write: Any, value: Everything):
    found = load(Everything, write(value)).value
    for key in plan_of(Everything).fields:
        expected, read = getattr(value, key), getattr(found, key)
        assert (key, expected, type(expected)) == (key, read, type(read))
