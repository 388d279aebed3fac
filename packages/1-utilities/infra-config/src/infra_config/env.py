"""Settings from environment variables, and secrets from the files that variables name."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from infra_config.config import Layer, Origin
from infra_config.errors import BadSource
from infra_config.paths import Parts, render
from infra_config.sources import Shape, read_text
from infra_errors import Violation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["EnvSource"]

_FILE = "_FILE"
_MAX_BYTES = 64 * 1024


class EnvSource:
    """
    Environment variables: with the prefix `APP_`, `APP_SERVER__PORT` is `server.port`.

    A setting's own variables (`env=`) are read, as they stand, when the prefixed one is unset. Of
    a secret, `X_FILE` names a file with its text. Without a prefix only variables of known
    settings are read.

    Args:
        prefix: what our variables begin with, in this case.
        environ: the variables; those of the process at the time of reading when None.
        empty: whether an empty text is a value, or as good as unset.

    Raises BadSource for another `empty`.
    """

    name = "env"

    def __init__(
        self,
        prefix: str = "",
        *,
        environ: Mapping[str, str] | None = None,
        empty: Literal["value", "unset"] = "value",
    ) -> None:
        if empty not in {"value", "unset"}:
            message = "empty is 'value' or 'unset'"
            raise BadSource(message)
        self._prefix = prefix.upper() if sys.platform == "win32" else prefix
        self._environ = environ
        self._empty = empty

    def read(self, shape: Shape | None, /) -> Sequence[Layer]:
        """Return the variables that are ours, as text."""
        environ = os.environ if self._environ is None else self._environ
        reading = _Reading(self._prefix, environ, shape, keep_empty=self._empty == "value")
        return [reading.layer()]

    def __repr__(self) -> str:
        return f"EnvSource({self._prefix!r})"


class _Reading:
    """One look at the environment."""

    def __init__(
        self, prefix: str, environ: Mapping[str, str], shape: Shape | None, *, keep_empty: bool
    ) -> None:
        self.prefix = prefix
        self.environ = environ
        self.shape = shape
        self.keep_empty = keep_empty
        self.found: dict[tuple[str, ...], str] = {}
        self.values: dict[tuple[str, ...], str] = {}
        self.violations: list[Violation] = []
        self.aliases = {} if shape is None else dict(shape.aliases())

    def layer(self) -> Layer:
        for variable in self.environ:
            if variable.startswith(self.prefix) and len(variable) > len(self.prefix):
                self._prefixed(variable)
        for path, variables in self.aliases.items():
            if path not in self.found:
                self._aliased(_texts_of(path), variables)
        return Layer(
            source="env",
            data=self._table(),
            text=True,
            origin=self._origin,
            violations=tuple(self.violations),
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
        value = self.environ.get(variable)
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
        try:
            text = read_text(Path(name), _MAX_BYTES)
        except (OSError, ValueError) as exc:
            why = f"names a file that cannot be read: {getattr(exc, 'strerror', None) or 'no name'}"
            self._refuse(path, why, "secret_file", variable)
            return
        if text is None or "\0" in text:
            why = "names a file that is no UTF-8 text of at most 64 KiB"
            self._refuse(path, why, "secret_file", variable)
            return
        text = text.removesuffix("\n").removesuffix("\r")
        if not text:
            self._refuse(path, "names a file that is empty", "secret_file", variable)
            return
        self.values[path] = text

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
        self.violations.append(Violation(render(path), message, code, f"env {variable}", hint))

    def _origin(self, path: Parts) -> Origin:
        return Origin("env", " or ".join(self._variables(path)))

    def _variables(self, path: Parts) -> Iterator[str]:
        """Yield the variable that gave a path, or one below it; else all that could."""
        keys = _texts_of(path)
        for end in range(len(keys), 0, -1):
            # of an item in a list, the variable is the list's
            if keys[:end] in self.found:
                yield self.found[keys[:end]]
                return
        for known, variable in self.found.items():
            if known[: len(keys)] == keys:
                yield variable
                return
        yield self.prefix + "__".join(keys).upper()
        yield from self.aliases.get(keys, ())


def _texts_of(path: Parts) -> tuple[str, ...]:
    return tuple(str(part) for part in path)
