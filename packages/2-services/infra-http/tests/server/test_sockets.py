"""Web sockets and the drain: closed with 1001, once, whatever the handler does."""

from __future__ import annotations

import asyncio

from infra_http.server.drain import Drain
from infra_http.server.sockets import socket_app

CLOSE = {"type": "websocket.close", "code": 1001, "reason": "the server goes away"}


class Peer:
    """A server that, like granian, cannot send while it waits for a message."""

    def __init__(self):
        self.sent = []
        self.messages = asyncio.Queue()
        self.messages.put_nowait({"type": "websocket.connect"})
        self.lock = asyncio.Lock()

    async def receive(self):
        async with self.lock:
            return await self.messages.get()

    async def send(self, message):
        async with self.lock:
            self.sent.append(message)


async def ended(handler, drain, act):
    peer = Peer()
    scope = {"type": "websocket", "path": "/", "headers": [], "infra.drain": drain}
    app = socket_app(handler)
    task = asyncio.create_task(app(scope, peer.receive, peer.send))
    await act(peer)
    await asyncio.wait_for(task, 30)
    return peer.sent


async def test_a_handler_that_waits_for_a_message_hears_of_the_end():
    drain, waiting, heard = Drain(), asyncio.Event(), []

    async def handler(socket):
        await socket.accept()
        waiting.set()
        heard.extend([text async for text in socket.iter_text()])
        heard.append(socket.client_state.name)

    async def act(peer):
        await waiting.wait()
        await asyncio.sleep(0)
        await drain.end_sockets(30)

    assert CLOSE == (await ended(handler, drain, act))[-1]
    assert ["DISCONNECTED"] == heard
    assert not drain._listeners["socket"]


async def test_a_handler_that_only_sends_is_ended_by_its_next_message():
    drain, accepted, go = Drain(), asyncio.Event(), asyncio.Event()

    async def handler(socket):
        await socket.accept()
        accepted.set()
        await go.wait()
        while True:
            await socket.send_text("x")

    async def act(peer):
        await accepted.wait()
        await drain.end_sockets(0)
        go.set()

    assert CLOSE == (await ended(handler, drain, act))[-1]


async def test_a_socket_that_is_accepted_during_the_end_is_closed_at_once():
    drain = Drain()
    drain.end_streams()

    async def handler(socket):
        await socket.accept()
        await socket.receive_text()

    async def act(peer):
        pass

    sent = await ended(handler, drain, act)
    assert ["websocket.accept", "websocket.close"] == [message["type"] for message in sent]


async def test_a_handler_that_closed_is_not_closed_again():
    drain = Drain()

    async def handler(socket):
        await socket.accept()
        await socket.close(4000)
        await drain.end_sockets(0)

    async def act(peer):
        pass

    sent = await ended(handler, drain, act)
    assert [None, 4000] == [message.get("code") for message in sent]
