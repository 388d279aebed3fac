"""How much of a document or a path a message shows."""

from __future__ import annotations

__all__ = ["escaped", "pointer_text", "short"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def short(text: str) -> str:
    """Return at most 40 characters of a text."""
    return text if len(text) <= 40 else f"{text[:39]}…"


def escaped(token: str) -> str:
    """Return a name as a token of a JSON Pointer (RFC 6901)."""
    return token.replace("~", "~0").replace("/", "~1") if "~" in token or "/" in token else token


def pointer_text(parts: Iterable[object]) -> str:
    """Return names and indexes as a JSON Pointer."""
    return "".join([f"/{escaped(str(part))}" for part in parts])
