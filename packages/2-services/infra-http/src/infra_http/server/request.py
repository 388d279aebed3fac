"""Starlette's Request, with JSON read as strictly as infra-json reads it."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request as _Request

from infra_json import loads

__all__ = ["Request"]


class Request(_Request):
    """What a handler takes: Starlette's Request, whose `json` can make an object of a type."""

    async def json(self, type: Any = None) -> Any:
        """Return the body's JSON, or the object of `type` (attrs, dataclass, list[…], …) it makes.

        Raises:
            SerializationError: a 400 that says where: `json.invalid` for what is no strict JSON,
            `json.structure` with one violation a field for what is not of the type.
        """
        body = await self.body()
        # the limit is the server's: Limits has counted the body already
        size = max(len(body), 1)
        return (
            loads(body, max_bytes=size) if type is None else loads(body, type=type, max_bytes=size)
        )
