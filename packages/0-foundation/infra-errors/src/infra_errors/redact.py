"""Redaction: what must never be read in an error, a log or a trace, and the masks for it.

Keys decide first (`is_sensitive`), patterns in text second (`redact_text`). Every pattern is linear
in the length of the text, and text without a trigger character never reaches a pattern.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from infra_errors import _patterns

__all__ = ["add_sensitive", "is_sensitive", "mask_phone", "redact", "redact_text"]

MASK = "***"
TEXT_LIMIT = 65_536
_DEPTH = 6

_WORDS = {
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "secret",
    "secrets",
    "credential",
    "credentials",
    "authorization",
    "cookie",
    "cookies",
    "apikey",
    "otp",
    "cvv",
    "cvc",
    "ssn",
    "jwt",
    "pepper",
    "bearer",
}
# "dbpassword" has no border that a split could see, "passWord" one too many.
_ENDINGS = ("password", "passwd", "passphrase", "secret", "apikey")
_LAST_WORDS = {"token", "pin"}
_BEFORE_KEY = frozenset(
    ["api", "access", "private", "secret", "signing", "encryption", "master", "account", "shared"]
)
_EXACT = {"code", "auth", "sid"}
_PHONE_WORDS = frozenset({"phone", "mobile", "msisdn"})

_OPEN, _SENSITIVE, _PHONE = 0, 1, 2
_verdicts: dict[str, int] = {}
_VERDICTS_KEPT = 4096
# messages in which nothing was found: most services say the same few hundred things
harmless: set[str] = set()


def is_sensitive(key: str) -> bool:
    """Whether a value under this key is a secret: `api_key`, `X-Auth-Token`, not `max_tokens`."""
    return verdict(key) == _SENSITIVE


def add_sensitive(*words: str) -> None:
    """Make words sensitive in this process: one anywhere in a key, several only as that key."""
    for word in words:
        parts = _split(word)
        if len(parts) == 1:
            _WORDS.add(parts[0])
        elif parts:
            _EXACT.add("".join(parts))
    _verdicts.clear()
    harmless.clear()


def redact(value: object) -> object:
    """A copy of `value` with secrets masked: by key, by pattern in text, always for a `Secret`.

    Containers are copied to a depth of 6, what lies deeper becomes `…`; nothing is mutated, other
    objects are returned as they are.
    """
    return _redact(value, _DEPTH)


def redact_text(text: str) -> str:
    """`text` with passwords, tokens, private keys, vendor keys and E.164 numbers masked.

    Text over 64 KiB is cut first, with `… (+N)` for what is missing.
    """
    if len(text) > TEXT_LIMIT:
        text = cut(text, TEXT_LIMIT)
    if not suspicious(text):
        return text
    return _patterns.mask(text)


def mask_phone(number: str) -> str:
    """Eight `*` and the last four digits, which hides the length; below eight digits only `*`."""
    if number.startswith("********") and len(number) in {8, 12}:
        return number  # masked before; a second mask would hide the last digits too
    digits = [char for char in number if char.isdigit()]
    return "*" * 8 + ("".join(digits[-4:]) if len(digits) >= 8 else "")


def suspicious(text: str) -> bool:
    """Whether a pattern of `redact_text` could match; cheap, as every message passes here."""
    return (
        ":" in text
        or "=" in text
        or "-" in text
        or "_" in text
        or "+" in text
        or "%2" in text
        or "eyJ" in text
        or "AKIA" in text
        or "ASIA" in text
        or "earer" in text
        or "asic" in text
        or "EARER" in text
        or "ASIC" in text
    )


def cut(text: str, limit: int) -> str:
    """`text` in at most `limit` characters, with the number of those missing at its end."""
    if len(text) <= limit:
        return text
    kept = limit - 16
    return f"{text[:kept]}… (+{len(text) - kept})"


def masked(key: str, value: object) -> object:
    """The mask for `value` under `key`, or `value` itself where the key is harmless."""
    found = verdict(key)
    if found == _SENSITIVE:
        return MASK
    if found == _PHONE and isinstance(value, str | int) and not isinstance(value, bool):
        return mask_phone(str(value))
    return value


def verdict(key: str) -> int:
    """0 for a harmless key, 1 for a sensitive one, 2 for one that holds a phone number."""
    found = _verdicts.get(key)
    if found is None:
        if len(_verdicts) >= _VERDICTS_KEPT:
            _verdicts.clear()
        found = _verdicts[key] = _judge(key)
    return found


def in_words(key: str) -> bool:
    """`is_sensitive` for prose, where `code: 5` or `auth: off` says nothing secret."""
    return verdict(key) == _SENSITIVE and "".join(_split(key)) not in _EXACT


def _judge(key: str) -> int:
    words = _split(key[:256])
    if not words:
        return _OPEN
    if (
        "".join(words) in _EXACT
        or words[-1] in _LAST_WORDS
        or not _WORDS.isdisjoint(words)
        or any(word.endswith(_ENDINGS) for word in (*words, "".join(words)))
    ):
        return _SENSITIVE
    for before, word in pairwise(words):
        if (word == "key" and before in _BEFORE_KEY) or (before == "session" and word == "id"):
            return _SENSITIVE
    return _OPEN if _PHONE_WORDS.isdisjoint(words) else _PHONE


def _split(key: str) -> list[str]:
    """The words of a key, lower case: split at case changes and at what is no letter or digit."""
    words: list[str] = []
    word = ""
    for index, char in enumerate(key):
        # "userId" breaks before I, "APIKey" before K, "APIKEY" nowhere
        border = char.isupper() and (
            not key[index - 1 : index].isupper() or key[index + 1 : index + 2].islower()
        )
        if word and (border or not char.isalnum()):
            words.append(word)
            word = ""
        if char.isalnum():
            word += char
    if word:
        words.append(word)
    return [stripped for word in words if (stripped := word.lower().rstrip("0123456789") or word)]


def name_of_key(key: object) -> str:
    """A key as text, "" for what is no text; HTTP servers keep the names of headers as bytes."""
    if isinstance(key, bytes):
        return key.decode("latin-1")
    return key if isinstance(key, str) else ""


def pair_name(value: object) -> str:
    """The name in a pair (name, value), as headers are listed; "" for anything else."""
    name = name_of_key(value[0]) if isinstance(value, tuple) and len(value) == 2 else ""
    # (message, code) is no such pair
    return name if name.replace("-", "").replace("_", "").isalnum() else ""


def _redact(value: object, depth: int) -> object:
    from infra_errors.secret import Secret

    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Secret):
        return str(value)
    if isinstance(value, bytes):
        text = value[:TEXT_LIMIT].decode("latin-1")
        return value if redact_text(text) == text else redact_text(text).encode("latin-1")
    if isinstance(value, Mapping):
        return _redact_mapping(value, depth) if depth else "…"
    for kind in (list, tuple, set, frozenset):
        if isinstance(value, kind):
            name = pair_name(value)
            if name and verdict(name):
                return value[0], masked(name, value[1])  # type: ignore[index]  # a pair
            return kind([_redact(item, depth - 1) for item in value]) if depth else "…"
    return value


def _redact_mapping(value: Mapping[object, object], depth: int) -> dict[object, object]:
    result: dict[object, object] = {}
    for key, item in value.items():
        hidden = masked(name_of_key(key), item)
        result[key] = _redact(item, depth - 1) if hidden is item else hidden
    return result
