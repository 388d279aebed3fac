"""The OpenAPI 3.1 document of a server's routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.convertors import FloatConvertor, IntegerConvertor, UUIDConvertor
from starlette.routing import compile_path

from infra_http.schemas import Schemas

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from starlette.convertors import Convertor

    from infra_http.server.routes import Route

__all__ = ["Document"]

_METHODS = {"GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"}  # those of 3.1
_SCHEME = "caller"
_JSON = "application/json"
_PROBLEM: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "problem details, RFC 9457",
    "required": ["status", "type"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "code": {"type": "string", "description": "stable, for programs"},
        "canonical": {"type": "string"},
        "retryable": {"type": "boolean"},
        "retry_after": {"type": "number", "description": "seconds"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "detail": {"type": "string"},
                    "pointer": {"type": "string"},
                    "code": {"type": "string"},
                },
            },
        },
    },
}


class Document:
    """Makes the document, when it is first asked for.

    Args:
        name, version: title and version of its `info`.
        routes: what it describes.
        info: further members of `info`.
        schema_of: makes the JSON Schema of a type; None for our own.
        challenge: the `WWW-Authenticate` of the server's auth; None without auth.
        exclude: paths that need no auth.
    """

    def __init__(
        self,
        name: str,
        version: str,
        routes: Sequence[Route],
        *,
        info: Mapping[str, Any] | None = None,
        schema_of: Callable[[Any], dict[str, Any]] | None = None,
        challenge: str | None = None,
        exclude: Collection[str] = (),
    ) -> None:
        self._info = {"title": name, "version": version, **(info or {})}
        self._routes = routes
        self._schemas = Schemas()
        self._schema_of = schema_of or self._schemas.of
        self._challenge = challenge
        self._exclude = exclude
        self._ids: set[str] = set()
        self._made: dict[str, Any] | None = None

    def make(self) -> dict[str, Any]:
        """Return the document; the same object each time.

        Raises:
            ConfigError: `http.config`, a type of a route has no schema.
        """
        if self._made is None:
            self._made = self._make()
        return self._made

    def _make(self) -> dict[str, Any]:
        paths: dict[str, dict[str, Any]] = {}
        for route in self._routes:
            if route.kind != "http" or not route.include_in_schema:
                continue
            _, template, convertors = compile_path(route.path)
            item = paths.setdefault(template, {})
            for method in route.methods:
                if method in _METHODS and method.lower() not in item:
                    item[method.lower()] = self._operation(route, method, convertors)
        components: dict[str, Any] = {
            "responses": {
                "Problem": {
                    "description": "what went wrong",
                    "content": {
                        "application/problem+json": {
                            "schema": {"$ref": "#/components/schemas/Problem"}
                        }
                    },
                }
            },
        }
        if self._challenge is not None:
            components["securitySchemes"] = {_SCHEME: _security(self._challenge)}
        components["schemas"] = {**self._schemas.components, "Problem": _PROBLEM}
        return {"openapi": "3.1.0", "info": self._info, "paths": paths, "components": components}

    def _operation(
        self, route: Route, method: str, convertors: dict[str, Convertor[Any]]
    ) -> dict[str, Any]:
        operation: dict[str, Any] = {"operationId": self._id(route, method)}
        if route.summary:
            operation["summary"] = route.summary
        if route.description:
            operation["description"] = route.description
        if route.tags:
            operation["tags"] = [*route.tags]
        parameters = [
            {"name": name, "in": "path", "required": True, "schema": _parameter(convertor)}
            for name, convertor in convertors.items()
        ]
        if parameters or route.parameters:
            operation["parameters"] = [*parameters, *route.parameters]
        if route.request is not None:
            content = {_JSON: {"schema": self._schema_of(route.request)}}
            operation["requestBody"] = {"required": True, "content": content}
        operation["responses"] = self._responses(route)
        if self._challenge is not None and route.auth and route.path not in self._exclude:
            operation["security"] = [{_SCHEME: []}]
        return operation

    def _responses(self, route: Route) -> dict[str, Any]:
        given = {200: None} if route.responses is None else route.responses
        result: dict[str, Any] = {}
        for status, what in given.items():
            if isinstance(what, dict):  # a Response Object, as OpenAPI has it
                result[str(status)] = what
            elif what is None or isinstance(what, str):
                result[str(status)] = {"description": what or _word(status)}
            else:
                content = {_JSON: {"schema": self._schema_of(what)}}
                result[str(status)] = {"description": _word(status), "content": content}
        return {**result, "default": {"$ref": "#/components/responses/Problem"}}

    def _id(self, route: Route, method: str) -> str:
        base = route.name if len(route.methods) == 1 else f"{route.name}_{method.lower()}"
        base = "".join([c if c.isalnum() or c == "_" else "_" for c in base]).strip("_") or "route"
        name, number = base, 2
        while name in self._ids:
            name, number = f"{base}_{number}", number + 1
        self._ids.add(name)
        return name


def _word(status: int) -> str:
    from http import HTTPStatus

    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"status {status}"


def _parameter(convertor: Convertor[Any]) -> dict[str, Any]:
    if isinstance(convertor, IntegerConvertor):
        return {"type": "integer", "minimum": 0}
    if isinstance(convertor, FloatConvertor):
        return {"type": "number", "minimum": 0}
    if isinstance(convertor, UUIDConvertor):
        return {"type": "string", "format": "uuid"}
    return {"type": "string"}


def _security(challenge: str) -> dict[str, Any]:
    return {"type": "http", "scheme": challenge.partition(" ")[0].lower()}
