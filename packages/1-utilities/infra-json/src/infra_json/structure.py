"""JSON values as typed objects: all problems at once, no guessing, no recursion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from infra_errors import Violation
from infra_json._plan import BAD, Plan, plan_of
from infra_json._text import pointer_text, short
from infra_json.errors import StructureError
from infra_json.limits import MAX_NESTING, too_deep

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["structure"]

T = TypeVar("T")


@overload
def structure(value: Any, type: type[T], *, extra: Literal["error", "ignore"] = "error") -> T: ...
@overload
def structure(value: Any, type: Any, *, extra: Literal["error", "ignore"] = "error") -> Any: ...
def structure(value: Any, type: Any, *, extra: Literal["error", "ignore"] = "error") -> Any:
    """
    Return a JSON value as an object of a type: `structure(to_json_value(x), T) == x`.

    Types: those `to_json_value` writes, attrs and data classes, TypedDict, NamedTuple, list, tuple,
    set, frozenset, dict[str, V], Literal, Enum, NewType, Annotated, `X | None`, and unions whose
    members differ in their kind of JSON or in a Literal member. Nothing else is coerced: true is no
    int, "5" and 5.0 neither; an int is a float. `extra="ignore"` drops members that an object's
    type does not name. Raises StructureError with all `violations`, TypeNotSupported for a type
    that cannot be read so, TooDeep beyond 2,000 levels.
    """
    return _Structurer(extra == "error").run(value, plan_of(type), getattr(type, "__name__", type))


class _Frame:
    """A container being read: its parts still to come, and those that are done."""

    __slots__ = ("done", "parts", "plan", "value")

    def __init__(self, plan: Plan, value: Any, parts: Iterator[tuple[Any, Plan, Any]]) -> None:
        self.plan = plan
        self.value = value
        self.parts = parts
        self.done: dict[Any, Any] = {}


class _Structurer:
    def __init__(self, refuses_extra: bool) -> None:
        self.refuses_extra = refuses_extra
        self.violations: list[Violation] = []
        self.path: list[Any] = []
        self.frames: list[_Frame] = []

    def run(self, root: Any, plan: Plan, name: object) -> Any:
        result = self.begin(plan, root)
        while self.frames:
            frame = self.frames[-1]
            depth = len(self.frames)
            for key, inner, value in frame.parts:
                self.path[-1] = key
                frame.done[key] = self.begin(inner, value)
                if len(self.frames) > depth:
                    break
            else:
                result = self.end()
        if self.violations:
            count = len(self.violations)
            problems = "1 problem" if count == 1 else f"{count} problems"
            msg = f"the value does not fit {short(str(name))}: {problems}"
            raise StructureError(msg, violations=self.violations)
        return result

    def begin(self, plan: Plan, value: Any) -> Any:
        """Return what a scalar becomes; or open a container, whose result follows at its end."""
        plan = plan.chosen(value)
        if plan.read is not None:
            try:
                return plan.read(value)
            except ValueError as error:
                return self.refuse(str(error))
        found = plan.parts(value)
        if isinstance(found, str):
            return self.refuse(found)
        parts, unknown = found
        if len(self.frames) == MAX_NESTING:
            raise too_deep(MAX_NESTING, path=pointer_text(self.path))
        self.frames.append(_Frame(plan, value, iter(parts)))
        self.path.append(None)
        if self.refuses_extra:
            for name in unknown:
                self.path[-1] = name
                self.refuse("no such member is known", "unknown")
        return BAD

    def end(self) -> Any:
        """Close the innermost container and hand its result to the one around it."""
        frame = self.frames.pop()
        self.path.pop()
        result = BAD
        if all(value is not BAD for value in frame.done.values()):
            try:
                result = frame.plan.build(frame.done)
            except (ValueError, TypeError) as error:
                self.refuse(f"refused: {short(str(error))}")
        if self.frames:
            self.frames[-1].done[self.path[-1]] = result
        return result

    def refuse(self, why: str, code: str = "invalid") -> Any:
        self.violations.append(Violation(pointer_text(self.path), why, code))
        return BAD
