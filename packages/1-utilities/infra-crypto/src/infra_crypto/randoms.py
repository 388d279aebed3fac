"""Random bytes, codes and tokens from the operating system, and a comparison without a clock."""

from __future__ import annotations

import os
import secrets
from hmac import compare_digest
from typing import TYPE_CHECKING

from infra_crypto.errors import BadArgument

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["constant_time_eq", "random_bytes", "random_code", "random_token"]


def random_bytes(n: int) -> bytes:
    """Return *n* random bytes (0 or more) of the operating system; BadArgument for no such n."""
    if isinstance(n, bool) or not isinstance(n, int) or n < 0:
        msg = f"a number of bytes is 0 or more, not {n!r:.40}"
        raise BadArgument(msg)
    return os.urandom(n)


def random_code(digits: int = 6, *, randbelow: Callable[[int], int] = secrets.randbelow) -> str:
    """
    Return a uniform code of 1 to 18 decimal digits, leading zeros kept: "000042" can come.

    Arguments: `randbelow(n)` gives a uniform integer below n. Raises BadArgument for other lengths.
    """
    if isinstance(digits, bool) or not isinstance(digits, int) or not 1 <= digits <= 18:
        msg = f"a code has 1 to 18 digits, not {digits!r:.40}"
        raise BadArgument(msg)
    return f"{randbelow(10**digits):0{digits}d}"


def random_token(nbytes: int = 32) -> str:
    """
    Return a URL-safe text over *nbytes* random bytes: 43 characters for the 32 of the default.

    Raises BadArgument for fewer than 16 bytes, which can be guessed.
    """
    if isinstance(nbytes, bool) or not isinstance(nbytes, int) or nbytes < 16:
        msg = f"a token has 16 random bytes or more, not {nbytes!r:.40}"
        raise BadArgument(msg)
    return secrets.token_urlsafe(nbytes)


def constant_time_eq(a: bytes | str, b: bytes | str) -> bool:
    """
    Return whether two secrets are equal, in a time that does not tell where they differ.

    Two bytes-like values or two ASCII texts; different lengths are False. Raises BadArgument for
    anything else.
    """
    try:
        return compare_digest(a, b)  # type: ignore[arg-type]  # a mix is what TypeError is for
    except TypeError:
        msg = "what is compared is two bytes or two ASCII texts"
    raise BadArgument(msg)
