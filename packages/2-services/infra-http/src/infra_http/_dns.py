"""From a name to a connected socket: look up, check, then race the addresses (RFC 8305)."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from infra_http.errors import ConnectFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra_http.guard import SSRFGuard

__all__ = ["connect", "interleaved", "look_up"]

ATTEMPT_DELAY = 0.25  # seconds; RFC 8305 section 8

Place = tuple[int, tuple[str, int]]  # family, address


async def look_up(host: str, port: int, guard: SSRFGuard | None) -> list[Place]:
    """Return where a host is, families taking turns; with a guard only checked addresses.

    Raises:
        ConnectFailed: there is no such name.
        AddressBlocked: the guard refuses one of its addresses.
    """
    if guard is not None:
        checked = await guard.resolve(host, port)
        return interleaved([(found.family, (found.ip, found.port)) for found in checked])
    loop = asyncio.get_running_loop()
    try:
        infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        message = f"the name {host} cannot be resolved"
        raise ConnectFailed(message) from error
    # The scope of a link-local IPv6 address is the fourth part of its socket address.
    return interleaved([(info[0], info[4]) for info in infos])  # type: ignore[misc]  # IPv4 or IPv6


def interleaved(places: Sequence[Place]) -> list[Place]:
    """Let the families take turns, beginning with the first place's, each in its order."""
    if not places:
        return []
    first = [place for place in places if place[0] == places[0][0]]
    rest = [place for place in places if place[0] != places[0][0]]
    turns = [place for pair in zip(first, rest, strict=False) for place in pair]
    shorter = min(len(first), len(rest))
    return turns + first[shorter:] + rest[shorter:]


async def connect(
    places: Sequence[Place], *, local_address: str | None = None, delay: float = ATTEMPT_DELAY
) -> socket.socket:
    """Return a socket connected to the first place that answers.

    A place gets a head start of `delay` seconds before the next is tried beside it; one that
    fails lets the next begin at once.

    Raises:
        ConnectFailed: none answered; the last failure is its cause.
    """
    if len(places) == 1:
        return await _attempt(places[0], local_address)
    running: set[asyncio.Task[socket.socket]] = set()
    left = list(places)
    failure: ConnectFailed | None = None
    try:
        while left or running:
            if left:
                running.add(asyncio.ensure_future(_attempt(left.pop(0), local_address)))
            done, running = await asyncio.wait(
                running, timeout=delay if left else None, return_when=asyncio.FIRST_COMPLETED
            )
            winner: socket.socket | None = None
            for task in done:
                if (error := task.exception()) is None:
                    winner = _first(winner, task.result())
                elif isinstance(error, ConnectFailed):
                    failure = error
                else:
                    raise error
            if winner is not None:
                return winner
    finally:
        for task in running:
            task.add_done_callback(_discard)
            task.cancel()
    message = "no address to connect to"
    raise failure or ConnectFailed(message)


async def _attempt(place: Place, local_address: str | None) -> socket.socket:
    family, address = place
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if local_address is not None:
            sock.bind((local_address, 0))
        await asyncio.get_running_loop().sock_connect(sock, address)
    except OSError as error:
        sock.close()
        message = f"{address[0]} port {address[1]} does not take connections"
        raise ConnectFailed(message) from error
    except BaseException:
        sock.close()
        raise
    return sock


def _first(winner: socket.socket | None, other: socket.socket) -> socket.socket:
    if winner is None:
        return other
    other.close()
    return winner


def _discard(task: asyncio.Task[socket.socket]) -> None:
    """Close what a cancelled attempt has connected to in the very last moment."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()
