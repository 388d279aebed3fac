"""Where settings come from: the role of a source, files, and tables given in code."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from infra_config import paths
from infra_config._document import MAX_BYTES, Document, check_format
from infra_config._stamp import Stamp
from infra_config.config import Layer, Origin
from infra_config.errors import BadSource, MissingFile, UnreadableFile

if TYPE_CHECKING:
    from infra_config.paths import Parts

__all__ = ["FileSource", "MemorySource", "Shape", "Source", "TextSource", "read_file"]


class Shape(Protocol):
    """What a source may ask about the class to bind."""

    def knows(self, path: Parts, /) -> bool:
        """Whether a setting, or a table of settings, has this path."""

    def is_secret(self, path: Parts, /) -> bool:
        """Whether the setting at a path is a secret."""

    def names(self) -> Sequence[str]:
        """Return the dot path of each setting and each table of settings."""

    def aliases(self) -> Iterable[tuple[Parts, tuple[str, ...]]]:
        """Return each path that further variables supply, with these."""

    def spelled(self, path: tuple[str, ...], /) -> tuple[str, ...]:
        """Return a path in lower case as the class spells it."""


class Source(Protocol):
    """One place that settings come from; read once a load, in the order given."""

    @property
    def name(self) -> str:
        """What it is called in messages."""

    def read(self, shape: Shape | None, /) -> Sequence[Layer]:
        """
        Return what it holds, one layer as a rule.

        Args:
            shape: the class to bind; None where there is none.
        """


class FileSource:
    """
    A TOML, JSON or YAML file: UTF-8, at most 1 MiB, at most 64 levels deep.

    YAML is its core schema 1.2 (`no` is text) without merge keys, and needs the extra `[yaml]`.

    Args:
        path: the file, relative to the working folder of the moment it is read.
        format: what it is written in; the extension says it when None.
        optional: a file that is not there has no settings. One that cannot be read is an error
            all the same.
        section: the dot path of the one table in it that is ours: `tool.app`.

    Raises BadSource for a format or extension that is not supported, BadPath for a section that
    is no path.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        format: Literal["json", "toml", "yaml"] | None = None,
        optional: bool = False,
        section: str | None = None,
    ) -> None:
        self.name = os.fspath(path)
        suffix = Path(self.name).suffix.removeprefix(".").lower()
        self._format = format or ("yaml" if suffix == "yml" else suffix)
        self._optional = optional
        self._section = () if section is None else paths.parse(section)
        check_format(self.name, self._format)

    def read(self, shape: Shape | None, /) -> Sequence[Layer]:
        """
        Return the file's table.

        Raises MissingFile if it is not there and not optional, UnreadableFile if it cannot be read,
        ConfigError `config.missing_extra` for YAML without PyYAML.
        """
        document = Document(self.name, self._format, self._section, (Stamp.of(self.name),))
        raw = read_file(self.name, optional=self._optional)
        return [document.absent() if raw is None else document.layer(raw)]

    def __repr__(self) -> str:
        return f"FileSource({self.name!r})"


class TextSource:
    """
    A TOML, JSON or YAML text at hand, under the limits of a file.

    Args:
        text: the text, or its UTF-8.
        format: what it is written in.
        name: what it is called in messages.

    Raises BadSource for a format that is not supported.
    """

    def __init__(
        self,
        text: str | bytes,
        format: Literal["json", "toml", "yaml"],
        *,
        name: str = "text",
    ) -> None:
        check_format(name, format)
        self.name = name
        # a lone surrogate is no UTF-8, and is told as such when read
        self._raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else bytes(text)
        self._document = Document(name, format)

    def read(self, shape: Shape | None, /) -> Sequence[Layer]:
        """Return the text's table; raises ConfigError for YAML without PyYAML."""
        return [self._document.layer(self._raw)]

    def __repr__(self) -> str:
        return f"TextSource(name={self.name!r})"


class MemorySource:
    """
    A table given in code: names and native values, copied at once.

    Args:
        data: tables of tables, lists and values; a value may already be of the setting's type.
        name: what it is called in messages.

    Raises BadSource for a name that is not text.
    """

    def __init__(self, data: Mapping[str, object], *, name: str = "memory") -> None:
        self.name = name
        self._data = _copied(data, name)

    def read(self, shape: Shape | None, /) -> Sequence[Layer]:
        """Return the table."""
        return [
            Layer(
                source=self.name,
                data=_copied(self._data, self.name),
                text=False,
                origin=lambda path: Origin(self.name, paths.render(path)),
            )
        ]

    def __repr__(self) -> str:
        return f"MemorySource(name={self.name!r})"


def read_file(name: str, *, optional: bool) -> bytes | None:
    """
    Return what a file of settings holds, None if it is not there and optional.

    One byte more than allowed at most. Raises MissingFile and UnreadableFile.
    """
    path = Path(name)
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError) as exc:
        if optional:
            return None
        message = f"{name} is not there: make it, or say optional=True"
        raise MissingFile(message, path=str(path.absolute())) from exc
    except OSError as exc:
        message = f"{name} cannot be read: {exc.strerror}"
        raise UnreadableFile(message, path=str(path.absolute())) from exc
    except ValueError as exc:
        message = f"{name!r} is no name of a file"
        raise UnreadableFile(message, path=repr(name)) from exc


def _copied(data: Mapping[str, object], name: str) -> dict[str, Any]:
    for key in data:
        if not isinstance(key, str):
            message = f"{name}: a name is of type {type(key).__name__}, and has to be a str"
            raise BadSource(message)
    return {key: _copied_value(value, name) for key, value in data.items()}


def _copied_value(value: object, name: str) -> object:
    if isinstance(value, Mapping):
        return _copied(value, name)
    if type(value) in {list, tuple, set, frozenset}:
        assert isinstance(value, list | tuple | set | frozenset)
        return type(value)(_copied_value(item, name) for item in value)
    return value
