"""NanoID: random text over an alphabet, every character equally likely."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import NamedTuple

from infra_id.errors import BadIdOption

__all__ = ["NO_LOOKALIKES", "URL_SAFE", "check_alphabet", "nanoid", "nanoid_from_bytes"]

URL_SAFE = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
NO_LOOKALIKES = "346789ABCDEFGHJKLMNPQRTUVWXYabcdefghijkmnpqrtwxy"
MAX_SIZE = 1024


def nanoid(size: int = 21, alphabet: str = URL_SAFE) -> str:
    """
    Return *size* (1 to 1024) random characters of an alphabet.

    The alphabet has 2 to 256 distinct characters below U+0100. Every call draws its own bytes
    from the operating system. Raises BadIdOption.
    """
    if size == 21 and alphabet is URL_SAFE:
        return os.urandom(21).translate(_URL_SAFE).decode("latin-1")
    check_size(size)
    table = _table(alphabet)
    data = os.urandom(2 * size if table.refused else size)
    text = data.translate(table.characters, table.refused)
    while len(text) < size:
        text += os.urandom(size).translate(table.characters, table.refused)
    return text[:size].decode("latin-1")


def nanoid_from_bytes(data: bytes, size: int, alphabet: str) -> str | None:
    """
    Return the NanoID that given bytes make, or None when there are too few of them.

    Each byte is cut to as many bits as the alphabet needs; what then lies beyond it is passed over.
    """
    check_size(size)
    table = _table(alphabet)
    text = bytes(data).translate(table.characters, table.refused)
    return text[:size].decode("latin-1") if len(text) >= size else None


class _Table(NamedTuple):
    characters: bytes  # byte -> character
    refused: bytes  # the bytes that stand for none


def check_size(size: int) -> None:
    """Refuse a size that is no int of 1 to 1024 (BadIdOption)."""
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= MAX_SIZE:
        msg = f"the size of a NanoID is 1 to {MAX_SIZE}, not {size!r:.64}"
        raise BadIdOption(msg)


def check_alphabet(alphabet: str) -> None:
    """Refuse an alphabet that is not 2 to 256 distinct characters below U+0100 (BadIdOption)."""
    _table(alphabet)


@lru_cache(maxsize=64)
def _table(alphabet: str) -> _Table:
    if not isinstance(alphabet, str) or not 2 <= len(alphabet) <= 256:
        msg = "an alphabet is a text of 2 to 256 characters"
        raise BadIdOption(msg)
    if len(set(alphabet)) != len(alphabet) or max(alphabet) > "\xff":
        msg = "the characters of an alphabet are distinct and below U+0100"
        raise BadIdOption(msg)
    mask = (1 << (len(alphabet) - 1).bit_length()) - 1
    known = alphabet.encode("latin-1").ljust(256, b"\0")
    characters = bytes(known[byte & mask] for byte in range(256))
    refused = bytes(byte for byte in range(256) if byte & mask >= len(alphabet))
    return _Table(characters, refused)


_URL_SAFE = _table(URL_SAFE).characters
