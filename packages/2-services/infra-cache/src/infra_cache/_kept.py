"""Bytes in a memory tier that remember what they decode to: `LocalOptions(share_objects=True)`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infra_cache.protocol import Codec

__all__ = ["Kept", "KeepingCodec"]

_UNKNOWN = object()


class Kept(bytes):
    """An entry of the memory tier; who reads it twice gets the same object."""

    value: Any = _UNKNOWN
    _rest: Kept | None = None

    def after(self, end: int) -> Kept:
        """Return what follows a frame of so many bytes; it remembers as well."""
        if self._rest is None:
            self._rest = Kept(self[end:])
        return self._rest


class KeepingCodec:
    """A codec that decodes what is kept once.

    Args:
        inner: what encodes, and decodes the first time.
    """

    __slots__ = ("_inner",)

    def __init__(self, inner: Codec) -> None:
        self._inner = inner

    def encode(self, value: Any, /) -> Any:
        """Give the bytes for a value."""
        return self._inner.encode(value)

    def decode(self, data: Any, /) -> Any:
        """Give the value of the bytes: the same object again for bytes of the memory tier."""
        if type(data) is not Kept:
            return self._inner.decode(data)
        if data.value is _UNKNOWN:
            data.value = self._inner.decode(data)
        return data.value
