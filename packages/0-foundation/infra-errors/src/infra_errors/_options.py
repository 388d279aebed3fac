"""Checks of the options that the resilience modules share."""

from __future__ import annotations

from infra_errors.errors import ValidationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import timedelta

__all__ = ["demand", "seconds"]


def demand(holds: bool, message: str) -> None:
    """Raise ValidationError `errors.bad_policy` with `message` unless the option is sound."""
    if not holds:
        raise ValidationError(message, code="errors.bad_policy")


def seconds(name: str, value: float | timedelta) -> float:
    """Return a duration as seconds.

    Raises:
        ValidationError: `errors.bad_policy`, the duration is negative or NaN.
    """
    number = float(value) if isinstance(value, (int, float)) else value.total_seconds()
    demand(number >= 0, f"{name} must be a number of seconds from 0 on, not {value!r}")
    return number
