"""Keysets: several keys of one purpose, one of them primary, that are replaced without a gap."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, Union

import attrs

from infra_crypto import _keyset_json
from infra_crypto._bytes import KeyHolder, as_bytes, base64url
from infra_crypto._keyset_rules import alg_of, check, new_key, read
from infra_crypto._material import (
    ASYMMETRIC,
    KeyRecord,
    check_secret,
    derived_id,
)
from infra_crypto.algorithms import Alg, KeyStatus, Purpose, purpose_of
from infra_crypto.errors import BadArgument, InvalidKey, KeysetInvalid
from infra_errors import Secret

if TYPE_CHECKING:
    from typing import Self

    from infra_crypto.aead import Aead
    from infra_crypto.envelope import KmsClient

__all__ = ["KeyInfo", "Keyset", "KeysSource"]

_WRAPPED = b"infra-crypto/keyset/1\0"


@attrs.frozen(slots=True)
class KeyInfo:
    """What may be known of a key: everything but its material."""

    key_id: int
    alg: Alg
    status: KeyStatus
    primary: bool
    created_at: datetime
    public_only: bool

    @property
    def hex_id(self) -> str:
        """The id as 8 lower-case hex digits, as it stands in blind indexes and JWT headers."""
        return f"{self.key_id:08x}"


class Keyset(KeyHolder):
    """
    Keys of one purpose with ids; the primary makes, every enabled key opens.

    Immutable: each change returns a new keyset. Made by `generate`, `from_raw`, `parse`, `load` or
    `aload`. Equal to a keyset with the same keys (compared in constant time). It refuses to be
    pickled, and repr shows ids, algorithms and statuses only.
    """

    __slots__ = ("_primary", "_records", "_tables", "keys", "primary", "purpose", "version")
    keys: tuple[KeyInfo, ...]
    primary: KeyInfo
    version: str  # fingerprint of ids, algorithms, statuses and the primary
    purpose: Purpose
    _records: tuple[KeyRecord, ...]
    _primary: int
    _tables: dict[type, Any]  # what primitives built of it, by their class

    def __init__(self, records: tuple[KeyRecord, ...], primary: int) -> None:
        check(records, primary)
        put = object.__setattr__
        put(self, "_records", records)
        put(self, "_primary", primary)
        put(self, "_tables", {})
        put(self, "keys", tuple(_info(record, primary) for record in records))
        put(self, "primary", next(key for key in self.keys if key.primary))
        put(self, "purpose", purpose_of(self.primary.alg))
        rows = [f"{key.hex_id} {key.alg} {key.status}\n" for key in self.keys]
        text = f"{self.primary.hex_id}\n{''.join(rows)}"
        put(self, "version", hashlib.sha256(text.encode()).hexdigest()[:16])

    # -- where a keyset comes from

    @classmethod
    def generate(cls, alg: Alg, *, clock: Callable[[], float] = time.time) -> Self:
        """Return a keyset of one new key. `clock` gives Unix seconds for its `created_at`."""
        record = new_key(alg_of(alg), clock, taken=())
        return cls((record,), record.key_id)

    @classmethod
    def from_raw(
        cls,
        alg: Alg,
        key: bytes | Secret[bytes],
        *,
        key_id: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> Self:
        """
        Return a keyset of one key that exists already.

        Arguments: `key` the secret (32 bytes; AES_256_SIV 64; HMAC 16 and JWT HS256, 384, 512 32,
        48, 64 or more; Ed25519 the seed, ECDSA the number, big-endian); `key_id` 1 to 2^32-1,
        without it the id that a raw key has everywhere. Raises InvalidKey, BadArgument for the id.
        """
        alg = alg_of(alg)
        raw = as_bytes(key.reveal() if isinstance(key, Secret) else key, "a raw key")
        del key
        try:
            check_secret(alg, raw)
        except InvalidKey:
            del raw  # a traceback shows the locals of its frames
            raise
        if key_id is None:
            key_id = derived_id(alg, raw)
        elif isinstance(key_id, bool) or not isinstance(key_id, int) or not 0 < key_id < 1 << 32:
            msg = f"a key id is 1 to 4294967295, not {key_id!r:.40}"
            raise BadArgument(msg)
        record = KeyRecord(key_id, alg, KeyStatus.ENABLED, int(clock()), secret=raw)
        return cls((record,), key_id)

    @classmethod
    def parse(cls, text: str | Secret[str]) -> Self:
        """Return the keyset of a text from `export_insecure`; KeysetInvalid for any other."""
        if isinstance(text, bytes) or not isinstance(text, str | Secret):
            kind = "wrapped: Keyset.load opens it" if isinstance(text, bytes) else "no text"
            msg = f"parse reads the text of export_insecure(), and this is {kind}"
            raise KeysetInvalid(msg)
        content: Secret[str] = Secret(text)
        del text
        return cls(*read(_keyset_json.parse_text, content))

    @classmethod
    def load(cls, blob: bytes, wrapping: Aead, *, aad: bytes = b"") -> Self:
        """Return the keyset that `export` wrapped; DecryptFailed where it does not open."""
        _refuse_plaintext(blob)
        content = Secret(wrapping.open(blob, aad=_WRAPPED + as_bytes(aad, "aad")))
        return cls(*read(_keyset_json.parse_json, content))

    @classmethod
    async def aload(cls, blob: bytes, kms: KmsClient, key_uri: str, *, aad: bytes = b"") -> Self:
        """Return the keyset that `aexport` wrapped; DecryptFailed, or KmsError."""
        from infra_crypto.envelope import Envelope

        _refuse_plaintext(blob)
        bound = _WRAPPED + as_bytes(aad, "aad")
        content = Secret(await Envelope(kms, key_uri).open(blob, aad=bound))
        return cls(*read(_keyset_json.parse_json, content))

    # -- changes; each returns a new keyset

    def add(self, alg: Alg | None = None, *, clock: Callable[[], float] = time.time) -> Self:
        """Return it with a new enabled key, of the primary's algorithm by default."""
        alg = self.primary.alg if alg is None else alg_of(alg)
        record = new_key(alg, clock, taken=[key.key_id for key in self.keys])
        return type(self)((*self._records, record), self._primary)

    def promote(self, key_id: int) -> Self:
        """Return it with another primary, which must be enabled (else KeysetInvalid)."""
        self._record(key_id)
        return type(self)(self._records, key_id)

    def disable(self, key_id: int) -> Self:
        """Return it with a key that neither makes nor opens until `enable`; not the primary."""
        return self._with_status(key_id, KeyStatus.DISABLED)

    def enable(self, key_id: int) -> Self:
        """Return it with a disabled key in use again."""
        return self._with_status(key_id, KeyStatus.ENABLED)

    def destroy(self, key_id: int) -> Self:
        """Return it with a key's material dropped for ever; the record stays. Not the primary."""
        return self._with_status(key_id, KeyStatus.DESTROYED)

    def rotate(self, *, clock: Callable[[], float] = time.time) -> Self:
        """
        Return it with a new primary: `add` and `promote` in one.

        For one process. A fleet deploys the keyset after `add`, then after `promote`, then after
        `disable`, so that no process meets a key it does not have yet.
        """
        added = self.add(clock=clock)
        return added.promote(added.keys[-1].key_id)

    def public(self) -> Self:
        """Return it with the public halves alone; KeysetInvalid where the keys have none."""
        if not all(record.alg in ASYMMETRIC for record in self._records):
            msg = f"keys for {self.purpose.value} of {self.primary.alg} have no public half"
            raise KeysetInvalid(msg)
        halves = tuple(
            record
            if record.status is KeyStatus.DESTROYED
            else attrs.evolve(record, secret=None, public=record.public_bytes())
            for record in self._records
        )
        return type(self)(halves, self._primary)

    # -- where it goes

    def export(self, wrapping: Aead, *, aad: bytes = b"") -> bytes:
        """Return it sealed by another key; `load` opens it with the same `aad`."""
        bound = _WRAPPED + as_bytes(aad, "aad")
        return wrapping.seal(_keyset_json.dump(self._records, self._primary), aad=bound)

    async def aexport(self, kms: KmsClient, key_uri: str, *, aad: bytes = b"") -> bytes:
        """Return it sealed in an envelope under a KMS key; `aload` opens it."""
        from infra_crypto.envelope import Envelope

        bound = _WRAPPED + as_bytes(aad, "aad")
        data = _keyset_json.dump(self._records, self._primary)
        return await Envelope(kms, key_uri).seal(data, aad=bound)

    def export_insecure(self, *, reason: str) -> Secret[str]:
        """
        Return it as a text that anyone can use who reads it; `parse` reads it back.

        Arguments: `reason` is for the reader of the calling code; it must not be empty.
        """
        if not isinstance(reason, str) or not reason.strip():
            msg = "export_insecure shows the keys: say why in reason="
            raise BadArgument(msg)
        return Secret(
            _keyset_json.PREFIX + base64url(_keyset_json.dump(self._records, self._primary))
        )

    # -- the rest

    def _record(self, key_id: int) -> KeyRecord:
        for record in self._records:
            if record.key_id == key_id:
                return record
        msg = f"the keyset has no key {key_id!r:.40}"
        raise KeysetInvalid(msg)

    def _with_status(self, key_id: int, status: KeyStatus) -> Self:
        old = self._record(key_id)
        if old.status is KeyStatus.DESTROYED and status is not KeyStatus.DESTROYED:
            msg = f"key {key_id:08x} is destroyed: nothing is left to enable or disable"
            raise KeysetInvalid(msg)
        if key_id == self._primary and status is not KeyStatus.ENABLED:
            msg = f"key {key_id:08x} is the primary: promote another one first"
            raise KeysetInvalid(msg)
        new = attrs.evolve(old, status=status)
        if status is KeyStatus.DESTROYED:
            new = attrs.evolve(new, secret=None, public=None)
        records = tuple(new if record is old else record for record in self._records)
        return type(self)(records, self._primary)

    def __repr__(self) -> str:
        rows = [
            f"{key.hex_id} {key.alg} {key.status}{' primary' if key.primary else ''}"
            for key in self.keys
        ]
        return f"<Keyset {', '.join(rows)}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Keyset):
            return NotImplemented
        mine = _keyset_json.dump(self._records, self._primary)
        return hmac.compare_digest(mine, _keyset_json.dump(other._records, other._primary))

    def __hash__(self) -> int:
        return hash((self._primary, *(key.key_id for key in self.keys)))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        msg = f"a Keyset is immutable: its methods return a new one, {name} stays"
        raise AttributeError(msg)

    def __delattr__(self, name: str) -> NoReturn:
        self.__setattr__(name, None)


# The callable is asked on every call: live rotation without a restart.
KeysSource: TypeAlias = Union[  # noqa: UP007 -- Secret[bytes] | … fails where Secret has no type
    bytes, str, Secret[bytes], Secret[str], Keyset, Callable[[], Keyset]
]


def records_of(keyset: Keyset) -> tuple[KeyRecord, ...]:
    """The keys with their material, for the primitives of this package."""
    return keyset._records


def tables_of(keyset: Keyset) -> dict[type, Any]:
    """What primitives built of a keyset, so that a second one of the same class need not."""
    return keyset._tables


def _info(record: KeyRecord, primary: int) -> KeyInfo:
    return KeyInfo(
        key_id=record.key_id,
        alg=record.alg,
        status=record.status,
        primary=record.key_id == primary,
        created_at=datetime.fromtimestamp(record.created_at, UTC),
        public_only=record.public is not None,
    )


def _refuse_plaintext(blob: object) -> None:
    if bytes(blob[:15] if isinstance(blob, bytes) else b"") == _keyset_json.PREFIX.encode():
        msg = "this keyset is not wrapped: anyone could have written it; Keyset.parse reads it"
        raise KeysetInvalid(msg)
