"""
What the exchange raises, besides what its packages do.

    ValidationError
    ├── InvalidEntity             exchange.invalid_<entity>       a value breaks a rule of its kind
    └── UnknownField              exchange.unknown_field          a body names a field nobody knows
    NotFoundError
    └── NoSuchThing               exchange.not_found
    ConflictError
    ├── SlugTaken                 exchange.slug_taken
    ├── NotActive                 exchange.not_active             results only for active benchmarks
    ├── DuplicateSubmission       exchange.duplicate_submission   the same artifact again
    ├── IdempotencyMismatch       exchange.idempotency_mismatch   a used key with another body
    └── IllegalTransition         exchange.illegal_transition     names both states
    BadImport                     exchange.bad_import             a file that is not such a table
    NotSignedIn                   exchange.not_signed_in          401
"""

from __future__ import annotations

from infra_errors import ConflictError, NotFoundError, UnauthenticatedError, ValidationError

__all__ = [
    "BadImport",
    "DuplicateSubmission",
    "IdempotencyMismatch",
    "IllegalTransition",
    "InvalidEntity",
    "NoSuchThing",
    "NotActive",
    "NotSignedIn",
    "SlugTaken",
    "UnknownField",
    "invalid",
]


class InvalidEntity(ValidationError):
    """A value breaks a rule of its entity; the code's last part names the entity."""

    code = "exchange.invalid_entity"


class UnknownField(ValidationError):
    """A request names a field that its kind of body does not have."""

    code = "exchange.unknown_field"


class NoSuchThing(NotFoundError):
    """The thing asked for is not here, or not visible."""

    code = "exchange.not_found"


class SlugTaken(ConflictError):
    """Another thing of the kind has this slug, in any letter case."""

    code = "exchange.slug_taken"


class NotActive(ConflictError):
    """The benchmark takes no results in its present status."""

    code = "exchange.not_active"


class DuplicateSubmission(ConflictError):
    """The submitter has submitted this very artifact to this version before."""

    code = "exchange.duplicate_submission"


class IdempotencyMismatch(ConflictError):
    """The idempotency key was used before, with another body."""

    code = "exchange.idempotency_mismatch"


class IllegalTransition(ConflictError):
    """A state does not lead to the one asked for."""

    code = "exchange.illegal_transition"


class BadImport(ValidationError):
    """A file is not the table its importer reads; every violation names line and column."""

    code = "exchange.bad_import"


class NotSignedIn(UnauthenticatedError):
    """The call needs a valid bearer token."""

    code = "exchange.not_signed_in"


def invalid(entity: str, message: str) -> InvalidEntity:
    """Return the refusal of a value, with the code `exchange.invalid_<entity>`."""
    return InvalidEntity(message, code=f"exchange.invalid_{entity}")
