"""A request put together step by step, each step checked when it is taken."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Self

import httpx2

from infra_http._exchange import OPTIONS, CallOptions
from infra_http.errors import HttpInputError
from infra_http.propagation import IDEMPOTENCY_KEY_HEADER
from infra_id import uuid7
from infra_json import dumps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra_errors import Secret

__all__ = ["RequestBuilder"]

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch  # RFC 9110 section 5.6.2
_FORBIDDEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]").search  # section 5.5


class RequestBuilder:
    """Puts an `httpx2.Request` together: `RequestBuilder.get(url).query(page=2).build()`.

    Each call returns the builder itself. A request has one body: `json`, `form` (with or without
    `file`) or `content`.

    Raises:
        HttpInputError: `http.invalid`, something that may not be sent as it is.
    """

    def __init__(self, method: str, url: str | httpx2.URL) -> None:
        if not isinstance(method, str) or _TOKEN(method) is None:
            message = "a method is a token such as GET"
            raise HttpInputError(message)
        try:
            self._url = httpx2.URL(url)
        except (httpx2.InvalidURL, TypeError) as error:
            message = "the URL cannot be read"
            raise HttpInputError(message) from error
        self._method = method.upper()
        self._headers: list[tuple[str, str]] = []
        self._body: dict[str, Any] = {}
        self._files: list[tuple[str, tuple[Any, ...]]] = []
        self._extensions: dict[str, Any] = {}

    @classmethod
    def get(cls, url: str | httpx2.URL) -> Self:
        """Begin a GET."""
        return cls("GET", url)

    @classmethod
    def post(cls, url: str | httpx2.URL) -> Self:
        """Begin a POST."""
        return cls("POST", url)

    def header(self, name: str, value: str) -> Self:
        """Add a header; one of the same name stays."""
        if _TOKEN(name) is None:
            message = "the name of a header is a token such as X-Tenant"
            raise HttpInputError(message)
        if not isinstance(value, str) or _FORBIDDEN(value) is not None:
            message = f"the value of the header {name} must be text without line breaks or controls"
            raise HttpInputError(message)
        self._headers.append((name, value))
        return self

    def query(self, **values: Any) -> Self:
        """Add parameters to the query; a list gives one for each item, None leaves it out."""
        given = {name: value for name, value in values.items() if value is not None}
        self._url = self._url.copy_merge_params(given)
        return self

    def json(self, value: Any) -> Self:
        """Send the value as JSON (RFC 8259), written by infra-json."""
        self._set_body(content=dumps(value).encode())
        return self._media_type("application/json")

    def form(self, fields: Mapping[str, Any]) -> Self:
        """Send fields as a form; with a `file`, as multipart/form-data."""
        return self._set_body(data=dict(fields))

    def content(self, body: bytes, *, media_type: str = "application/octet-stream") -> Self:
        """Send bytes as they are."""
        self._set_body(content=body)
        return self._media_type(media_type)

    def file(
        self,
        name: str,
        file: Any,
        *,
        filename: str | None = None,
        media_type: str = "application/octet-stream",
    ) -> Self:
        """Add a file, bytes or an open binary file, to a multipart form."""
        if "content" in self._body:
            message = "the request has a body already: a file goes into a form"
            raise HttpInputError(message)
        self._files.append((name, (filename or getattr(file, "name", name), file, media_type)))
        return self

    def bearer(self, token: str | Secret[str]) -> Self:
        """Set the Authorization header to a bearer token (RFC 6750)."""
        text = token if isinstance(token, str) else token.reveal()
        return self.header("Authorization", f"Bearer {text}")

    def timeout(self, seconds: float | httpx2.Timeout | None) -> Self:
        """Set the timeouts of the socket's steps, as httpx2's `timeout=`."""
        self._extensions["timeout"] = httpx2.Timeout(seconds).as_dict()
        return self

    def options(self, options: CallOptions) -> Self:
        """Set what this call does differently from its client's policy."""
        self._extensions[OPTIONS] = options
        return self

    def idempotent(self, key: str | None = None) -> Self:
        """Add an `Idempotency-Key`, by default a UUIDv7: the request may then be repeated."""
        return self.header(IDEMPOTENCY_KEY_HEADER, key or str(uuid7()))

    def build(self) -> httpx2.Request:
        """Return the request, for `client.send`."""
        body = dict(self._body)
        if self._files:
            body["files"] = self._files
        return httpx2.Request(
            self._method,
            self._url,
            headers=self._headers,
            extensions=dict(self._extensions),
            **body,
        )

    def _set_body(self, **body: Any) -> Self:
        if self._body or (self._files and "data" not in body):
            message = "the request has a body already"
            raise HttpInputError(message)
        self._body = body
        return self

    def _media_type(self, media_type: str) -> Self:
        if not any(name.lower() == "content-type" for name, _ in self._headers):
            self.header("Content-Type", media_type)
        return self
