"""The two axes of an error: `Status` says how to treat it, `Category` where it came from.

`Status` holds the sixteen error codes of google.rpc with their gRPC number, their HTTP status and
whether a retry may help. `Category` is a closed list: a package adds leaf classes, never a
category.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["Category", "Status"]


class Status(Enum):
    """How an error is to be treated; the value is the name of the google.rpc code.

    Members carry `grpc_code`, `http_status`, `retryable` (may the same call succeed later?) and
    `title` (a phrase for people). OK is not a member: it is no error.
    """

    grpc_code: int
    http_status: int
    retryable: bool
    title: str

    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"
    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    ABORTED = "ABORTED"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    UNIMPLEMENTED = "UNIMPLEMENTED"
    INTERNAL = "INTERNAL"
    UNAVAILABLE = "UNAVAILABLE"
    DATA_LOSS = "DATA_LOSS"
    UNAUTHENTICATED = "UNAUTHENTICATED"

    @classmethod
    def from_http(cls, http_status: int, /) -> Status:
        """What an HTTP answer with this number means; UNKNOWN below 400 and above 599."""
        known = _FROM_HTTP.get(http_status)
        if known is not None:
            return known
        if 400 <= http_status < 500:
            return cls.INVALID_ARGUMENT
        if 500 <= http_status < 600:
            return cls.INTERNAL
        return cls.UNKNOWN

    @classmethod
    def from_grpc(cls, grpc_code: int, /) -> Status:
        """The status of a gRPC code; UNKNOWN for 0 (OK) and for undefined numbers."""
        return _FROM_GRPC.get(grpc_code, cls.UNKNOWN)


# (gRPC code, HTTP status, retryable)
_TABLE = {
    Status.CANCELLED: (1, 499, False),
    Status.UNKNOWN: (2, 500, False),
    Status.INVALID_ARGUMENT: (3, 400, False),
    Status.DEADLINE_EXCEEDED: (4, 504, True),
    Status.NOT_FOUND: (5, 404, False),
    Status.ALREADY_EXISTS: (6, 409, False),
    Status.PERMISSION_DENIED: (7, 403, False),
    Status.RESOURCE_EXHAUSTED: (8, 429, True),
    Status.FAILED_PRECONDITION: (9, 400, False),
    Status.ABORTED: (10, 409, False),
    Status.OUT_OF_RANGE: (11, 400, False),
    Status.UNIMPLEMENTED: (12, 501, False),
    Status.INTERNAL: (13, 500, False),
    Status.UNAVAILABLE: (14, 503, True),
    Status.DATA_LOSS: (15, 500, False),
    Status.UNAUTHENTICATED: (16, 401, False),
}
for _status, (_grpc_code, _http_status, _retryable) in _TABLE.items():
    _status.grpc_code = _grpc_code
    _status.http_status = _http_status
    _status.retryable = _retryable
    _status.title = _status.name.replace("_", " ").capitalize()

_FROM_GRPC = {status.grpc_code: status for status in Status}

_FROM_HTTP = {
    number: status
    for status, numbers in {
        Status.INVALID_ARGUMENT: (400, 406, 411, 413, 414, 415, 422, 431),
        Status.UNAUTHENTICATED: (401,),
        Status.PERMISSION_DENIED: (403, 451),
        Status.NOT_FOUND: (404, 410),
        Status.UNIMPLEMENTED: (405, 501, 505),
        Status.DEADLINE_EXCEEDED: (408, 504),
        Status.ABORTED: (409,),
        Status.FAILED_PRECONDITION: (412, 428),
        Status.OUT_OF_RANGE: (416,),
        Status.UNAVAILABLE: (425, 502, 503),
        Status.RESOURCE_EXHAUSTED: (429, 507),
        Status.CANCELLED: (499,),
    }.items()
    for number in numbers
}


class Category(Enum):
    """Which subsystem an error belongs to; the value is the name on the wire.

    `default_status` is the status of the category's own class when nothing more is known.
    """

    default_status: Status

    GENERAL = "general"
    CONFIG = "config"
    VALIDATION = "validation"
    IO = "io"
    HTTP = "http"
    AUTH = "auth"
    EXTERNAL = "external"
    CRYPTO = "crypto"
    SERIALIZATION = "serialization"
    MESSAGE_QUEUE = "message_queue"
    VECTOR = "vector"
    SCHEMA = "schema"
    DATABASE = "database"
    CACHE = "cache"
    STORAGE = "storage"


for _category in Category:
    _category.default_status = Status.INTERNAL
for _category, _status in {
    Category.GENERAL: Status.UNKNOWN,
    Category.VALIDATION: Status.INVALID_ARGUMENT,
    Category.HTTP: Status.UNKNOWN,
    Category.AUTH: Status.UNAUTHENTICATED,
    Category.EXTERNAL: Status.UNKNOWN,
    Category.SERIALIZATION: Status.INVALID_ARGUMENT,
    Category.VECTOR: Status.INVALID_ARGUMENT,
    Category.SCHEMA: Status.INVALID_ARGUMENT,
}.items():
    _category.default_status = _status
