"""Settings from a folder with a file each: what Docker and Kubernetes mount secrets as."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from infra_config._stamp import Stamp
from infra_config._variables import Folder
from infra_config.config import Layer, Origin
from infra_config.errors import MissingFile, UnreadableFile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra_config.sources import Shape

__all__ = ["SecretsDirSource"]


class SecretsDirSource:
    """
    A folder with a file each: `db__password` holds `db.password`, its last line end cut.

    A file is UTF-8 text of at most 64 KiB. Names that are no setting are not looked at, nor are
    hidden files and folders.

    Args:
        path: the folder.
        prefix: what the names of our files begin with, in this case.
        optional: a folder that is not there has no settings.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] = "/run/secrets",
        *,
        prefix: str = "",
        optional: bool = True,
    ) -> None:
        self.name = os.fspath(path)
        self._prefix = prefix
        self._optional = optional

    def read(self, shape: Shape | None, /) -> Sequence[Layer]:
        """
        Return the texts of the files that are ours.

        Raises MissingFile if the folder is not there and not optional, UnreadableFile if it
        cannot be read.
        """
        stamp = Stamp.of(self.name)
        reading = Folder(
            self._files(),
            self._prefix,
            shape,
            keep_empty=True,
            source="file",
            place=lambda name: Origin("file", str(Path(self.name) / name)),
            files=(stamp,),
        )
        return [reading.layer()]

    def __repr__(self) -> str:
        return f"SecretsDirSource({self.name!r})"

    def _files(self) -> dict[str, str]:
        """Return the path of each file by its name."""
        folder = Path(self.name)
        try:
            return {
                found.name: str(found)
                for found in sorted(folder.iterdir())
                if not found.name.startswith(".") and not found.is_dir()
            }
        except FileNotFoundError as exc:
            if self._optional:
                return {}
            message = f"{self.name} is not there: make it, or say optional=True"
            raise MissingFile(message, path=str(folder.absolute())) from exc
        except OSError as exc:
            message = f"{self.name} cannot be read: {exc.strerror}"
            raise UnreadableFile(message, path=str(folder.absolute())) from exc
