"""Arguments that are bytes, and the text form that bytes have in settings and URLs."""

from __future__ import annotations

import binascii
from typing import NoReturn, TypeAlias

from infra_crypto.errors import BytesRequired

__all__ = ["Buffer", "KeyHolder", "as_bytes", "base64url", "from_base64url", "refuse_pickle"]

Buffer: TypeAlias = bytes | bytearray | memoryview


def as_bytes(value: Buffer, what: str) -> bytes:
    """Return bytes-like data as bytes; BytesRequired for a str and anything else."""
    if type(value) is bytes:
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    hint = ": encode it first" if isinstance(value, str) else ""
    msg = f"{what} is bytes, not {type(value).__name__}{hint}"
    raise BytesRequired(msg)


def base64url(data: bytes) -> str:
    """Return RFC 4648 §5 base64 without padding."""
    text = binascii.b2a_base64(data, newline=False).decode("ascii")
    return text.translate(_TO_URL).rstrip("=")


def from_base64url(text: str) -> bytes | None:
    """Return the bytes of canonical unpadded base64url, None for any other text."""
    if not text.isascii() or "=" in text:
        return None
    padded = text.translate(_FROM_URL) + "=" * (-len(text) % 4)
    try:
        data = binascii.a2b_base64(padded, strict_mode=True) if text else b""
    except binascii.Error:
        return None
    # the last character may carry bits that no byte holds
    return data if base64url(data) == text else None


_TO_URL = str.maketrans("+/", "-_")
_FROM_URL = str.maketrans("-_+/", "+/!!")


def refuse_pickle(holder: object) -> NoReturn:
    """Raise TypeError: the pickle of a key shows the key to whoever reads it."""
    msg = (
        f"a {type(holder).__name__} is not pickled, because the bytes would show its keys: "
        "let the receiving process load its own"
    )
    raise TypeError(msg)


class KeyHolder:
    """A holder of keys: it refuses to be pickled, and copies of it are itself."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: object, /) -> NoReturn:
        refuse_pickle(self)

    def __getstate__(self) -> NoReturn:
        refuse_pickle(self)

    def __copy__(self) -> object:
        return self

    def __deepcopy__(self, memo: dict[int, object], /) -> object:
        return self
