"""
Ids that sort by time, and ids that know what they name.

>>> from infra_id import TypedId, uuid7
>>> class OrderId(TypedId):
...     prefix = "ord"
>>> one, two = OrderId.new(), OrderId.new()
>>> one < two
True
>>> OrderId.parse(str(one)) == one
True
>>> uuid7().version
7
"""

from infra_id.errors import (
    BadIdOption,
    ClockRollbackError,
    InvalidId,
    NodeNotConfigured,
    SequenceExhausted,
    TimestampOverflow,
)
from infra_id.nanoids import NO_LOOKALIKES, URL_SAFE, nanoid, nanoid_from_bytes
from infra_id.nodes import node_from_env, node_from_hostname
from infra_id.parsing import IdKind, ParsedId, is_valid, parse
from infra_id.snowflakes import EPOCH_2020, Snowflake, SnowflakeParts
from infra_id.typed import TypedId, typeid
from infra_id.ulids import (
    UlidGenerator,
    ulid,
    ulid_at,
    ulid_batch,
    ulid_from_parts,
    ulid_str,
)
from infra_id.uuids import (
    Uuid7Generator,
    uuid4,
    uuid4_batch,
    uuid4_str,
    uuid7,
    uuid7_at,
    uuid7_batch,
    uuid7_from_parts,
    uuid7_str,
)

__all__ = [
    "EPOCH_2020",
    "NO_LOOKALIKES",
    "URL_SAFE",
    "BadIdOption",
    "ClockRollbackError",
    "IdKind",
    "InvalidId",
    "NodeNotConfigured",
    "ParsedId",
    "SequenceExhausted",
    "Snowflake",
    "SnowflakeParts",
    "TimestampOverflow",
    "TypedId",
    "UlidGenerator",
    "Uuid7Generator",
    "is_valid",
    "nanoid",
    "nanoid_from_bytes",
    "node_from_env",
    "node_from_hostname",
    "parse",
    "typeid",
    "ulid",
    "ulid_at",
    "ulid_batch",
    "ulid_from_parts",
    "ulid_str",
    "uuid4",
    "uuid4_batch",
    "uuid4_str",
    "uuid7",
    "uuid7_at",
    "uuid7_batch",
    "uuid7_from_parts",
    "uuid7_str",
]
