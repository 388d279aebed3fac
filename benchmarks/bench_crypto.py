"""infra-crypto beside its peers: `python benchmarks/bench_crypto.py`."""

from __future__ import annotations

import io
import itertools
import os
import subprocess
import sys
import threading
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

import argon2
import jwt
import nacl.bindings
import tink
from _bench import Fact, Row, at_most_times, called, faster, report
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc import jwt as jose
from joserfc.jwk import OctKey
from tink import aead as tink_aead
from tink import streaming_aead

from infra_crypto import (
    Aead,
    Alg,
    Argon2Params,
    Claims,
    JwtSigner,
    Keyset,
    PasswordHasher,
    SigningKey,
    decrypt_stream,
    encrypt_stream,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _bench import Goal

KEY = bytes(range(32))
AAD = b"a" * 16
MIB = 1 << 20


def share(times: float) -> Goal:
    """The goal of so many times the peer's speed."""
    if times > 1:
        return faster(times)
    return f"≥ {times:g}×", at_most_times(1 / times)[1]


class Sink(io.RawIOBase):
    """Takes everything and keeps nothing."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return len(data)


def bare_seal(cipher: AESGCM, plain: bytes) -> Callable[[], bytes]:
    def seal() -> bytes:
        nonce = os.urandom(12)
        return nonce + cipher.encrypt(nonce, plain, AAD)

    return seal


def aeads() -> Iterator[Row]:
    gcm, xaes = Aead(Keyset.from_raw(Alg.AES_256_GCM, KEY)), Aead(KEY)
    bare = AESGCM(KEY)
    tink_aead.register()
    theirs = tink.new_keyset_handle(tink_aead.aead_key_templates.AES256_GCM).primitive(
        tink_aead.Aead
    )

    def nacl_seal(plain: bytes) -> Callable[[], bytes]:
        def seal() -> bytes:
            nonce = os.urandom(24)
            return nonce + nacl.bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
                plain, AAD, nonce, KEY
            )

        return seal

    for size, name, goal in ((64, "64 B", 0.75), (1024, "1 KiB", 0.75), (MIB, "1 MiB", 0.95)):
        plain = os.urandom(size)
        ours = called(lambda plain=plain: gcm.seal(plain, aad=AAD))
        peer = called(bare_seal(bare, plain))
        yield Row(f"Aead AES-256-GCM seal {name}", ours, share(goal), peer, "AESGCM")
    plain = os.urandom(1024)
    blob, other = gcm.seal(plain, aad=AAD), theirs.encrypt(plain, AAD)
    ours, peer = (
        called(lambda: gcm.seal(plain, aad=AAD)),
        called(lambda: theirs.encrypt(plain, AAD)),
    )
    yield Row("Aead AES-256-GCM seal 1 KiB", ours, share(1.3), peer, "tink")
    ours, peer = called(lambda: gcm.open(blob, aad=AAD)), called(lambda: theirs.decrypt(other, AAD))
    yield Row("Aead AES-256-GCM open 1 KiB", ours, share(1.0), peer, "tink")
    for size, name, goal in ((64, "64 B", 1.0), (1024, "1 KiB", 1.0), (MIB, "1 MiB", 2.0)):
        plain = os.urandom(size)
        ours = called(lambda plain=plain: xaes.seal(plain, aad=AAD))
        yield Row(f"Aead XAES seal {name}", ours, share(goal), called(nacl_seal(plain)), "PyNaCl")


def streams() -> Iterator[Row | Fact]:
    plain = os.urandom(64 * MIB)
    streaming_aead.register()
    theirs = tink.new_keyset_handle(
        streaming_aead.streaming_aead_key_templates.AES256_GCM_HKDF_1MB
    ).primitive(streaming_aead.StreamingAead)
    bare = AESGCM(KEY)

    def seal(sink: io.RawIOBase) -> None:
        encrypt_stream(KEY, io.BytesIO(plain), sink, context=b"")  # type: ignore[arg-type]

    def tink_seal() -> None:
        with theirs.new_encrypting_stream(Sink(), b"") as stream:
            stream.write(plain)

    ours = called(lambda: seal(Sink()))
    yield Row("encrypt_stream 64 MiB", ours, share(2.5), called(tink_seal), "tink stream")
    yield Row("encrypt_stream 64 MiB", ours, share(0.7), called(bare_seal(bare, plain)), "AESGCM")
    out = io.BytesIO()
    encrypt_stream(KEY, io.BytesIO(plain), out, context=b"")
    sealed, one = out.getvalue(), bare_seal(bare, plain)()

    def unseal() -> None:
        decrypt_stream(KEY, io.BytesIO(sealed), Sink(), context=b"")  # type: ignore[arg-type]

    peer = called(lambda: bare.decrypt(one[:12], one[12:], AAD))
    yield Row("decrypt_stream 64 MiB", called(unseal), share(0.5), peer, "AESGCM")
    source = io.BytesIO(plain)
    tracemalloc.start()
    encrypt_stream(KEY, source, Sink(), context=b"")  # type: ignore[arg-type]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    yield Fact("encrypt_stream added memory", f"{peak / 1024:.0f} KiB", "< 1 MiB", peak < MIB)


def tokens() -> Iterator[Row]:
    issuer, audience = "https://id.example", "api"
    options: dict[str, Any] = {"issuer": issuer, "audience": audience}
    claims = Claims.new().with_subject("user123").with_audience(audience)
    signing = SigningKey.generate()
    for name, signer, key, alg in (
        ("HS256", JwtSigner.hs256(KEY, issuer=issuer), KEY, "HS256"),
        ("EdDSA", JwtSigner.ed25519(signing, issuer=issuer), signing.verify_key.to_pem(), "EdDSA"),
    ):
        token = signer.sign(claims)
        fresh = signer.verifier(**options, cache_size=0)
        peer_key = jwt.get_algorithm_by_name(alg).prepare_key(key)
        ours = called(lambda fresh=fresh, token=token: fresh.verify(token))
        peer = called(
            lambda token=token, peer_key=peer_key, alg=alg: jwt.decode(
                token, peer_key, algorithms=[alg], **options
            )
        )
        yield Row(f"verify {name}, new token", ours, share(1.0), peer, "PyJWT")
    signer = JwtSigner.hs256(KEY, issuer=issuer)
    token, verifier = signer.sign(claims), signer.verifier(**options)
    jose_key = OctKey.import_key(KEY)
    registry = jose.JWTClaimsRegistry(
        iss={"essential": True, "value": issuer}, aud={"essential": True, "value": audience}
    )

    def joserfc() -> None:
        registry.validate(jose.decode(token, jose_key, algorithms=["HS256"]).claims)

    ours = called(lambda: verifier.verify(token))
    yield Row("verify, repeated token", ours, share(15), called(joserfc), "joserfc")
    numbers = itertools.count()
    payload = {"iss": issuer, "sub": "user123", "aud": audience, "iat": 1, "exp": 2}
    ours = called(lambda: signer.sign(claims))
    peer = called(lambda: jwt.encode({**payload, "n": next(numbers)}, KEY, "HS256"))
    yield Row("JwtSigner.sign HS256", ours, share(0.9), peer, "PyJWT")


def passwords() -> Iterator[Row | Fact]:
    params = Argon2Params.RFC9106_LOW
    ours = PasswordHasher(params)
    theirs = argon2.PasswordHasher(params.t, params.m, params.p)
    stored = ours.hash("correct horse")
    peer = called(lambda: theirs.hash("correct horse"))
    yield Row(
        "PasswordHasher.hash",
        called(lambda: ours.hash("correct horse")),
        at_most_times(1.03),
        peer,
        "argon2-cffi",
    )
    yield Row(
        "PasswordHasher.verify",
        called(lambda: ours.verify(stored, "correct horse")),
        at_most_times(1.03),
        called(lambda: theirs.verify(stored, "correct horse")),
        "argon2-cffi",
    )
    single = PasswordHasher(Argon2Params(t=3, m=65_536, p=1))

    def seconds(threads: int) -> float:
        workers = [
            threading.Thread(target=lambda: [single.hash("correct horse") for _ in range(4)])
            for _ in range(threads)
        ]
        start = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return time.perf_counter() - start

    gain = max(2 * seconds(1) / seconds(2) for _ in range(3))
    yield Fact("2 threads beside one (p = 1)", f"{gain:.2f}×", "≥ 1.8×", gain >= 1.8)


def importing() -> Iterator[Fact]:
    heavy = "{'cryptography', 'jwt', 'argon2', 'blake3'}"
    code = f"import sys, infra_crypto; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = done.stdout.strip()
    yield Fact("loaded by import infra_crypto", found, "[]", found == "[]")


def main() -> None:
    """Print the table."""
    # one row at a time: a row's inputs are let go before the next one's are made
    rows = itertools.chain(aeads(), streams(), tokens(), passwords(), importing())
    report("infra-crypto", rows)


if __name__ == "__main__":
    main()
