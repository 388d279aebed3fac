"""The few checks that several entities share."""

from __future__ import annotations

import re
import unicodedata

from benchmark_exchange.domain.errors import invalid

__all__ = [
    "check_count",
    "check_finite",
    "check_slug",
    "check_text",
    "is_count",
    "is_finite",
    "slug_of",
    "text_fault",
]

_LARGEST = 1e150  # its square is still finite
_MOST = 2**31 - 1  # what an INTEGER column holds on every database
_SLUG = re.compile(r"[a-z0-9](?:-?[a-z0-9]){1,62}")


def check_slug(entity: str, slug: str) -> None:
    """Refuse what is no slug: 2 to 63 of a-z, 0-9 and single inner hyphens."""
    if not _SLUG.fullmatch(slug):
        message = f"{slug[:80]!r} is no slug: 2 to 63 of a-z, 0-9 and single hyphens between them"
        raise invalid(entity, message)


def check_text(entity: str, field: str, text: str, most: int, *, lines: bool = False) -> None:
    """Refuse a text that `text_fault` finds a fault in."""
    if fault := text_fault(text, most, lines=lines):
        message = f"{field} {fault}"
        raise invalid(entity, message)


def text_fault(text: str, most: int, *, lines: bool = False) -> str | None:
    """Say that a text is blank, too long or not printable, else None; `lines` allows breaks."""
    if not text.strip() or len(text) > most:
        return f"has 1 to {most} characters, not {len(text) if text.strip() else 0}"
    for character in text:
        if unicodedata.category(character) in {"Cc", "Cs"} and not (lines and character in "\n\t"):
            return f"holds U+{ord(character):04X}, which cannot be shown"
    return None


def check_finite(entity: str, field: str, number: float) -> None:
    """Refuse NaN, infinities, and what is too large to reckon with."""
    if not is_finite(number):
        message = f"{field} is no measurement: a finite number up to {_LARGEST:g} is"
        raise invalid(entity, message)


def is_finite(number: float) -> bool:
    """Whether a number is finite and its square is too; whole numbers of any size are fine."""
    return -_LARGEST <= number <= _LARGEST


def check_count(entity: str, field: str, number: int, *, least: int = 0) -> None:
    """Refuse what is less than `least`, or more than the databases can hold."""
    if number < least or not is_count(number):
        message = f"{field} is a count from {least} to {_MOST}"
        raise invalid(entity, message)


def is_count(number: float) -> bool:
    """Whether a number is whole, not negative, and no more than the databases can hold."""
    return 0 <= number <= _MOST and number == int(number)


def slug_of(label: str) -> str:
    """Return the slug that a label suggests: never empty, at most 63 characters."""
    words = re.findall(r"[a-z0-9]+", label.lower())
    slug = "-".join(words)[:63].strip("-")
    return slug if _SLUG.fullmatch(slug) else f"model-{slug}".strip("-")
