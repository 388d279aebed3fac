"""Middleware around everything sees the final answer and the route's template."""

from __future__ import annotations

from typing import Any

from infra_errors import NotFoundError
from infra_http.server import ServerBuilder


async def test_what_is_around_sees_the_answer_to_an_error_and_the_template(ask: Any) -> None:
    seen: list[Any] = []

    def watching(app: Any, name: str) -> Any:
        async def call(scope: Any, receive: Any, send: Any) -> None:
            async def noted(message: Any) -> None:
                if message["type"] == "http.response.start":
                    seen.append((name, scope["route"], message["status"]))
                await send(message)

            await app(scope, receive, noted)

        return call

    async def handler(request: Any) -> None:
        message = "there is none"
        raise NotFoundError(message)

    app = (
        ServerBuilder("x")
        .route("/items/{id}", handler)
        .around(watching, name="outer")
        .around(watching, name="inner")
        .build()
    )
    await ask(app, "GET", "/items/7")
    assert [("inner", "/items/{id}", 404), ("outer", "/items/{id}", 404)] == seen
