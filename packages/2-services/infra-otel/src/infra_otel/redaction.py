"""Redaction: what is masked in spans, metrics and logs before any exporter sees them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from infra_errors import Secret, is_sensitive, redact, redact_text

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Redaction"]

_MASK = "***"
_PROBE = "00000000000"  # as a phone number it would be masked
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_VERDICTS_KEPT = 4096
_DEPTH = 8
_OPEN, _HIDDEN, _PHONE = 0, 1, 2


def _words(key: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(key)]


def _to_words(words: Iterable[str]) -> frozenset[str]:
    return frozenset("".join(_words(word)) for word in words)


@attrs.frozen(init=False, eq=True)
class Redaction:
    """What is masked, over what `infra_errors.redact` masks anyway.

    >>> Redaction(words=["ticket"]).attributes({"ticket": 7, "to": "+4915112345678"})
    {'ticket': '***', 'to': '********5678'}

    Args:
        words: keys that are sensitive: one word anywhere in a key, several only as that key. In
            text, what follows `word=` or `word:` is masked too.
        patterns: what is masked wherever it stands in a text.
        max_value: characters that are kept of one text.
    """

    words: frozenset[str]
    patterns: tuple[re.Pattern[str], ...]
    max_value: int
    _single: re.Pattern[str] | None = attrs.field(eq=False, repr=False)
    _verdicts: dict[str, int] = attrs.field(eq=False, repr=False, factory=dict)

    def __init__(
        self,
        *,
        words: Iterable[str] = (),
        patterns: Iterable[re.Pattern[str]] = (),
        max_value: int = 4096,
    ) -> None:
        given = list(words)
        alternatives = "|".join(re.escape(word) for word in given)
        in_text = rf"(?i)\b({alternatives})(\s?[=:]\s?)(\"[^\"]*\"|[^\s,;&]+)"
        self.__attrs_init__(
            words=_to_words(given),
            patterns=tuple(patterns),
            max_value=max_value,
            single=re.compile(in_text) if given else None,
        )

    def text(self, text: str) -> str:
        """Return a text with secrets masked, cut to `max_value` characters."""
        text = redact_text(text)
        if self._single is not None:
            text = self._single.sub(rf"\1\2{_MASK}", text)
        for pattern in self.patterns:
            text = pattern.sub(_MASK, text)
        if len(text) > self.max_value:
            text = f"{text[: self.max_value]}… (+{len(text) - self.max_value})"
        return text

    def attributes(self, mapping: Mapping[str, Any]) -> dict[str, Any]:
        """Return a copy of a mapping with secrets masked: by key first, then in texts.

        What lies deeper than eight containers becomes `…`.
        """
        return self._masked(mapping, _DEPTH)

    def value(self, value: Any) -> Any:
        """Return a value of any shape with secrets masked."""
        return self._value(value, _DEPTH)

    def _masked(self, mapping: Mapping[str, Any], depth: int) -> dict[str, Any]:
        verdicts = self._verdicts
        found = {}
        for key, value in mapping.items():
            verdict = verdicts.get(key)
            if verdict is None:
                verdict = self._judge(key)
            if verdict is _OPEN:
                kind = type(value)
                if kind is str:
                    found[key] = self.text(value)
                elif kind is int or kind is bool or kind is float or value is None:
                    found[key] = value
                else:
                    found[key] = self._value(value, depth)
            else:
                found[key] = _MASK if verdict is _HIDDEN else redact({"phone": value})["phone"]  # type: ignore[index]  # a dict stays one
        return found

    def _value(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return self._masked(value, depth - 1) if depth else "…"
        if isinstance(value, list | tuple):
            if not depth:
                return "…"
            kept = [self._value(item, depth - 1) for item in value]
            return kept if isinstance(value, list) else tuple(kept)
        if isinstance(value, Secret):
            return _MASK
        if isinstance(value, bytes):
            return redact(value)
        return value

    def hides(self, key: str) -> bool:
        """Whether a value under this key is masked."""
        found = self._verdicts.get(key)
        return (self._judge(key) if found is None else found) == _HIDDEN

    def _judge(self, key: Any) -> int:
        name = key if isinstance(key, str) else str(key)
        parts = _words(name)
        if is_sensitive(name) or not self.words.isdisjoint([*parts, "".join(parts)]):
            verdict = _HIDDEN
        else:
            probed = redact({name: _PROBE})
            verdict = _OPEN if probed == {name: _PROBE} else _PHONE
        if len(self._verdicts) >= _VERDICTS_KEPT:
            self._verdicts.clear()
        self._verdicts[key] = verdict
        return verdict
