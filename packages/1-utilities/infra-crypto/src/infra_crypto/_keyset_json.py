"""
The text of a keyset: `infra-keyset-1:` and base64url of canonical JSON.

The JSON has sorted names and no blanks:
`{"keys":[{"alg","created_at","id","public" or "secret","status"}],"primary":id,"version":1}`.
`id` is 1 to 2^32-1, `created_at` Unix seconds, material base64url without padding; a destroyed key
has none. Reading is strict: an unknown name, value or length, or a name given twice, is refused.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from infra_crypto._bytes import base64url, from_base64url
from infra_crypto._material import ASYMMETRIC, KeyRecord, check_public, check_secret
from infra_crypto.algorithms import Alg, KeyStatus
from infra_crypto.errors import InvalidKey, KeysetInvalid

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["PREFIX", "dump", "parse_json", "parse_text"]

PREFIX = "infra-keyset-1:"
_LONGEST = 1 << 20
_LATEST = 253402300799  # the end of the year 9999
_NAMES = {"alg", "created_at", "id", "status"}


def dump(records: Iterable[KeyRecord], primary: int) -> bytes:
    """Return the canonical JSON of a keyset."""
    document = {"keys": [_row(record) for record in records], "primary": primary, "version": 1}
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode("ascii")


def _row(record: KeyRecord) -> dict[str, object]:
    row: dict[str, object] = {
        "alg": record.alg.value,
        "created_at": record.created_at,
        "id": record.key_id,
        "status": record.status.value,
    }
    if record.secret is not None:
        row["secret"] = base64url(record.secret)
    elif record.public is not None:
        row["public"] = base64url(record.public)
    return row


def parse_text(text: str) -> tuple[tuple[KeyRecord, ...], int]:
    """Return the keys and the primary's id of a plaintext keyset; KeysetInvalid for another."""
    if not text.startswith(PREFIX):
        _refuse(
            f"the text does not start with {PREFIX!r}: bytes from export() are wrapped, "
            "Keyset.load opens them"
        )
    data = from_base64url(text[len(PREFIX) :]) if len(text) <= _LONGEST else None
    if data is None:
        _refuse("what follows the prefix is no canonical base64url of at most 1 MiB")
    return parse_json(data)


def parse_json(data: bytes) -> tuple[tuple[KeyRecord, ...], int]:
    """Return the keys and the primary's id of a keyset's JSON; KeysetInvalid for another."""
    document = _decoded(data)
    if not isinstance(document, dict) or document.keys() != {"keys", "primary", "version"}:
        _refuse("its JSON has exactly keys, primary and version")
    version, rows = document["version"], document["keys"]
    if type(version) is not int or version != 1:
        _refuse("its version is not 1")
    if not isinstance(rows, list):
        _refuse("its keys are no list")
    primary = _number(document["primary"], 1, 0xFFFFFFFF, "primary")
    return tuple(_record(row) for row in rows), primary


def _decoded(data: bytes) -> Any:
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_members)
    except (ValueError, RecursionError):
        pass
    return _refuse("its content is no JSON, or names a member twice")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError
    return members


def _record(row: Any) -> KeyRecord:
    if not isinstance(row, dict) or not row.keys() >= _NAMES:
        _refuse(f"a key lacks one of {', '.join(sorted(_NAMES))}")
    material = row.keys() - _NAMES
    try:
        alg, status = Alg(row["alg"]), KeyStatus(row["status"])
    except ValueError:
        alg = None
    if alg is None:
        _refuse("a key has an unknown alg or status")
    key_id = _number(row["id"], 1, 0xFFFFFFFF, "id")
    created_at = _number(row["created_at"], 0, _LATEST, "created_at")
    if status is KeyStatus.DESTROYED:
        if material:
            _refuse("a destroyed key has material, or an unknown member")
        return KeyRecord(key_id, alg, status, created_at)
    if material == {"secret"}:
        return KeyRecord(key_id, alg, status, created_at, secret=_secret(alg, row["secret"]))
    if material == {"public"} and alg in ASYMMETRIC:
        return KeyRecord(key_id, alg, status, created_at, public=_public(alg, row["public"]))
    return _refuse("a key has an unknown member, or not exactly one of secret and public")


def _secret(alg: Alg, text: object) -> bytes:
    data = from_base64url(text) if isinstance(text, str) else None
    try:
        if data is not None:
            check_secret(alg, data)
            return data
    except InvalidKey:
        pass
    return _refuse(f"the secret of a key of {alg} has a wrong length or form")


def _public(alg: Alg, text: object) -> bytes:
    data = from_base64url(text) if isinstance(text, str) else None
    try:
        if data is not None:
            check_public(alg, data)
            return data
    except InvalidKey:
        pass
    return _refuse(f"the public half of a key of {alg} has a wrong length or form")


def _number(value: object, least: int, most: int, what: str) -> int:
    if type(value) is not int or not least <= value <= most:
        _refuse(f"{what} is no integer from {least} to {most}")
    return value


def _refuse(why: str) -> NoReturn:
    msg = f"this is no keyset: {why}"
    raise KeysetInvalid(msg)
