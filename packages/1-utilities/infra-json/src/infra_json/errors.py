"""
What infra-json raises.

    SerializationError
    ├── DecodeError       json.invalid            the text is not strict JSON; line, column, offset
    ├── EncodeError       json.not_encodable      the object has no JSON form; path
    ├── TooDeep           json.too_deep           nested deeper than allowed
    ├── TooLarge          json.too_large          longer than max_bytes
    └── StructureError    json.wrong_shape        the value does not fit the type; violations
    ValidationError
    ├── PathError         json.bad_path           the path is malformed, or leads through a scalar
    ├── PathMissing       json.path_missing       nothing is there (also a NotFoundError)
    ├── PatchError        json.patch_failed       an operation is wrong or fails; index, op, path
    │   └── PatchTestFailed  json.patch_test_failed  a `test` says no (also a ConflictError)
    ├── QueryError        json.bad_query          the JSONPath query is wrong; offset
    ├── NullInMerge       json.null_in_merge      a merge patch cannot set a null; path
    └── TypeNotSupported  json.unsupported_type   no JSON value can become this type
"""

from __future__ import annotations

from infra_errors import ConflictError, NotFoundError, SerializationError, Status, ValidationError

__all__ = [
    "DecodeError",
    "EncodeError",
    "NullInMerge",
    "PatchError",
    "PatchTestFailed",
    "PathError",
    "PathMissing",
    "QueryError",
    "StructureError",
    "TooDeep",
    "TooLarge",
    "TypeNotSupported",
]


class DecodeError(SerializationError):
    """A text is not strict JSON. Context: `line` and `column` from 1, `offset` from 0, `path`."""

    code = "json.invalid"


class EncodeError(SerializationError):
    """An object has no JSON form. Context: `path`, the JSON Pointer of the part that has none."""

    code = "json.not_encodable"
    status = Status.INTERNAL


class TooDeep(SerializationError):
    """A document is nested deeper than allowed."""

    code = "json.too_deep"


class TooLarge(SerializationError):
    """A document is longer than `max_bytes`."""

    code = "json.too_large"


class StructureError(SerializationError):
    """A value does not have the shape of the type asked for; `violations` name every place."""

    code = "json.wrong_shape"


class PathError(ValidationError):
    """A path or pointer is malformed, or leads through a scalar. Context: `path`."""

    code = "json.bad_path"


class PathMissing(NotFoundError, ValidationError):
    """Nothing is at a path. Context: `path`, and `segment`, the first one that is missing."""

    code = "json.path_missing"


class PatchError(ValidationError):
    """A patch is malformed or does not fit the document. Context: `index`, `op`, `path`."""

    code = "json.patch_failed"


class PatchTestFailed(ConflictError, PatchError):
    """A `test` operation found another value. Context: `index`, `op`, `path`."""

    code = "json.patch_test_failed"


class QueryError(ValidationError):
    """A JSONPath query is malformed or asks for too much. Context: `offset` in the query."""

    code = "json.bad_query"


class NullInMerge(ValidationError):
    """The target holds a null that a merge patch would take for a removal. Context: `path`."""

    code = "json.null_in_merge"


class TypeNotSupported(ValidationError):
    """A type cannot be read from JSON without guessing; it is the program's mistake, not data's."""

    code = "json.unsupported_type"
    status = Status.INTERNAL
