"""SHA-256, SHA-512 and BLAKE3: in one call, in a stream, and of a file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, TypeAlias

from infra_crypto.errors import BadArgument, BytesRequired
from infra_errors import IoError, boundary

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import ReadableBuffer

__all__ = ["Algorithm", "Hasher", "blake3", "hash_file", "hasher", "sha256", "sha512"]

Algorithm: TypeAlias = Literal["sha256", "sha512", "blake3"]
_NAMES = ("sha256", "sha512", "blake3")
_READ = 1 << 20
_LONGEST = 65_536


def sha256(data: ReadableBuffer) -> bytes:
    """Return the 32 bytes of SHA-256 (FIPS 180-4); BytesRequired for what is not bytes-like."""
    try:
        return hashlib.sha256(data).digest()
    except (TypeError, BufferError):
        raise _refusal(data) from None


def sha512(data: ReadableBuffer) -> bytes:
    """Return the 64 bytes of SHA-512 (FIPS 180-4); BytesRequired for what is not bytes-like."""
    try:
        return hashlib.sha512(data).digest()
    except (TypeError, BufferError):
        raise _refusal(data) from None


def blake3(
    data: ReadableBuffer,
    *,
    key: bytes | None = None,
    derive_context: str | None = None,
    length: int = 32,
) -> bytes:
    """
    Return *length* bytes (1 to 65536) of BLAKE3, by the compiled library where it is installed.

    Arguments: `key` is 32 secret bytes and makes it a MAC; `derive_context` is a fixed text that
    names a purpose and makes it a key derivation from *data*. Raises BadArgument for both at once
    and for other lengths, BytesRequired for data or a key that is not bytes-like.
    """
    if isinstance(length, bool) or not isinstance(length, int) or not 1 <= length <= _LONGEST:
        msg = f"BLAKE3 gives 1 to {_LONGEST} bytes, not {length!r:.40}"
        raise BadArgument(msg)
    options = _mode(key, derive_context)
    try:
        state = _blake3_class()(**options)
        state.update(data)
    except (TypeError, BufferError):
        raise _refusal(data) from None
    digest: bytes = state.digest(length)
    return digest


class Hasher(Protocol):
    """A hash that takes its data piece by piece; `hasher` makes one."""

    def update(self, data: ReadableBuffer, /) -> None:
        """Append bytes-like data; BytesRequired for any other."""

    def digest(self) -> bytes:
        """Return the hash of what was put in so far; more may follow."""

    def hexdigest(self) -> str:
        """Return the digest as lower-case hexadecimal digits."""

    def copy(self) -> Self:
        """Return a hasher of the same state that goes its own way from here."""


class _Hasher:
    """One interface over hashlib's objects and BLAKE3's."""

    __slots__ = ("_state",)

    def __init__(self, state: Any) -> None:
        self._state = state

    def update(self, data: ReadableBuffer, /) -> None:
        try:
            self._state.update(data)
        except (TypeError, BufferError):
            raise _refusal(data) from None

    def digest(self) -> bytes:
        digest: bytes = self._state.digest()
        return digest

    def hexdigest(self) -> str:
        return self.digest().hex()

    def copy(self) -> Self:
        return type(self)(self._state.copy())

    def __repr__(self) -> str:
        return f"<Hasher {self._state.name}>"


def hasher(name: Algorithm) -> Hasher:
    """Return an empty hasher of "sha256", "sha512" or "blake3"; BadArgument for another name."""
    if name not in _NAMES:
        msg = f"{name!r:.40} is no hash of this package: {', '.join(_NAMES)}"
        raise BadArgument(msg)
    return _Hasher(_blake3_class()() if name == "blake3" else hashlib.new(name))


def hash_file(path: str | Path, algorithm: Algorithm = "sha256") -> bytes:
    """
    Return the hash of a file's bytes, read one mebibyte at a time.

    Raises BadArgument for an unknown algorithm, IoError for a file that cannot be read.
    """
    state = hasher(algorithm)
    buffer = memoryview(bytearray(_READ))
    with boundary(IoError, path=str(path)), Path(path).open("rb", buffering=0) as file:
        while size := file.readinto(buffer):
            state.update(buffer[:size])
    return state.digest()


def _mode(key: bytes | None, derive_context: str | None) -> dict[str, object]:
    """Check the two modes' arguments, and name them as BLAKE3's class does."""
    if key is not None and derive_context is not None:
        msg = "BLAKE3 takes a key or a derive_context, not both"
        raise BadArgument(msg)
    if key is not None:
        if not isinstance(key, bytes | bytearray | memoryview):
            msg = f"a BLAKE3 key is bytes, not {type(key).__name__}"
            raise BytesRequired(msg)
        if len(key := bytes(key)) != 32:
            msg = f"a BLAKE3 key: {len(key)} bytes, need 32"
            raise BadArgument(msg)
        return {"key": key}
    if derive_context is None:
        return {}
    if not isinstance(derive_context, str):
        msg = f"a derive_context is a text, not {type(derive_context).__name__}"
        raise BadArgument(msg)
    return {"derive_key_context": derive_context}


def _blake3_class() -> Callable[..., Any]:
    """Return the compiled BLAKE3, or the one in plain Python with the same results."""
    try:
        from blake3 import blake3 as compiled
    except ImportError:
        from infra_crypto._blake3_py import PureBlake3

        return PureBlake3
    return compiled


def _refusal(data: object) -> BytesRequired:
    hint = ": encode it first" if isinstance(data, str) else ""
    msg = f"a hash takes contiguous bytes, not {type(data).__name__}{hint}"
    return BytesRequired(msg)
