"""One load: what it found wrong so far, and how that is said without a value."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from infra_config.errors import ConfigLoadError
from infra_config.paths import Parts, render
from infra_errors import InfraError, OpaqueError, Secret, Violation, redact_text

if TYPE_CHECKING:
    from infra_config.config import Layer, Origin

__all__ = ["FAILED", "Job", "Leaf", "Node", "described"]

_log = logging.getLogger("infra_config")


class Leaf(NamedTuple):
    """A value and the layer that won it."""

    value: Any
    layer: Layer


Node = Leaf | dict[str, "Node"]


class _Failed:
    """Stands for a value that could not be made: why is among the violations."""


FAILED: Final = _Failed()


class Job:
    """
    Collects the violations of one load and makes the one error of them.

    Args:
        layers: all of them, in order.
        names: the dot paths of all settings, to find what a mistyped one was meant to be.
        strict: whether an unknown name and a table over a value are violations, or warnings.
    """

    def __init__(self, layers: list[Layer], names: tuple[str, ...], *, strict: bool) -> None:
        self.layers = layers
        self.names = names
        self.strict = strict
        self.violations = [found for layer in layers for found in layer.violations]
        self.secrets: set[str] = set()
        self._unread = tuple({found.path for found in self.violations})
        self._causes: list[OpaqueError] = []

    def refuse(
        self,
        path: Parts,
        message: str,
        code: str,
        *,
        origin: Origin | None = None,
        hint: str | None = None,
    ) -> None:
        """Add a violation."""
        source = None if origin is None else str(origin)
        self.violations.append(Violation(render(path), message, code, source, hint))

    def doubt(
        self,
        path: Parts,
        message: str,
        code: str,
        *,
        origin: Origin | None = None,
        hint: str | None = None,
    ) -> None:
        """Add a violation if the load is strict, else log a warning."""
        self.refuse(path, message, code, origin=origin, hint=hint)
        if not self.strict:
            _log.warning("%s", self.violations.pop())

    def expected(self, what: str, path: Parts, node: Node) -> _Failed:
        """Add the violation of a value of another type than expected."""
        message = f"expected {what}, got {described(node)}"
        self.refuse(path, message, "type", origin=self.origin(path, node))
        return FAILED

    def missing(self, path: Parts, places: tuple[str, ...]) -> None:
        """Add the violation of a value that nobody gave, unless its source could not be read."""
        name = render(path)
        for unread in self._unread:
            if unread in {"", name} or name.startswith((f"{unread}.", f"{unread}[")):
                return
        hint = f"set {' or '.join(places)}" if places else None
        self.refuse(path, "required, and not given", "missing", hint=hint)

    def raised(self, path: Parts, exc: Exception, code: str, node: Node) -> None:
        """Add the violation of a check that raised; its text is searched for values."""
        told = exc.message if isinstance(exc, InfraError) else _text_of(exc)
        lines = [told, *[str(found) for found in getattr(exc, "violations", ())]]
        name = type(exc).__name__
        message = self._masked("; ".join(line for line in lines if line), node)
        self._causes.append(OpaqueError(name, message))
        if not message or not isinstance(exc, InfraError | ValueError):
            message = f"{name}: {message}" if message else name
        self.refuse(path, message, code, origin=self.origin(path, node))

    def origin(self, path: Parts, node: Node) -> Origin | None:
        """Return where a value stands; None for a table that several sources filled."""
        layers = list({id(layer): layer for layer in _layers(node)}.values())
        return layers[0].origin(path) if path and len(layers) == 1 else None

    def raise_violations(self, name: str) -> None:
        """Raise the one ConfigLoadError, if there is anything to say."""
        if not self.violations:
            return
        found = sorted(self.violations, key=lambda violation: violation.path)
        subject = "1 setting" if len(found) == 1 else f"{len(found)} settings"
        verb = "is" if len(found) == 1 else "are"
        error = ConfigLoadError(f"{subject} of {name} {verb} wrong", violations=found)
        if len(self._causes) > 1:
            raise error from ExceptionGroup("several checks raised", self._causes)
        raise error from next(iter(self._causes), None)

    def _masked(self, text: str, node: Node) -> str:
        """
        Return the text without any value of this load of at least four characters.

        Secrets, and the value that was checked, also where they are part of a word.
        """
        anywhere = _long(self.secrets) | _long(_texts(node))
        words = _long(found for layer in self.layers for found in _texts(layer.data)) - anywhere
        parts = [re.escape(form) for value in anywhere for form in _forms(value)]
        parts += [rf"(?<!\w){re.escape(form)}(?!\w)" for value in words for form in _forms(value)]
        if parts:
            text = re.sub("|".join(sorted(parts, key=len, reverse=True)), "***", text)
        return redact_text(text)


def described(node: Node) -> str:
    """Return what sort of value it is, in words that hold nothing of it."""
    if not isinstance(node, Leaf):
        return "a table"
    value = node.value
    if value is None:
        return "null"
    if isinstance(value, str):
        return "text" if value.strip() else "empty text"
    for kinds, words in _WORDS:
        if isinstance(value, kinds):
            return words
    return f"an object of type {type(value).__name__}"


_WORDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "a boolean"),
    (int, "an integer"),
    (float, "a number"),
    (Mapping, "a table"),
    ((list, tuple), "a list"),
    (Secret, "a secret"),
    ((date, time), "a date or time"),
)


def _layers(node: Node) -> Iterator[Layer]:
    if isinstance(node, Leaf):
        yield node.layer
        return
    for below in node.values():
        yield from _layers(below)


def _text_of(exc: Exception) -> str:
    """Return the text of a foreign exception; a KeyError's is the repr of its key."""
    try:
        return str(exc)
    except Exception as broken:  # noqa: BLE001 - a __str__ may raise anything, and is not the matter
        return f"<{type(broken).__name__} in its __str__>"


def _texts(value: object) -> Iterator[str]:
    """Yield every value of a layer or a node, as text."""
    if isinstance(value, Leaf):
        value = value.value
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, Secret):
        yield from _texts(value.reveal())
    elif isinstance(value, bytes):
        yield value.decode("utf-8", "replace")
    elif value is not None and not isinstance(value, bool):
        yield str(value).strip()


def _long(texts: Iterable[str]) -> set[str]:
    """Return the texts that are long enough to be masked without spoiling every message."""
    return {text for text in texts if len(text) >= 4}


def _forms(text: str) -> set[str]:
    """Return a text as it stands and as repr shows it."""
    return {text, repr(text)[1:-1]}
