"""
uuid-utils (Rust) for the functions that return UUID text, if it is installed and behaves.

It is looked for at the first use, not at import. It must give what the pure functions give:
version, variant, and for version 7 an order; else it is left alone.
"""

from __future__ import annotations

import os
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["find", "uuid4", "uuid7"]

# Makers of objects whose str() is the text; None where the pure path is used; unknown until find().
uuid4: Callable[[], object] | None
uuid7: Callable[[], object] | None
found = False


def find() -> None:
    """Set `uuid4` and `uuid7` to uuid-utils' functions, or to None."""
    global uuid4, uuid7, found  # noqa: PLW0603 -- looked for once a process
    uuid4 = uuid7 = None
    found = True
    try:
        import uuid_utils
    except ImportError:
        return
    if not _behaves(uuid_utils):
        return
    if hasattr(os, "register_at_fork"):
        # Its random numbers are drawn ahead: a child must not go on with its parent's.
        os.register_at_fork(after_in_child=uuid_utils.reseed_rng)
    uuid4, uuid7 = uuid_utils.uuid4, uuid_utils.uuid7


def _behaves(module: Any) -> bool:
    if not hasattr(module, "reseed_rng"):
        return False
    sample = [str(module.uuid7()) for _ in range(64)]
    other = str(module.uuid4())
    return (
        all(a < b for a, b in pairwise(sample))
        and all(text[14] == "7" and text[19] in "89ab" for text in sample)
        and (other[14] == "4" and other[19] in "89ab")
    )
