"""`ErrorGroup`: several errors at once, an ExceptionGroup with a code, a status and a context."""

from __future__ import annotations

from infra_errors.errors import InfraError
from infra_errors.status import Category, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, Self

__all__ = ["ErrorGroup"]

# the status of a group is the gravest one among its leaves
_GRAVEST_FIRST = [
    Status[name]
    for name in [
        "DATA_LOSS",
        "INTERNAL",
        "UNKNOWN",
        "UNIMPLEMENTED",
        "UNAVAILABLE",
        "DEADLINE_EXCEEDED",
        "RESOURCE_EXHAUSTED",
        "UNAUTHENTICATED",
        "PERMISSION_DENIED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "ALREADY_EXISTS",
        "NOT_FOUND",
        "OUT_OF_RANGE",
        "INVALID_ARGUMENT",
        "CANCELLED",
    ]
]


class ErrorGroup(InfraError, ExceptionGroup[Exception]):
    """Several errors at once; `except*`, `split`, `subgroup` and `derive` keep code and context.

    The category is that of all leaves if they agree, else general; the status is the gravest among
    them; it is retryable only if every leaf is, after the longest of their waits. Foreign leaves
    are judged as `InfraError.from_exception` would and kept as they are.

    Args:
        message: what was being done when several things failed.
        excs: the errors, at least one, all of them `Exception`s; groups may nest.
        options: the keywords of InfraError, which win over what the leaves say.

    Raises:
        TypeError, ValueError: as ExceptionGroup does for `excs`.
    """

    code = "errors.multiple"

    def __new__(cls, message: str, excs: Sequence[Exception], /, **options: Any) -> Self:
        # the C side keeps the message too, so it is made safe before it gets there
        return super().__new__(cls, cls._text_of(message), excs)

    def __init__(self, message: str, excs: Sequence[Exception], /, **options: Any) -> None:
        self._judge()
        super().__init__(message, **options)
        given = {name: options[name] for name in _FACTS if options.get(name) is not None}
        if given:
            self.__dict__["_given"] = given

    def derive(self, excs: Sequence[Any], /) -> Self:  # type: ignore[override]  # one class for any members
        """The same class, code and context over other errors: what `split` and `except*` need."""
        given = {"code": self.code, **self.__dict__.get("_given", {})}
        return type(self)(self.message, excs, context=self.context, **given)

    def _judge(self) -> None:
        leaves = [InfraError.from_exception(leaf) for leaf in _leaves(self)]
        categories = {leaf.category for leaf in leaves}
        statuses = {leaf.status for leaf in leaves}
        status = next(status for status in _GRAVEST_FIRST if status in statuses)
        own = self.__dict__
        own["category"] = categories.pop() if len(categories) == 1 else Category.GENERAL
        own["status"] = status
        own["http_status"] = status.http_status
        own["retryable"] = all(leaf.retryable for leaf in leaves)
        waits = [leaf.retry_after for leaf in leaves if leaf.retry_after is not None]
        if waits:
            own["retry_after"] = max(waits)


_FACTS = ("status", "http_status", "retryable", "retry_after")


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """Each leaf once: shared groups would have exponentially many paths to it."""
    seen: set[int] = set()
    waiting: list[BaseException] = [group]
    while waiting:
        exc = waiting.pop()
        if id(exc) in seen:
            continue
        seen.add(id(exc))
        if isinstance(exc, BaseExceptionGroup):
            waiting.extend(exc.exceptions)
        else:
            yield exc


ErrorGroup.__module__ = "infra_errors"
