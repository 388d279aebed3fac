"""`Problem`: problem details for HTTP APIs (RFC 9457), from an error and back."""

from __future__ import annotations

from types import MappingProxyType

from infra_errors import _problem_reading as reading
from infra_errors._json import to_json
from infra_errors._registry import class_of, is_code
from infra_errors.errors import InfraError, error_class, gateway_status
from infra_errors.status import Category, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, NoReturn

__all__ = ["Problem"]

MEDIA_TYPE = "application/problem+json"


class Problem:
    """One problem in the sense of RFC 9457, immutable, equal by its members.

    Besides the standard's members it has ours: `code`, `canonical` (the status name), `retryable`,
    `retry_after`, `request_id`, and `errors`, one mapping {detail, pointer, code} a violation. What
    is absent is None; members that nobody here knows are in `extensions`.
    """

    __slots__ = (
        "canonical",
        "code",
        "detail",
        "errors",
        "extensions",
        "instance",
        "request_id",
        "retry_after",
        "retryable",
        "status",
        "title",
        "type",
    )

    type: str
    title: str | None
    status: int
    detail: str | None
    instance: str | None
    code: str | None
    canonical: str | None
    retryable: bool | None
    retry_after: float | None
    request_id: str | None
    errors: tuple[Mapping[str, Any], ...]
    extensions: Mapping[str, Any]

    def __init__(
        self,
        *,
        status: int,
        type: str = "about:blank",
        title: str | None = None,
        detail: str | None = None,
        instance: str | None = None,
        code: str | None = None,
        canonical: str | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
        request_id: str | None = None,
        errors: Iterable[Mapping[str, Any]] = (),
        extensions: Mapping[str, Any] | None = None,
    ) -> None:
        given = locals()
        for name in _MEMBERS:
            object.__setattr__(self, name, given[name])
        object.__setattr__(self, "errors", tuple([MappingProxyType(dict(e)) for e in errors]))
        object.__setattr__(self, "extensions", MappingProxyType(dict(extensions or {})))

    @classmethod
    def from_error(
        cls,
        error: BaseException,
        /,
        *,
        instance: str | None = None,
        request_id: str | None = None,
        type_base: str = "about:blank",
        expose: bool = False,
    ) -> Problem:
        """The problem that a server answers with.

        Below 500 it says what is wrong; from 500 on only that something is, for the text was not
        meant for a client.

        Args:
            error: a foreign exception is judged by `InfraError.from_exception`.
            instance: a URI of this occurrence.
            request_id: the request's id, for the client to quote.
            type_base: a URI that the code is appended to; `about:blank` keeps the plain HTTP
                phrase.
            expose: show the message of a 5xx and the context too (both redacted): for debugging,
                never in public.
        """
        err = InfraError.from_exception(error)
        shown = expose or err.http_status < 500
        blank = type_base == "about:blank"
        return cls(
            status=err.http_status,
            type=type_base if blank else type_base + err.code,
            title=phrase(err.http_status) if blank else err.status.title,
            detail=to_json(err.message) if shown else None,
            instance=instance,
            code=err.code,
            canonical=err.status.name,
            retryable=err.retryable,
            retry_after=err.retry_after,
            request_id=request_id,
            errors=[_error_member(violation) for violation in err.violations] if shown else (),
            extensions={"context": to_json(err.context)} if expose and err.context else None,
        )

    @classmethod
    def parse(
        cls, obj: Mapping[str, Any] | str | bytes, *, http_status: int | None = None
    ) -> Problem:
        """The problem in a response body, read leniently: wrong-typed members are ignored.

        Args:
            obj: the body, or what a JSON parser made of it; at most 256 KiB and 32 levels deep.
            http_status: the number of the response, used where the body has none.

        Raises:
            SerializationError: `errors.malformed_problem` for what is no JSON object, or over the
            bounds.
        """
        return cls(**reading.members(obj, http_status))

    def to_dict(self) -> dict[str, Any]:
        """The members as JSON values, in the standard's order; what is absent is left out."""
        result = {name: value for name in _MEMBERS if (value := getattr(self, name)) is not None}
        if self.errors:
            result["errors"] = [dict(error) for error in self.errors]
        return {
            **result,
            **{key: value for key, value in self.extensions.items() if key not in result},
        }

    def headers(self) -> dict[str, str]:
        """Content-Type, and Retry-After (whole seconds, at least 1) if there is a wait."""
        headers = {"Content-Type": MEDIA_TYPE}
        if self.retry_after is not None:
            headers["Retry-After"] = str(max(1, -int(-self.retry_after // 1)))
        return headers

    def to_error(self) -> InfraError:
        """The error that this problem tells of, for the client that received it.

        A code that this process knows gives that code's class; else it is an HttpError of the same
        status, which answers our own client with 502, 503 or 504. The remote text is redacted.
        """
        status = Status.__members__.get(self.canonical or "")
        owner = class_of(self.code) if self.code else None
        context = reading.context_of(self)
        message = self.detail or self.title or f"HTTP {self.status}"
        if owner is None or issubclass(owner, BaseExceptionGroup):
            status = status or Status.from_http(self.status)
            return self._upstream(message, status, context)
        return reading.rebuilt(self, owner, message, status or owner.status, context)

    def _upstream(self, message: str, status: Status, context: dict[str, Any]) -> InfraError:
        cls = error_class(Category.HTTP, status)
        return cls(
            message,
            code=self.code if is_code(self.code) else None,
            status=status,
            http_status=gateway_status(status),
            retryable=self.retryable,
            retry_after=self.retry_after,
            violations=reading.violations_in(self),
            context={**context, "status_code": self.status},
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Problem):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]  # the members of an extension may be mutable

    def __repr__(self) -> str:
        return (
            f"Problem({', '.join([f'{key}={value!r}' for key, value in self.to_dict().items()])})"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return Problem.parse, (self.to_dict(),)

    def __setattr__(self, name: str, value: object, /) -> NoReturn:
        message = "a Problem is immutable: make a new one"
        raise AttributeError(message)


_MEMBERS = [
    "type",
    "title",
    "status",
    "detail",
    "instance",
    "code",
    "canonical",
    "retryable",
    "retry_after",
    "request_id",
]


def phrase(status: int) -> str:
    """The phrase of an HTTP status: `Not Found`."""
    from http import HTTPStatus

    if status == 499:
        return "Client Closed Request"  # nginx's, in no standard
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return Status.from_http(status).title


def _error_member(violation: Any) -> dict[str, Any]:
    path, detail, code, _, _ = violation
    member: dict[str, Any] = to_json(
        {"detail": detail, "pointer": reading.pointer(path), "code": code}
    )
    return member


Problem.__module__ = "infra_errors"
