"""Parts of a URL as attributes: a query without secrets, a host and its port."""

from __future__ import annotations

from urllib.parse import unquote_plus

from infra_errors import is_sensitive, redact_text

__all__ = ["masked_query", "split_host"]


def masked_query(query: bytes | str) -> str:
    """Return a query whose values under sensitive keys are `***`; other texts are redacted."""
    text = query.decode("latin-1") if isinstance(query, bytes) else query
    parts = []
    for part in text.split("&"):
        name, equals, value = part.partition("=")
        key = unquote_plus(name)
        if equals and is_sensitive(key):
            parts.append(f"{name}=***")
            continue
        # a phone number or a token may stand under any key
        plain = unquote_plus(value)
        shown = redact_text(f"{key}={plain}")
        parts.append(part if shown == f"{key}={plain}" else f"{name}=***")
    return "&".join(parts)


def split_host(host: str) -> tuple[str, int | None]:
    """Split `host:port`, also of `[::1]:80`."""
    name, colon, port = host.rpartition(":")
    if colon and port.isascii() and port.isdigit() and not name.endswith(":"):
        return name.strip("[]"), int(port)
    return host.strip("[]"), None
