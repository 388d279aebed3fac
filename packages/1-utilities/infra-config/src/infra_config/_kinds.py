"""What a type makes of a node: one small class a family of types."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

from infra_config._job import FAILED, Job, Leaf, Node
from infra_config.coerce import Refused, items_of_text
from infra_config.rules import Range, Rule
from infra_errors import Secret

if TYPE_CHECKING:
    from infra_config.paths import Parts

__all__ = [
    "AnyKind",
    "CheckedKind",
    "ChoiceKind",
    "ItemsKind",
    "Kind",
    "MapKind",
    "OptionalKind",
    "PairsKind",
    "ScalarKind",
    "SecretKind",
    "UnionKind",
    "choices",
    "table_of",
]


class Kind:
    """
    How values of one declared type are made.

    `name` is the type as declared, `expects` what a person is told, `table` whether a table is
    wanted, `nullable` whether null is a value, `secret` whether it is never shown.
    """

    name: str
    expects: str
    table = False
    nullable = False
    secret = False

    def bind(self, node: Node, path: Parts, job: Job) -> Any:
        """Return the value, or FAILED after adding to the job's violations."""
        raise AssertionError

    def child(self, key: str | int) -> Kind | None:
        """Return what is expected below, None where nothing is or anything goes."""
        return None


class ScalarKind(Kind):
    """One value: from text by one function, from a native value by another."""

    def __init__(
        self,
        name: str,
        expects: str,
        from_text: Callable[[str], Any],
        from_native: Callable[[Any], Any],
    ) -> None:
        self.name = name
        self.expects = expects
        self.from_text = from_text
        self.from_native = from_native

    def bind(self, node: Node, path: Parts, job: Job) -> Any:
        if isinstance(node, Leaf):
            value, layer = node
            try:
                return (
                    self.from_text(value)
                    if layer.text and type(value) is str
                    else self.from_native(value)
                )
            except Refused:
                pass
        return job.expected(self.expects, path, node)


class ChoiceKind(ScalarKind):
    """One of a closed set; `given` are the native values that mean one."""

    given: tuple[object, ...] = ()


class SecretKind(ScalarKind):
    """A Secret: its text as it stands. The job learns it, to keep it out of foreign messages."""

    secret = True

    def bind(self, node: Node, path: Parts, job: Job) -> Any:
        value = super().bind(node, path, job)
        if isinstance(value, Secret):
            held = value.reveal()
            job.secrets.add(held if isinstance(held, str) else held.decode("utf-8", "replace"))
        return value


class AnyKind(Kind):
    """Anything, as it stands."""

    name = "Any"
    expects = "anything"
    nullable = True

    def bind(self, node: Node, path: Parts, job: Job) -> Any:
        if isinstance(node, Leaf):
            return node.value
        return {key: self.bind(item, path, job) for key, item in node.items()}


class OptionalKind(Kind):
    """`X | None`: null is None, all else is for X."""

    nullable = True

    def __init__(self, inner: Kind) -> None:
        self.inner = inner
        self.name = f"{inner.name} | None"
        self.expects = inner.expects
        self.table = inner.table
        self.secret = inner.secret

    def bind(self, node: Node, path: Parts, job: Job) -> Any:
        if isinstance(node, Leaf) and node.value is None:
            return None
        return self.inner.bind(node, path, job)

    def child(self, key: str | int) -> Kind | None:
        return self.inner.child(key)


class UnionKind(Kind):
    """Several scalar types: the first that takes the value."""

    def __init__(self, members: Sequence[Kind]) -> None:
        self.members = members
        self.name = " | ".join(member.name for member in members)
        self.expects = " or ".join(member.expects for member in members)
        self.secret = any(member.secret for member in members)

    def bind(self, node: Node, path: Parts, job: Job) -> Any:
        for member in self.members:
            attempt = Job([], (), strict=True)
            value = member.bind(node, path, attempt)
            if value is not FAILED:
                job.secrets |= attempt.secrets
                return value
        return job.expected(self.expects, path, node)


class CheckedKind(Kind):
    """A type with rules: all of them are asked about a value of the right type."""

    def __init__(self, inner: Kind, rules: Sequence[Rule]) -> None:
        self.inner = inner
        self.rules = rules
        self.name = inner.name
        bounds = [str(rule) for rule in rules if isinstance(rule, Range)]
        # the inner kind tells what it expected, so it has to know the bounds
        self.expects = inner.expects = " ".join([inner.expects, *bounds])
        self.table = inner.table
        self.nullable = inner.nullable
        self.secret = inner.secret

    def bind(self, node: Node, path: Parts, job: Job) -> Any:
        value = self.inner.bind(node, path, job)
        if value is FAILED or value is None:
            return value
        return value if self._passes(value, node, path, job) else FAILED

    def _passes(self, value: object, node: Node, path: Parts, job: Job) -> bool:
        passed = True
        for rule in self.rules:
            try:
                wrong = rule.check(value)
            except Exception as exc:  # noqa: BLE001 - a rule of one's own may raise anything: said as a violation
                job.raised(path, exc, "rule", node)
                passed = False
                continue
            if wrong is not None:
                job.refuse(path, wrong, "rule", origin=job.origin(path, node))
                passed = False
        return passed

    def child(self, key: str | int) -> Kind | None:
        return self.inner.child(key)


class ItemsKind(Kind):
    """A list, tuple, set or frozenset of one type."""

    def __init__(self, item: Kind, make: Callable[[list[Any]], Any], name: str) -> None:
        self.item = item
        self.make = make
        self.name = f"{name}[{item.name}{', ...' if name == 'tuple' else ''}]"
        self.expects = f"a list of {item.name}"
        self.secret = item.secret

    def bind(self, node: Node, path: Parts, job: Job) -> Any:
        items = _items(node)
        if items is None:
            return job.expected(self.expects, path, node)
        assert isinstance(node, Leaf)
        made = [
            self.item.bind(Leaf(item, node.layer), (*path, index), job)
            for index, item in enumerate(items)
        ]
        return FAILED if _failed(made) else self.make(made)

    def child(self, key: str | int) -> Kind | None:
        return self.item


class PairsKind(Kind):
    """A tuple with a type for each place."""

    def __init__(self, members: Sequence[Kind]) -> None:
        self.members = members
        self.name = f"tuple[{', '.join(member.name for member in members)}]"
        self.expects = f"a list of {len(members)} items"
        self.secret = any(member.secret for member in members)

    def bind(self, node: Node, path: Parts, job: Job) -> Any:
        items = _items(node)
        if items is None or len(items) != len(self.members):
            return job.expected(self.expects, path, node)
        assert isinstance(node, Leaf)
        made = [
            member.bind(Leaf(item, node.layer), (*path, index), job)
            for index, (member, item) in enumerate(zip(self.members, items, strict=True))
        ]
        return FAILED if _failed(made) else tuple(made)

    def child(self, key: str | int) -> Kind | None:
        at = key if isinstance(key, int) else -1
        return self.members[at] if 0 <= at < len(self.members) else None


class MapKind(Kind):
    """`dict[str, V]`: a table with names of the user's."""

    table = True

    def __init__(self, item: Kind) -> None:
        self.item = item
        self.name = f"dict[str, {item.name}]"
        self.expects = f"a table of {item.name}"
        self.secret = item.secret

    def bind(self, node: Node, path: Parts, job: Job) -> Any:
        table = table_of(node)
        if table is None:
            return job.expected(self.expects, path, node)
        made = {key: self.item.bind(item, (*path, key), job) for key, item in table.items()}
        return FAILED if _failed(made.values()) else made

    def child(self, key: str | int) -> Kind | None:
        return self.item


def table_of(node: Node) -> dict[str, Node] | None:
    """Return the nodes of a table, also of one inside of a list; None for what is no table."""
    if not isinstance(node, Leaf):
        return node
    if not isinstance(node.value, Mapping):
        return None
    return {key: Leaf(item, node.layer) for key, item in node.value.items()}


def choices(name: str, options: Sequence[object], named: Mapping[str, object]) -> ChoiceKind:
    """
    Return the kind of a closed set.

    Args:
        name: the type as declared.
        options: the values; a source gives them, or of an enum's members their values.
        named: what a text means that is none of those: an enum's members by name.
    """
    given = [option.value if isinstance(option, Enum) else option for option in options]
    shown = [str(value).lower() if isinstance(value, bool) else str(value) for value in given]
    by_text = {**named, **dict(zip(shown, options, strict=True))}

    def from_text(text: str) -> object:
        if text.strip() not in by_text:
            raise Refused
        return by_text[text.strip()]

    def from_native(value: object) -> object:
        for known, option in zip(given, options, strict=True):
            # 1 is not True, and "1" is neither
            if value is option or (type(value) is type(known) and value == known):
                return option
        if not isinstance(value, str) or value not in named:
            raise Refused
        return named[value]

    kind = ChoiceKind(name, f"one of {', '.join(shown)}", from_text, from_native)
    kind.given = (*given, *(text for text in named if text not in given))
    return kind


def _items(node: Node) -> list[Any] | None:
    """Return the items of a list; None for what is no list."""
    if not isinstance(node, Leaf):
        return None
    value, layer = node
    if isinstance(value, str) and layer.text:
        try:
            return items_of_text(value)
        except Refused:
            return None
    return list(value) if isinstance(value, list | tuple | set | frozenset) else None


def _failed(made: Iterable[object]) -> bool:
    return any(value is FAILED for value in made)
