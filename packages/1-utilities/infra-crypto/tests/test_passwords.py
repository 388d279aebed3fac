"""Argon2id: PHC strings, bounds on what a stored hash may ask for, pepper, and the event loop."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra_crypto import passwords
from infra_crypto._password_pool import PasswordPool
from infra_crypto.algorithms import Alg
from infra_crypto.errors import (
    BadArgument,
    HashMalformed,
    HashParametersRefused,
    InvalidKey,
    PasswordEmpty,
    PasswordPoolFull,
    PasswordTooLong,
)
from infra_crypto.keyset import Keyset
from infra_crypto.mac import Mac
from infra_crypto.passwords import Argon2Params, PasswordHasher

argon2 = pytest.importorskip("argon2")

FAST = Argon2Params.INSECURE_FAST


@pytest.fixture
def fast() -> PasswordHasher:
    return PasswordHasher(FAST)


@pytest.mark.asvs("11.4.2")
def test_the_default_is_the_second_choice_of_rfc_9106():
    stored = passwords.hash_password("correct horse")
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert passwords.verify_password(stored, "correct horse")
    assert not passwords.verify_password(stored, "wrong horse")


def test_two_hashes_of_one_password_differ_and_both_verify(fast: PasswordHasher):
    one, two = fast.hash("pw"), fast.hash("pw")
    assert one != two
    assert fast.verify(one, "pw")
    assert fast.verify(two, "pw")


def test_argon2_cffi_reads_ours_and_we_read_its(fast: PasswordHasher):
    theirs = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    assert theirs.verify(fast.hash("pw"), "pw")
    assert fast.verify(theirs.hash("pw"), "pw")


def test_the_vector_of_the_reference_implementation_verifies(fast: PasswordHasher):
    stored = (
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
    )
    assert fast.verify(stored, "password")
    assert not fast.verify(stored, "Password")


def test_an_empty_password_is_refused_by_hash_and_false_for_verify(fast: PasswordHasher):
    stored = fast.hash("pw")
    with pytest.raises(PasswordEmpty):
        fast.hash("")
    assert not fast.verify(stored, "")


def test_4096_bytes_are_taken_and_one_more_is_refused(fast: PasswordHasher):
    assert fast.verify(fast.hash("é" * 2048), "é" * 2048)
    with pytest.raises(PasswordTooLong):
        fast.hash("é" * 2048 + "x")
    assert not fast.verify(fast.hash("x"), "é" * 2048 + "x")


@pytest.mark.parametrize("password", [b"pw", None, 5])
def test_a_password_is_a_text(fast: PasswordHasher, password: Any):
    with pytest.raises(BadArgument):
        fast.hash(password)
    with pytest.raises(BadArgument):
        fast.verify(fast.hash("pw"), password)


def test_two_spellings_of_one_letter_are_one_password():
    nfc, nfd = "caf\u00e9", "cafe\u0301"
    assert PasswordHasher(FAST).verify(PasswordHasher(FAST).hash(nfc), nfd)
    as_is = PasswordHasher(FAST, normalize=None)
    assert not as_is.verify(as_is.hash(nfc), nfd)


@pytest.mark.parametrize(
    ("parameters", "named"),
    [("m=4194304,t=1,p=1", "4194304"), ("m=8,t=17,p=1", "17"), ("m=136,t=1,p=17", "17")],
)
def test_a_hash_that_asks_for_too_much_is_refused_before_any_work(
    fast: PasswordHasher, parameters: str, named: str, monkeypatch: pytest.MonkeyPatch
):
    stored = fast.hash("pw").replace("m=8,t=1,p=1", parameters)
    monkeypatch.setattr(passwords, "argon2_verify", lambda *_: pytest.fail("work was done"))
    with pytest.raises(HashParametersRefused, match=named):
        fast.verify(stored, "pw")


@pytest.mark.parametrize(
    "change",
    [
        ("$argon2id$", "$argon2i$"),
        ("$argon2id$", "$argon2d$"),
        ("v=19", "v=16"),
        ("m=8", "m=08"),
        ("m=8", "m=7"),
        ("t=1", "t=0"),
        ("p=1", "p=2"),
        ("m=8,t=1", "t=1,m=8"),
        ("$v=19", ""),
        ("$argon2id", "argon2id"),
        ("m=8", "m=٨"),
        (",p=1$", ",p=1$$"),
    ],
    ids=lambda change: f"{change[0]} to {change[1]}",
)
def test_what_is_no_argon2id_hash_of_version_19_is_malformed(
    fast: PasswordHasher, change: tuple[str, str]
):
    stored = fast.hash("pw").replace(*change)
    for call in (lambda: fast.verify(stored, "pw"), lambda: fast.needs_rehash(stored)):
        with pytest.raises(HashMalformed):
            call()


def test_a_last_character_with_bits_left_over_is_malformed(fast: PasswordHasher):
    stored = fast.hash("pw")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = alphabet[alphabet.index(stored[-1]) ^ 1]
    with pytest.raises(HashMalformed):
        fast.verify(stored[:-1] + other, "pw")


@given(text=st.one_of(st.text(), st.from_regex(r"\$argon2id\$v=19\$m=\d+,t=\d+,p=\d+\$\w*\$\w*")))
@settings(max_examples=300)
def test_any_text_is_malformed_refused_or_an_answer(text: str):
    hasher = PasswordHasher(FAST, max_params=Argon2Params(t=2, m=64, p=2))
    try:
        assert hasher.verify(text, "pw") in {True, False}
    except (HashMalformed, HashParametersRefused, InvalidKey):
        pass


def test_an_unknown_user_costs_one_hash_and_is_false(
    fast: PasswordHasher, monkeypatch: pytest.MonkeyPatch
):
    spent = []
    real = passwords.argon2_hash
    monkeypatch.setattr(passwords, "argon2_hash", lambda *a: spent.append(a[1:]) or real(*a))
    assert not fast.verify(None, "pw")
    assert [(1, 8, 1)] == spent


def test_needs_rehash_sees_parameters_sizes_and_pepper(fast: PasswordHasher):
    stored = fast.hash("pw")
    assert not fast.needs_rehash(stored)
    assert PasswordHasher(Argon2Params(t=2, m=8, p=1)).needs_rehash(stored)
    assert PasswordHasher(FAST, pepper=Mac(b"p" * 32)).needs_rehash(stored)
    short = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1, hash_len=24)
    assert fast.needs_rehash(short.hash("pw"))


def test_a_pepper_rotates_and_its_old_key_still_verifies():
    old = Keyset.generate(Alg.HMAC_SHA256)
    stored = PasswordHasher(FAST, pepper=Mac(old)).hash("pw")
    assert stored.startswith(f"$hmac-sha256$k={old.primary.hex_id}$argon2id$")
    new = old.rotate()
    rotated = PasswordHasher(FAST, pepper=Mac(new))
    assert rotated.verify(stored, "pw")
    assert not rotated.verify(stored, "other")
    assert rotated.needs_rehash(stored)
    gone = PasswordHasher(FAST, pepper=Mac(new.destroy(old.primary.key_id)))
    with pytest.raises(InvalidKey, match=old.primary.hex_id):
        gone.verify(stored, "pw")
    with pytest.raises(InvalidKey):
        PasswordHasher(FAST).verify(stored, "pw")


def test_the_pepper_is_needed_to_check_a_guess():
    import hmac

    stored = PasswordHasher(FAST, pepper=Mac(b"p" * 32)).hash("pw")
    phc = stored[stored.index("$argon2id") :]
    assert not PasswordHasher(FAST).verify(phc, "pw")
    peppered = hmac.digest(b"p" * 32, b"pw", "sha256")
    assert argon2.low_level.verify_secret(phc.encode(), peppered, argon2.Type.ID)


@pytest.mark.parametrize(
    "values",
    [(0, 8, 1), (1, 7, 1), (1, 8, 0), (1, 15, 2), (True, 8, 1), (1, 8.0, 1), (2**32, 8, 1)],
)
def test_parameters_that_argon2_cannot_have_are_refused(values: tuple[Any, Any, Any]):
    with pytest.raises(BadArgument):
        Argon2Params(t=values[0], m=values[1], p=values[2])


@pytest.mark.parametrize(
    "options",
    [{"max_concurrency": 0}, {"max_waiting": -1}, {"normalize": "NFKC"}, {"params": (1, 8, 1)}],
    ids=str,
)
def test_bad_options_are_refused(options: dict[str, Any]):
    with pytest.raises(BadArgument):
        PasswordHasher(**options)


@pytest.mark.threads
async def test_twenty_hashes_leave_the_event_loop_free():
    hasher = PasswordHasher(Argon2Params.OWASP)
    worst, done = 0.0, False

    async def tick() -> None:
        nonlocal worst
        while not done:
            before = time.perf_counter()
            await asyncio.sleep(0.01)
            worst = max(worst, time.perf_counter() - before - 0.01)

    ticker = asyncio.create_task(tick())
    hashes = await asyncio.gather(*(hasher.ahash("pw") for _ in range(20)))
    done = True
    await ticker
    assert 20 == len(set(hashes))
    assert worst < 0.1  # a hash takes longer than that on a slow machine, and 20 on any
    assert await hasher.averify(hashes[0], "pw")


@pytest.mark.threads
async def test_a_full_pool_refuses_at_once_and_a_cancelled_caller_leaves_at_once():
    pool, started, go = PasswordPool(1), threading.Event(), threading.Event()

    def work() -> str:
        started.set()
        go.wait(10)
        return "done"

    first = asyncio.create_task(pool.run(work, max_waiting=1))
    await asyncio.to_thread(started.wait, 10)
    second = asyncio.create_task(pool.run(work, max_waiting=1))
    await asyncio.sleep(0)
    with pytest.raises(PasswordPoolFull) as caught:
        await pool.run(work, max_waiting=1)
    assert 1.0 == caught.value.retry_after
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    with pytest.raises(PasswordPoolFull):  # the thread still works: its slot is not free
        await pool.run(work, max_waiting=1)
    go.set()
    assert "done" == await second
    assert "done" == await pool.run(work, max_waiting=1)


def test_no_repr_shows_a_password_or_pepper():
    assert "pppp" not in repr(PasswordHasher(FAST, pepper=Mac(b"p" * 32)))


def test_what_argon2_cannot_do_is_a_crypto_error_with_its_cause():
    from infra_crypto._argon2 import argon2_hash
    from infra_crypto.errors import CryptoError

    with pytest.raises(CryptoError, match="t=0") as caught:
        argon2_hash(b"pw", 0, 8, 1)
    assert isinstance(caught.value.__cause__, argon2.exceptions.HashingError)


@pytest.mark.fork
@pytest.mark.threads
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_has_a_pool_of_its_own(fast: PasswordHasher):
    stored = asyncio.run(fast.ahash("pw"))  # the parent's threads are running
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if asyncio.run(fast.averify(stored, "pw")) else 1)
        finally:
            os._exit(2)
    deadline = time.monotonic() + 20
    while (done := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < deadline:
        time.sleep(0.01)
    if done == (0, 0):
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert (child, 0) == done
