"""128 bits as 26 characters of Crockford base32, and back."""

from __future__ import annotations

__all__ = ["LENGTH", "decode", "decode_any_case", "encode", "encode_last", "encode_upper"]

LENGTH = 26
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
_UPPER = [pair.upper() for pair in _PAIRS]
_SHIFTS = range(120, -1, -10)


def encode(value: int) -> str:
    """Return the 26 lower-case characters of a 128-bit number; the first is 0 to 7."""
    return "".join([_PAIRS[value >> shift & 1023] for shift in _SHIFTS])


def encode_upper(value: int) -> str:
    """Return the 26 upper-case characters of a 128-bit number; the first is 0 to 7."""
    return "".join([_UPPER[value >> shift & 1023] for shift in _SHIFTS])


def encode_last(value: int) -> str:
    """Return the last 8 of those characters, from the lowest 40 bits."""
    pairs = _UPPER
    return (
        f"{pairs[value >> 30]}{pairs[value >> 20 & 1023]}"
        f"{pairs[value >> 10 & 1023]}{pairs[value & 1023]}"
    )


def _reader(alphabet: str) -> bytes:
    """Map characters to the digits of that value for int(), and all others to what it refuses."""
    table = bytearray(b"*" * 256)
    for value, character in enumerate(alphabet):
        table[ord(character)] = ord("0123456789abcdefghijklmnopqrstuv"[value % 32])
    return bytes(table)


_LOWER_CASE = _reader(_ALPHABET)
_ANY_CASE = _reader(_ALPHABET + _ALPHABET.upper())


def decode(text: str) -> int | None:
    """Return the number; None when the text is not 26 lower-case characters of 128 bits."""
    return _decode(text, _LOWER_CASE)


def decode_any_case(text: str) -> int | None:
    """Return the number; None when the text is not 26 characters, in any case, of 128 bits."""
    return _decode(text, _ANY_CASE)


def _decode(text: str, table: bytes) -> int | None:
    if len(text) != LENGTH or text[0] > "7":
        return None
    try:
        return int(text.encode("ascii").translate(table), 32)
    except ValueError:  # another character; UnicodeEncodeError is one too
        return None
