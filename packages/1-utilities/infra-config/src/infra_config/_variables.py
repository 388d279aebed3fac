"""Settings from names and texts: variables of the process or of a file, files of a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra_config._stamp import Stamp
from infra_config.config import Layer, Origin
from infra_config.paths import Parts, render
from infra_errors import Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from infra_config.sources import Shape

__all__ = ["Folder", "Reading"]

_FILE = "_FILE"
_MAX_BYTES = 64 * 1024


class Reading:
    """
    One look at variables.

    Args:
        variables: their names and texts.
        prefix: what the names of ours begin with.
        shape: the class to bind, None where there is none.
        keep_empty: whether an empty text is a value.
        source: the name of the source.
        place: the place of a variable.
        files: what the variables were read from.
    """

    of_file = "names a file that "

    def __init__(
        self,
        variables: Mapping[str, str],
        prefix: str,
        shape: Shape | None,
        *,
        keep_empty: bool,
        source: str,
        place: Callable[[str], Origin],
        files: tuple[Stamp, ...] = (),
    ) -> None:
        self.variables = variables
        self.prefix = prefix
        self.shape = shape
        self.keep_empty = keep_empty
        self.source = source
        self.place = place
        self.files = list(files)
        self.found: dict[tuple[str, ...], str] = {}
        self.values: dict[tuple[str, ...], str] = {}
        self.violations: list[Violation] = []
        self.aliases = {} if shape is None else dict(shape.aliases())

    def layer(self, *violations: Violation) -> Layer:
        """Return what the variables say, and what is wrong with them besides `violations`."""
        for variable in self.variables:
            if variable.startswith(self.prefix) and len(variable) > len(self.prefix):
                self._prefixed(variable)
        for path, variables in self.aliases.items():
            if path not in self.found:
                self._aliased(_texts_of(path), variables)
        table = self._table()
        return Layer(
            source=self.source,
            data=table,
            text=True,
            origin=self._origin,
            violations=(*violations, *self.violations),
            files=tuple(self.files),
        )

    def _prefixed(self, variable: str) -> None:
        path = tuple(variable[len(self.prefix) :].lower().split("__"))
        if self.shape is not None:
            path = self.shape.spelled(path)
            if not self.shape.knows(path):
                secret = self._file_of(path)
                if secret:
                    self._take(secret, variable, from_file=True)
                    return
                if not self.prefix:
                    return
        self._take(path, variable)

    def _file_of(self, path: tuple[str, ...]) -> tuple[str, ...] | None:
        """Return the path of the secret for which this one names a file."""
        assert self.shape is not None
        if not path[-1].endswith(_FILE.lower()):
            return None
        secret = self.shape.spelled((*path[:-1], path[-1].removesuffix(_FILE.lower())))
        return secret if self.shape.is_secret(secret) else None

    def _aliased(self, path: tuple[str, ...], variables: tuple[str, ...]) -> None:
        assert self.shape is not None
        for variable in variables:
            self._take(path, variable)
            if self.shape.is_secret(path):
                self._take(path, variable + _FILE, from_file=True)
            if path in self.found:
                return

    def _take(self, path: tuple[str, ...], variable: str, *, from_file: bool = False) -> None:
        """Keep the value of a variable, unless it is unset or there was one for the path."""
        value = self.variables.get(variable)
        if value is None or (not value and not self.keep_empty):
            return
        other = self.found.setdefault(path, variable)
        if other != variable:
            message = f"{other} and {variable} are both set"
            self._refuse(path, message, "conflict", variable, "unset one of them")
            return
        if from_file:
            self._take_file(path, variable, value)
        else:
            self.values[path] = value

    def _take_file(self, path: tuple[str, ...], variable: str, name: str) -> None:
        self.files.append(Stamp.of(name))
        try:
            self.values[path] = _secret_of(Path(name))
        except _NoSecret as exc:
            self._refuse(path, f"{self.of_file}{exc}", "secret_file", variable)

    def _table(self) -> dict[str, Any]:
        """Return the tables that the paths make; a value where a table is too is refused."""
        table: dict[str, Any] = {}
        for path in sorted(self.values):
            above = next((path[:i] for i in range(1, len(path)) if path[:i] in self.values), None)
            if above is not None:
                message = f"{self.found[above]} and {self.found[path]} are both set"
                hint = "give the table by one variable, or its values by one each"
                self._refuse(above, message, "conflict", self.found[path], hint)
                continue
            inner = table
            for part in path[:-1]:
                inner = inner.setdefault(part, {})
            inner[path[-1]] = self.values[path]
        return table

    def _refuse(
        self,
        path: tuple[str, ...],
        message: str,
        code: str,
        variable: str,
        hint: str | None = None,
    ) -> None:
        place = str(self.place(variable))
        self.violations.append(Violation(render(path), message, code, place, hint))

    def _origin(self, path: Parts) -> Origin:
        keys = _texts_of(path)
        variable = self._given(keys)
        if variable is not None:
            return self.place(variable)
        return Origin(self.source, " or ".join(self._possible(keys)))

    def _given(self, keys: tuple[str, ...]) -> str | None:
        """Return the variable that gave a path, or one below it."""
        for end in range(len(keys), 0, -1):
            # of an item in a list, the variable is the list's
            if keys[:end] in self.found:
                return self.found[keys[:end]]
        below = (name for known, name in self.found.items() if known[: len(keys)] == keys)
        return next(below, None)

    def _possible(self, keys: tuple[str, ...]) -> tuple[str, ...]:
        """Return the variables that would give a path."""
        return (self.prefix + "__".join(keys).upper(), *self.aliases.get(keys, ()))


class Folder(Reading):
    """The same of a folder: a variable is the name of a file, and its text that file's path."""

    of_file = ""

    def _prefixed(self, variable: str) -> None:
        path = tuple(variable[len(self.prefix) :].lower().split("__"))
        if self.shape is not None:
            path = self.shape.spelled(path)
            if not self.shape.knows(path):
                return
        self._take(path, variable, from_file=True)

    def _aliased(self, path: tuple[str, ...], variables: tuple[str, ...]) -> None:
        """A file has the name of a setting's path, and no other."""

    def _possible(self, keys: tuple[str, ...]) -> tuple[str, ...]:
        return (self.place(self.prefix + "__".join(keys).lower()).location,)


class _NoSecret(Exception):
    """A file is no secret's: why, without anything of it."""


def _secret_of(path: Path) -> str:
    """Return the text of a secret's file without its last line end."""
    try:
        with path.open("rb") as stream:
            text = stream.read(_MAX_BYTES + 1).decode()
    except UnicodeDecodeError:
        text = "\0"
    except (OSError, ValueError) as exc:
        why = f"cannot be read: {getattr(exc, 'strerror', None) or 'no name'}"
        raise _NoSecret(why) from None
    if len(text.encode()) > _MAX_BYTES or "\0" in text:
        why = "is no UTF-8 text of at most 64 KiB"
        raise _NoSecret(why)
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        why = "is empty"
        raise _NoSecret(why)
    return text


def _texts_of(path: Parts) -> tuple[str, ...]:
    return tuple(str(part) for part in path)
