"""Which node a process is: told by its environment or by the ordinal in its host's name."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from infra_id.errors import BadIdOption, NodeNotConfigured

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["node_from_env", "node_from_hostname"]


def node_from_env(
    name: str = "INFRA_NODE_ID", *, bits: int = 10, environ: Mapping[str, str] | None = None
) -> int:
    """
    Return the node that an environment variable names, 0 to 2^bits - 1.

    Raises NodeNotConfigured, naming the variable, when it is missing, no number, or too large.
    """
    text = (os.environ if environ is None else environ).get(name)
    if text is None:
        msg = f"{name} is not set: give each process that makes Snowflakes a number of its own"
        raise NodeNotConfigured(msg, variable=name)
    if not (text.isascii() and text.isdigit()):
        msg = f"{name} is no whole number of 0 to {_most(bits)}"
        raise NodeNotConfigured(msg, variable=name)
    return _checked(int(text), bits, name)


def node_from_hostname(hostname: str | None = None, *, bits: int = 10) -> int:
    """
    Return the number at the end of the host's name: 3 for `web-3`, as a StatefulSet numbers.

    Never a hash of the name, because two of those can be equal. Raises NodeNotConfigured when there
    is no such number, or it is too large.
    """
    if hostname is None:
        import socket  # only here: most who import this package never ask

        hostname = socket.gethostname()
    host = hostname
    match = re.fullmatch(r".*?-([0-9]{1,9})", host.partition(".")[0], re.ASCII)
    if match is None:
        msg = f"the host name {host[:64]!r} ends in no number: use node_from_env()"
        raise NodeNotConfigured(msg, hostname=host[:64])
    return _checked(int(match[1]), bits, "the host name's number")


def _checked(node: int, bits: int, where: str) -> int:
    if not 0 <= node <= _most(bits):
        msg = f"{where} is {node}: a node of {bits} bits is 0 to {_most(bits)}"
        raise NodeNotConfigured(msg)
    return node


def _most(bits: int) -> int:
    if isinstance(bits, bool) or not isinstance(bits, int) or not 1 <= bits <= 61:
        msg = f"bits is a number of 1 to 61, not {bits!r:.64}"
        raise BadIdOption(msg)
    return (1 << bits) - 1
