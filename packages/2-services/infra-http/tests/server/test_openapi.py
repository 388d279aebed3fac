"""The OpenAPI document: valid, and true to the routes."""

from __future__ import annotations

import dataclasses
import enum
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, NewType, TypedDict
from uuid import UUID

import attrs
import pytest

from infra_errors import ConfigError
from infra_http.server import ServerBuilder
from infra_id import TypedId

validator = pytest.importorskip("openapi_spec_validator")


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class OrderId(TypedId):
    prefix = "ord"


Cents = NewType("Cents", int)


@dataclasses.dataclass
class Address:
    street: str
    number: int | None = None


class Options(TypedDict, total=False):
    fast: bool


@attrs.frozen
class Order:
    id: OrderId
    colour: Colour
    kind: Literal["a", "b"]
    at: datetime
    day: date
    price: Cents
    exact: Decimal
    key: UUID
    raw: bytes
    left: timedelta
    address: Address
    options: Options
    parent: Order | None = None
    lines: list[Address] = attrs.field(factory=list)
    tags: frozenset[str] = frozenset()
    pair: tuple[int, str] = (1, "")
    many: tuple[int, ...] = ()
    names: dict[str, float] = attrs.field(factory=dict)
    noted: Annotated[str, "x"] = ""
    anything: Any = None
    _hidden: int = 0


async def handler(request):
    return "x"


def document(configure):
    found = configure(ServerBuilder("shop", version="1.2.3")).build().openapi()
    validator.validate(found)
    return found


def test_a_whole_document_validates_and_says_what_the_routes_do():
    async def hook(request):
        return "me"

    found = document(
        lambda b: (
            b.route(
                "/orders/{id:uuid}/lines/{line:int}/{rest:path}",
                handler,
                methods=["PUT", "PATCH"],
                name="put-line",
                summary="Put a line",
                description="Puts it.",
                tags=["orders"],
                request=Order,
                responses={200: list[Order], 202: "accepted", 204: None},
                parameters=[{"name": "dry", "in": "query", "schema": {"type": "boolean"}}],
            )
            .route("/open", handler, auth=False)
            .route("/secret", handler, include_in_schema=False)
            .websocket("/ws", handler)
            .mount("/static", handler)
            .health()
            .auth(hook)
            .openapi(info={"description": "A shop."})
        )
    )
    assert {"title": "shop", "version": "1.2.3", "description": "A shop."} == found["info"]
    assert ["/orders/{id}/lines/{line}/{rest}", "/open"] == list(found["paths"])
    put = found["paths"]["/orders/{id}/lines/{line}/{rest}"]["put"]
    assert "put_line_put" == put["operationId"]
    assert [("id", "string"), ("line", "integer"), ("rest", "string"), ("dry", "boolean")] == [
        (parameter["name"], parameter["schema"]["type"]) for parameter in put["parameters"]
    ]
    assert {"$ref": "#/components/schemas/Order"} == put["requestBody"]["content"][
        "application/json"
    ]["schema"]
    assert ["200", "202", "204", "default"] == list(put["responses"])
    assert [{"caller": []}] == put["security"]
    assert "security" not in found["paths"]["/open"]["get"]
    assert {"type": "http", "scheme": "bearer"} == found["components"]["securitySchemes"]["caller"]


def test_a_type_is_described_as_infra_json_writes_it():
    found = document(lambda b: b.route("/", handler, responses={200: Order}))
    schemas = found["components"]["schemas"]
    order = schemas["Order"]["properties"]
    assert "_hidden" not in order
    assert {"enum": ["red", "blue"]} == schemas["Colour"]
    assert {"enum": ["a", "b"]} == order["kind"]
    assert {"type": "string", "format": "date-time"} == order["at"]
    assert {"type": "integer"} == order["price"]
    assert {"type": "string"} == order["id"]
    assert {"anyOf": [{"$ref": "#/components/schemas/Order"}, {"type": "null"}]} == order["parent"]
    assert {"type": "array", "items": {"type": "string"}, "uniqueItems": True} == order["tags"]
    assert {"type": "object", "additionalProperties": {"type": "number"}} == order["names"]
    assert ["street"] == schemas["Address"]["required"]
    assert "required" not in schemas["Options"]
    assert 12 == len(schemas["Order"]["required"])


def test_operation_ids_and_schema_names_stay_unique():
    def other():
        @attrs.frozen
        class Address:
            planet: str

        return Address

    found = document(
        lambda b: b.route("/a", handler, responses={200: Address}).route(
            "/b", handler, responses={200: other()}
        )
    )
    ids = [item["get"]["operationId"] for item in found["paths"].values()]
    assert ["handler", "handler_2"] == ids
    assert {"Address", "Address2", "Problem"} == found["components"]["schemas"].keys()


def test_another_schema_maker_is_asked_instead():
    found = document(
        lambda b: b.route("/", handler, responses={200: object()}).openapi(
            schema_of=lambda kind: {"type": "string", "description": "mine"}
        )
    )
    content = found["paths"]["/"]["get"]["responses"]["200"]["content"]
    assert "mine" == content["application/json"]["schema"]["description"]


def test_a_type_without_a_form_is_refused_by_name():
    app = ServerBuilder("t").route("/", handler, responses={200: complex}).build()
    with pytest.raises(ConfigError, match="complex"):
        app.openapi()


async def test_the_document_is_served_and_a_copy_is_given(ask):
    app = ServerBuilder("t").route("/", handler).openapi("/doc.json").build()
    app.openapi()["paths"].clear()
    assert ["/"] == list((await ask(app, "GET", "/doc.json")).json()["paths"])
