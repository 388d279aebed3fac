"""Connecting: TLS that is checked, and a breaker that lets a server come back."""

from __future__ import annotations

import asyncio
import gc
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from infra_db import DatabaseUnavailable, connect

KINDS = [
    pytest.param("postgres", marks=pytest.mark.server("postgres")),
    pytest.param("mysql", marks=pytest.mark.server("mysql")),
]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_server_that_is_gone_is_left_alone_and_found_again(
    kind: str, private_server: Any
) -> None:
    server = await private_server(kind)
    async with connect(server.url, min_connections=1, connect_timeout=1.0) as db:
        await db.ping()
        await server.kill()
        codes = []
        for _ in range(7):
            with pytest.raises(DatabaseUnavailable) as caught:
                await db.ping()
            codes.append(caught.value.code)
        assert "db.connection" == codes[0]
        assert "db.breaker_open" == codes[-1]
        health = await db.health()
        assert (False, "db.breaker_open") == (health.ok, health.error)
        await server.start()
        for _ in range(60):
            if (await db.health()).ok:
                break
            await asyncio.sleep(0.25)
        await db.ping()


def _certificates(folder: Path) -> dict[str, Path]:
    """A root, another root, and a key with a certificate for localhost under the first."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    now = datetime.now(UTC)

    def made(name: str, key: Any, issuer: str, by: Any, *, is_root: bool) -> Any:
        def named(text: str) -> Any:
            return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

        builder = (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(named(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False
            )
        )
        if is_root:
            usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
            builder = builder.add_extension(usage, critical=True)
        else:
            names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(by, hashes.SHA256())

    root, other, leaf = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    pem = serialization.Encoding.PEM
    found = {
        "root": made("root", root, "root", root, is_root=True).public_bytes(pem),
        "other": made("other", other, "other", other, is_root=True).public_bytes(pem),
        "certificate": made("localhost", leaf, "root", root, is_root=False).public_bytes(pem),
        "key": leaf.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    }
    for name, data in found.items():
        (folder / f"{name}.pem").write_bytes(data)
    return {name: folder / f"{name}.pem" for name in found}


@pytest.mark.server("postgres")
async def test_a_server_is_trusted_by_its_root_and_name_only(
    private_server: Any, tmp_path: Path
) -> None:
    files = _certificates(tmp_path)
    server = await private_server("postgres")
    async with connect(server.url, min_connections=1) as db, db.acquire(db.autocommit) as admin:
        folder = Path(str(await admin.scalar(text("SHOW data_directory"))))
        owner = folder.stat()
        for name in ("certificate", "key"):
            placed = folder / f"{name}.pem"
            placed.write_bytes(files[name].read_bytes())
            placed.chmod(0o600)
            os.chown(placed, owner.st_uid, owner.st_gid)
        for setting, value in (
            ("ssl_cert_file", "certificate.pem"),
            ("ssl_key_file", "key.pem"),
            ("ssl", "on"),
        ):
            await admin.execute(text(f"ALTER SYSTEM SET {setting} = '{value}'"))
        await admin.execute(text("SELECT pg_reload_conf()"))
        await asyncio.sleep(0.5)
    head, _, name = server.url.rpartition("/")
    at_name = head.replace("127.0.0.1", "localhost")

    async def encrypted(url: str) -> bool:
        async with connect(url, min_connections=1, max_connections=1) as db:
            query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
            return bool((await db.fetch_all(text(query)))[0][0])

    assert await encrypted(f"{head}/{name}?sslmode=require")
    assert not await encrypted(f"{head}/{name}?sslmode=disable")
    assert await encrypted(f"{at_name}/{name}?sslrootcert={files['root']}")
    assert await encrypted(f"{head}/{name}?sslmode=verify-ca&sslrootcert={files['root']}")
    for url in (
        f"{at_name}/{name}?sslrootcert={files['other']}",
        f"{head}/{name}?sslrootcert={files['root']}",  # the certificate is for localhost
    ):
        with pytest.raises(DatabaseUnavailable, match="was not trusted") as caught:
            await encrypted(url)
        assert not caught.value.retryable


@pytest.mark.parametrize("kind", ["transaction", "session"])
async def test_what_is_dropped_unclosed_is_rolled_back_with_a_warning(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with connect(f"sqlite:///{tmp_path / 'a.db'}") as db:
        await db.execute(text("CREATE TABLE t (n INTEGER)"))

        async def leak() -> None:
            opened = getattr(db, kind)()
            inside = await opened.__aenter__()
            session = inside.session if kind == "transaction" else inside
            await session.execute(text("INSERT INTO t VALUES (1)"))

        async def collected() -> None:
            await leak()
            gc.collect()
            while "dropped" not in caplog.text:  # noqa: ASYNC110  # the collector tells nobody
                await asyncio.sleep(0.01)

        with pytest.warns(ResourceWarning, match=f"a {kind} was dropped without being closed"):
            await asyncio.wait_for(collected(), 30)
        assert 1 == caplog.text.count("dropped without being closed")
        await db.execute(text("INSERT INTO t VALUES (2)"))  # the write lock is free again
        assert [2] == [row.n for row in await db.fetch_all(text("SELECT n FROM t"))]
