"""What a time-ordered generator does when the clock goes back or a millisecond is used up."""

from __future__ import annotations

from typing import Literal, get_args

from infra_id.errors import BadIdOption

__all__ = ["OnOverflow", "OnRollback", "check_policy"]

OnRollback = Literal["hold", "wait", "error"]
OnOverflow = Literal["borrow", "wait", "error"]


def check_policy(on_rollback: str, on_overflow: str, max_drift_ms: int) -> None:
    """
    Refuse a policy that no generator knows.

    Raises BadIdOption naming the option, its value and what is allowed.
    """
    for name, value, known in (
        ("on_rollback", on_rollback, get_args(OnRollback)),
        ("on_overflow", on_overflow, get_args(OnOverflow)),
    ):
        if value not in known:
            msg = f"{name}={value!r} is not one of {', '.join(known)}"
            raise BadIdOption(msg)
    if isinstance(max_drift_ms, bool) or not isinstance(max_drift_ms, int) or max_drift_ms < 0:
        msg = f"max_drift_ms={max_drift_ms!r} is not a number of milliseconds of 0 or more"
        raise BadIdOption(msg)
