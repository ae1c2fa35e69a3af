"""The OpenAPI 3.1 document, made from the table of routes and the shapes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import msgspec

from protocol.money_unit import YUAN, MoneyUnit
from server.core import signed_requests
from server.http_api import numbers, problems
from server.http_api.page import link
from server.http_api.routes import PARAMETERS, ROUTES, Route
from server.http_api.shapes.base import FEN, NARROWER, ProblemDocument
from server.version import version

REFERENCE: Final = "#/components/schemas/{name}"
IDEMPOTENCY_KEY: Final = "Idempotency-Key"
SIGNED: Final = {
    signed_requests.KEY_HEADER: "the id of the key",
    signed_requests.TIMESTAMP_HEADER: "seconds since 1970, at most 300 from the time of the server",
    signed_requests.NONCE_HEADER: "16 to 64 letters, digits, - and _; never the same again",
    signed_requests.SIGNATURE_HEADER: "hex of the HMAC-SHA256 of the lines described in docs/http-api.md",
}


@cache
def document(money: MoneyUnit) -> bytes:
    """The document as JSON."""
    encoded = msgspec.json.encode(made_of(ROUTES, money))
    return encoded if money == YUAN else encoded.replace(FEN.encode(), money.smallest.encode())


def made_of(routes: Sequence[Route], money: MoneyUnit) -> dict[str, Any]:
    """The document of these routes."""
    bodies = [route.body for route in routes if route.body is not None]
    kinds = list(dict.fromkeys([*bodies, *(route.reply for route in routes), ProblemDocument]))
    _, schemas = msgspec.json.schema_components(kinds, schema_hook=numbers.schema, ref_template=REFERENCE)
    for schema in schemas.values():
        for field in schema.get("properties", {}).values():
            field.update(field.pop(NARROWER, {}))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "hongbao",
            "version": version(),
            "description": "Red packets for chat backends. Ids are strings, "
            f"amounts are integers in {money.smallest}.",
            "x-money-unit": msgspec.structs.asdict(money),
        },
        "security": [{"bearer": []}, {name: [] for name in SIGNED}],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": _security_schemes()},
    }


def _security_schemes() -> dict[str, Any]:
    signed = {
        name: {"type": "apiKey", "in": "header", "name": name, "description": meaning}
        for name, meaning in SIGNED.items()
    }
    bearer = {"type": "http", "scheme": "bearer", "description": "key-id.hex of the key, over TLS or loopback only"}
    page = {"type": "apiKey", "in": "header", "name": link.HEADER, "description": "`signed` of a link to a page"}
    return {"bearer": bearer, **signed, "page": page}


def _operation(route: Route) -> dict[str, Any]:
    resource, _, verb = route.handler.__qualname__.partition(".")
    operation: dict[str, Any] = {
        "operationId": f"{resource.removesuffix('Requests').lower()}_{verb}",
        "summary": route.handler.__doc__ or "",
        "parameters": [*_path_parameters(route), *_query_parameters(route), *_headers(route)],
        "responses": {
            "200": {"description": "done", "content": {"application/json": {"schema": _reference(route.reply)}}},
            "4XX": _problem("the request is refused"),
            "5XX": _problem("the server cannot serve it now"),
        },
    }
    if route.by_link:
        operation["security"] = [{"page": []}]
    if route.body is not None:
        content = {"application/json": {"schema": _reference(route.body)}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _problem(description: str) -> dict[str, Any]:
    retry = {"description": "seconds, if the problem is temporary", "schema": {"type": "integer"}}
    content = {problems.CONTENT_TYPE: {"schema": _reference(ProblemDocument)}}
    return {"description": description, "headers": {"Retry-After": retry}, "content": content}


def _reference(kind: type) -> dict[str, str]:
    return {"$ref": REFERENCE.format(name=kind.__name__)}


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    names = [segment.strip("{}") for segment in route.path.split("/") if segment.startswith("{")]
    return [{"name": name, "in": "path", "required": True, "schema": _parameter_schema(name)} for name in names]


def _parameter_schema(name: str) -> dict[str, Any]:
    kind = PARAMETERS[name]
    return numbers.schema(kind) if issubclass(kind, numbers.Id) else {"type": "string", "minLength": 1}


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    _, schemas = msgspec.json.schema_components([route.query], ref_template=REFERENCE)
    schema = schemas[route.query.__name__]
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": kind}
        for name, kind in schema["properties"].items()
    ]


def _headers(route: Route) -> list[dict[str, Any]]:
    if not route.needs_key:
        return []
    schema = {"type": "string", "minLength": 1, "maxLength": 64}
    return [{"name": IDEMPOTENCY_KEY, "in": "header", "required": True, "schema": schema}]
