"""Crossing a border: foreign exceptions become InfraErrors, a missing extra says what to do."""

from __future__ import annotations

from functools import wraps
from importlib import import_module

from infra_errors._builtin_table import convert_builtin
from infra_errors._chain import describe, name_of, notes_of, text_of
from infra_errors._leaves import AlreadyRegisteredError, BadBoundaryError, BadRegistrationError
from infra_errors.errors import ConfigError, InfraError, error_class
from infra_errors.status import Category

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType, TracebackType
    from typing import ParamSpec, TypeVar

    P = ParamSpec("P")
    R = TypeVar("R")
    Converter = Callable[[BaseException], InfraError]

__all__ = ["boundary", "from_exception", "import_extra", "parse_retry_after", "register"]

_registered: dict[type[BaseException] | str, type[InfraError] | Converter] = {}

_COROUTINE, _GENERATORS = (
    0x80,
    0x20 | 0x200,
)  # code flags: CO_COROUTINE, CO_GENERATOR and CO_ASYNC_GENERATOR


def register(
    exc_type: type[BaseException] | str,
    to: type[InfraError] | Converter,
    /,
    *,
    replace: bool = False,
) -> None:
    """Say what `InfraError.from_exception` makes of an exception class and its subclasses.

    Args:
        exc_type: the class, or `"module:Qual.Name"` of one that is not imported here (the module
            that defines it).
        to: an error class, made with the exception's text; or a function of the exception that
            returns an error.
        replace: allow a second registration for the same class.

    Raises:
        ConfigError: `errors.already_registered`; `errors.bad_registration` for what is neither
        class nor name.
    """
    named = isinstance(exc_type, str) and exc_type.count(":") == 1
    if not named and not (isinstance(exc_type, type) and issubclass(exc_type, BaseException)):
        message = f"{exc_type!r} is neither an exception class nor 'module:Qual.Name'"
        raise BadRegistrationError(message)
    if exc_type in _registered and not replace:
        message = f"{exc_type} is registered already: pass replace=True to change it"
        raise AlreadyRegisteredError(message)
    _registered[exc_type] = to


def from_exception(
    home: type[InfraError], exc: BaseException, fields: Mapping[str, object]
) -> InfraError:
    """`exc` as an error in the category of `home`: see `InfraError.from_exception`."""
    if isinstance(exc, InfraError):
        return exc
    if not isinstance(exc, Exception):
        raise exc
    error = _converted(exc)
    if home.category is not Category.GENERAL and error.category in {Category.IO, Category.GENERAL}:
        error = _rehomed(error, home.category)
    if fields:
        error = error.with_context(**fields)
    if error.__cause__ is None:
        error.__cause__ = exc
    for note in notes_of(exc):
        error.add_note(note)
    return error


class boundary:  # noqa: N801 - reads as a verb: with boundary(DatabaseError): …
    """Let only InfraErrors out: `with boundary(DatabaseError, table="users"):`, or as a decorator.

    A foreign exception leaves as `category.from_exception(exc, **fields)` with the exception as its
    cause. An InfraError passes with the fields it does not have yet. StopIteration,
    StopAsyncIteration, cancellation, exit and interrupt pass untouched. In async code a plain
    `with` is right.

    Args:
        category: the class whose category a generic error gets; None leaves it.
        fields: context for whatever passes.

    Raises:
        ConfigError: `errors.bad_boundary` when it decorates a generator, whose body runs later: put
        `with` into it.
    """

    def __init__(self, category: type[InfraError] | None = None, /, **fields: object) -> None:
        self._category = category or InfraError
        self._fields = fields

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        if not isinstance(exc, Exception) or isinstance(exc, StopIteration | StopAsyncIteration):
            return
        if not isinstance(exc, InfraError):
            raise self._category.from_exception(exc, **self._fields) from exc
        missing = {key: value for key, value in self._fields.items() if key not in exc.context}
        if missing:
            raise exc.with_context(**missing)

    def __call__(self, function: Callable[P, R], /) -> Callable[P, R]:
        if not callable(function):
            message = f"boundary cannot decorate {function!r}: put it below @classmethod"
            raise BadBoundaryError(message)
        flags = _flags_of(function)
        if flags & _GENERATORS:
            name = function.__qualname__
            message = f"boundary cannot decorate the generator {name}: use `with boundary(…)` in it"
            raise BadBoundaryError(message)
        if flags & _COROUTINE:

            @wraps(function)
            async def guarded_async(*args: P.args, **kwargs: P.kwargs) -> object:
                with self:
                    return await function(*args, **kwargs)  # type: ignore[misc]  # a coroutine function, by its flags

            return guarded_async  # type: ignore[return-value]  # the same signature, as wraps() says

        @wraps(function)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            with self:
                return function(*args, **kwargs)

        return guarded


def import_extra(module: str, *, package: str, extra: str) -> ModuleType:
    """Import a module that an extra of `package` brings.

    >>> import_extra("json", package="infra-mq", extra="rabbitmq").__name__
    'json'

    Raises:
        ConfigError: `<short>.missing_extra`, with the pip command that brings it.
    """
    try:
        return import_module(module)
    except ImportError as exc:
        short = package.removeprefix("infra-").replace("-", "_")
        needed = module.partition(".")[0].replace("_", "-")
        missing = isinstance(exc, ModuleNotFoundError) and (exc.name or module).startswith(
            module.partition(".")[0]
        )
        reason = "" if missing else f" ({text_of(exc)})"
        message = f"{package} needs {needed}{reason}: pip install '{package}[{extra}]'"
        raise ConfigError(
            message, code=f"{short}.missing_extra", package=package, extra=extra, module=module
        ) from exc


def parse_retry_after(
    value: str | bytes, *, clock: Callable[[], float] | None = None
) -> float | None:
    """Seconds from a Retry-After header (RFC 9110 §10.2.3), None for what is neither form of it.

    Args:
        value: the header's value.
        clock: wall seconds, for dates; `time.time` by default.
    """
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else value
    text = text.strip()
    if not text or len(text) > 64 or not text.isascii():
        return None
    if text.replace(".", "", 1).isdigit():
        return float(text)
    return _until(text, clock)


def _until(text: str, clock: Callable[[], float] | None) -> float | None:
    from datetime import UTC
    from email.utils import parsedate_to_datetime
    from time import time

    try:
        date = parsedate_to_datetime(text)
        if date.tzinfo is None:
            date = date.replace(tzinfo=UTC)
        return max(0.0, date.timestamp() - (clock or time)())
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def _converted(exc: Exception) -> InfraError:
    to = _registered_for(type(exc))
    if to is None:
        return convert_builtin(exc)
    try:
        error = to(describe(exc)) if isinstance(to, type) else to(exc)
        if isinstance(error, InfraError):
            return error
        failure = f"it returned {name_of(type(error))}"
    except Exception as raised:  # noqa: BLE001 - the first error is the one to report; this one becomes its note
        failure = describe(raised)
    error = convert_builtin(exc)
    error.add_note(f"the converter registered for {name_of(type(exc))} failed: {failure}")
    return error


def _registered_for(kind: type[BaseException]) -> type[InfraError] | Converter | None:
    for base in kind.__mro__:
        found = _registered.get(base) or _registered.get(f"{base.__module__}:{base.__qualname__}")
        if found is not None:
            return found
    return None


def _rehomed(error: InfraError, category: Category) -> InfraError:
    if isinstance(error, BaseExceptionGroup):
        return error  # it has members, which no class of a category could hold
    reason = error.code.partition(".")[2]
    new = error_class(category, error.status)(
        error.message,
        code=f"{category.value}.{reason}",
        status=error.status,
        http_status=error.http_status,
        retryable=error.retryable,
        retry_after=error.retry_after,
        violations=error.violations,
        context=error.context,
    )
    new.__cause__ = error.__cause__
    for note in error.notes:
        new.add_note(note)
    return new


def _flags_of(function: Callable[..., object]) -> int:
    code = getattr(function, "__code__", None)
    if code is not None:
        return int(code.co_flags)
    from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction

    # a partial, a callable object
    if iscoroutinefunction(function) or iscoroutinefunction(type(function).__call__):
        return _COROUTINE
    return _GENERATORS if isasyncgenfunction(function) or isgeneratorfunction(function) else 0
