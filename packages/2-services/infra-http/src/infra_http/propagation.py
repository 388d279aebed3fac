"""What a request brings along and everything below it can read: its id and its idempotency key.

The third ambient thing, the deadline, is `infra_errors.Deadline.current()`. The server sets all
three for each request; a job or a test sets them with `request_scope`.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from infra_errors import Deadline, ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "IDEMPOTENCY_KEY_HEADER",
    "REQUEST_ID_HEADER",
    "TIMEOUT_HEADER",
    "current_idempotency_key",
    "current_request_id",
    "is_request_id",
    "request_scope",
]

REQUEST_ID_HEADER = "X-Request-Id"
IDEMPOTENCY_KEY_HEADER = "Idempotency-Key"
TIMEOUT_HEADER = "X-Request-Timeout-Ms"  # relative, so that the clocks of two hosts need not agree

_IS_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}").fullmatch

request_id_var: ContextVar[str | None] = ContextVar("infra_http.request_id", default=None)
idempotency_key_var: ContextVar[str | None] = ContextVar("infra_http.idempotency_key", default=None)


def current_request_id() -> str | None:
    """Return the id of the request that is being worked on, or None outside of one."""
    return request_id_var.get()


def current_idempotency_key() -> str | None:
    """Return the idempotency key that the request came with, or None.

    For a handler that hands it on to a database or a queue; the client does not send it by itself,
    for two different calls of one handler must not share a key.
    """
    return idempotency_key_var.get()


def is_request_id(text: str) -> bool:
    """Tell whether the text may be taken over as a request id: `[A-Za-z0-9._-]{1,128}`."""
    return _IS_REQUEST_ID(text) is not None


@contextmanager
def request_scope(
    *,
    request_id: str | None = None,
    idempotency_key: str | None = None,
    deadline: Deadline | float | None = None,
) -> Iterator[None]:
    """Work on behalf of a request: what is given holds in the body, the rest stays as it was.

    Args:
        request_id: 1 to 128 of `A-Z a-z 0-9 . _ -`.
        idempotency_key: as it came.
        deadline: a Deadline, or seconds from now; a tighter one that is in force stays.

    Raises:
        ValidationError: `http.bad_request_id`, or `errors.bad_policy` for a negative time.
    """
    if request_id is not None and not is_request_id(request_id):
        message = "a request id is 1 to 128 letters, digits, dots, dashes or underscores"
        raise ValidationError(message, code="http.bad_request_id")
    limit = Deadline.after(deadline) if isinstance(deadline, int | float) else deadline
    id_before, key_before = request_id_var.get(), idempotency_key_var.get()
    if request_id is not None:
        request_id_var.set(request_id)
    if idempotency_key is not None:
        idempotency_key_var.set(idempotency_key)
    try:
        if limit is None:
            yield
        else:
            with limit.scope():
                yield
    finally:
        # by value: a generator's body may end in another context, where a token is refused
        request_id_var.set(id_before)
        idempotency_key_var.set(key_before)
