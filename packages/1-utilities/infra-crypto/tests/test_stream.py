from __future__ import annotations

import io
import os
import random
import stat
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from infra_crypto import (
    Alg,
    BadArgument,
    DecryptFailed,
    Keyset,
    MessageTooLarge,
    _chunks,
    decrypt_file,
    decrypt_stream,
    encrypt_file,
    encrypt_stream,
    open_seekable,
)
from infra_errors import IoError

pytestmark = pytest.mark.native("cryptography")

KEY = bytes(range(32))
SIZES = [0, 1, 16383, 16384, 16385, 2 * 16384, 50_000]
START = 5 + 56


def sealed(plain: bytes, context: bytes = b"c") -> bytes:
    out = io.BytesIO()
    assert len(plain) == encrypt_stream(KEY, io.BytesIO(plain), out, context=context)
    return out.getvalue()


def opened(blob: bytes, context: bytes = b"c") -> bytes:
    out = io.BytesIO()
    size = decrypt_stream(KEY, io.BytesIO(blob), out, context=context)
    assert size == len(out.getvalue())
    return out.getvalue()


@pytest.mark.parametrize("size", SIZES)
def test_a_stream_comes_back_whole_and_from_any_position(size: int):
    plain = os.urandom(size)
    blob = sealed(plain)
    assert START + size + 16 * (size // 16384 + 1) == len(blob)
    assert plain == opened(blob)
    view = open_seekable(KEY, io.BytesIO(blob), context=b"c")
    assert plain == view.readall()
    rng = random.Random(1)
    for _ in range(30):
        at = rng.randrange(size + 10)
        view.seek(at)
        found = view.read(100) or b""
        assert plain[at : at + len(found)] == found
        assert bool(found) == (at < size)
    assert size == view.seek(0, io.SEEK_END) == view.tell()
    assert b"" == view.read(1)
    view.seek(0)
    assert plain[:20_000] == io.BufferedReader(view).read(20_000)


def test_a_seek_past_the_end_reads_nothing_and_before_the_start_is_refused():
    view = open_seekable(KEY, io.BytesIO(sealed(b"abc")), context=b"c")
    assert 1 << 40 == view.seek(1 << 40)
    assert b"" == view.read(5)
    assert b"c" == (view.seek(-1, io.SEEK_END), view.read())[1]
    for offset, whence in ((-4, io.SEEK_END), (-1, io.SEEK_SET), (0, 9)):
        with pytest.raises(BadArgument):
            view.seek(offset, whence)


@pytest.mark.parametrize("size", SIZES)
def test_every_cut_at_a_border_and_every_extension_is_refused(size: int):
    blob = sealed(os.urandom(size))
    cuts = {0, 4, 5, START - 1, START, len(blob) - 1, len(blob) - 16, len(blob) - 17}
    cuts |= set(range(START, len(blob), 16400))
    for cut in cuts - {len(blob)}:
        with pytest.raises(DecryptFailed):
            opened(blob[:cut])
        with pytest.raises(DecryptFailed):
            open_seekable(KEY, io.BytesIO(blob[:cut]), context=b"c").readall()
    for more in (b"\0", bytes(16), bytes(16400), blob[START:]):
        with pytest.raises(DecryptFailed):
            opened(blob + more)


def test_reordered_chunks_another_context_key_or_format_are_refused():
    blob = sealed(os.urandom(40_000))
    one, two = blob[START : START + 16400], blob[START + 16400 : START + 32800]
    for changed in (
        blob[:START] + two + one + blob[START + 32800 :],
        b"\x02" + blob[1:],
        blob[:5] + bytes(24) + blob[29:],
        blob[:29] + bytes(32) + blob[61:],
    ):
        with pytest.raises(DecryptFailed):
            opened(changed)
    with pytest.raises(DecryptFailed):
        opened(blob, b"d")
    with pytest.raises(DecryptFailed):
        decrypt_stream(bytes(32), io.BytesIO(blob), io.BytesIO(), context=b"c")


def test_only_authenticated_chunks_are_written():
    plain = os.urandom(50_000)
    blob = bytearray(sealed(plain))
    blob[START + 16400 + 5] ^= 1
    out = io.BytesIO()
    with pytest.raises(DecryptFailed):
        decrypt_stream(KEY, io.BytesIO(bytes(blob)), out, context=b"c")
    assert plain[:16384] == out.getvalue()


class Dripping(io.RawIOBase):
    """Reads and writes less than asked for, as pipes do."""

    def __init__(self, inner: io.BytesIO) -> None:
        self.inner = inner

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self.inner.read(min(size, 1000))

    def write(self, data: Any) -> int:
        return self.inner.write(bytes(data[:777]))


def test_short_reads_and_writes_change_nothing():
    plain, out = os.urandom(40_000), io.BytesIO()
    encrypt_stream(KEY, Dripping(io.BytesIO(plain)), Dripping(out), context=b"c")  # type: ignore[arg-type]
    assert plain == opened(out.getvalue())


def test_a_source_that_does_not_wait_or_seek_is_refused():
    class Waiting(io.BytesIO):
        def read(self, size: int | None = -1) -> Any:
            return None

        def seekable(self) -> bool:
            return False

    with pytest.raises(BadArgument, match="blocking"):
        encrypt_stream(KEY, Waiting(), io.BytesIO(), context=b"")
    with pytest.raises(BadArgument, match="seek"):
        open_seekable(KEY, Waiting(), context=b"")


def test_a_stream_ends_at_its_largest_size(monkeypatch: pytest.MonkeyPatch):
    three = sealed(bytes(3 * 16384 - 1))
    four = sealed(bytes(3 * 16384))
    monkeypatch.setattr(_chunks, "MOST_CHUNKS", 3)
    assert bytes(3 * 16384 - 1) == opened(three)
    with pytest.raises(MessageTooLarge):
        sealed(bytes(3 * 16384))
    with pytest.raises(DecryptFailed):
        opened(four)


def test_a_rotated_keyset_opens_old_streams():
    keys = Keyset.generate(Alg.CHUNKED_AES_256_GCM)
    out = io.BytesIO()
    encrypt_stream(keys, io.BytesIO(b"old"), out, context=b"")
    view = open_seekable(keys.rotate(), io.BytesIO(out.getvalue()), context=b"")
    assert b"old" == view.read()


def test_a_file_comes_back_and_a_failure_leaves_nothing(tmp_path: Path):
    plain = os.urandom(40_000)
    src, enc, dst = (tmp_path / name for name in ("src", "enc", "dst"))
    src.write_bytes(plain)
    assert 40_000 == encrypt_file(KEY, src, enc, context=b"f")
    assert 40_000 == decrypt_file(KEY, str(enc), str(dst), context=b"f")
    assert plain == dst.read_bytes()
    enc.write_bytes(enc.read_bytes()[:-20])
    dst.write_bytes(b"as before")
    with pytest.raises(DecryptFailed):
        decrypt_file(KEY, enc, dst, context=b"f")
    assert b"as before" == dst.read_bytes()
    with pytest.raises(IoError):
        decrypt_file(KEY, tmp_path / "absent", dst)
    with pytest.raises(IoError):
        encrypt_file(KEY, src, tmp_path / "no folder" / "enc")
    assert {"src", "enc", "dst"} == {path.name for path in tmp_path.iterdir()}


@pytest.mark.posix_permissions
def test_a_decrypted_file_is_for_its_owner_alone(tmp_path: Path):
    (tmp_path / "src").write_bytes(b"x")
    encrypt_file(KEY, tmp_path / "src", tmp_path / "enc")
    decrypt_file(KEY, tmp_path / "enc", tmp_path / "dst")
    assert 0o600 == stat.S_IMODE((tmp_path / "dst").stat().st_mode)


class Zeros(io.RawIOBase):
    """A source of so many zeros, without holding them."""

    def __init__(self, size: int) -> None:
        self.left = size

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        size = min(size, self.left)
        self.left -= size
        return bytes(size)


@pytest.mark.slow
def test_a_gibibyte_takes_less_than_8_mib(tmp_path: Path):
    size = 1 << 30
    tracemalloc.start()
    try:
        with (tmp_path / "enc").open("wb") as out:
            encrypt_stream(KEY, Zeros(size), out, context=b"")  # type: ignore[arg-type]
        with (tmp_path / "enc").open("rb") as src, Path(os.devnull).open("wb") as sink:
            assert size == decrypt_stream(KEY, src, sink, context=b"")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20
