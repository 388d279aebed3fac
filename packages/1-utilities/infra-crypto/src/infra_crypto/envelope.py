"""
Envelope encryption: data under keys of its own, and those keys wrapped by a KMS.

Sealed bytes are `02 | length 1 | key_uri | length 2 | wrapped key | nonce 24 | ciphertext | tag`,
XAES-256-GCM under the data key; lengths are big-endian.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

from infra_crypto._bytes import KeyHolder, as_bytes
from infra_crypto._ciphers import Xaes, closed
from infra_crypto.aead import LARGEST
from infra_crypto.errors import (
    BadArgument,
    DecryptFailed,
    KmsError,
    MessageTooLarge,
)
from infra_errors import Secret

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from infra_crypto._bytes import Buffer

__all__ = ["Envelope", "KmsClient"]

_VERSION = b"\x02"
_BOUND = b"infra-crypto/envelope/1\0"


class KmsClient(Protocol):
    """
    Wraps and unwraps data keys under a key that never leaves the service.

    `unwrap_key` raises DecryptFailed for bytes that the service refuses as not its own; anything
    else that it raises counts as a failure of the service.
    """

    async def wrap_key(self, key: bytes, *, key_uri: str, aad: bytes) -> bytes:
        """Return the key wrapped, bound to `aad`."""
        ...

    async def unwrap_key(self, wrapped: bytes, *, key_uri: str, aad: bytes) -> bytes:
        """Return the key that was wrapped with the same `aad`."""
        ...


class Envelope(KeyHolder):
    """
    Seals and opens with data keys that a KMS wraps.

    Arguments: `key_uri` names the wrapping key for what is sealed (1 to 255 bytes of UTF-8);
    `accept` further ones that may be opened; `dek_messages` and `dek_ttl` (seconds) bound how often
    and how long one data key seals; `unwrap_cache` and `unwrap_ttl` how many unwrapped keys are
    kept and how long (0 keeps none); `timeout` bounds each call of the KMS, in seconds. `clock`
    gives monotonic seconds. Raises BadArgument.
    """

    __slots__ = (
        "_accept",
        "_cache",
        "_clock",
        "_current",
        "_flights",
        "_key_uri",
        "_kms",
        "_limits",
        "_lock",
        "_timeout",
    )

    def __init__(
        self,
        kms: KmsClient,
        key_uri: str,
        *,
        accept: Collection[str] = (),
        dek_messages: int = 1,
        dek_ttl: float = 300.0,
        unwrap_cache: int = 256,
        unwrap_ttl: float = 300.0,
        timeout: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        for uri in (key_uri, *accept):
            if not isinstance(uri, str) or not 1 <= len(uri.encode()) <= 255:
                msg = "a key_uri is a text of 1 to 255 bytes"
                raise BadArgument(msg)
        if dek_messages < 1 or min(dek_ttl, unwrap_cache, unwrap_ttl) < 0 or timeout <= 0:
            msg = "dek_messages and timeout are positive, ttls and unwrap_cache 0 or more"
            raise BadArgument(msg)
        self._kms, self._key_uri, self._timeout, self._clock = kms, key_uri, timeout, clock
        self._accept = frozenset({key_uri, *accept})
        self._limits = dek_messages, dek_ttl, unwrap_cache, unwrap_ttl
        self._lock = asyncio.Lock()
        # wrapped key, its cipher, messages left, and when it ends
        self._current: tuple[bytes, Xaes, int, float] | None = None
        self._cache: OrderedDict[bytes, tuple[Xaes, float]] = OrderedDict()
        self._flights: dict[bytes, asyncio.Task[Xaes]] = {}

    async def seal(self, plaintext: Buffer, *, aad: Buffer) -> bytes:
        """Return the plaintext sealed; KmsError, MessageTooLarge, BytesRequired."""
        data, bound = as_bytes(plaintext, "a plaintext"), as_bytes(aad, "aad")
        if len(data) > LARGEST:
            msg = f"an envelope holds {LARGEST} bytes at most, not {len(data)}: encrypt_stream"
            raise MessageTooLarge(msg)
        wrapped, cipher = await self._data_key()
        return cipher.seal(_head(self._key_uri, wrapped), data, bound)

    async def open(self, blob: Buffer, *, aad: Buffer) -> bytes:
        """Return the plaintext; DecryptFailed, always the same; KmsError where the KMS failed."""
        blob, bound = as_bytes(blob, "a sealed blob"), as_bytes(aad, "aad")
        uri, wrapped, end = self._parts(blob)
        cipher = await self._unwrapped(uri, wrapped)
        try:
            # the cipher looks behind a prefix of five bytes
            return cipher.open(blob[end - 5 :], bound)
        except closed():
            pass
        raise DecryptFailed

    async def rewrap(self, blob: Buffer) -> bytes:
        """Return it with its data key wrapped anew under `key_uri`; the data is not touched."""
        blob = as_bytes(blob, "a sealed blob")
        uri, wrapped, end = self._parts(blob)
        secret = await self._unwrap(uri, wrapped)
        return _head(self._key_uri, await self._wrap(secret)) + blob[end:]

    # -- what the blob says

    def _parts(self, blob: bytes) -> tuple[str, bytes, int]:
        """Return key_uri, wrapped key and where they end; DecryptFailed for what is no envelope."""
        at = 2 + (blob[1] if len(blob) > 1 else 0)
        end = at + 2 + int.from_bytes(blob[at : at + 2])
        uri = blob[2:at].decode("utf-8", "replace")
        if blob[:1] != _VERSION or len(blob) < end + 24 + 16 or uri not in self._accept:
            raise DecryptFailed
        return uri, blob[at + 2 : end], end

    # -- data keys

    async def _data_key(self) -> tuple[bytes, Xaes]:
        messages, ttl, _, _ = self._limits
        if messages == 1:
            secret = Secret(os.urandom(32))
            return await self._wrap(secret), Xaes(secret.reveal())
        async with self._lock:
            now = self._clock()
            if self._current is None or self._current[2] == 0 or now >= self._current[3]:
                secret = Secret(os.urandom(32))
                wrapped = await self._wrap(secret)
                self._current = wrapped, Xaes(secret.reveal()), messages, self._clock() + ttl
            wrapped, cipher, left, ends = self._current
            self._current = wrapped, cipher, left - 1, ends
        return wrapped, cipher

    async def _unwrapped(self, uri: str, wrapped: bytes) -> Xaes:
        """Return the cipher of a wrapped key: kept, or from one call however many wait for it."""
        mark = hashlib.sha256(_head(uri, wrapped)).digest()
        kept = self._cache.get(mark)
        if kept is not None and self._clock() < kept[1]:
            self._cache.move_to_end(mark)
            return kept[0]
        flight = self._flights.get(mark)
        if flight is None:
            flight = asyncio.create_task(self._fetch(mark, uri, wrapped))
            self._flights[mark] = flight
            flight.add_done_callback(lambda _: self._flights.pop(mark, None))
            flight.add_done_callback(_seen)
        # a cancelled caller leaves alone: the others still wait for the same answer
        return await asyncio.shield(flight)

    async def _fetch(self, mark: bytes, uri: str, wrapped: bytes) -> Xaes:
        cipher = Xaes((await self._unwrap(uri, wrapped)).reveal())
        _, _, size, ttl = self._limits
        self._cache[mark] = cipher, self._clock() + ttl
        self._cache.move_to_end(mark)
        while len(self._cache) > size:
            self._cache.popitem(last=False)
        return cipher

    # -- the KMS

    async def _wrap(self, secret: Secret[bytes]) -> bytes:
        uri = self._key_uri
        wrapped = await self._call(
            self._kms.wrap_key(secret.reveal(), key_uri=uri, aad=_BOUND + uri.encode()), "wrap"
        )
        if not 1 <= len(wrapped) <= 0xFFFF:
            msg = f"the KMS returned a wrapped key of {len(wrapped)} bytes: 1 to 65535 fit"
            raise KmsError(msg, key_uri=uri)
        return wrapped

    async def _unwrap(self, uri: str, wrapped: bytes) -> Secret[bytes]:
        secret = await self._call(
            self._kms.unwrap_key(wrapped, key_uri=uri, aad=_BOUND + uri.encode()), "unwrap"
        )
        size = len(secret)
        if size != 32:
            del secret
            msg = f"the KMS unwrapped a data key of {size} bytes: 32 were wrapped"
            raise KmsError(msg, key_uri=uri)
        return Secret(secret)

    async def _call(self, call: Awaitable[bytes], verb: str) -> bytes:
        try:
            async with asyncio.timeout(self._timeout):
                return await call
        except DecryptFailed:
            pass
        except KmsError:
            raise
        except TimeoutError as exc:
            msg = f"the KMS did not {verb} a key within {self._timeout:g} s"
            raise KmsError(msg) from exc
        except Exception as exc:  # whatever an adapter's library raises, KmsError says it
            msg = f"the KMS could not {verb} a key: {type(exc).__name__}"
            raise KmsError(msg) from exc
        raise DecryptFailed


def _head(uri: str, wrapped: bytes) -> bytes:
    name = uri.encode()
    return b"".join((_VERSION, len(name).to_bytes(1), name, len(wrapped).to_bytes(2), wrapped))


def _seen(flight: asyncio.Task[Xaes]) -> None:
    # its exception reaches those who wait; where none is left, nobody is to be warned of it
    if not flight.cancelled():
        flight.exception()
