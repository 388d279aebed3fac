"""Pickling without `__init__`: an error becomes plain tuples, and they become the error again.

The exceptions that hang together (causes, contexts, group members) travel as one flat list of nodes
that name each
other by index: cycles end, shared exceptions stay shared, and a long chain costs no recursion.
"""

from __future__ import annotations

import builtins
from importlib import import_module

from infra_errors._chain import name_of, notes_of, text_of
from infra_errors._plain import tidy
from infra_errors._registry import class_of
from infra_errors.errors import InfraError, OpaqueError, Violation, error_class
from infra_errors.redact import redact, redact_text
from infra_errors.status import Category, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    # kind, identity and state of one exception
    Node = tuple[str, tuple[Any, ...], dict[str, Any]]

__all__ = ["blank", "pack", "unpack"]

CHAIN_DEPTH = 8
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: a class made by a class statement
_SCALARS = frozenset({str, int, float, bool, type(None)})
_OWN = frozenset(
    [
        "_raw",
        "_context",
        "_given",
        "code",
        "category",
        "status",
        "http_status",
        "retryable",
        "retry_after",
        "violations",
        "attempts",
        "__notes__",
    ]
)


def pack(exc: BaseException) -> tuple[Node, ...]:
    """`exc` and all that hangs on it, the chain 8 deep, as plain values without secrets."""
    return _Packing().run(exc)


def unpack(nodes: tuple[Node, ...]) -> BaseException:
    """The exception that `pack` described."""
    made: dict[int, BaseException] = {}
    waiting = list(range(len(nodes)))
    while waiting:  # by a loop: groups in groups may be deeper than the stack
        index = waiting.pop()
        members = nodes[index][2].get("members", ())
        missing = [member for member in members if member not in made]
        if missing:
            waiting += [index, *missing]
        elif index not in made:
            made[index] = _make(nodes[index], [made[member] for member in members])
    for index, (_, _, state) in enumerate(nodes):
        exc = made[index]
        for note in state["notes"]:
            exc.add_note(note)
        exc.__cause__ = _at(made, state["cause"])
        exc.__context__ = _at(made, state["context_of"])
        exc.__suppress_context__ = state["suppress"]
    return made[0]


def blank(cls: type[InfraError], args: tuple[object, ...]) -> Any:
    """An instance of an exception class on which no Python code of the class has run."""
    base: Any = cls
    while base.__flags__ & _HEAP_TYPE:
        base = base.__base__
    if issubclass(base, BaseExceptionGroup):
        return base.__new__(cls, args[0], args[1])
    exc: Any = base.__new__(cls)
    BaseException.args.__set__(exc, args)  # type: ignore[attr-defined]  # a getset descriptor
    return exc


class _Packing:
    def __init__(self) -> None:
        self.index: dict[int, int] = {}
        self.queue: list[tuple[BaseException, int]] = []

    def run(self, exc: BaseException) -> tuple[Node, ...]:
        self.place(exc, 0)
        nodes: list[Node] = []
        # the queue grows while it is read: breadth first, so that the shortest way to a node counts
        for item, depth in self.queue:
            kind, identity, state = _describe(item)
            state["notes"] = notes_of(item)
            state["cause"] = self.place(item.__cause__, depth + 1)
            state["context_of"] = self.place(item.__context__, depth + 1)
            state["suppress"] = item.__suppress_context__
            if kind in {"group", "infra_group"}:
                state["members"] = [self.place(member, depth) for member in item.exceptions]  # type: ignore[attr-defined]  # a group, by its kind
            nodes.append((kind, identity, state))
        return tuple(nodes)

    def place(self, exc: BaseException | None, depth: int) -> int | None:
        if exc is None:
            return None
        if depth > CHAIN_DEPTH and id(exc) not in self.index:
            exc = OpaqueError("…", "chain cut")
        found = self.index.get(id(exc))
        if found is None:
            found = self.index[id(exc)] = len(self.queue)
            self.queue.append((exc, depth))
        return found


def _describe(exc: BaseException) -> Node:
    kind = type(exc)
    if isinstance(exc, InfraError):
        identity = (kind.__module__, kind.__qualname__, exc.category.value, exc.status.name)
        name = "infra_group" if isinstance(exc, BaseExceptionGroup) else "infra"
        return name, identity, _state_of(exc)
    if isinstance(exc, OpaqueError):
        return "opaque", (exc.type_name, tidy(exc.message, 4096)), {}
    if kind.__module__ == "builtins" and getattr(builtins, kind.__name__, None) is kind:
        if isinstance(exc, BaseExceptionGroup):
            return "group", (kind.__name__, redact_text(exc.message)), {}
        args = _builtin_args(exc)
        if all(map(_is_plain, args)):
            return "builtin", (kind.__name__, redact(args)), {}
    return "opaque", (name_of(kind), tidy(text_of(exc), 4096)), {}


def _builtin_args(exc: BaseException) -> tuple[object, ...]:
    if isinstance(exc, OSError) and exc.filename is not None and len(exc.args) == 2:
        # args leaves the file names out
        more = () if exc.filename2 is None else (None, exc.filename2)
        return (*exc.args, exc.filename, *more)
    return exc.args


def _is_plain(value: object) -> bool:
    if type(value) in {tuple, list}:
        return all(map(_is_plain, value))  # type: ignore[call-overload]  # a sequence, by its exact type
    if type(value) is dict:
        return all(map(_is_plain, value)) and all(map(_is_plain, value.values()))
    return type(value) in _SCALARS


def _state_of(error: InfraError) -> dict[str, Any]:
    own = error.__dict__
    more = {name: value for name, value in own.items() if name not in _OWN and _is_plain(value)}
    return {
        "args": tuple(
            [redact_text(arg) if isinstance(arg, str) else arg for arg in error.args[:1]]
        ),
        "code": error.code,
        "http_status": error.http_status,
        "retryable": error.retryable,
        "retry_after": error.retry_after,
        "context": dict(error.context),
        "violations": tuple([tuple(violation) for violation in error.violations]),
        "attempts": error.attempts,
        "more": redact(more),
    }


def _make(node: Node, members: list[BaseException]) -> BaseException:
    kind, identity, state = node
    if kind == "builtin":
        return _builtin(identity[0])(*identity[1])
    if kind == "group":
        return BaseExceptionGroup(identity[1], members)
    if kind == "opaque":
        return OpaqueError(*identity)
    return _make_error(identity, state, members)


def _make_error(
    identity: tuple[Any, ...], state: dict[str, Any], members: list[BaseException]
) -> InfraError:
    module, qualname, category_name, status_name = identity
    category, status = Category(category_name), Status(status_name)
    cls = _find(module, qualname, state["code"])
    if cls is None and members:
        from infra_errors.group import ErrorGroup as cls  # noqa: N813 - the class that stands in for the lost one
    if cls is None:
        cls = error_class(category, status)
    error: InfraError = blank(cls, (*state["args"], members) if members else state["args"])
    restore(
        error,
        category=category,
        status=status,
        code=state["code"],
        http_status=state["http_status"],
        retryable=state["retryable"],
        retry_after=state["retry_after"],
        context=state["context"],
        violations=tuple([Violation(*violation) for violation in state["violations"]]),
        attempts=state["attempts"],
    )
    error.__dict__.update(state["more"])
    return error


def restore(error: InfraError, *, context: dict[str, object], **facts: object) -> None:
    """Write facts that were read from another error; what the class says is not repeated."""
    own = error.__dict__
    if context:
        own["_raw"] = context
    for name, value in facts.items():
        if getattr(error, name) != value:
            own[name] = value


def _find(module: str, qualname: str, code: str) -> type[InfraError] | None:
    owner = class_of(code)
    if owner is not None and owner._origin == (module, qualname):
        return owner  # also a class that no import could reach, made in a function of this process
    try:
        found: object = import_module(module)
        for name in qualname.split("."):
            found = getattr(found, name)
    except (ImportError, AttributeError, ValueError):
        return None
    return found if isinstance(found, type) and issubclass(found, InfraError) else None


def _builtin(name: str) -> type[BaseException]:
    found = getattr(builtins, name, None)
    return found if isinstance(found, type) and issubclass(found, BaseException) else Exception


def _at(made: dict[int, BaseException], index: int | None) -> BaseException | None:
    return None if index is None else made[index]
