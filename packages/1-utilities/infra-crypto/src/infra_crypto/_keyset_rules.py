"""What holds for every keyset: how many keys, of which purposes, with which ids and primary."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, TypeVar

from infra_crypto._material import KeyRecord, generate_secret
from infra_crypto.algorithms import Alg, KeyStatus, purpose_of
from infra_crypto.errors import BadArgument, KeysetInvalid

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from infra_errors import Secret

__all__ = ["alg_of", "check", "new_key", "read"]

T = TypeVar("T", str, bytes)
_MOST = 256


def check(records: tuple[KeyRecord, ...], primary: int) -> None:
    """Raise KeysetInvalid unless these keys can stand together (rules of a keyset)."""
    ids = [record.key_id for record in records]
    purposes = sorted({purpose_of(record.alg).value for record in records})
    halves = {record.public is not None for record in records if record.secret or record.public}
    status = next((record.status for record in records if record.key_id == primary), None)
    msg = ""
    if not 1 <= len(records) <= _MOST:
        msg = f"a keyset has 1 to {_MOST} keys, not {len(records)}"
    elif len(set(ids)) != len(ids):
        msg = "two keys of the keyset have the same id"
    elif len(purposes) > 1:
        msg = f"one keyset serves one purpose, these keys serve {' and '.join(purposes)}"
    elif len(halves) > 1:
        msg = "a keyset holds secret keys or public ones, not both"
    elif status is None:
        msg = "the primary is none of the keys"
    elif status is not KeyStatus.ENABLED:
        msg = f"the primary {primary:08x} is {status}: only an enabled key can be it"
    del records
    if msg:
        raise KeysetInvalid(msg)


def new_key(alg: Alg, clock: Callable[[], float], *, taken: Collection[int]) -> KeyRecord:
    """Return a new enabled key, with an id that is not taken."""
    key_id = 0
    while key_id == 0 or key_id in taken:
        key_id = secrets.randbits(32)
    return KeyRecord(key_id, alg, KeyStatus.ENABLED, int(clock()), secret=generate_secret(alg))


def read(
    parse: Callable[[T], tuple[tuple[KeyRecord, ...], int]], content: Secret[T]
) -> tuple[tuple[KeyRecord, ...], int]:
    """Return what a parser makes of a keyset's content, whose frames no traceback may show."""
    try:
        return parse(content.reveal())
    except KeysetInvalid as error:
        failure = error.with_traceback(None)
    raise failure


def alg_of(alg: Alg) -> Alg:
    """Return the algorithm of a name; BadArgument for none."""
    try:
        return Alg(alg)
    except ValueError:
        msg = f"{alg!r:.40} is no algorithm: {', '.join(Alg)}"
        raise BadArgument(msg) from None
