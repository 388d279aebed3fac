"""From a name to a socket: families take turns, and a slow address does not hold up the next."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from infra_http import _dns
from infra_http.errors import ConnectFailed
from infra_http.raw_server import RawServer

V4, V6 = socket.AF_INET, socket.AF_INET6
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


def test_families_take_turns_beginning_with_the_first() -> None:
    a, b, c = ((V6, (name, 1)) for name in "abc")
    x, y = ((V4, (name, 1)) for name in "xy")
    assert [a, x, b, y, c] == _dns.interleaved([a, b, c, x, y])
    assert [x, a, y, b] == _dns.interleaved([x, y, a, b])
    assert [a, b] == _dns.interleaved([a, b])
    assert [] == _dns.interleaved([])


class Slow:
    """Sockets that connect when they are told to, in place of the loop's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **answers: str) -> None:
        self.answers = {name.replace("_", "."): answer for name, answer in answers.items()}
        self.tried: list[str] = []
        self.sockets: list[socket.socket] = []
        self.changed = asyncio.Event()
        monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", self)

    async def __call__(self, sock: socket.socket, address: Any) -> None:
        self.tried.append(address[0])
        self.sockets.append(sock)
        answer = self.answers[address[0]]
        if answer == "never":
            await asyncio.sleep(3600)
        if answer == "refused":
            raise ConnectionRefusedError


def places(*addresses: str) -> Any:
    return [(V4, (address, 9)) for address in addresses]


async def test_a_slow_address_lets_the_next_be_tried_beside_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slow = Slow(monkeypatch, **{"10_0_0_1": "never", "10_0_0_2": "connects"})
    sock = await _dns.connect(places("10.0.0.1", "10.0.0.2"), delay=0.01)
    assert ["10.0.0.1", "10.0.0.2"] == slow.tried
    assert slow.sockets[1] is sock
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert -1 == slow.sockets[0].fileno()
    sock.close()


async def test_an_address_that_refuses_lets_the_next_begin_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slow = Slow(monkeypatch, **{"10_0_0_1": "refused", "10_0_0_2": "connects"})
    async with asyncio.timeout(10):
        sock = await _dns.connect(places("10.0.0.1", "10.0.0.2"), delay=3600)
    assert slow.sockets[1] is sock
    sock.close()


async def test_the_first_that_answers_is_the_only_one_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slow = Slow(monkeypatch, **{"10_0_0_1": "connects", "10_0_0_2": "connects"})
    sock = await _dns.connect(places("10.0.0.1", "10.0.0.2"), delay=3600)
    assert ["10.0.0.1"] == slow.tried
    sock.close()


async def test_where_none_answers_the_last_failure_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow(monkeypatch, **{"10_0_0_1": "refused", "10_0_0_2": "refused"})
    with pytest.raises(ConnectFailed, match=r"10\.0\.0\.2") as caught:
        await _dns.connect(places("10.0.0.1", "10.0.0.2"), delay=0.01)
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)
    assert [-1, -1] == [sock.fileno() for sock in slow.sockets]


async def test_a_cancellation_closes_every_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow(monkeypatch, **{"10_0_0_1": "never", "10_0_0_2": "never"})
    racing = asyncio.ensure_future(_dns.connect(places("10.0.0.1", "10.0.0.2"), delay=0.001))
    while len(slow.tried) < 2:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    racing.cancel()
    await asyncio.wait([racing])
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [-1, -1] == [sock.fileno() for sock in slow.sockets]


async def test_a_name_without_addresses_cannot_be_connected_to() -> None:
    with pytest.raises(ConnectFailed, match="no address"):
        await _dns.connect([])


async def test_localhost_is_found_and_connected_to() -> None:
    async with RawServer(OK) as server:
        found = await _dns.look_up("localhost", server.port, None)
        sock = await _dns.connect(found)
        assert server.port == sock.getpeername()[1]
        sock.close()
