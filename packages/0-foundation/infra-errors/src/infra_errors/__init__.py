"""One error model for services: raise it, catch it two ways, send it anywhere, retry on it.

>>> from infra_errors import NotFoundError, StorageError
>>> class ShelfNotFoundError(NotFoundError, StorageError):
...     code = "library.shelf_not_found"
>>> try:
...     raise ShelfNotFoundError("no such shelf", shelf=5, token="hunter2")
... except StorageError as error:
...     print(error)
...     print(error.http_status, error.retryable)
library.shelf_not_found: no such shelf (shelf=5, token='***')
404 False

Importing this package loads none of its modules: each name is fetched at its first use (PEP 562).
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from infra_errors._result import InfraResult
    from infra_errors.breaker import BreakerState, CircuitBreaker, CircuitOpenError, Permit
    from infra_errors.budget import RetryBudget
    from infra_errors.bulkhead import Bulkhead, BulkheadFullError
    from infra_errors.catalogue import catalogue
    from infra_errors.convert import boundary, import_extra, parse_retry_after, register
    from infra_errors.deadline import Deadline
    from infra_errors.errors import (
        AuthError,
        CacheError,
        ConfigError,
        ConflictError,
        CryptoError,
        DatabaseError,
        DeadlineExceededError,
        ExternalError,
        HttpError,
        InfraError,
        IoError,
        MessageQueueError,
        NotFoundError,
        OpaqueError,
        PermissionDeniedError,
        RateLimitedError,
        SchemaError,
        SerializationError,
        StorageError,
        UnauthenticatedError,
        UnavailableError,
        ValidationError,
        VectorError,
        Violation,
        error_class,
    )
    from infra_errors.group import ErrorGroup
    from infra_errors.problem import Problem
    from infra_errors.redact import add_sensitive, is_sensitive, mask_phone, redact, redact_text
    from infra_errors.retry import GiveUpEvent, RetryEvent, RetryPolicy, retry
    from infra_errors.secret import Secret, SecretUrl
    from infra_errors.status import Category, Status

__all__ = [
    "AuthError",
    "BreakerState",
    "Bulkhead",
    "BulkheadFullError",
    "CacheError",
    "Category",
    "CircuitBreaker",
    "CircuitOpenError",
    "ConfigError",
    "ConflictError",
    "CryptoError",
    "DatabaseError",
    "Deadline",
    "DeadlineExceededError",
    "ErrorGroup",
    "ExternalError",
    "GiveUpEvent",
    "HttpError",
    "InfraError",
    "InfraResult",
    "IoError",
    "MessageQueueError",
    "NotFoundError",
    "OpaqueError",
    "PermissionDeniedError",
    "Permit",
    "Problem",
    "RateLimitedError",
    "RetryBudget",
    "RetryEvent",
    "RetryPolicy",
    "SchemaError",
    "Secret",
    "SecretUrl",
    "SerializationError",
    "Status",
    "StorageError",
    "UnauthenticatedError",
    "UnavailableError",
    "ValidationError",
    "VectorError",
    "Violation",
    "add_sensitive",
    "boundary",
    "catalogue",
    "error_class",
    "import_extra",
    "is_sensitive",
    "mask_phone",
    "parse_retry_after",
    "redact",
    "redact_text",
    "register",
    "retry",
]

_MODULES = {
    "_result": "InfraResult",
    "breaker": "BreakerState CircuitBreaker CircuitOpenError Permit",
    "budget": "RetryBudget",
    "bulkhead": "Bulkhead BulkheadFullError",
    "catalogue": "catalogue",
    "convert": "boundary import_extra parse_retry_after register",
    "deadline": "Deadline",
    "group": "ErrorGroup",
    "problem": "Problem",
    "redact": "add_sensitive is_sensitive mask_phone redact redact_text",
    "retry": "GiveUpEvent RetryEvent RetryPolicy retry",
    "secret": "Secret SecretUrl",
    "status": "Category Status",
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names.split()}

if not TYPE_CHECKING:

    def __getattr__(name):
        if name not in __all__:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        # not importlib.import_module, which is not loaded yet; sys.modules, because a module may
        # share its name
        module = f"{__name__}.{_MODULE_OF.get(name, 'errors')}"
        __import__(module)
        value = globals()[name] = getattr(sys.modules[module], name)
        return value

    def __dir__():
        return sorted({*globals(), *__all__})


class _Package(type(sys)):  # type: ignore[misc]  # ModuleType, without importing types
    """Keeps `infra_errors.retry` the function after an import of the module of that name."""

    def __setattr__(self, name: str, value: object) -> None:
        # the import system binds each submodule on its package
        if name in _MODULE_OF and isinstance(value, type(sys)):
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
