"""One-call functions: the first use in three lines, with the formats of the classes."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from infra_crypto._bytes import base64url, from_base64url
from infra_crypto.aead import Aead
from infra_crypto.algorithms import Alg, Purpose, purpose_of
from infra_crypto.errors import BadArgument, DecryptFailed
from infra_crypto.stream import decrypt_stream, encrypt_stream
from infra_errors import InfraError, Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from infra_crypto._bytes import Buffer
    from infra_crypto.keyset import KeysSource

__all__ = [
    "decrypt",
    "decrypt_file",
    "decrypt_text",
    "encrypt",
    "encrypt_file",
    "encrypt_text",
    "generate_key",
]


def generate_key() -> Secret[str]:
    """
    Return a new key: 32 random bytes as 43 characters of base64url, for any one purpose.

    `reveal()` gives the text, for the place where secrets are kept.
    """
    return Secret(base64url(os.urandom(32)))


def encrypt(
    key: KeysSource, plaintext: Buffer, *, aad: Buffer = b"", alg: Alg = Alg.XAES_256_GCM
) -> bytes:
    """
    Return the plaintext encrypted and authenticated; `decrypt` opens it.

    Arguments: `key` as bytes (32), their text form, or a keyset; `aad` names what the blob belongs
    to and must be the same in decrypt; `alg` is what a raw key is used with, XAES_256_GCM or
    AES_256_GCM (a keyset says it itself). Raises InvalidKey, KeysetInvalid, BytesRequired,
    MessageTooLarge.
    """
    if not isinstance(alg, Alg) or purpose_of(alg) is not Purpose.AEAD:
        msg = f"encrypt uses XAES_256_GCM or AES_256_GCM, not {alg!r:.40}"
        raise BadArgument(msg)
    try:
        aead = Aead(key, first=alg)
    finally:
        del key  # a traceback shows the locals of its frames
    return aead.seal(plaintext, aad=aad)


def decrypt(key: KeysSource, blob: Buffer, *, aad: Buffer = b"") -> bytes:
    """Return the plaintext of what `encrypt` returned; DecryptFailed, whatever the reason."""
    try:
        aead = Aead(key)
    finally:
        del key
    return aead.open(blob, aad=aad)


def encrypt_text(
    key: KeysSource, text: str, *, aad: Buffer = b"", alg: Alg = Alg.XAES_256_GCM
) -> str:
    """Return a text encrypted, as base64url without padding: for a column, a URL, a setting."""
    if not isinstance(text, str):
        msg = f"encrypt_text takes a str, not {type(text).__name__}: encrypt takes bytes"
        raise BadArgument(msg)
    try:
        return base64url(encrypt(key, text.encode("utf-8", "surrogatepass"), aad=aad, alg=alg))
    finally:
        del key


def decrypt_text(key: KeysSource, blob: str, *, aad: Buffer = b"") -> str:
    """Return the text that `encrypt_text` encrypted; DecryptFailed, whatever the reason."""
    try:
        aead = Aead(key)
    finally:
        del key
    data = from_base64url(blob) if isinstance(blob, str) else None
    if data is None:
        raise DecryptFailed
    plain = aead.open(data, aad=aad)
    try:
        return plain.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        del plain
    raise DecryptFailed


def encrypt_file(
    key: KeysSource, src: str | Path, dst: str | Path, *, context: Buffer = b""
) -> int:
    """
    Encrypt a file of any size into another; return the number of plaintext bytes.

    Arguments: `key` and `context` as for `encrypt_stream`. `dst` appears, or is replaced, as a
    whole and with mode 0600. Raises IoError for files, else what `encrypt_stream` raises.
    """
    try:
        return _through(encrypt_stream, key, Path(src), Path(dst), context)
    finally:
        del key


def decrypt_file(
    key: KeysSource, src: str | Path, dst: str | Path, *, context: Buffer = b""
) -> int:
    """
    Decrypt a file into another; return the number of plaintext bytes.

    The plaintext goes to a temporary file beside `dst` (mode 0600), which takes its place once all
    is authenticated and on the disk; on a failure `dst` is as before and the temporary gone.
    Raises DecryptFailed, IoError.
    """
    try:
        return _through(decrypt_stream, key, Path(src), Path(dst), context)
    finally:
        del key


def _through(
    work: Callable[..., int], key: KeysSource, src: Path, dst: Path, context: Buffer
) -> int:
    try:
        with src.open("rb") as reading, replacing(dst) as writing:
            return work(key, reading, writing, context=context)
    except OSError as exc:
        failure = InfraError.from_exception(exc)
        raise failure from exc
    finally:
        del key


@contextlib.contextmanager
def replacing(dst: Path) -> Iterator[BinaryIO]:
    """Give a new file that replaces `dst` when the block ends well, and is gone when not."""
    number, name = tempfile.mkstemp(dir=dst.parent, prefix=f".{dst.name[:200]}.", suffix=".tmp")
    try:
        with os.fdopen(number, "wb") as writing:
            yield writing
            writing.flush()
            os.fsync(writing.fileno())
        Path(name).replace(dst)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _sync_folder(dst.parent)


def _sync_folder(folder: Path) -> None:
    """Put the new name on the disk too, where a folder can be opened for that."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
