from __future__ import annotations

import asyncio
from typing import Any

import pytest

from infra_crypto import Alg, BadArgument, DecryptFailed, Envelope, Keyset, KmsError
from infra_crypto.testing import KmsContract, LocalKms

pytestmark = pytest.mark.native("cryptography")

KEYSETS = {uri: Keyset.generate(Alg.XAES_256_GCM) for uri in ("kms://a", "kms://b")}


class CountingKms(LocalKms):
    """A KMS that counts its calls, and may wait or fail."""

    __slots__ = ("calls", "fault", "gate")

    def __init__(self) -> None:
        super().__init__(KEYSETS)
        self.calls: list[str] = []
        self.fault: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def _met(self, what: str) -> None:
        self.calls.append(what)
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault

    async def wrap_key(self, key: bytes, *, key_uri: str, aad: bytes) -> bytes:
        await self._met("wrap")
        return await super().wrap_key(key, key_uri=key_uri, aad=aad)

    async def unwrap_key(self, wrapped: bytes, *, key_uri: str, aad: bytes) -> bytes:
        await self._met("unwrap")
        return await super().unwrap_key(wrapped, key_uri=key_uri, aad=aad)


class TestLocalKms(KmsContract):
    async def make_kms(self) -> LocalKms:
        return LocalKms(KEYSETS)

    async def make_key_uris(self) -> tuple[str, str]:
        return "kms://a", "kms://b"


async def test_what_is_sealed_opens_and_nothing_else_does():
    envelope = Envelope(CountingKms(), "kms://a")
    blob = await envelope.seal(b"data", aad=b"1")
    assert b"\x02\x07kms://a" == blob[:9]
    assert b"data" == await envelope.open(blob, aad=b"1")
    for at in range(len(blob)):
        changed = bytearray(blob)
        changed[at] ^= 1
        with pytest.raises(DecryptFailed):
            await envelope.open(bytes(changed), aad=b"1")
        with pytest.raises(DecryptFailed):
            await envelope.open(blob[:at], aad=b"1")
    with pytest.raises(DecryptFailed):
        await envelope.open(blob, aad=b"2")


async def test_a_key_uri_that_is_not_accepted_makes_no_call():
    kms = CountingKms()
    blob = await Envelope(kms, "kms://b").seal(b"x", aad=b"")
    kms.calls.clear()
    with pytest.raises(DecryptFailed):
        await Envelope(kms, "kms://a").open(blob, aad=b"")
    assert [] == kms.calls
    assert b"x" == await Envelope(kms, "kms://a", accept=["kms://b"]).open(blob, aad=b"")


async def test_a_data_key_seals_as_often_and_as_long_as_allowed():
    now = 0.0
    kms = CountingKms()
    envelope = Envelope(kms, "kms://a", dek_messages=3, dek_ttl=10, clock=lambda: now)
    for _ in range(4):
        await envelope.seal(b"", aad=b"")
    assert ["wrap", "wrap"] == kms.calls
    now = 10.0
    await envelope.seal(b"", aad=b"")
    assert 3 == len(kms.calls)
    fresh = CountingKms()
    for _ in range(2):
        await Envelope(fresh, "kms://a").seal(b"", aad=b"")
    assert 2 == len(fresh.calls)


async def test_unwrapped_keys_are_kept_for_a_while_and_a_number():
    now = 0.0
    kms = CountingKms()
    envelope = Envelope(kms, "kms://a", unwrap_cache=1, unwrap_ttl=10, clock=lambda: now)
    one, two = [await envelope.seal(b"", aad=b"") for _ in range(2)]
    kms.calls.clear()
    for blob, calls in ((one, 1), (one, 1), (two, 2), (one, 3)):
        await envelope.open(blob, aad=b"")
        assert calls == len(kms.calls)
    now = 10.0
    await envelope.open(one, aad=b"")
    assert 4 == len(kms.calls)


async def test_many_who_open_one_key_make_one_call_and_a_cancelled_one_leaves_alone():
    kms = CountingKms()
    envelope = Envelope(kms, "kms://a")
    blob = await envelope.seal(b"x", aad=b"")
    kms.calls.clear()
    kms.gate.clear()
    waiting = [asyncio.create_task(envelope.open(blob, aad=b"")) for _ in range(5)]
    await asyncio.sleep(0)
    waiting[0].cancel()  # the one that started the call
    await asyncio.sleep(0)
    kms.gate.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert [b"x"] * 4 == results[1:]
    assert ["unwrap"] == kms.calls


async def test_a_failing_or_slow_kms_is_a_kms_error_and_is_asked_again():
    kms = CountingKms()
    envelope = Envelope(kms, "kms://a", timeout=0.05)
    blob = await envelope.seal(b"x", aad=b"")
    kms.fault = RuntimeError("down")
    for attempt in (envelope.open(blob, aad=b""), envelope.seal(b"", aad=b"")):
        with pytest.raises(KmsError, match="RuntimeError") as caught:
            await attempt
        assert caught.value.retryable
    kms.fault = None
    kms.gate.clear()
    with pytest.raises(KmsError, match=r"0\.05 s"):
        await envelope.open(blob, aad=b"")
    kms.gate.set()
    assert b"x" == await envelope.open(blob, aad=b"")


async def test_rewrap_moves_the_key_and_leaves_the_data():
    kms = CountingKms()
    blob = await Envelope(kms, "kms://a").seal(b"data", aad=b"1")
    moved = await Envelope(kms, "kms://b", accept=["kms://a"]).rewrap(blob)
    assert blob[-44:] == moved[-44:]
    assert b"data" == await Envelope(kms, "kms://b").open(moved, aad=b"1")


async def test_a_keyset_under_a_kms_comes_back():
    kms, keyset = CountingKms(), Keyset.generate(Alg.HMAC_SHA256)
    blob = await keyset.aexport(kms, "kms://a", aad=b"prod")
    assert keyset == await Keyset.aload(blob, kms, "kms://a", aad=b"prod")
    with pytest.raises(DecryptFailed):
        await Keyset.aload(blob, kms, "kms://a", aad=b"test")


@pytest.mark.parametrize(
    "options",
    [{"dek_messages": 0}, {"timeout": 0}, {"accept": [""]}, {"unwrap_cache": -1}],
    ids=str,
)
def test_an_option_that_cannot_work_is_refused(options: Any):
    with pytest.raises(BadArgument):
        Envelope(LocalKms(KEYSETS), "kms://a", **options)
