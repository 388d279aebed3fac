"""The keys of a signer or verifier: fixed, or asked for at every call; and their generation."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import attrs

from infra_crypto._bytes import KeyHolder
from infra_crypto._keyset_json import PREFIX
from infra_crypto._sources import keyset_of
from infra_crypto.algorithms import KeyStatus, Purpose
from infra_crypto.jwt.jwk import Jwk, Jwks, hide, jwk_of_record
from infra_crypto.keyset import Keyset, records_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra_crypto.keyset import KeysSource
    from infra_errors import Secret

__all__ = ["Keys", "Ring", "ring_of"]


@attrs.frozen(slots=True, eq=False)
class Keys(KeyHolder):
    """What is in force now; another object, or another set, has another generation."""

    jwks: Jwks
    primary: Jwk | None
    generation: int


class Ring(KeyHolder):
    """Keys that stay until `replace`."""

    __slots__ = ("_keys",)

    def __init__(self, jwks: Jwks, primary: Jwk | None = None) -> None:
        self._keys = Keys(jwks, primary, 0)

    def current(self) -> Keys:
        """Return the keys in force."""
        return self._keys

    def __repr__(self) -> str:
        return f"<Ring {self._keys.jwks!r} primary={self._keys.primary!r}>"

    def replace(self, jwks: Jwks, primary: Jwk | None = None) -> None:
        """Put other keys in force; what was cached under the old ones is void."""
        self._keys = Keys(jwks, primary, self._keys.generation + 1)


class LiveRing(Ring):
    """Keys of a callable that is asked at every call; read anew when it gives another keyset."""

    __slots__ = ("_keyset", "_lock", "_source")

    def __init__(self, source: Callable[[], Keyset]) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._keyset = _checked(source())
        super().__init__(*_keys_of(self._keyset))

    def current(self) -> Keys:
        """Return the keys in force; what the source raises is raised."""
        keyset = self._source()
        if keyset is not self._keyset:
            with self._lock:
                _checked(keyset)
                if keyset != self._keyset:
                    self.replace(*_keys_of(keyset))
                self._keyset = keyset
                return self._keys
        return self._keys


def ring_of(keys: Jwks | Jwk | KeysSource) -> Ring:
    """Return the ring of whatever a verifier takes; raw bytes and texts are HS256 secrets."""
    if isinstance(keys, Jwks):
        return Ring(keys)
    if isinstance(keys, Jwk):
        return Ring(Jwks([keys]), keys)
    if callable(keys):
        return LiveRing(keys)
    if isinstance(keys, Keyset):
        return Ring(*_keys_of(_checked(keys)))
    hidden = hide(keys)
    del keys
    if _is_keyset_text(hidden):
        return Ring(*_keys_of(keyset_of(hidden, Purpose.JWT)))
    secret = Jwk.from_secret(hidden, "HS256")
    return Ring(Jwks([secret]), secret)


def _is_keyset_text(hidden: Secret[str] | Secret[bytes]) -> bool:
    value = hidden.reveal()
    return isinstance(value, str) and value.startswith(PREFIX)


def _checked(keyset: Keyset) -> Keyset:
    return keyset_of(keyset, Purpose.JWT)


def _keys_of(keyset: Keyset) -> tuple[Jwks, Jwk]:
    """Return the enabled keys, and the primary; a kid is the key's id in 8 hex digits."""
    keys = {
        record.key_id: jwk_of_record(
            record.alg, record.secret, record.public, f"{record.key_id:08x}"
        )
        for record in records_of(keyset)
        if record.status is KeyStatus.ENABLED
    }
    return Jwks(keys.values()), keys[keyset.primary.key_id]
