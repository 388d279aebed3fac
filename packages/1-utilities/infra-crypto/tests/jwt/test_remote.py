"""Remote keys: one fetch for all, renewed, served stale, and never flooded."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from infra_crypto.errors import BadArgument
from infra_crypto.jwt import (
    AsyncJwtVerifier,
    JwtSigner,
    RemoteJwks,
    TokenExpired,
    TokenKeyUnknown,
)
from infra_errors import UnavailableError

pytestmark = pytest.mark.native("cryptography")
pytest.importorskip("cryptography")
ONE, TWO = (JwtSigner.ed25519(bytes([n]) * 32, kid=str(n)) for n in (1, 2))


class Issuer:
    """What publishes a key set: counts, fails and waits as told."""

    def __init__(self) -> None:
        self.now = 1e9
        self.fetches = 0
        self.signers = [ONE]
        self.broken = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def fetch(self) -> bytes:
        self.fetches += 1
        await self.gate.wait()
        if self.broken:
            raise ConnectionError
        return json.dumps({"keys": [s.jwks()["keys"][0] for s in self.signers]}).encode()

    def remote(self, **options: Any) -> RemoteJwks:
        return RemoteJwks(self.fetch, clock=lambda: self.now, **options)


def verifier_of(remote: RemoteJwks) -> AsyncJwtVerifier:
    return AsyncJwtVerifier(remote, issuer=None, audience=None)


async def test_many_tokens_cost_one_fetch_until_ttl():
    issuer = Issuer()
    verifier = verifier_of(issuer.remote())
    token = ONE.sign({"sub": "u"})
    for claims in await asyncio.gather(*(verifier.verify(token) for _ in range(50))):
        assert "u" == claims.subject
    assert 1 == issuer.fetches
    issuer.now += 300
    await verifier.verify(token)
    assert 2 == issuer.fetches


async def test_a_new_key_is_found_at_once_and_a_removed_one_is_gone_after_ttl():
    issuer = Issuer()
    verifier = verifier_of(issuer.remote())
    old = ONE.sign({})
    await verifier.verify(old)
    issuer.signers = [TWO]
    issuer.now += 31
    await verifier.verify(TWO.sign({}))
    assert 2 == issuer.fetches
    with pytest.raises(TokenKeyUnknown):
        await verifier.verify(old)


async def test_a_flood_of_unknown_kids_makes_one_fetch_per_min_refresh():
    issuer = Issuer()
    verifier = verifier_of(issuer.remote())
    await verifier.verify(ONE.sign({}))
    issuer.now += 31

    async def attack(n: int) -> None:
        with pytest.raises(TokenKeyUnknown):
            await verifier.verify(JwtSigner.ed25519(b"x" * 32, kid=f"x{n}").sign({}))

    await asyncio.gather(*(attack(n) for n in range(20)))
    for n in range(20):
        await attack(n)
    assert 2 == issuer.fetches


async def test_the_old_set_serves_while_fetching_fails_until_max_stale():
    issuer = Issuer()
    verifier = verifier_of(issuer.remote(max_stale=1000))
    token = ONE.sign({})
    await verifier.verify(token)
    issuer.broken = True
    issuer.now += 301
    await verifier.verify(token)
    await verifier.verify(token)
    assert 2 == issuer.fetches  # a failure is not tried again before min_refresh
    issuer.now += 1000
    with pytest.raises(UnavailableError):
        await verifier.verify(token)
    issuer.broken = False
    issuer.now += 31
    await verifier.verify(token)


async def test_without_any_set_a_failure_is_unavailable_and_tried_again():
    issuer = Issuer()
    issuer.broken = True
    remote = issuer.remote()
    for _ in range(2):
        with pytest.raises(UnavailableError) as caught:
            await remote.get()
        assert isinstance(caught.value.__cause__, ConnectionError)
    issuer.broken = False
    assert 1 == len(await remote.get())


async def test_a_cancelled_first_caller_does_not_cancel_the_others():
    issuer = Issuer()
    issuer.gate.clear()
    remote = issuer.remote()
    first = asyncio.create_task(remote.get())
    await asyncio.sleep(0)
    second = asyncio.create_task(remote.get())
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    issuer.gate.set()
    assert 1 == len(await second)
    assert 1 == issuer.fetches


async def test_a_fetch_that_hangs_ends_at_the_timeout():
    issuer = Issuer()
    issuer.gate.clear()
    with pytest.raises(UnavailableError):
        await issuer.remote(timeout=0.01).get()


@pytest.mark.parametrize("options", [{"max_bytes": 20}, {"max_keys": 1}], ids=str)
async def test_a_set_beyond_the_bounds_is_refused(options: dict[str, Any]):
    issuer = Issuer()
    issuer.signers = [ONE, TWO]
    with pytest.raises(UnavailableError):
        await issuer.remote(**options).get()


async def test_what_is_wrong_with_a_token_is_said_as_elsewhere():
    issuer = Issuer()
    verifier = AsyncJwtVerifier(
        issuer.remote(), issuer=None, audience=None, clock=lambda: 4_000_000_000.0
    )
    with pytest.raises(TokenExpired):
        await verifier.verify(ONE.sign({}))


@pytest.mark.parametrize("options", [{"ttl": -1}, {"timeout": 0}, {"max_keys": 0}], ids=str)
def test_bad_options_are_refused(options: dict[str, Any]):
    with pytest.raises(BadArgument):
        Issuer().remote(**options)
