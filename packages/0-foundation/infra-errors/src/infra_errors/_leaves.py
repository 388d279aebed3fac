"""The errors that this package raises itself, a class a code, so that the catalogue lists them."""

from __future__ import annotations

from infra_errors.errors import (
    ConfigError,
    DeadlineExceededError,
    SerializationError,
    UnavailableError,
    ValidationError,
)

__all__ = [
    "AlreadyRegisteredError",
    "AttemptTimeoutError",
    "BadBoundaryError",
    "BadCatalogueError",
    "BadPolicyError",
    "BadRegistrationError",
    "BulkheadFullError",
    "CircuitOpenError",
    "MalformedProblemError",
    "MalformedWireError",
]


class CircuitOpenError(UnavailableError):
    """The circuit breaker is open: nothing was called. `retry_after` says when it may be."""

    __module__ = "infra_errors"  # where it is public
    code = "errors.circuit_open"


class BulkheadFullError(UnavailableError):
    """All slots are taken and so is the queue, or the wait in it was too long."""

    __module__ = "infra_errors"
    code = "errors.bulkhead_full"


class AttemptTimeoutError(DeadlineExceededError):
    """One attempt under a retry policy took longer than its `attempt_timeout`."""

    code = "errors.attempt_timeout"


class BadPolicyError(ValidationError):
    """An option of a retry policy, budget, deadline, breaker or bulkhead cannot work."""

    code = "errors.bad_policy"


class MalformedWireError(SerializationError):
    """A value is no error in wire form v1."""

    code = "errors.malformed_wire"


class MalformedProblemError(SerializationError):
    """A response body is no problem detail, or over the bounds for one."""

    code = "errors.malformed_problem"


class AlreadyRegisteredError(ConfigError):
    """An exception class was registered twice without `replace=True`."""

    code = "errors.already_registered"


class BadRegistrationError(ConfigError):
    """What was registered is neither an exception class nor the name of one."""

    code = "errors.bad_registration"


class BadBoundaryError(ConfigError):
    """`boundary` decorates what it cannot guard."""

    code = "errors.bad_boundary"


class BadCatalogueError(ConfigError):
    """A module that a package declares for the catalogue does not import."""

    code = "errors.bad_catalogue"
