"""What FastTransport does beside the contract: TLS, Unix sockets, upgrades, loops, settings."""

from __future__ import annotations

import asyncio
import logging
import pickle
import shutil
import ssl
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from infra_errors import InfraError
from infra_http import fast
from infra_http.errors import (
    ConnectTimedOut,
    HttpInputError,
    ReadFailed,
    ReadTimedOut,
    TlsFailed,
    WriteFailed,
    WriteTimedOut,
)
from infra_http.fast import FastTransport
from infra_http.guard import SSRFGuard
from infra_http.pool import PoolLimits, UpstreamPool
from infra_http.raw_server import RawPeer, RawServer

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
SWITCH = b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: raw\r\n\r\n"
UPGRADE = [(b"connection", b"upgrade"), (b"upgrade", b"raw")]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of our own for localhost, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on PATH")
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
               "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,DNS:example.com",
               "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    return folder


def serving(folder: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def trusting(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(folder / "cert.pem"))


@pytest.mark.subprocess
class TestTls:
    async def test_a_certificate_that_is_trusted_and_of_that_name_is_taken(
        self, authority: Path
    ) -> None:
        async with RawServer(OK, ssl_context=serving(authority)) as server:
            url = f"https://localhost:{server.port}/"
            transport = FastTransport(verify=trusting(authority))
            async with httpx2.AsyncClient(transport=transport) as client:
                for _ in range(3):
                    response = await client.get(url)
                    assert "ok" == response.text
                stream = response.extensions["network_stream"]
                assert stream.get_extra_info("ssl_object") is not None
            assert 1 == server.connections

    async def test_one_that_is_not_trusted_is_refused_before_a_byte_is_sent(
        self, authority: Path
    ) -> None:
        async with RawServer(OK, ssl_context=serving(authority)) as server:
            transport = FastTransport()
            async with httpx2.AsyncClient(transport=transport) as client:
                with pytest.raises(TlsFailed, match="CERTIFICATE_VERIFY_FAILED") as caught:
                    await client.get(f"https://localhost:{server.port}/")
            assert isinstance(caught.value, httpx2.ConnectError)
            assert not caught.value.retryable
            assert [] == [data for data in server.received if data]
            assert 0 == transport.stats().in_use

    async def test_one_of_another_name_is_refused(self, authority: Path) -> None:
        async with RawServer(OK, ssl_context=serving(authority)) as server:
            transport = FastTransport(verify=trusting(authority))
            async with httpx2.AsyncClient(transport=transport) as client:
                with pytest.raises(TlsFailed, match="mismatch"):
                    await client.get(f"https://127.0.0.1:{server.port}/")
                response = await client.get(
                    f"https://127.0.0.1:{server.port}/", extensions={"sni_hostname": "localhost"}
                )
                assert "ok" == response.text

    async def test_a_guard_pins_the_address_and_tls_still_verifies_the_name(
        self, authority: Path
    ) -> None:
        async with RawServer(OK, ssl_context=serving(authority)) as server:
            guard = SSRFGuard(ports=None, allow_private=True, resolver=lambda *_: ["127.0.0.1"])
            transport = FastTransport(verify=trusting(authority), guard=guard)
            async with httpx2.AsyncClient(transport=transport) as client:
                assert "ok" == (await client.get(f"https://example.com:{server.port}/")).text
                with pytest.raises(TlsFailed, match="mismatch"):
                    await client.get(f"https://other.example:{server.port}/")

    async def test_verification_can_be_switched_off_which_is_logged_once(
        self, authority: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(fast, "_warned", False)
        with caplog.at_level(logging.WARNING, "infra_http.transport"):
            transports = [FastTransport(verify=False), FastTransport(verify=False)]
        assert 1 == len(caplog.records)
        async with RawServer(OK, ssl_context=serving(authority)) as server:
            async with httpx2.AsyncClient(transport=transports[0]) as client:
                assert "ok" == (await client.get(server.url)).text

    async def test_a_client_certificate_is_shown(self, authority: Path) -> None:
        context = serving(authority)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(authority / "cert.pem")
        cert = (str(authority / "cert.pem"), str(authority / "key.pem"))
        async with RawServer(OK, ssl_context=context) as server:
            transport = FastTransport(verify=trusting(authority), cert=cert)
            async with httpx2.AsyncClient(transport=transport) as client:
                assert "ok" == (await client.get(f"https://localhost:{server.port}/")).text

    async def test_no_tls_on_the_other_side_is_a_tls_failure(self) -> None:
        async def plain(peer: RawPeer) -> None:
            await peer.read()
            await peer.send(OK)

        async with RawServer(plain) as server:
            async with UpstreamPool(server.url.replace("http", "https")) as pool:
                with pytest.raises(TlsFailed):
                    await pool.ping()

    async def test_a_handshake_that_never_ends_is_a_connect_timeout(self) -> None:
        async with RawServer(lambda peer: peer.until(b"never")) as server:
            url = server.url.replace("http", "https")
            async with UpstreamPool(url, connect_timeout=0.05) as pool:
                with pytest.raises(ConnectTimedOut):
                    await pool.ping()
                assert 0 == pool.stats().in_use


@pytest.mark.skipif(sys.platform == "win32", reason="no Unix sockets")
async def test_a_unix_socket_is_connected_to() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await writer.drain()
        writer.close()

    # not tmp_path: the path of a socket has 107 bytes at most
    with tempfile.TemporaryDirectory(prefix="s-") as folder:
        path = f"{folder}/s"
        server = await asyncio.start_unix_server(serve, path)
        async with server, httpx2.AsyncClient(transport=FastTransport(uds=path)) as client:
            assert "ok" == (await client.get("http://whatever/")).text


async def test_connections_come_from_the_address_that_was_chosen() -> None:
    async with RawServer(OK) as server:
        transport = FastTransport(local_address="127.0.0.2")
        async with httpx2.AsyncClient(transport=transport) as client:
            response = await client.get(server.url)
            stream = response.extensions["network_stream"]
            assert "127.0.0.2" == stream.get_extra_info("client_addr")[0]


async def test_httpx2s_limits_are_ours() -> None:
    limits = fast._limits(httpx2.Limits(max_connections=7, max_keepalive_connections=3))
    assert (7, 3, 5.0) == (limits.max_connections, limits.max_keepalive, limits.keepalive_expiry)
    limits = fast._limits(httpx2.Limits(keepalive_expiry=None))
    assert limits.max_connections == limits.max_keepalive >= 2**31
    assert limits.keepalive_expiry is None


async def test_stats_count_all_origins() -> None:
    transport = FastTransport()
    async with RawServer(OK) as one, RawServer(OK) as other:
        async with httpx2.AsyncClient(transport=transport) as client:
            await client.get(one.url)
            await client.get(other.url)
            stats = transport.stats()
            assert (0, 2, 0, 2) == (stats.in_use, stats.idle, stats.waiting, stats.opened)


async def test_origins_without_connections_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast, "_POOLS", 2)
    transport = FastTransport(limits=PoolLimits(max_keepalive=0))
    async with RawServer(OK) as server, httpx2.AsyncClient(transport=transport) as client:
        for number in range(5):
            await client.get(server.url, extensions={"sni_hostname": str(number)})
            await asyncio.sleep(0.01)
        assert len(transport._pools) <= 2


def test_a_transport_outlives_its_event_loop() -> None:
    transport = FastTransport()

    async def once() -> None:
        async with RawServer(OK) as server:
            client = httpx2.AsyncClient(transport=transport)
            assert "ok" == (await client.get(server.url)).text
            for pool in transport._pools.values():
                for conn in list(pool._all):
                    conn._transport.abort()  # type: ignore[union-attr]  # a socket left open warns
                    conn.closed = False  # as the pool of a loop that ended suddenly knows it
            await asyncio.sleep(0.01)

    asyncio.run(once())
    asyncio.run(once())
    asyncio.run(transport.aclose())


async def test_bodies_of_a_wrong_length_are_refused() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"abc"

    async with RawServer(lambda peer: peer.until(b"never")) as server:
        async with httpx2.AsyncClient(transport=FastTransport()) as client:
            for length in ("2", "4"):
                with pytest.raises(httpx2.LocalProtocolError) as caught:
                    await client.post(
                        server.url, content=body(), headers={"content-length": length}
                    )
                assert isinstance(caught.value, HttpInputError)


async def test_what_is_raised_can_be_pickled() -> None:
    async with httpx2.AsyncClient(transport=FastTransport()) as client:
        for url, headers in (
            ("http://127.0.0.1:1/", {}), ("ftp://a/", {}), ("http://a/", {"x": "a\nb"}),
        ):  # fmt: skip
            with pytest.raises(httpx2.TransportError) as caught:
                await client.get(url, headers=headers)
            assert isinstance(caught.value, InfraError)
            copy = pickle.loads(pickle.dumps(caught.value))
            assert (type(caught.value), caught.value.code) == (type(copy), copy.code)


# ---- upgrades ------------------------------------------------------------------------------------


async def shout(peer: RawPeer) -> None:
    await peer.until(b"\r\n\r\n")
    await peer.send(SWITCH + b"HI")
    while data := await peer.read():
        await peer.send(data.upper())
    await peer.send(b"BYE")


async def test_an_upgraded_connection_is_a_duplex_that_holds_its_slot() -> None:
    async with RawServer(shout) as server, UpstreamPool(server.url) as pool:
        response = await pool.request("GET", b"/", UPGRADE, allow_upgrade=True)
        assert 101 == response.status
        duplex = response.upgrade()
        assert b"H" == await duplex.read(1)
        assert b"I" == await duplex.read(10)
        await duplex.write(b"abc")
        assert b"ABC" == await duplex.read()
        assert duplex.get_extra_info("peername")[1] == server.port
        assert 1 == pool.stats().in_use
        await duplex.aclose()
        await duplex.aclose()
        assert (0, 0) == (pool.stats().in_use, pool.stats().idle)
        with pytest.raises(WriteFailed):
            await duplex.write(b"x")


async def test_a_duplex_ends_where_the_other_side_ends_it() -> None:
    async def brief(peer: RawPeer) -> None:
        await peer.until(b"\r\n\r\n")
        await peer.send(SWITCH)
        await peer.send(b"bye")
        await peer.half_close()
        assert b"last word" == await peer.until(b"last word")

    async with RawServer(brief) as server, UpstreamPool(server.url) as pool:
        response = await pool.request("GET", b"/", UPGRADE, allow_upgrade=True)
        duplex = response.upgrade()
        assert b"bye" == await duplex.read()
        assert b"" == await duplex.read()
        assert b"" == await duplex.read()
        await duplex.write(b"last word")
        await duplex.aclose()
        assert 0 == pool.stats().in_use


async def test_a_duplex_times_out_and_breaks_like_a_response() -> None:
    async def quiet(peer: RawPeer) -> None:
        await peer.until(b"\r\n\r\n")
        await peer.send(SWITCH)
        if peer.number == 1:
            await peer.read()
            peer.reset()
            return
        peer._reader._transport.pause_reading()  # type: ignore[attr-defined]  # takes nothing
        await asyncio.sleep(3600)

    async def opened() -> Any:
        return (await pool.request("GET", b"/", UPGRADE, allow_upgrade=True)).upgrade()

    async with RawServer(quiet) as server, UpstreamPool(server.url) as pool:
        first = await opened()
        with pytest.raises(ReadTimedOut):
            await first.read(timeout=0.02)
        await first.aclose()
        duplex = await opened()
        await duplex.write(b"x")
        with pytest.raises(ReadFailed):
            await duplex.read()
        with pytest.raises(WriteTimedOut):
            await (await opened()).write(bytes(50_000_000), timeout=0.05)
        assert 0 == pool.stats().in_use


async def test_a_duplex_outlives_a_cancelled_read() -> None:
    async with RawServer(shout) as server, UpstreamPool(server.url) as pool:
        response = await pool.request("GET", b"/", UPGRADE, allow_upgrade=True)
        duplex = response.upgrade()
        assert b"HI" == await duplex.read()
        reading = asyncio.ensure_future(duplex.read())
        await asyncio.sleep(0.01)
        reading.cancel()
        await asyncio.wait([reading])
        await duplex.write(b"abc")
        assert b"ABC" == await duplex.read()
        await duplex.aclose()


async def test_where_nothing_was_upgraded_there_is_no_duplex() -> None:
    async with RawServer(OK) as server, UpstreamPool(server.url) as pool:
        async with await pool.request("GET", b"/", UPGRADE, allow_upgrade=True) as response:
            with pytest.raises(HttpInputError, match="200"):
                response.upgrade()


async def test_websockets_of_httpx2_run_over_it() -> None:
    pytest.importorskip("wsproto")

    async def sockets(peer: RawPeer) -> None:
        import base64
        import hashlib
        import re

        head = await peer.until(b"\r\n\r\n")
        match = re.search(rb"sec-websocket-key: *(\S+)", head, re.IGNORECASE)
        assert match is not None
        digest = hashlib.sha1(match[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        await peer.send(
            b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n\x81\x05hello"
        )
        await peer.read()

    async with RawServer(sockets) as server:
        async with httpx2.AsyncClient(transport=FastTransport()) as client:
            url = server.url.replace("http", "ws")
            async with client.websocket(url) as socket:
                assert "hello" == await socket.receive_text()
