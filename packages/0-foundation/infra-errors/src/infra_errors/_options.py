"""Checks of the options that the resilience modules share: all raise `errors.bad_policy`."""

from __future__ import annotations

from infra_errors._leaves import BadPolicyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import timedelta

__all__ = ["count", "demand", "number", "seconds"]

_FOREVER = float("inf")


def demand(holds: bool, message: str) -> None:
    """Raise ValidationError `errors.bad_policy` with `message` unless the option is sound."""
    if not holds:
        raise BadPolicyError(message)


def count(name: str, value: int, *, least: int = 1) -> int:
    """Return a whole number from `least` on."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    demand(
        whole and value >= least, f"{name} must be a whole number from {least} on, not {value!r}"
    )
    return value


def number(name: str, value: float, *, least: float = 0.0, most: float = _FOREVER) -> float:
    """Return a number between `least` and `most`, never NaN."""
    real = isinstance(value, int | float) and not isinstance(value, bool)
    limits = f"from {least:g} on" if most == _FOREVER else f"from {least:g} to {most:g}"
    demand(real and least <= value <= most, f"{name} must be a number {limits}, not {value!r}")
    return float(value)


def seconds(name: str, value: float | timedelta) -> float:
    """Return a duration, a number or a timedelta, as seconds."""
    total = getattr(value, "total_seconds", None)
    return number(name, value if total is None else total())  # type: ignore[arg-type]  # refused there
