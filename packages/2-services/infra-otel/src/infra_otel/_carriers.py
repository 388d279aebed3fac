"""How headers are read from and written to the shapes they come in."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

from opentelemetry.propagators.textmap import Getter, Setter

__all__ = ["HEADERS", "SETTER"]


class _Headers(Getter[Any]):
    """Reads a mapping to texts or lists of texts, or a list of pairs as ASGI has them."""

    def get(self, carrier: Any, key: str) -> list[str] | None:
        """Return all lines of a header, None if there is none."""
        if not isinstance(carrier, Mapping):
            raw = key.encode("latin-1")
            found = [_text(value) for name, value in carrier if name == raw]
            if found:
                return found
        elif key in carrier and not hasattr(carrier, "getlist"):
            # the usual dict, which cannot also hold the name in another case
            return _lines(carrier[key])
        pairs = _pairs(carrier)
        return [line for name, value in pairs if _same(name, key) for line in _lines(value)] or None

    def keys(self, carrier: Any) -> list[str]:
        """Return the names."""
        return [_text(name) for name, _ in _pairs(carrier)]


class _Setter(Setter[Any]):
    """Writes into a dict or a list of pairs; former lines of the name are taken out."""

    def set(self, carrier: Any, key: str, value: str) -> None:
        """Set one header."""
        if isinstance(carrier, MutableMapping):
            for name in [name for name in carrier if name != key and _same(name, key)]:
                del carrier[name]
            carrier[key] = value
            return
        carrier[:] = [pair for pair in carrier if not _same(pair[0], key)]
        carrier.append((key.encode("latin-1"), value.encode("latin-1")))


def _pairs(carrier: Any) -> Any:
    # a multi-dict tells each line of its own
    for name in ("multi_items", "items"):
        if (items := getattr(carrier, name, None)) is not None:
            return items()
    return carrier


def _same(name: Any, key: str) -> bool:
    return _text(name).lower() == key


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _lines(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [_text(line) for line in value] if isinstance(value, list | tuple) else [_text(value)]


HEADERS = _Headers()
SETTER = _Setter()
