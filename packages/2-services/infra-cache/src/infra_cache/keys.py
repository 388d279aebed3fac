"""Keys: what is allowed in one, how to build one from parts, and the patterns that match them."""

from __future__ import annotations

import hashlib
import hmac
import re
from functools import lru_cache
from typing import Self
from uuid import UUID

import attrs

from infra_cache.errors import wrong_input
from infra_errors import Secret

__all__ = ["CacheKey", "Glob", "check_key", "glob_escape"]

MAX_KEY_BYTES = 512
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# What has a meaning in a key, a pattern or a cluster's hash tag, and what no key may hold.
_RESERVED = re.compile(r"[%:*?\[\]\\{}\s\x00-\x1f\x7f-\x9f]")


def check_key(key: str) -> str:
    """Return the key, or raise ValidationError `cache.invalid_key` that says what is wrong."""
    # ASCII and printable is nearly every key; its bytes are its characters.
    if type(key) is str and key.isascii() and key.isprintable() and 0 < len(key) <= MAX_KEY_BYTES:
        return key
    if not isinstance(key, str):
        message = f"a cache key is text, not {type(key).__name__}"
        raise wrong_input("invalid_key", message)
    if not key:
        message = "a cache key must not be empty"
        raise wrong_input("invalid_key", message)
    try:
        size = len(key.encode())
    except UnicodeEncodeError as error:
        message = "a cache key must be valid Unicode; this one has a lone surrogate"
        raise wrong_input("invalid_key", message) from error
    if size > MAX_KEY_BYTES:
        message = f"a cache key has at most {MAX_KEY_BYTES} bytes, not {size}; CacheKey shortens"
        raise wrong_input("invalid_key", message)
    if _CONTROL.search(key):
        message = "a cache key must not hold control characters; CacheKey encodes them"
        raise wrong_input("invalid_key", message)
    return key


class CacheKey(str):
    """A key made of parts: `CacheKey("user", id, "profile")` is `user:7:profile`.

    What has a meaning in a key or pattern is percent-encoded in each part, so that no part can
    reach out of its place. A key over 512 bytes becomes its first part and the SHA-256 of it all.

    Raises ValidationError `cache.invalid_key` for no parts, an empty one, or another type.
    """

    __slots__ = ()

    def __new__(cls, *parts: str | int | UUID) -> Self:
        """Join the parts."""
        if not parts:
            message = "a cache key needs at least one part"
            raise wrong_input("invalid_key", message)
        encoded = [encode_part(part) for part in parts]
        text = ":".join(encoded)
        if len(text.encode()) > MAX_KEY_BYTES:
            first = encoded[0] if len(encoded[0].encode()) <= MAX_KEY_BYTES - 65 else "long"
            text = f"{first}:{hashlib.sha256(text.encode()).hexdigest()}"
        return super().__new__(cls, text)

    @staticmethod
    def blind(value: str, *, pepper: Secret[str] | Secret[bytes]) -> str:
        """Give the HMAC-SHA-256 of an e-mail, phone number or token as 64 hex digits.

        Nobody without the `pepper` can tell the value from the key, nor try values out.
        """
        if not isinstance(pepper, Secret):
            message = "the pepper must be an infra_errors.Secret"
            raise wrong_input("invalid_key", message)
        secret = pepper.reveal()
        raw = secret.encode() if isinstance(secret, str) else secret
        return hmac.new(raw, value.encode(), hashlib.sha256).hexdigest()


def encode_part(part: str | int | UUID) -> str:
    """Encode one part of a key; raises ValidationError for an empty one and for other types."""
    if isinstance(part, bool) or not isinstance(part, str | int | UUID):
        message = f"a part of a cache key is str, int or UUID, not {type(part).__name__}"
        raise wrong_input("invalid_key", message)
    text = str(part)
    if not text:
        message = "a part of a cache key must not be empty"
        raise wrong_input("invalid_key", message)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        message = "a part of a cache key must be valid Unicode; this one has a lone surrogate"
        raise wrong_input("invalid_key", message) from error
    return _RESERVED.sub(_percent, text)


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode())


def glob_escape(text: str) -> str:
    r"""Escape `*`, `?`, `[`, `]` and `\` so that a pattern takes the text as it is."""
    return re.sub(r"([*?\[\]\\])", r"\\\1", text)


@attrs.frozen
class Glob:
    r"""A pattern over keys: `*` any text, `?` one character, `[ab]`, `[a-c]`, `[^a]`, `\` escapes.

    `regex` decides; `server` is a pattern for SCAN that matches at least as much, because a server
    counts bytes where we count characters; with `is_exact` it matches just as much. `prefix` is the
    literal text before the first wildcard.
    """

    regex: re.Pattern[str]
    server: str
    prefix: str
    matches_all: bool
    is_exact: bool

    @classmethod
    def parse(cls, text: str) -> Glob:
        """Read a pattern; raises ValidationError `cache.invalid_pattern`."""
        if not isinstance(text, str) or not text or len(text.encode(errors="replace")) > 1024:
            message = "a key pattern is text of 1 to 1024 bytes"
            raise wrong_input("invalid_pattern", message)
        return _parse(text)


@lru_cache(maxsize=256)
def _parse(text: str) -> Glob:
    regex: list[str] = []
    server: list[str] = []
    prefix, literal = "", True
    at = 0
    while at < len(text):
        char = text[at]
        at += 1
        if char in {"*", "?"}:
            regex.append(".*" if char == "*" else ".")
            server.append("*")
            literal = False
            continue
        if char == "[":
            piece, at = _class(text, at)
            regex.append(piece)
            server.append("*")
            literal = False
            continue
        if char == "\\":
            if at == len(text):
                message = "the pattern ends with a single backslash"
                raise wrong_input("invalid_pattern", message)
            char = text[at]
            at += 1
        regex.append(re.escape(char))
        server.append(glob_escape(char))
        prefix += char if literal else ""
    stars = re.sub(r"\*+", "*", "".join(server))
    is_exact = not any(piece == "." or piece.startswith("[") for piece in regex)
    return Glob(re.compile("".join(regex), re.DOTALL), stars, prefix, not text.strip("*"), is_exact)


def _class(text: str, start: int) -> tuple[str, int]:
    """Translate what follows `[`; return it and where the text goes on."""
    at = start
    negated = text[at : at + 1] == "^"
    at += negated
    members: list[str] = []
    while at < len(text) and text[at] != "]":
        if text[at] == "\\":
            at += 1
        low = text[at : at + 1]
        at += 1
        if text[at : at + 1] == "-" and text[at + 1 : at + 2] not in {"", "]"}:
            high = text[at + 1]
            low, high = min(low, high), max(low, high)
            members.append(f"{re.escape(low)}-{re.escape(high)}")
            at += 2
        else:
            members.append(re.escape(low))
    if at >= len(text) or not members:
        message = "the pattern has a [ without its members and ]"
        raise wrong_input("invalid_pattern", message)
    return f"[{'^' if negated else ''}{''.join(members)}]", at + 1
