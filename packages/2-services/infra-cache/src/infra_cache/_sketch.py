"""How often keys that are not kept were asked for: a byte a slot, two slots a key, no keys."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

__all__ = ["MOST", "Sketch"]

MOST = 15
"""Where counting stops: more often than that is simply often."""

_HALVED = bytes(value >> 1 for value in range(256))
_SLOTS_A_KEY = 16
_FEWEST = 1 << 12
_ROWS_APART = 31


class Sketch:
    """Counts of keys, at least the true ones: a key's is the lower of its two slots'.

    The slots are seeded, so that nobody outside can choose keys that fall together.
    """

    __slots__ = ("_counts", "_mask", "_seed")

    def __init__(self, keys: int) -> None:
        slots = max(_FEWEST, 1 << (keys * _SLOTS_A_KEY - 1).bit_length())
        self._counts = bytearray(slots)
        self._mask = slots - 1
        self._seed = secrets.randbits(62)

    def get(self, key: Hashable) -> int:
        """Return a key's count."""
        place = hash((self._seed, key))
        counts, mask = self._counts, self._mask
        one, other = counts[place & mask], counts[(place >> _ROWS_APART) & mask]
        return min(other, one)

    def keep(self, key: Hashable, count: int) -> None:
        """Remember the count of a key that leaves."""
        place = hash((self._seed, key))
        counts, mask = self._counts, self._mask
        for slot in (place & mask, (place >> _ROWS_APART) & mask):
            counts[slot] = max(counts[slot], count)

    def halve(self) -> None:
        """Halve every count, so that what was popular once is forgotten."""
        self._counts = self._counts.translate(_HALVED)
