"""Random bytes that a thread draws ahead, 4 KiB at most; a forked child does not inherit them."""

from __future__ import annotations

import os
import threading

__all__ = ["SIZE", "take"]

SIZE = 4096


class _Pool(threading.local):
    data = b""
    at = 0


_pool = _Pool()


def take(n: int) -> bytes:
    """Return *n* random bytes that nobody else gets."""
    if n > SIZE:
        return os.urandom(n)
    pool = _pool
    at = pool.at
    end = at + n
    if end > len(pool.data):
        pool.data = os.urandom(SIZE)
        at, end = 0, n
    pool.at = end
    return pool.data[at:end]


def _drop() -> None:
    global _pool  # noqa: PLW0603 -- a child of a fork starts over
    _pool = _Pool()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drop)
