"""`cached`: a function whose results are kept under a key made of its arguments."""

from __future__ import annotations

import functools
import hashlib
import inspect
import string
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar

from infra_cache.errors import wrong_input
from infra_cache.keys import MAX_KEY_BYTES, check_key, encode_part
from infra_cache.values import DEFAULT, Ttl

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from infra_cache.protocol import Cache

__all__ = ["Cached", "cached"]

P = ParamSpec("P")
T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")

OPTIONS = frozenset(
    {
        "across",
        "cache_if",
        "jitter",
        "load_timeout",
        "negative_ttl",
        "on_error",
        "stale",
        "tags",
    }
)


class Cached(Protocol[P, T_co]):
    """A decorated function: call it as before."""

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T_co:
        """Return the kept result, or call the function once for all who ask."""

    def key(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Say under which key the result for these arguments is kept."""

    async def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Forget the result for these arguments; say whether there was one."""


def cached(
    cache: Cache, key: str | Callable[..., str], *, ttl: Ttl = DEFAULT, **options: Any
) -> Callable[[Callable[P, Awaitable[T]]], Cached[P, T]]:
    """Keep the results of an async function: `@cached(cache, "user:{id}", ttl=60)`.

    `key` is a template over the function's parameters, whose values are str, int or UUID and are
    encoded like the parts of a CacheKey; or a callable that takes the function's arguments and
    returns the key. Nothing is ever taken from `repr`. `options` are those of `get_or_load`.

    Raises ValidationError `cache.invalid_key` at decoration for a template that is malformed, names
    what is no parameter, or names `self` or `cls`; `cache.invalid` for an unknown option or a
    function that is not async.
    """
    unknown = options.keys() - OPTIONS
    if unknown:
        message = f"cached has no option {min(unknown)!r}; get_or_load's are its own"
        raise wrong_input("invalid", message)

    def decorate(function: Callable[P, Awaitable[T]]) -> Cached[P, T]:
        if not inspect.iscoroutinefunction(function):
            message = "cached decorates async functions only"
            raise wrong_input("invalid", message)
        make_key = _maker(function, key)

        @functools.wraps(function)
        async def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
            return await cache.get_or_load(
                make_key(*args, **kwargs),
                lambda: function(*args, **kwargs),
                ttl=ttl,
                **options,
            )

        async def invalidate(*args: P.args, **kwargs: P.kwargs) -> bool:
            return await cache.delete(make_key(*args, **kwargs))

        wrapper.key = make_key  # type: ignore[attr-defined]  # functions take attributes
        wrapper.invalidate = invalidate  # type: ignore[attr-defined]
        return wrapper  # type: ignore[return-value]  # with the two, it is a Cached

    return decorate


def _maker(function: Callable[..., Any], key: str | Callable[..., str]) -> Callable[..., str]:
    if callable(key):
        return key
    signature = inspect.signature(function)
    pieces = _pieces(key, signature)
    check_key("".join("x" if is_name else piece for is_name, piece in pieces))

    def make(*args: Any, **kwargs: Any) -> str:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        text = "".join(
            encode_part(bound.arguments[piece]) if is_name else piece for is_name, piece in pieces
        )
        return _shortened(text)

    return make


def _shortened(text: str) -> str:
    """Make a long key its beginning and the SHA-256 of it all, as CacheKey does."""
    if len(text.encode()) <= MAX_KEY_BYTES:
        return text
    first = text.partition(":")[0]
    first = first if len(first.encode()) <= MAX_KEY_BYTES - 65 else "long"
    return f"{first}:{hashlib.sha256(text.encode()).hexdigest()}"


def _pieces(template: str, signature: inspect.Signature) -> list[tuple[bool, str]]:
    """Take a template apart: (whether it is a parameter's name, text)."""
    pieces: list[tuple[bool, str]] = []
    try:
        parsed = list(string.Formatter().parse(template))
    except (ValueError, TypeError) as error:
        message = "a key template is text with {names} of parameters"
        raise wrong_input("invalid_key", message) from error
    for literal, name, spec, conversion in parsed:
        if literal:
            pieces.append((False, literal))
        if name is None:
            continue
        if spec or conversion:
            message = f"a key template takes names alone, without format: {{{name}}}"
            raise wrong_input("invalid_key", message)
        if name in {"self", "cls"}:
            message = f"a key cannot be made of {name}; name what of it matters, with a callable"
            raise wrong_input("invalid_key", message)
        kind = signature.parameters[name].kind if name in signature.parameters else None
        if kind in {None, inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}:
            message = f"the key template names {name!r}, which is no parameter of the function"
            raise wrong_input("invalid_key", message)
        if any(is_name for is_name, _ in pieces) and (pieces[-1][0] or ":" not in pieces[-1][1]):
            message = "two names in a key template need a ':' between them, which no value holds"
            raise wrong_input("invalid_key", message)
        pieces.append((True, name))
    if not pieces:
        message = "a key template must not be empty"
        raise wrong_input("invalid_key", message)
    return pieces
