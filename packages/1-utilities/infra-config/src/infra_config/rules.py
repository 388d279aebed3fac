"""What a value must satisfy beyond its type: `Annotated[int, Range(0, 65535)]`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import attrs

from infra_config.errors import BadSetting
from infra_errors import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Sized

__all__ = ["Custom", "Length", "Pattern", "Range", "Rule"]

_MATCHED = 4096


@runtime_checkable
class Rule(Protocol):
    """What can be said about a value; `check` returns what is wrong with it, or None."""

    def check(self, value: Any, /) -> str | None: ...


@attrs.frozen
class Range:
    """
    A number, date or duration between two bounds, which belong to it unless `exclusive`.

    NaN and bool are in no range. Raises BadSetting for a range that holds nothing.
    """

    min: Any = None
    max: Any = None
    exclusive: bool = attrs.field(default=False, kw_only=True)

    def __attrs_post_init__(self) -> None:
        _refuse_empty(self, self.min, self.max)

    def check(self, value: Any, /) -> str | None:
        """Return what is wrong with the value, or None."""
        return None if self._holds(value) else f"must be {self}"

    def _holds(self, value: Any) -> bool:
        if isinstance(value, bool) or value != value:  # noqa: PLR0124 - only NaN differs from itself
            return False
        if self.exclusive:
            return (self.min is None or self.min < value) and (self.max is None or value < self.max)
        return (self.min is None or self.min <= value) and (self.max is None or value <= self.max)

    def __str__(self) -> str:
        if self.exclusive:
            low, high = f"more than {self.min}", f"less than {self.max}"
        else:
            low, high = f"at least {self.min}", f"at most {self.max}"
        if self.min is None or self.max is None:
            return high if self.min is None else low
        return f"{low} and {high}" if self.exclusive else f"{self.min}..{self.max}"


@attrs.frozen
class Length:
    """
    A text, a secret, bytes or a list of `min` to `max` characters, bytes or items.

    Raises BadSetting for a negative length and for bounds that nothing fits.
    """

    min: int = 0
    max: int | None = None

    def __attrs_post_init__(self) -> None:
        _refuse_empty(self, self.min, self.max)
        if self.min < 0:
            message = f"{self!r}: nothing is shorter than 0"
            raise BadSetting(message)

    def check(self, value: Sized | Secret[Any], /) -> str | None:
        """Return what is wrong with the value, or None."""
        held = value.reveal() if isinstance(value, Secret) else value
        if self.min <= len(held) and (self.max is None or len(held) <= self.max):
            return None
        unit = "characters" if isinstance(held, str) else "items"
        unit = "bytes" if isinstance(held, bytes) else unit
        if self.max is None:
            return f"must have at least {self.min} {unit}"
        return f"must have {self.min}..{self.max} {unit}"


@attrs.frozen
class Pattern:
    """
    A text, or a secret one, that a regular expression matches from its start to its end.

    Only the first 4,096 characters are looked at; a longer text fails. Raises BadSetting for what
    is no regular expression.
    """

    regex: str

    def __attrs_post_init__(self) -> None:
        try:
            re.compile(self.regex)
        except re.error as exc:
            message = f"{self!r}: {exc}"
            raise BadSetting(message) from exc

    def check(self, value: object, /) -> str | None:
        """Return what is wrong with the value, or None."""
        held = value.reveal() if isinstance(value, Secret) else value
        text = held if isinstance(held, str) else str(held)
        if len(text) <= _MATCHED and re.fullmatch(self.regex, text):
            return None
        return f"does not match {self.regex}"


@attrs.frozen
class Custom:
    """
    A value for which a function returns true.

    Args:
        fn: gets the value. One that raises refuses it, with the exception's type and text, in
            which values are masked.
        message: what is wrong with a value that it returns false for.
    """

    fn: Callable[[Any], object]
    message: str

    def check(self, value: object, /) -> str | None:
        """Return what is wrong with the value, or None; raises what the function raises."""
        return None if self.fn(value) else self.message


def _refuse_empty(rule: object, low: Any, high: Any) -> None:
    if low is not None and high is not None and not low <= high:
        message = f"{rule!r} holds nothing"
        raise BadSetting(message)
