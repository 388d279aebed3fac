"""
Strict JSON in and out; paths, minimal diffs, atomic patches, merges, queries, canonical bytes.

>>> from infra_json import apply_patch, canonicalize, diff, get, loads
>>> before = loads('{"name": "disk", "sizes": [1, 2]}')
>>> get(before, "sizes[1]")
2
>>> patch = diff(before, {"name": "disk", "sizes": [1, 3, 2]})
>>> patch.to_list()
[{'op': 'add', 'path': '/sizes/1', 'value': 3}]
>>> apply_patch(before, patch)
{'name': 'disk', 'sizes': [1, 3, 2]}
>>> canonicalize({"b": 1e21, "a": 1.0})
b'{"a":1,"b":1e+21}'
"""

from typing import TYPE_CHECKING, Any

from infra_json.canonical import canonicalize
from infra_json.codec import JsonValue, dump_bytes, dumps, loads
from infra_json.diff import diff
from infra_json.encode import to_json_value
from infra_json.equality import equal
from infra_json.errors import (
    DecodeError,
    EncodeError,
    NullInMerge,
    PatchError,
    PatchTestFailed,
    PathError,
    PathMissing,
    QueryError,
    StructureError,
    TooDeep,
    TooLarge,
    TypeNotSupported,
)
from infra_json.merge import create_merge_patch, deep_merge, merge_patch
from infra_json.patch import Patch, apply_patch, invert
from infra_json.path import get, has, put, remove, require
from infra_json.pointer import Pointer
from infra_json.structure import structure

if TYPE_CHECKING:
    from infra_json.jsonpath import JSONPath, Node

__all__ = [
    "DecodeError",
    "EncodeError",
    "JSONPath",
    "JsonValue",
    "Node",
    "NullInMerge",
    "Patch",
    "PatchError",
    "PatchTestFailed",
    "PathError",
    "PathMissing",
    "Pointer",
    "QueryError",
    "StructureError",
    "TooDeep",
    "TooLarge",
    "TypeNotSupported",
    "apply_patch",
    "canonicalize",
    "create_merge_patch",
    "deep_merge",
    "diff",
    "dump_bytes",
    "dumps",
    "equal",
    "get",
    "has",
    "invert",
    "loads",
    "merge_patch",
    "put",
    "remove",
    "require",
    "structure",
    "to_json_value",
]


def __getattr__(name: str) -> Any:
    """Load queries when they are first asked for (PEP 562)."""
    if name not in {"JSONPath", "Node"}:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    from infra_json import jsonpath

    value = globals()[name] = getattr(jsonpath, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
