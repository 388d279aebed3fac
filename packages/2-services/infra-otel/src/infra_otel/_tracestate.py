"""`tracestate` by the grammar of W3C Trace Context level 2, section 3.3.

The API's own TraceState drops keys that level 2 allows: `@` anywhere but first, a leading digit.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from opentelemetry.trace import TraceState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["StrictTraceState", "parse_tracestate"]

MAX_MEMBERS = 32
_KEY = re.compile(r"[a-z0-9][a-z0-9_\-*/@]{0,255}")
_VALUE = re.compile(r"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]")


class StrictTraceState(TraceState):
    """A TraceState that keeps every key of level 2. What it refuses leaves it as it was."""

    def __init__(self, entries: Sequence[tuple[str, str]] | None = None) -> None:
        super().__init__()
        for key, value in (entries or ())[:MAX_MEMBERS]:
            if _is_legal(key, value):
                self._dict.setdefault(key, value)

    def add(self, key: str, value: str) -> TraceState:
        """Return it with a new first member; as it is if the key is there or there are 32."""
        if key in self._dict or len(self._dict) >= MAX_MEMBERS or not _is_legal(key, value):
            return self
        return StrictTraceState([(key, value), *self._dict.items()])

    def update(self, key: str, value: str) -> TraceState:
        """Return it with the member first; one that is not there is added."""
        if key not in self._dict:
            return self.add(key, value)
        if not _is_legal(key, value):
            return self
        others = [pair for pair in self._dict.items() if pair[0] != key]
        return StrictTraceState([(key, value), *others])

    def delete(self, key: str) -> TraceState:
        """Return it without the member."""
        if key not in self._dict:
            return self
        return StrictTraceState([pair for pair in self._dict.items() if pair[0] != key])


def _is_legal(key: str, value: str) -> bool:
    return _KEY.fullmatch(key) is not None and _VALUE.fullmatch(value) is not None


def parse_tracestate(lines: Iterable[str]) -> StrictTraceState | None:
    """Read the lines of the header, in order; None for an illegal member or more than 32.

    Empty members are skipped, and of two members with one key the first is kept.
    """
    found: dict[str, str] = {}
    count = 0
    for member in ",".join(lines).split(","):
        pair = member.strip(" \t")
        if not pair:
            continue
        key, equals, value = pair.partition("=")
        count += 1
        if not equals or count > MAX_MEMBERS or not _is_legal(key, value):
            return None
        found.setdefault(key, value)
    return StrictTraceState(list(found.items()))
