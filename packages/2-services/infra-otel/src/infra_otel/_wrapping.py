"""The decorator side of `span`: functions, coroutines and both kinds of generators.

A generator attaches its context only while it runs: at each `yield` the caller's is current again,
and whoever closes it, in whatever task, finds their own context as it was.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, TypeVar

from opentelemetry.context import attach, get_current
from opentelemetry.trace import set_span_in_context

from infra_otel import _state
from infra_otel.spans import tell

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from opentelemetry.context import Context
    from opentelemetry.trace import Span

    from infra_otel.spans import span

__all__ = ["wrapped"]

F = TypeVar("F", bound="Callable[..., Any]")


def wrapped(scope: span, fn: F) -> F:
    """Return `fn` with a span around each call, or around each run of its generator."""
    if inspect.isasyncgenfunction(fn):
        made = _async_generator(scope, fn)
    elif inspect.isgeneratorfunction(fn):
        made = _generator(scope, fn)
    elif inspect.iscoroutinefunction(fn):
        made = _coroutine(scope, fn)
    else:
        made = _function(scope, fn)
    return functools.wraps(fn)(made)  # type: ignore[return-value]  # it has fn's signature


def _function(scope: span, fn: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        if not _state.tracing():
            return fn(*args, **kwargs)
        with scope.again():
            return fn(*args, **kwargs)

    return call


def _coroutine(scope: span, fn: Callable[..., Any]) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        if not _state.tracing():
            return await fn(*args, **kwargs)
        with scope.again():
            return await fn(*args, **kwargs)

    return call


class _Run:
    """One run of a generator: its span, and the context it had when it last yielded."""

    __slots__ = ("_context", "_span", "_token")

    def __init__(self, scope: span) -> None:
        self._span: Span = scope.start()
        self._context: Context = set_span_in_context(self._span)

    def __enter__(self) -> None:
        self._token = attach(self._context)

    def __exit__(self, *_: object) -> None:
        self._context = get_current()
        _state.detach(self._token)

    def end(self, exc: BaseException | None) -> None:
        if exc is not None:
            tell(self._span, exc)
        self._span.end()


def _generator(scope: span, fn: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        inner = fn(*args, **kwargs)
        if not _state.tracing():
            return (yield from inner)
        run, failed = _Run(scope), None
        step, value = inner.send, None
        try:
            while True:
                try:
                    with run:
                        item = step(value)
                except StopIteration as stop:
                    return stop.value
                try:
                    step, value = inner.send, (yield item)
                except GeneratorExit:
                    with run:
                        inner.close()
                    raise
                except BaseException as exc:  # noqa: BLE001  # the caller throws it into `fn`
                    step, value = inner.throw, exc
        except BaseException as exc:
            failed = exc
            raise
        finally:
            run.end(failed)

    return call


def _async_generator(scope: span, fn: Callable[..., Any]) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        inner = fn(*args, **kwargs)
        run = _Run(scope) if _state.tracing() else None
        failed: BaseException | None = None
        step, value = inner.asend, None
        try:
            while True:
                try:
                    item = await _stepped(run, step, value)
                except StopAsyncIteration:
                    return
                try:
                    step, value = inner.asend, (yield item)
                except GeneratorExit:
                    await _stepped(run, inner.aclose)
                    raise
                except BaseException as exc:  # noqa: BLE001  # the caller throws it into `fn`
                    step, value = inner.athrow, exc
        except BaseException as exc:
            failed = exc
            raise
        finally:
            if run is not None:
                run.end(failed)

    return call


async def _stepped(run: _Run | None, step: Callable[..., Any], *value: Any) -> Any:
    if run is None:
        return await step(*value)
    with run:
        return await step(*value)
