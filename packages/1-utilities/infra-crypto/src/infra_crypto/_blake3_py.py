"""
BLAKE3 in plain Python, for where the compiled `blake3` is not installed (Pyodide, say).

Written from the BLAKE3 paper's section 2. The results are those of the compiled one; the speed is
about a megabyte a second. It follows the tree the short way: a stack holds the chaining values of
the finished subtrees, one for each 1-bit of the number of finished chunks.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["PureBlake3"]

_IV = (
    *(0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A),
    *(0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19),
)
_PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
_MIXED = (  # the state's columns, then its diagonals
    *((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)),
    *((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)),
)
_BLOCK, _CHUNK = 64, 1024
_CHUNK_START, _CHUNK_END, _PARENT, _ROOT = 1, 2, 4, 8
_KEYED, _DERIVE_CONTEXT, _DERIVE_MATERIAL = 16, 32, 64
_M = 0xFFFFFFFF


def _schedule() -> tuple[tuple[tuple[int, int, int, int, int, int], ...], ...]:
    """Say for each of the 7 rounds which state words mix with which two message words."""
    order = list(range(16))
    rounds = []
    for _ in range(7):
        rounds.append(
            tuple((*_MIXED[n], order[2 * n], order[2 * n + 1]) for n in range(len(_MIXED)))
        )
        order = [order[n] for n in _PERMUTATION]
    return tuple(rounds)


_ROUNDS = _schedule()


def _compress(
    cv: tuple[int, ...], m: tuple[int, ...], counter: int, size: int, flags: int
) -> list[int]:
    v = [*cv, *_IV[:4], counter & _M, counter >> 32 & _M, size, flags]
    for mixes in _ROUNDS:
        for i, j, k, n, x, y in mixes:
            a, b, c, d = v[i], v[j], v[k], v[n]
            a = (a + b + m[x]) & _M
            d ^= a
            d = d >> 16 | d << 16 & _M
            c = (c + d) & _M
            b ^= c
            b = b >> 12 | b << 20 & _M
            a = (a + b + m[y]) & _M
            d ^= a
            d = d >> 8 | d << 24 & _M
            c = (c + d) & _M
            b ^= c
            v[i], v[j], v[k], v[n] = a, b >> 7 | b << 25 & _M, c, d
    return [x ^ y for x, y in zip(v[:8], v[8:], strict=True)] + [
        x ^ y for x, y in zip(v[8:], cv, strict=True)
    ]


class _Node(NamedTuple):
    """The last compression of a chunk or parent, not yet done: the root's differs by a flag."""

    cv: tuple[int, ...]
    words: tuple[int, ...]
    counter: int
    size: int
    flags: int

    def chaining_value(self) -> tuple[int, ...]:
        return tuple(_compress(*self)[:8])

    def root_bytes(self, length: int) -> bytes:
        out = bytearray()
        for block in range((length + _BLOCK - 1) // _BLOCK):
            words = _compress(self.cv, self.words, block, self.size, self.flags | _ROOT)
            out += struct.pack("<16I", *words)
        return bytes(out[:length])


class PureBlake3:
    """A streaming BLAKE3: plain, keyed (a key of 32 bytes) or deriving a key (a context)."""

    __slots__ = ("_chunks", "_flags", "_key", "_pending", "_stack")

    name = "blake3"

    def __init__(
        self,
        data: ReadableBuffer = b"",
        /,
        *,
        key: bytes | None = None,
        derive_key_context: str | None = None,
    ) -> None:
        self._key: tuple[int, ...] = _IV
        self._flags = 0
        if key is not None:
            self._key, self._flags = struct.unpack("<8I", key), _KEYED
        elif derive_key_context is not None:
            context = PureBlake3()
            context._flags = _DERIVE_CONTEXT
            context.update(derive_key_context.encode())
            self._key, self._flags = struct.unpack("<8I", context.digest()), _DERIVE_MATERIAL
        self._pending = bytearray()
        self._chunks = 0
        self._stack: list[tuple[int, ...]] = []
        self.update(data)

    def update(self, data: ReadableBuffer, /) -> PureBlake3:
        """Append *data*; return the hasher."""
        view = memoryview(data).cast("B")
        self._pending += view
        # The last chunk is kept back, even when full: only the end shows whether it is the root.
        while len(self._pending) > _CHUNK:
            self._finish_chunk(bytes(self._pending[:_CHUNK]))
            del self._pending[:_CHUNK]
        return self

    def digest(self, length: int = 32) -> bytes:
        """Return *length* bytes of the hash of what was put in so far."""
        node = self._chunk_node(bytes(self._pending))
        for left in reversed(self._stack):
            node = self._parent_node(left, node.chaining_value())
        return node.root_bytes(length)

    def hexdigest(self, length: int = 32) -> str:
        """Return the digest as lower-case hexadecimal digits."""
        return self.digest(length).hex()

    def copy(self) -> PureBlake3:
        """Return a hasher of the same state that goes its own way from here."""
        other = PureBlake3.__new__(PureBlake3)
        other._key, other._flags, other._chunks = self._key, self._flags, self._chunks
        other._pending, other._stack = bytearray(self._pending), list(self._stack)
        return other

    def _finish_chunk(self, chunk: bytes) -> None:
        cv = self._chunk_node(chunk).chaining_value()
        self._chunks += 1
        finished = self._chunks
        while finished & 1 == 0:  # a subtree is whole: merge it with its left neighbour
            cv = self._parent_node(self._stack.pop(), cv).chaining_value()
            finished >>= 1
        self._stack.append(cv)

    def _chunk_node(self, chunk: bytes) -> _Node:
        cv, flags = self._key, self._flags | _CHUNK_START
        blocks = [chunk[at : at + _BLOCK] for at in range(0, len(chunk), _BLOCK)] or [b""]
        for block in blocks[:-1]:
            words = struct.unpack("<16I", block)
            cv = tuple(_compress(cv, words, self._chunks, _BLOCK, flags)[:8])
            flags = self._flags
        last = blocks[-1]
        words = struct.unpack("<16I", last.ljust(_BLOCK, b"\0"))
        return _Node(cv, words, self._chunks, len(last), flags | _CHUNK_END)

    def _parent_node(self, left: tuple[int, ...], right: tuple[int, ...]) -> _Node:
        return _Node(self._key, left + right, 0, _BLOCK, self._flags | _PARENT)
