"""
What infra-json raises.

    SerializationError
    ├── DecodeError    json.invalid         the text is not strict JSON; line, column, offset, path
    ├── EncodeError    json.not_encodable   the object has no JSON form; path
    ├── TooDeep        json.too_deep        nested deeper than max_depth
    └── TooLarge       json.too_large       longer than max_bytes
"""

from __future__ import annotations

from infra_errors import SerializationError, Status

__all__ = ["DecodeError", "EncodeError", "TooDeep", "TooLarge"]


class DecodeError(SerializationError):
    """A text is not strict JSON. Context: `line` and `column` from 1, `offset` from 0, `path`."""

    code = "json.invalid"


class EncodeError(SerializationError):
    """An object has no JSON form. Context: `path`, the JSON Pointer of the part that has none."""

    code = "json.not_encodable"
    status = Status.INTERNAL


class TooDeep(SerializationError):
    """A document is nested deeper than `max_depth`."""

    code = "json.too_deep"


class TooLarge(SerializationError):
    """A document is longer than `max_bytes`."""

    code = "json.too_large"
