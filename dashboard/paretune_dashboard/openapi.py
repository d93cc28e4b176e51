"""The OpenAPI document: made from the table of routes, the descriptors and the protos' own comments."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route as Endpoint

from paretune.v1 import optimizer_pb2
from paretune_dashboard.answers import answer
from paretune_dashboard.routes import API, ROUTES, Route
from paretune_dashboard.services import method_named

COMMENTS = Path(optimizer_pb2.__file__).with_name("comments.json")
"""Comments of the protos by full name, which descriptors do not keep; written by tools/gen_protos.py."""

_SCALARS: dict[int, dict[str, Any]] = {
    FieldDescriptor.CPPTYPE_STRING: {"type": "string"},
    FieldDescriptor.CPPTYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.CPPTYPE_DOUBLE: {"type": "number", "format": "double"},
    FieldDescriptor.CPPTYPE_INT32: {"type": "integer", "format": "int32"},
    FieldDescriptor.CPPTYPE_INT64: {"type": "string", "format": "int64"},
}
_WELL_KNOWN: dict[str, dict[str, Any]] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "description": "Seconds, such as 1.5s."},
    "google.protobuf.FieldMask": {"type": "string", "description": "Names of fields, comma-separated."},
    "google.protobuf.DoubleValue": {"type": "number", "format": "double"},
}


@cache
def comments() -> dict[str, str]:
    """Comments of the protos by full name."""
    found: dict[str, str] = json.loads(COMMENTS.read_text(encoding="utf-8"))
    return found


@cache
def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    schemas: dict[str, Any] = {"Error": _ERROR}
    paths: dict[str, Any] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "paretune",
            "version": "1",
            "description": "paretune.v1 over HTTP: names of the protos, 64-bit integers as text. Changes "
            "need a bearer token, or the session's cookie with its CSRF token.",
        },
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"bearer": []}, {}],
    }


def _operation(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    method = method_named(route.rpc)
    text = comments().get(method.full_name, "")
    named = re.findall(r"{([\w.]+)}", route.path)
    fields = {field.name: field for field in method.input_type.fields}
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in named
    ]
    made: dict[str, Any] = {
        "operationId": f"{route.method.lower()}{method.name}",
        "tags": [route.rpc.partition(".")[0]],
        "summary": text.split(". ")[0].rstrip("."),
        "description": text,
        "responses": {
            "200": {
                "description": comments().get(method.output_type.full_name, "OK"),
                "content": {
                    "text/event-stream" if method.server_streaming else "application/json": {
                        "schema": _message(method.output_type, schemas)
                    }
                },
            },
            "default": {
                "description": "An error.",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
            },
        },
    }
    if route.method in ("GET", "DELETE"):
        parameters += [
            {
                "name": name,
                "in": "query",
                "description": comments().get(field.full_name, ""),
                "schema": _field(field, schemas),
            }
            for name, field in fields.items()
            if name not in named
            and (field.message_type is None or field.message_type.full_name in _WELL_KNOWN)
        ]
    else:
        schema = _message(method.input_type, schemas)
        made["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    return made | {"parameters": parameters}


def _message(descriptor: Descriptor, schemas: dict[str, Any]) -> dict[str, Any]:
    """A reference to the schema of a message, which is added."""
    if descriptor.full_name in _WELL_KNOWN:
        return _WELL_KNOWN[descriptor.full_name]
    name = descriptor.full_name.removeprefix("paretune.v1.")
    if name not in schemas:
        schemas[name] = {}  # first, for messages that hold themselves
        schemas[name] = {
            "type": "object",
            "description": comments().get(descriptor.full_name, ""),
            "properties": {
                field.name: _field(field, schemas) | {"description": comments().get(field.full_name, "")}
                for field in descriptor.fields
            },
        }
    return {"$ref": f"#/components/schemas/{name}"}


def _field(field: FieldDescriptor, schemas: dict[str, Any]) -> dict[str, Any]:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return {
            "type": "object",
            "additionalProperties": _one(field.message_type.fields_by_name["value"], schemas),
        }
    one = _one(field, schemas)
    return {"type": "array", "items": one} if field.is_repeated else one


def _one(field: FieldDescriptor, schemas: dict[str, Any]) -> dict[str, Any]:
    if field.message_type is not None:
        return dict(_message(field.message_type, schemas))
    if field.enum_type is not None:
        return _enum(field.enum_type)
    return dict(_SCALARS[field.cpp_type])


def _enum(descriptor: EnumDescriptor) -> dict[str, Any]:
    return {"type": "string", "enum": [value.name for value in descriptor.values]}


_ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "code": {"type": "string", "description": "Kind of error, such as NotFound."},
                "message": {"type": "string", "description": "One sentence for people."},
                "reason": {"type": "string", "description": "An ErrorReason without its prefix."},
                "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
                "violations": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"field": {"type": "string"}, "description": {"type": "string"}},
                    },
                },
            },
        }
    },
}


async def served(request: Request) -> Response:
    """The document."""
    return answer(document())


async def shown(request: Request) -> Response:
    """The document for people."""
    return FileResponse(Path(__file__).with_name("static") / "docs.html")


ENDPOINTS = [Endpoint(f"{API}/openapi.json", served), Endpoint(f"{API}/docs", shown)]
