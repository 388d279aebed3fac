"""
Encryption of what does not fit into memory: streams, and files that are read from anywhere.

C2SP chunked encryption with SHA-512 and AES-256-GCM behind our prefix:
`01 | key id 4 | salt 24 | commitment 32 | chunks of 16 KiB + 16`. The header commits to the key, so
that no stream opens under two keys.
"""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, BinaryIO, ClassVar

from infra_crypto import _chunks
from infra_crypto._bytes import as_bytes
from infra_crypto._chunks import CHUNK, HEADER, SALT, SEALED, TAG, Chunks
from infra_crypto._ciphers import closed
from infra_crypto._sources import Primitive, enabled
from infra_crypto.algorithms import Purpose
from infra_crypto.errors import BadArgument, DecryptFailed, MessageTooLarge

if TYPE_CHECKING:
    from infra_crypto._bytes import Buffer
    from infra_crypto._material import KeyRecord
    from infra_crypto.keyset import Keyset, KeysSource

__all__ = ["decrypt_stream", "encrypt_stream", "open_seekable"]

_PREFIX = 5


def encrypt_stream(keys: KeysSource, src: BinaryIO, dst: BinaryIO, *, context: Buffer) -> int:
    """
    Encrypt all that `src` still gives into `dst`; return the number of plaintext bytes.

    Arguments: `keys` of CHUNKED_AES_256_GCM, or a raw key of 32 bytes; `context` names what the
    stream is (`b"backup 2026-01"`), is not stored, and the same must be given to read it. Holds a
    chunk or two at a time. Raises InvalidKey, KeysetInvalid, MessageTooLarge above 4 PiB; what the
    two streams raise passes.
    """
    context = as_bytes(context, "context")
    try:
        prefix, cipher = _Streams(keys).writer(context)
    finally:
        del keys  # a traceback shows the locals of its frames
    _write(dst, prefix + cipher.header)
    number = total = 0
    while True:
        chunk = _read(src, CHUNK)
        if number == _chunks.MOST_CHUNKS:
            msg = "a stream holds 2^38 chunks of 16 KiB at most: split it"
            raise MessageTooLarge(msg)
        _write(dst, cipher.seal(number, chunk))
        total += len(chunk)
        if len(chunk) < CHUNK:
            return total
        number += 1


def decrypt_stream(keys: KeysSource, src: BinaryIO, dst: BinaryIO, *, context: Buffer) -> int:
    """
    Decrypt all that `src` still gives into `dst`; return the number of plaintext bytes.

    Only authenticated chunks are written, yet the stream is whole only when this RETURNS: on an
    error throw away what was written (`decrypt_file` does). Raises DecryptFailed, always the same,
    for another key or context and for a stream that was changed, cut, extended or reordered.
    """
    context = as_bytes(context, "context")
    try:
        streams = _Streams(keys)
    finally:
        del keys
    cipher = streams.reader(_read(src, _PREFIX + HEADER), context)
    errors = closed()
    number = total = 0
    while number < _chunks.MOST_CHUNKS:
        sealed = _read(src, SEALED)
        plain = _open(cipher, number, sealed, errors)
        if plain is None:
            break
        _write(dst, plain)
        total += len(plain)
        if len(sealed) < SEALED:
            return total
        number += 1
    raise DecryptFailed


def open_seekable(keys: KeysSource, src: BinaryIO, *, context: Buffer) -> io.RawIOBase:
    """
    Return a readable, seekable view of an encrypted stream's plaintext.

    Arguments: `src` is seekable and starts at its current position; it stays the caller's to close.
    One chunk is read for each 16 KiB touched. The end, and a seek from it, is authenticated.
    Raises DecryptFailed here for another key or context or an impossible length, and from the
    view's methods for what was changed. `io.BufferedReader` takes the view.
    """
    context = as_bytes(context, "context")
    try:
        streams = _Streams(keys)
    finally:
        del keys
    if not src.seekable():
        msg = "open_seekable needs a source that can seek: decrypt_stream reads others"
        raise BadArgument(msg)
    start = src.tell()
    cipher = streams.reader(_read(src, _PREFIX + HEADER), context)
    size = src.seek(0, io.SEEK_END) - start - _PREFIX - HEADER
    # a last chunk is shorter than the others, and holds its tag at least
    if size % SEALED < TAG or size // SEALED >= _chunks.MOST_CHUNKS:
        raise DecryptFailed
    return _View(src, start + _PREFIX + HEADER, size, cipher)


class _Streams(Primitive[dict[bytes, "KeyRecord"]]):
    """The enabled keys by prefix, the primary first."""

    __slots__ = ()
    _purpose: ClassVar = Purpose.STREAM

    def _build(self, keyset: Keyset) -> dict[bytes, KeyRecord]:
        return enabled(keyset)

    def writer(self, context: bytes) -> tuple[bytes, Chunks]:
        prefix, record = next(iter(self._table().items()))
        return prefix, Chunks(record.secret or b"", os.urandom(SALT), context)

    def reader(self, start: bytes, context: bytes) -> Chunks:
        record = self._table().get(start[:_PREFIX])
        header = start[_PREFIX:]
        if record is None or len(header) < HEADER:
            raise DecryptFailed
        cipher = Chunks(record.secret or b"", header[:SALT], context)
        if not cipher.is_header(header):
            raise DecryptFailed
        return cipher


class _View(io.RawIOBase):
    """The plaintext of a stream, from any position. Not for two threads at once, as no file is."""

    def __init__(self, src: BinaryIO, start: int, size: int, cipher: Chunks) -> None:
        self._src, self._start, self._cipher = src, start, cipher
        self._last = size // SEALED
        self._last_size = size % SEALED
        self._errors = closed()
        self._position = 0
        self._kept: tuple[int, bytes] | None = None
        self._end: int | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Return the new position, which may lie past the end; the end is authenticated."""
        origins = {io.SEEK_SET: 0, io.SEEK_CUR: self._position}
        if whence not in origins and whence != io.SEEK_END:
            msg = f"whence is 0, 1 or 2, not {whence!r:.40}"
            raise BadArgument(msg)
        position = (self._length() if whence == io.SEEK_END else origins[whence]) + offset
        if position < 0:
            msg = "a position is 0 or more"
            raise BadArgument(msg)
        self._position = position
        return position

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]  # Buffer is newer than 3.11
        """Fill a buffer from one chunk; 0 only at the authenticated end."""
        number, offset = divmod(self._position, CHUNK)
        if number > self._last:
            self._length()
            return 0
        view = memoryview(buffer).cast("B")
        data = self._chunk(number)[offset : offset + len(view)]
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _length(self) -> int:
        if self._end is None:
            self._end = self._last * CHUNK + len(self._chunk(self._last))
        return self._end

    def _chunk(self, number: int) -> bytes:
        if self._kept is not None and self._kept[0] == number:
            return self._kept[1]
        size = self._last_size if number == self._last else SEALED
        self._src.seek(self._start + number * SEALED)
        plain = _open(self._cipher, number, _read(self._src, size), self._errors)
        if plain is None:
            raise DecryptFailed
        self._kept = number, plain
        return plain


def _open(
    cipher: Chunks, number: int, sealed: bytes, errors: tuple[type[Exception], ...]
) -> bytes | None:
    # None, so that the caller raises outside of the handler, without a context
    try:
        return cipher.open(number, sealed)
    except errors:
        return None


def _read(src: BinaryIO, size: int) -> bytes:
    """Return that many bytes, fewer only at the end: one read may give less (pipes, sockets)."""
    data = src.read(size)
    if data is not None and len(data) == size:
        return data
    parts = bytearray(data or b"")
    while data and len(parts) < size:
        data = src.read(size - len(parts))
        parts += data or b""
    if data is None:
        msg = "the source gives None instead of waiting: encryption needs a blocking stream"
        raise BadArgument(msg)
    return bytes(parts)


def _write(dst: BinaryIO, data: bytes) -> None:
    """Write all of it: an unbuffered file may take less at once."""
    written = dst.write(data)
    while isinstance(written, int) and written < len(data):
        data = data[written:]
        written = dst.write(data)
