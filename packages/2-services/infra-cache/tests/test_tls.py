"""`rediss://` against a real server with a certificate of our own authority."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from infra_cache import CacheUnavailable, connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.server("redis"), pytest.mark.subprocess]


def openssl(*args: object) -> None:
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)


def make_authority(folder: Path, name: str) -> None:
    openssl(
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        f"/CN={name}",
        "-keyout",
        folder / f"{name}.key",
        "-out",
        folder / f"{name}.pem",
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    if not shutil.which("redis-server") or not shutil.which("openssl"):
        pytest.skip("no redis-server and openssl on PATH")
    folder = tmp_path_factory.mktemp("tls")
    make_authority(folder, "right")
    make_authority(folder, "wrong")
    openssl(
        "req",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=localhost",
        "-keyout",
        folder / "server.key",
        "-out",
        folder / "server.csr",
    )
    (folder / "names").write_text("subjectAltName=DNS:localhost\n")
    openssl(
        "x509",
        "-req",
        "-in",
        folder / "server.csr",
        "-CA",
        folder / "right.pem",
        "-CAkey",
        folder / "right.key",
        "-CAcreateserial",
        "-days",
        "2",
        "-extfile",
        folder / "names",
        "-out",
        folder / "server.pem",
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [
        "redis-server",
        "--port",
        "0",
        "--tls-port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--tls-cert-file",
        str(folder / "server.pem"),
        "--tls-key-file",
        str(folder / "server.key"),
        "--tls-ca-cert-file",
        str(folder / "right.pem"),
        "--tls-auth-clients",
        "no",
        "--save",
        "",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + 10
        while time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if process.poll() is not None:
                pytest.skip("this redis-server was built without TLS")
            time.sleep(0.05)
        yield port, folder
    finally:
        process.kill()
        process.communicate(timeout=10)


async def test_the_right_authority_is_trusted(server: tuple[int, Path], namespace: str) -> None:
    port, folder = server
    url = f"rediss://localhost:{port}/0"
    async with connect(url, ca_file=str(folder / "right.pem"), namespace=namespace) as cache:
        await cache.set("a", 1)
        assert await cache.get("a") == 1


async def test_a_wrong_authority_and_a_wrong_name_are_refused(server: tuple[int, Path]) -> None:
    port, folder = server
    for host, ca in (("localhost", "wrong"), ("127.0.0.1", "right")):
        cache = connect(f"rediss://{host}:{port}/0", ca_file=str(folder / f"{ca}.pem"))
        with pytest.raises(CacheUnavailable):
            await cache.ping()
        await cache.aclose()
    cache = connect(f"rediss://localhost:{port}/0")  # the system's own authorities
    with pytest.raises(CacheUnavailable):
        await cache.ping()
    await cache.aclose()
