"""128 bits as 26 characters of lower-case Crockford base32, and back."""

from __future__ import annotations

__all__ = ["LENGTH", "decode", "encode"]

LENGTH = 26
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
_KNOWN = frozenset(_ALPHABET)
# int(text, 32) reads 0-9a-v: the digits of the same value under another name.
_TO_INT_DIGITS = str.maketrans(_ALPHABET, "0123456789abcdefghijklmnopqrstuv")


def encode(value: int) -> str:
    """Return the 26 characters of a 128-bit number; the first is 0 to 7."""
    return "".join([_PAIRS[value >> shift & 1023] for shift in range(120, -1, -10)])


def decode(text: str) -> int | None:
    """Return the number, or None when the text is not 26 such characters of at most 128 bits."""
    if len(text) != LENGTH or text[0] > "7" or not _KNOWN.issuperset(text):
        return None
    return int(text.translate(_TO_INT_DIGITS), 32)
