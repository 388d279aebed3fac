"""`InfraError`, the root of every error: how it is made, read, printed, copied and kept safe."""

from __future__ import annotations

from types import MappingProxyType

from infra_errors._chain import cause_of, notes_of, text_of
from infra_errors._plain import merged, plain_context, seconds_of, tidy
from infra_errors._registry import enter, is_code, is_http_status, settle
from infra_errors._violation import violations_of
from infra_errors.redact import harmless, redact_text
from infra_errors.status import Category, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import timedelta
    from typing import Any, ClassVar, Self

    from infra_errors._violation import Violation
    from infra_errors.wire import JsonValue

__all__ = ["InfraError"]

_MESSAGE_LIMIT = 4096
_NO_CONTEXT: Mapping[str, object] = MappingProxyType({})
_set_args = BaseException.args.__set__  # type: ignore[attr-defined]  # a getset descriptor, typed as its value

_OPTIONS = frozenset(
    ["code", "status", "http_status", "retryable", "retry_after", "violations", "context"]
)
# `attempts` is written by the retry loop, through __dict__
_READ_ONLY = _OPTIONS | {"message", "category", "notes", "attempts"}


class InfraError(Exception):
    """What every infra package raises: a message, a stable code, two axes, a safe context.

    A subclass may state `code`, `status`, `http_status`, `retryable` and `default_message` in its
    body.

    Args:
        message: what happened, to which thing, what to do next; may be left out where the class has
            a default. Secrets in it are masked, and it is cut at 4096 characters.
        code: a stable code `area.reason`; a malformed one falls back to the class's.
        status: how to treat it; derives `http_status` and `retryable` anew unless they are given
            too.
        http_status: 400 to 599, other numbers are ignored.
        retryable: whether the same call may succeed later.
        retry_after: seconds, or a timedelta, before a retry makes sense.
        violations: what exactly is wrong with the input; the first 100 are kept.
        context, fields: facts for logs and the wire, merged, fields win. Read them back from
            `context`, where secrets are masked and everything is plain and small.

    Raises:
        TypeError: no message, and the class has no default. Nothing else, whatever is passed.
    """

    category: ClassVar[Category] = Category.GENERAL
    default_message: ClassVar[str | None] = None
    code: str = "general.error"
    status: Status = Status.UNKNOWN
    http_status: int = Status.UNKNOWN.http_status
    retryable: bool = Status.UNKNOWN.retryable
    retry_after: float | None = None
    violations: tuple[Violation, ...] = ()
    attempts: int | None = None

    _stated: ClassVar[dict[str, object]]
    _origin: ClassVar[tuple[str, str]]

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        settle(cls)

    if TYPE_CHECKING:

        def __init__(
            self,
            message: str | None = None,
            /,
            *,
            code: str | None = None,
            status: Status | None = None,
            http_status: int | None = None,
            retryable: bool | None = None,
            retry_after: float | timedelta | None = None,
            violations: Iterable[Violation] = (),
            context: Mapping[str, object] | None = None,
            **fields: object,
        ) -> None: ...
    else:
        # one dict of keywords: named ones are compared with each field, a fifth of the time
        def __init__(self, message=None, /, **options):
            # the short way for a text that was found harmless before
            if type(message) is not str or message not in harmless:
                message = self._text_of(message)
                _set_args(self, (message, *self.args[1:]))
            elif not self.args:
                # OSError.__new__ leaves args to an __init__ that we do not call
                _set_args(self, (message,))
            if options:
                if _OPTIONS.isdisjoint(options):
                    self.__dict__["_raw"] = options
                else:
                    self._take(**options)

    def _take(
        self,
        /,
        *,
        code: object = None,
        status: object = None,
        http_status: object = None,
        retryable: object = None,
        retry_after: object = None,
        violations: object = (),
        context: object = None,
        **fields: object,
    ) -> None:
        """Keep what the constructor was given; what is not of its type is ignored, not raised."""
        own = self.__dict__
        raw = fields if context is None else merged(context, fields)
        if violations is not None and (type(violations) is not tuple or violations):
            own["violations"], total = violations_of(violations)
            if total > len(own["violations"]):
                raw = {**raw, "violations_total": total}
        if raw:
            own["_raw"] = raw
        if code is not None:
            own["code"] = code if is_code(code) else type(self).code
        if isinstance(status, Status):
            own["status"] = status
            own["http_status"] = status.http_status
            own["retryable"] = status.retryable
        if is_http_status(http_status):
            own["http_status"] = http_status
        if isinstance(retryable, bool):
            own["retryable"] = retryable
        if retry_after is not None:
            own["retry_after"] = seconds_of(retry_after)

    # -- what it says

    @property
    def message(self) -> str:
        """What happened, with secrets masked."""
        return str(self.args[0]) if self.args else ""

    @property
    def context(self) -> Mapping[str, object]:
        """Facts about the error: read-only, plain, bounded, secrets masked."""
        found: Mapping[str, object] | None = self.__dict__.get("_context")
        if found is None:
            raw = self.__dict__.pop("_raw", None)
            found = MappingProxyType(plain_context(raw)) if raw else _NO_CONTEXT
            self.__dict__["_context"] = found
        return found

    @property
    def notes(self) -> tuple[str, ...]:
        """The notes added with `add_note`, secrets masked."""
        return notes_of(self)

    def add_note(self, note: str, /) -> None:
        """Add a line that tracebacks show below the message; secrets in it are masked."""
        super().add_note(redact_text(note) if isinstance(note, str) else note)

    def __str__(self) -> str:
        text = f"{self.code}: {self.message}"
        if context := self.context:
            text += f" ({', '.join([f'{key}={value!r}' for key, value in context.items()])})"
        if self.violations:
            text += "".join([f"\n  {violation}" for violation in self.violations[:20]])
        return text

    def __repr__(self) -> str:
        facts = f"code={self.code!r}, context={dict(self.context)!r}"
        return f"{type(self).__name__}({self.message!r}, {facts})"

    def log_fields(self) -> dict[str, object]:
        """The error as flat fields for a structured log record."""
        return {
            "error.type": self.code,
            "error.category": self.category.value,
            "error.status": self.status.name,
            "error.retryable": self.retryable,
            "error.message": self.message,
            "error.context": dict(self.context),
        }

    # -- what one does with it

    def with_context(self, /, **fields: object) -> Self:
        """A new error with more context; `raise e.with_context(user=id)` prints one chain."""
        new = self.__copy__()
        new.__dict__.pop("_context", None)
        new.__dict__["_raw"] = {**self.context, **fields}
        new.__cause__ = cause_of(self)
        new.__context__ = None
        new.__suppress_context__ = True
        return new

    def root_cause(self) -> BaseException:
        """The first exception of the chain: causes, and contexts that were not suppressed."""
        seen: set[int] = set()
        found: BaseException = self
        while id(found) not in seen:
            seen.add(id(found))
            below = cause_of(found)
            if below is None:
                break
            found = below
        return found

    def to_dict(self) -> dict[str, JsonValue]:
        """The wire form v1 (`schema/error.schema.json`): JSON only, no traceback, no secret."""
        from infra_errors.wire import to_dict

        return to_dict(self)

    @classmethod
    def from_dict(cls, obj: Mapping[str, object], /) -> InfraError:
        """The error that `to_dict` described, of the code's own class or else of the same axes.

        Raises SerializationError `errors.malformed_wire` for what is no wire form.
        """
        from infra_errors.wire import from_dict

        return from_dict(obj)

    @classmethod
    def from_exception(cls, exc: BaseException, /, **fields: object) -> InfraError:
        """`exc` as an InfraError that it caused; called on a category class, in that category.

        An InfraError comes back as it is. What is no `Exception` (cancellation, exit, interrupt) is
        raised again.
        """
        from infra_errors.convert import from_exception

        return from_exception(cls, exc, fields)

    # -- how it stays itself

    def __setattr__(self, name: str, value: object, /) -> None:
        if name in _READ_ONLY:
            message = f"{name} of an error is read-only: use the constructor or with_context()"
            raise AttributeError(message)
        if name == "args":
            given: Any = value
            value = tuple([redact_text(arg) if isinstance(arg, str) else arg for arg in given])
        super().__setattr__(name, value)

    def __delattr__(self, name: str, /) -> None:
        if name in _READ_ONLY:
            message = f"{name} of an error is read-only: it cannot be deleted"
            raise AttributeError(message)
        super().__delattr__(name)

    def __reduce__(self) -> tuple[object, ...]:
        from infra_errors._pickle import pack, unpack

        return unpack, (pack(self),)

    def __copy__(self) -> Self:
        from infra_errors._pickle import blank

        new: Self = blank(type(self), self.args)
        new.__dict__.update(self.__dict__)
        if "__notes__" in self.__dict__:
            new.__notes__ = list(self.__notes__)
        new.__cause__ = self.__cause__
        new.__context__ = self.__context__
        new.__suppress_context__ = self.__suppress_context__
        return new.with_traceback(self.__traceback__)

    @classmethod
    def _text_of(cls, message: object) -> str:
        if message is None:
            message = cls.default_message
            if message is None:
                problem = (
                    f"{cls.__name__} needs a message: say what happened, to which thing, what to do"
                )
                raise TypeError(problem)
        text = message if type(message) is str else text_of(message)
        safe = tidy(text, _MESSAGE_LIMIT)
        if safe == text and len(text) <= 256:
            if len(harmless) >= 1024:
                harmless.clear()
            harmless.add(text)
        return safe


InfraError._stated = {"category": Category.GENERAL, "code": InfraError.code}
InfraError._origin = (InfraError.__module__, InfraError.__qualname__)
enter(InfraError)
