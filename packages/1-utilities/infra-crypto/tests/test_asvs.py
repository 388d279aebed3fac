"""Requirements of OWASP ASVS 5.0 that cut across the modules; docs/asvs-crypto.md lists all."""

from __future__ import annotations

import inspect
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infra_crypto.aead import Aead
from infra_crypto.algorithms import Alg
from infra_crypto.errors import DecryptFailed, InvalidKey
from infra_crypto.keyset import Keyset
from infra_crypto.randoms import constant_time_eq, random_code, random_token

needs_cryptography = pytest.mark.native("cryptography")


@pytest.mark.asvs("11.2.1")
@needs_cryptography
def test_ciphers_and_signatures_come_from_a_library():
    from infra_crypto import _blake3_py

    folder = Path(inspect.getfile(Aead)).parent
    own = {file.name for file in folder.rglob("*.py") if "0x6A09E667" in file.read_text("utf-8")}
    # the one primitive of ours is a hash for where the compiled one is missing
    assert {Path(_blake3_py.__file__).name} == own
    assert "cryptography" in Path(folder / "aead.py").read_text("utf-8") + "".join(
        file.read_text("utf-8") for file in folder.glob("_ciphers.py")
    )


@pytest.mark.asvs("11.2.2")
@needs_cryptography
def test_data_moves_to_another_algorithm_and_key_while_it_is_read():
    old = Keyset.generate(Alg.AES_256_GCM)
    blob = Aead(old).seal(b"data", aad=b"row 1")
    added = old.add(Alg.XAES_256_GCM)
    new = added.promote(added.keys[-1].key_id)
    moved = Aead(new).reseal(blob, aad=b"row 1")
    only = new.destroy(old.primary.key_id)
    assert b"data" == Aead(only).open(moved, aad=b"row 1")
    with pytest.raises(DecryptFailed):
        Aead(only).open(blob, aad=b"row 1")


@pytest.mark.asvs("11.2.3")
@needs_cryptography
@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_key_of_another_size_than_256_bits_is_refused(size: int):
    with pytest.raises(InvalidKey):
        Aead(b"k" * size)


@pytest.mark.asvs("11.2.4")
def test_secrets_are_compared_without_a_short_cut():
    from infra_crypto import keyset, mac, randoms

    for module in (keyset, mac, randoms):
        assert "compare_digest" in inspect.getsource(module)
    assert constant_time_eq(b"same", b"same")
    assert not constant_time_eq(b"same", b"sane")
    assert not constant_time_eq(b"same", b"longer")


@pytest.mark.asvs("11.2.5")
@pytest.mark.asvs("11.3.3")
@needs_cryptography
def test_every_way_to_fail_looks_the_same():
    aead = Aead(b"k" * 32)
    blob = aead.seal(b"data", aad=b"x")
    changed = [blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :] for at in range(len(blob))]
    attempts = [(one, b"x") for one in (*changed, blob[:-1], b"", blob + b"\0")] + [(blob, b"y")]
    seen = set()
    for data, aad in attempts:
        with pytest.raises(DecryptFailed) as caught:
            aead.open(data, aad=aad)
        error = caught.value
        seen.add((type(error), error.code, error.message, str(error.context), error.__cause__))
    assert 1 == len(seen)


@pytest.mark.asvs("11.3.1")
@pytest.mark.asvs("11.3.2")
@pytest.mark.asvs("11.3.5")
def test_every_cipher_authenticates_and_no_other_is_offered():
    ciphers = {alg.value for alg in Alg if "AES" in alg}
    authenticated = {"XAES_256_GCM", "AES_256_GCM", "AES_256_SIV", "CHUNKED_AES_256_GCM"}
    assert authenticated == ciphers


@pytest.mark.asvs("11.3.4")
@needs_cryptography
@pytest.mark.parametrize(("alg", "nonce"), [(Alg.XAES_256_GCM, 24), (Alg.AES_256_GCM, 12)])
def test_no_nonce_comes_twice_and_none_can_be_passed_in(alg: Alg, nonce: int):
    aead = Aead(Keyset.generate(alg))
    nonces = {aead.seal(b"", aad=b"")[5 : 5 + nonce] for _ in range(2000)}
    assert 2000 == len(nonces)
    assert {"self", "plaintext", "aad"} == set(inspect.signature(Aead.seal).parameters)


@pytest.mark.asvs("11.5.1")
def test_what_must_not_be_guessed_comes_from_the_operating_system():
    assert secrets.randbelow is inspect.signature(random_code).parameters["randbelow"].default
    assert len(random_token()) * 6 >= 128
    from infra_crypto import _material

    assert "os.urandom" in inspect.getsource(_material.generate_secret)


@pytest.mark.asvs("11.5.2")
@pytest.mark.threads
def test_random_tokens_are_unique_under_load():
    with ThreadPoolExecutor(8) as pool:
        batches = pool.map(lambda _: [random_token(16) for _ in range(5000)], range(8))
        tokens = [token for batch in batches for token in batch]
    assert 40_000 == len(set(tokens))
