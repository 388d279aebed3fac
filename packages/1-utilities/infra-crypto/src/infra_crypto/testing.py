"""For tests and development: a KMS in this process, and the suite that every KMS client passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra_crypto._bytes import KeyHolder
from infra_crypto.aead import Aead
from infra_crypto.envelope import Envelope
from infra_crypto.errors import DecryptFailed, KmsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra_crypto.envelope import KmsClient
    from infra_crypto.keyset import Keyset

__all__ = ["KmsContract", "LocalKms"]


class LocalKms(KeyHolder):
    """
    A KmsClient over keysets in this process: nothing protects them as a KMS would.

    Arguments: `keysets` are AEAD keysets by key_uri. An unknown key_uri is a KmsError.
    """

    __slots__ = ("_keysets",)

    def __init__(self, keysets: Mapping[str, Keyset]) -> None:
        self._keysets = {uri: Aead(keyset) for uri, keyset in keysets.items()}

    async def wrap_key(self, key: bytes, *, key_uri: str, aad: bytes) -> bytes:
        """Return the key sealed by the keyset of the key_uri."""
        return self._aead(key_uri).seal(key, aad=aad)

    async def unwrap_key(self, wrapped: bytes, *, key_uri: str, aad: bytes) -> bytes:
        """Return the key; DecryptFailed for bytes that the keyset does not open."""
        return self._aead(key_uri).open(wrapped, aad=aad)

    def _aead(self, key_uri: str) -> Aead:
        if key_uri not in self._keysets:
            msg = f"this KMS has no key {key_uri!r:.100}"
            raise KmsError(msg)
        return self._keysets[key_uri]


class KmsContract:
    """
    What every KmsClient has to do: inherit it in a test module and override both `make` methods.

    Tests are coroutines, for pytest-asyncio in auto mode.
    """

    async def make_kms(self) -> KmsClient:
        """Return the client under test."""
        raise AssertionError

    async def make_key_uris(self) -> tuple[str, str]:
        """Return the names of two keys that it has."""
        raise AssertionError

    async def test_a_wrapped_key_unwraps(self) -> None:
        kms, (uri, _) = await self.make_kms(), await self.make_key_uris()
        wrapped = await kms.wrap_key(bytes(32), key_uri=uri, aad=b"a")
        assert bytes(32) not in wrapped
        assert bytes(32) == await kms.unwrap_key(wrapped, key_uri=uri, aad=b"a")

    async def test_other_associated_data_is_refused(self) -> None:
        kms, (uri, _) = await self.make_kms(), await self.make_key_uris()
        wrapped = await kms.wrap_key(bytes(32), key_uri=uri, aad=b"a")
        await _refused(kms, wrapped, uri, b"b")

    async def test_another_key_refuses(self) -> None:
        kms, (uri, other) = await self.make_kms(), await self.make_key_uris()
        wrapped = await kms.wrap_key(bytes(32), key_uri=uri, aad=b"a")
        await _refused(kms, wrapped, other, b"a")

    async def test_changed_bytes_are_refused(self) -> None:
        kms, (uri, _) = await self.make_kms(), await self.make_key_uris()
        wrapped = bytearray(await kms.wrap_key(bytes(32), key_uri=uri, aad=b"a"))
        wrapped[-1] ^= 1
        await _refused(kms, bytes(wrapped), uri, b"a")

    async def test_an_envelope_over_it_seals_opens_and_rewraps(self) -> None:
        kms, (uri, other) = await self.make_kms(), await self.make_key_uris()
        blob = await Envelope(kms, uri).seal(b"data", aad=b"row 1")
        moved = Envelope(kms, other, accept=[uri])
        assert b"data" == await moved.open(await moved.rewrap(blob), aad=b"row 1")


async def _refused(kms: KmsClient, wrapped: bytes, uri: str, aad: bytes) -> None:
    try:
        await kms.unwrap_key(wrapped, key_uri=uri, aad=aad)
    except DecryptFailed:
        return
    msg = "the KMS unwrapped what it has to refuse, or did not say so by DecryptFailed"
    raise AssertionError(msg)
