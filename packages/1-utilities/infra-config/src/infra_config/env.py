"""Settings from environment variables, of the process or of a `.env` file."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Literal

from infra_config._document import MAX_BYTES
from infra_config._dotenv import lines_of
from infra_config._stamp import Stamp
from infra_config._variables import Reading
from infra_config.config import Layer, Origin
from infra_config.errors import BadSource
from infra_config.sources import Shape, read_file
from infra_errors import Violation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["DotEnvSource", "EnvSource"]


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
        self._prefix = prefix.upper() if sys.platform == "win32" else prefix
        self._environ = environ
        self._keep_empty = _keeps(empty)

    @property
    def environ(self) -> Mapping[str, str]:
        """All variables, also those that are not ours."""
        return os.environ if self._environ is None else self._environ

    def read(self, shape: Shape | None, /) -> Sequence[Layer]:
        """Return the variables that are ours, as text."""
        reading = Reading(
            self.environ,
            self._prefix,
            shape,
            keep_empty=self._keep_empty,
            source=self.name,
            place=lambda variable: Origin("env", variable),
        )
        return [reading.layer()]

    def __repr__(self) -> str:
        return f"EnvSource({self._prefix!r})"


class DotEnvSource:
    """
    A file of variables, with the meaning of EnvSource: `KEY=value`, `export`, comments, quotes.

    Nothing in it is expanded or run. Names without our prefix that are no setting's own variable
    are not looked at. Of a name given twice the last counts.

    Args:
        path: the file: UTF-8, at most 1 MiB.
        prefix: what our variables begin with, in this case.
        optional: a file that is not there has no settings.
        empty: whether an empty text is a value, or as good as unset.

    Raises BadSource for another `empty`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] = ".env",
        prefix: str = "",
        *,
        optional: bool = True,
        empty: Literal["value", "unset"] = "value",
    ) -> None:
        self.name = os.fspath(path)
        self._prefix = prefix
        self._optional = optional
        self._keep_empty = _keeps(empty)

    def read(self, shape: Shape | None, /) -> Sequence[Layer]:
        """
        Return the variables that are ours, as text.

        Raises MissingFile if it is not there and not optional, UnreadableFile if it cannot be read.
        """
        stamp = Stamp.of(self.name)
        raw = read_file(self.name, optional=self._optional) or b""
        wrong: list[Violation] = []
        lines = lines_of("")
        try:
            lines = lines_of(raw.decode("utf-8-sig") if len(raw) <= MAX_BYTES else "")
        except UnicodeDecodeError as exc:
            wrong = [Violation("", f"not UTF-8 at byte {exc.start}", "syntax", self.name)]
        if len(raw) > MAX_BYTES:
            wrong = [Violation("", "longer than 1 MiB", "syntax", self.name)]
        for place in lines.wrong:
            where = str(Origin(self.name, "", *place))
            wrong.append(Violation("", "not like KEY=value", "syntax", where))
        reading = Reading(
            lines.texts,
            self._prefix,
            shape,
            keep_empty=self._keep_empty,
            source=self.name,
            place=lambda name: Origin(self.name, name, *lines.places.get(name, (None, None))),
            files=(stamp,),
        )
        return [reading.layer(*wrong)]

    def __repr__(self) -> str:
        return f"DotEnvSource({self.name!r}, {self._prefix!r})"


def _keeps(empty: str) -> bool:
    if empty not in {"value", "unset"}:
        message = "empty is 'value' or 'unset'"
        raise BadSource(message)
    return empty == "value"
