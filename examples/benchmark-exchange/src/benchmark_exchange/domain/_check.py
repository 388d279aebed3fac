"""The few checks that several entities share."""

from __future__ import annotations

import math
import re

from benchmark_exchange.domain.errors import invalid

__all__ = ["check_finite", "check_slug", "check_text", "slug_of"]

_SLUG = re.compile(r"[a-z0-9](?:-?[a-z0-9]){1,62}")


def check_slug(entity: str, slug: str) -> None:
    """Refuse what is no slug: 2 to 63 of a-z, 0-9 and single inner hyphens."""
    if not _SLUG.fullmatch(slug):
        message = f"{slug[:80]!r} is no slug: 2 to 63 of a-z, 0-9 and single hyphens between them"
        raise invalid(entity, message)


def check_text(entity: str, field: str, text: str, most: int) -> None:
    """Refuse a text that is blank, too long, or holds control characters."""
    if not text.strip() or len(text) > most:
        message = f"{field} has 1 to {most} characters, not {len(text)}"
        raise invalid(entity, message)
    if any(ord(character) < 32 and character not in "\n\t" for character in text):
        message = f"{field} holds a control character"
        raise invalid(entity, message)


def check_finite(entity: str, field: str, number: float) -> None:
    """Refuse NaN and infinities."""
    if not math.isfinite(number):
        message = f"{field} is {number}, which is no measurement"
        raise invalid(entity, message)


def slug_of(label: str) -> str:
    """Return the slug that a label suggests: never empty, at most 63 characters."""
    words = re.findall(r"[a-z0-9]+", label.lower())
    slug = "-".join(words)[:63].strip("-")
    return slug if _SLUG.fullmatch(slug) else f"model-{slug}".strip("-")
