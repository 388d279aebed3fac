"""What a file looked like when it was read: enough to tell that it has changed since."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    import os

__all__ = ["Stamp"]


@attrs.frozen
class Stamp:
    """
    A file or folder at one moment.

    Args:
        path: absolute, so that a change of the working folder is no change of the file.
        seen: its modification time in nanoseconds, size and inode; None while it is not there.
    """

    path: Path
    seen: tuple[int, int, int] | None

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> Stamp:
        """Return the stamp of this moment; taken before reading, it never misses a change."""
        place = Path(path).absolute()
        try:
            found = place.stat()
        except (OSError, ValueError):
            return cls(place, None)
        return cls(place, (found.st_mtime_ns, found.st_size, found.st_ino))
