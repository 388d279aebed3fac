"""The error tree: one root, fourteen categories (which subsystem), seven traits (how to treat it).

    Exception
    └─ InfraError                              general
       ├─ ConfigError  IoError  HttpError  AuthError  ExternalError  CryptoError  SerializationError
       │  MessageQueueError  VectorError  SchemaError  DatabaseError  CacheError  StorageError
       ├─ ValidationError                      also a ValueError
       ├─ NotFoundError  ConflictError  UnauthenticatedError  PermissionDeniedError
       │  RateLimitedError  UnavailableError
       └─ DeadlineExceededError                also a TimeoutError

A leaf takes one of each: `class UserNotFoundError(NotFoundError, DatabaseError): code =
"users.not_found"`.
"""

from __future__ import annotations

from infra_errors._base import InfraError
from infra_errors._registry import is_http_status
from infra_errors._violation import Violation
from infra_errors.status import Category, Status

__all__ = [
    "AuthError",
    "CacheError",
    "ConfigError",
    "ConflictError",
    "CryptoError",
    "DatabaseError",
    "DeadlineExceededError",
    "ExternalError",
    "HttpError",
    "InfraError",
    "IoError",
    "MessageQueueError",
    "NotFoundError",
    "OpaqueError",
    "PermissionDeniedError",
    "RateLimitedError",
    "SchemaError",
    "SerializationError",
    "StorageError",
    "UnauthenticatedError",
    "UnavailableError",
    "ValidationError",
    "VectorError",
    "Violation",
    "error_class",
]


class OpaqueError(Exception):
    """Stands for an exception whose class the receiver may lack: its name, text and notes."""

    def __init__(self, type_name: str, message: str) -> None:
        super().__init__(type_name, message)
        self.type_name = type_name
        self.message = message

    def __str__(self) -> str:
        return f"{self.type_name}: {self.message}"

    def __reduce__(self) -> tuple[object, ...]:
        from infra_errors._pickle import pack, unpack

        return unpack, (pack(self),)


# -- categories: which subsystem


class ConfigError(InfraError):
    """Settings are missing or wrong; a person has to change them."""

    category = Category.CONFIG
    code = "config.error"


class ValidationError(InfraError, ValueError):
    """The input is wrong; `violations` says where and why."""

    category = Category.VALIDATION
    code = "validation.error"


class IoError(InfraError):
    """The operating system refused or failed; `context` has `path` and `errno` where known."""

    category = Category.IO
    code = "io.error"


class HttpError(InfraError):
    """An HTTP exchange with an upstream failed.

    `HttpError("…", status_code=404)` describes the upstream's answer: `status_code` is its number,
    `status` what it means, and `http_status` what OUR server answers to its own client: 504, 503 or
    502, for an upstream's 401 is not ours.
    """

    category = Category.HTTP
    code = "http.error"

    def __init__(
        self, message: str | None = None, /, *, status_code: int | None = None, **options: object
    ) -> None:
        if status_code is not None:
            options["status_code"] = status_code
        super().__init__(message, **options)  # type: ignore[arg-type]  # the root's keywords, checked there
        if type(status_code) is not int:
            return
        stated = isinstance(options.get("status"), Status) or _states(type(self), "status")
        answered = self.status if stated else Status.from_http(status_code)
        if options.get("retryable") is None and not _states(type(self), "retryable"):
            self.__dict__["retryable"] = answered.retryable
        if not is_http_status(options.get("http_status")) and not _states(
            type(self), "http_status"
        ):
            self.__dict__["http_status"] = gateway_status(answered)
        self.__dict__["status"] = answered

    @property
    def status_code(self) -> int | None:
        """The number that the upstream answered with, None where it gave no answer."""
        number = self.context.get("status_code")
        return number if isinstance(number, int) else None


class AuthError(InfraError):
    """Authentication or authorization failed."""

    category = Category.AUTH
    code = "auth.error"


class ExternalError(InfraError):
    """A service of a third party failed."""

    category = Category.EXTERNAL
    code = "external.error"


class CryptoError(InfraError):
    """A cryptographic operation failed; the message never says why a ciphertext was refused."""

    category = Category.CRYPTO
    code = "crypto.error"


class SerializationError(InfraError):
    """Bytes or text could not be read as, or written to, their format."""

    category = Category.SERIALIZATION
    code = "serialization.error"


class MessageQueueError(InfraError):
    """A message broker refused or failed."""

    category = Category.MESSAGE_QUEUE
    code = "message_queue.error"


class VectorError(InfraError):
    """Vectors do not fit each other or their index."""

    category = Category.VECTOR
    code = "vector.error"


class SchemaError(InfraError):
    """A schema itself is wrong (data that breaks a good schema is a ValidationError)."""

    category = Category.SCHEMA
    code = "schema.error"


class DatabaseError(InfraError):
    """A database refused or failed."""

    category = Category.DATABASE
    code = "database.error"


class CacheError(InfraError):
    """A cache refused or failed."""

    category = Category.CACHE
    code = "cache.error"


class StorageError(InfraError):
    """A file or object store refused or failed."""

    category = Category.STORAGE
    code = "storage.error"


# -- traits: how to treat it


class NotFoundError(InfraError):
    """The thing asked for does not exist."""

    status = Status.NOT_FOUND
    default_message = "not found"


class ConflictError(InfraError):
    """The state is not what the caller took it for: a version clash, a duplicate."""

    status = Status.ABORTED
    default_message = "conflict"


class UnauthenticatedError(InfraError):
    """The caller did not prove who they are."""

    status = Status.UNAUTHENTICATED
    default_message = "not authenticated"


class PermissionDeniedError(InfraError):
    """The caller may not do this."""

    status = Status.PERMISSION_DENIED
    default_message = "permission denied"


class RateLimitedError(InfraError):
    """Too many calls, or too little of a resource; `retry_after` may say when to come back."""

    status = Status.RESOURCE_EXHAUSTED
    default_message = "rate limited"


class DeadlineExceededError(InfraError, TimeoutError):
    """It took longer than it may."""

    status = Status.DEADLINE_EXCEEDED
    default_message = "deadline exceeded"


class UnavailableError(InfraError):
    """The other side cannot be reached or cannot answer now; a retry may help."""

    status = Status.UNAVAILABLE
    default_message = "unavailable"


_TRAITS: dict[Status, type[InfraError]] = {
    trait.status: trait
    for trait in (
        NotFoundError,
        ConflictError,
        UnauthenticatedError,
        PermissionDeniedError,
        RateLimitedError,
        DeadlineExceededError,
        UnavailableError,
    )
}
_roots: list[type[InfraError]] = [InfraError, *InfraError.__subclasses__()]
_CATEGORIES = {cls.category: cls for cls in _roots if "category" in cls._stated}
_combined: dict[tuple[Category, Status], type[InfraError]] = {}


def error_class(category: Category, status: Status) -> type[InfraError]:
    """The class that is caught both ways: for STORAGE, NOT_FOUND a NotFoundError and StorageError.

    For a status without a trait it is the category's class. The same arguments give the same class.
    """
    of_category = _CATEGORIES[category]
    trait = _TRAITS.get(status)
    if trait is None:
        return of_category
    if category is Category.GENERAL:
        return trait
    found = _combined.get((category, status))
    if found is None:
        name = of_category.__name__.removesuffix("Error") + trait.__name__
        body = {"__doc__": trait.__doc__, "__module__": "infra_errors", "_generated": True}
        found = type(name, (trait, of_category), body)
        # two threads may have made one each: the first one stays
        found = _combined.setdefault((category, status), found)
    return found


def gateway_status(upstream: Status) -> int:
    """What our server answers when an upstream answered with this status."""
    if upstream is Status.DEADLINE_EXCEEDED:
        return 504
    return 503 if upstream in {Status.UNAVAILABLE, Status.RESOURCE_EXHAUSTED} else 502


def _states(cls: type[InfraError], axis: str) -> bool:
    return any(axis in base._stated for base in cls.__mro__ if issubclass(base, InfraError))


for _name in __all__:
    # tracebacks and pickles name the public module
    globals()[_name].__module__ = "infra_errors"
