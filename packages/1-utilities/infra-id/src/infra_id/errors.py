"""
What infra-id raises.

    ValidationError
    ├── InvalidId             id.invalid              a text that is not such an id
    ├── BadIdOption           id.bad_option           an argument of a generator or a typed id
    └── TimestampOverflow     id.timestamp_overflow   a time that 48 bits cannot hold
    ConfigError
    └── NodeNotConfigured     id.node_not_configured  nobody says which node this process is
    UnavailableError
    ├── ClockRollbackError    id.clock_rollback       the clock went back further than allowed
    └── SequenceExhausted     id.sequence_exhausted   no id is left in this millisecond
"""

from __future__ import annotations

from infra_errors import ConfigError, UnavailableError, ValidationError

__all__ = [
    "BadIdOption",
    "ClockRollbackError",
    "InvalidId",
    "NodeNotConfigured",
    "SequenceExhausted",
    "TimestampOverflow",
]


class InvalidId(ValidationError):
    """A text is not an id of the kind asked for."""

    code = "id.invalid"


class BadIdOption(ValidationError):
    """An option of a generator or of a typed id cannot work."""

    code = "id.bad_option"


class TimestampOverflow(ValidationError):
    """A time lies outside what the id's 48 bits of milliseconds can hold (the year 10889)."""

    code = "id.timestamp_overflow"


class NodeNotConfigured(ConfigError):
    """Neither the environment nor the host's name says which node this process is."""

    code = "id.node_not_configured"


class ClockRollbackError(UnavailableError):
    """The clock went back further than `max_drift_ms`, or at all where that is an error."""

    code = "id.clock_rollback"


class SequenceExhausted(UnavailableError):
    """The millisecond's ids are used up, and waiting for the next was not asked for."""

    code = "id.sequence_exhausted"
