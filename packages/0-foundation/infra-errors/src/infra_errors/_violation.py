"""One thing that is wrong with an input, and where."""

from __future__ import annotations

from infra_errors._plain import tidy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

__all__ = ["Violation", "violations_of"]

_KEPT = 100
_TEXT_LIMIT = 1024


class Violation(tuple[str, str, str, "str | None", "str | None"]):
    """One thing that is wrong with an input: a tuple (path, message, code, source, hint).

    Args:
        path: a JSON pointer (RFC 6901) to the value, "" for the whole input.
        message: what is wrong with it.
        code: a short machine-readable reason.
        source: where the value came from: a file and line, an environment variable, a header.
        hint: what to do about it.
    """

    __slots__ = ()

    def __new__(
        cls,
        path: str,
        message: str,
        code: str = "invalid",
        source: str | None = None,
        hint: str | None = None,
    ) -> Self:
        return tuple.__new__(cls, (path, message, code, source, hint))

    def __getnewargs__(self) -> tuple[str, str, str, str | None, str | None]:
        return self[0], self[1], self[2], self[3], self[4]

    @property
    def path(self) -> str:
        return self[0]

    @property
    def message(self) -> str:
        return self[1]

    @property
    def code(self) -> str:
        return self[2]

    @property
    def source(self) -> str | None:
        return self[3]

    @property
    def hint(self) -> str | None:
        return self[4]

    def __repr__(self) -> str:
        path, message, code, source, hint = self
        return f"Violation({path!r}, {message!r}, code={code!r}, source={source!r}, hint={hint!r})"

    def __str__(self) -> str:
        path, message, _, source, hint = self
        text = f"{path}: {message}"
        if source:
            text += f" ({source})"
        return f"{text}; {hint}" if hint else text


def violations_of(given: object) -> tuple[tuple[Violation, ...], int]:
    """The first hundred violations with safe texts, and how many there were."""
    kept: list[Violation] = []
    total = 0
    try:
        for item in given:  # type: ignore[attr-defined]  # refused below
            total += 1
            if total <= _KEPT:
                kept.append(_safe(item))
    except Exception as raised:  # noqa: BLE001 - an error's constructor never fails over its facts
        kept.append(_safe(raised if total else given))
        total += 1
    return tuple(kept), total


def _safe(item: object) -> Violation:
    if not isinstance(item, Violation):
        parts = item if isinstance(item, tuple) and 2 <= len(item) <= 5 else ("", item)
        item = Violation(*parts)
    path, message, code, source, hint = item
    return Violation(
        _text(path),
        _text(message),
        _text(code),
        None if source is None else _text(source),
        None if hint is None else _text(hint),
    )


def _text(value: object) -> str:
    from infra_errors._chain import text_of

    return tidy(value if type(value) is str else text_of(value), _TEXT_LIMIT)
