"""Values that do not show themselves: `Secret` for a password, `SecretUrl` for a URL with one."""

from __future__ import annotations

from types import GenericAlias

from infra_errors.redact import MASK, redact_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar, Generic, NoReturn, Self, TypeVar

    T = TypeVar("T", str, bytes)

    class _Holder(Generic[T]):
        __slots__ = ()

else:
    T = None

    class _Holder:
        # Secret[str] at run time, without importing typing
        __slots__ = ()
        __class_getitem__ = classmethod(GenericAlias)


__all__ = ["Secret", "SecretUrl"]


class Secret(_Holder[T]):
    """A str or bytes that repr, str, format, json and logging cannot show; `reveal()` gives it.

    Equal only to a Secret of the same value, compared in constant time. It refuses to be pickled,
    and so does every settings object that holds one: a child process loads its own settings.
    Nothing is promised about wiping memory.

    Raises TypeError for a value that is neither str, bytes nor a Secret.
    """

    __slots__ = ("_value",)
    _value: T
    _holds: ClassVar[tuple[type, ...]] = (str, bytes)

    # not __init__, which could be called again and change it
    def __new__(cls, value: T | Secret[T], /) -> Self:
        if isinstance(value, Secret):
            value = value.reveal()
        if not isinstance(value, cls._holds):
            kinds = " or ".join([kind.__name__ for kind in cls._holds])
            message = f"a {cls.__name__} holds {kinds}, not {type(value).__name__}"
            raise TypeError(message)
        self = super().__new__(cls)
        object.__setattr__(self, "_value", value)
        return self

    def reveal(self) -> T:
        """The value itself, in the one place that needs it."""
        return self._value

    def __repr__(self) -> str:
        return f"{type(self).__name__}('{self}')"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str, /) -> str:
        return str(self)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        from hmac import compare_digest

        if isinstance(self._value, str) is not isinstance(other._value, str):
            return False
        return compare_digest(_bytes(self._value), _bytes(other._value))

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __copy__(self) -> Secret[T]:
        return self

    def __deepcopy__(self, memo: dict[int, object], /) -> Secret[T]:
        return self

    def __reduce_ex__(self, protocol: object, /) -> NoReturn:
        message = (
            f"a {type(self).__name__} is not pickled, because the bytes would show it: "
            "let the receiving process load its own settings"
        )
        raise TypeError(message)

    def __getstate__(self) -> NoReturn:
        self.__reduce_ex__(None)

    def __setattr__(self, name: str, value: object, /) -> NoReturn:
        message = f"a {type(self).__name__} is immutable: make a new one"
        raise AttributeError(message)

    def __delattr__(self, name: str, /) -> NoReturn:
        self.__setattr__(name, None)


class SecretUrl(Secret[str]):
    """A URL that may hold a password: str() masks userinfo and sensitive query values.

    >>> print(SecretUrl("postgresql://app:hunter2@db/main?sslmode=require"))
    postgresql://***@db/main?sslmode=require

    A text that is no URL shows as `***`.
    """

    __slots__ = ()
    _holds = (str,)

    def __str__(self) -> str:
        # a blank would end the password before its @
        url = "%20".join(self._value.split())
        return redact_text(url) if "://" in url else MASK


def _bytes(value: str | bytes) -> bytes:
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
