"""
Strict JSON in and out.

>>> from infra_json import canonicalize, dumps, loads
>>> loads('{"n": 1}')
{'n': 1}
>>> dumps({"n": 1, "list": (1, 2)})
'{"n":1,"list":[1,2]}'
>>> canonicalize({"b": 1e21, "a": 1.0})
b'{"a":1,"b":1e+21}'
"""

from infra_json.canonical import canonicalize
from infra_json.codec import JsonValue, dump_bytes, dumps, loads
from infra_json.encode import to_json_value
from infra_json.errors import DecodeError, EncodeError, TooDeep, TooLarge

__all__ = [
    "DecodeError",
    "EncodeError",
    "JsonValue",
    "TooDeep",
    "TooLarge",
    "canonicalize",
    "dump_bytes",
    "dumps",
    "loads",
    "to_json_value",
]
