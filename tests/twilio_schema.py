"""Hold HTTP to and from Twilio against the strict schema, whoever is at the other end.

``check_request`` and ``check_response`` raise ``SchemaViolation`` (an ``AssertionError``) that says what is wrong.
"""

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from jsonschema import FormatChecker
from openapi_schema_validator import OAS30Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

FILE = Path(__file__).with_name("twilio_schema.json")
Form = Mapping[str, Any] | Iterable[tuple[str, Any]]

__all__ = ["SchemaViolation", "check_request", "check_response", "document"]


class SchemaViolation(AssertionError):
    """Something that Twilio would not send or would not understand."""


@cache
def document() -> dict[str, Any]:
    """The strict OpenAPI document."""
    return json.loads(FILE.read_text())


def check_request(method: str, path: str, query: Form = (), form: Form = ()) -> str:
    """Check one request; returns its operation id.

    ``path`` may be a whole URL, with a query of its own. Values are as on the wire, or as the SDK hands them
    to its HTTP client (lists for repeated keys, booleans, numbers).
    """
    operation, in_path = _operation(method, path)
    where = operation["operationId"]
    asked = [*_pairs(query), *parse_qsl(urlsplit(path).query, keep_blank_values=True)]
    _check_parameters(where, operation, in_path, asked)
    sent = _grouped(_pairs(form))
    body = operation.get("requestBody")
    if body is None:
        if sent:
            raise SchemaViolation(f"{where} takes no form, got {sorted(sent)}")
        return where
    ((_, media),) = body["content"].items()
    schema = media["schema"]
    typed = {name: _typed(values, schema["properties"].get(name, {})) for name, values in sent.items()}
    _check(where, schema, typed)
    return where


def check_response(method: str, path: str, status: int, body: Any) -> str:
    """Check one answer (``body`` parsed, None when empty); returns its operation id."""
    operation, _ = _operation(method, path)
    where = f"{operation['operationId']} {status}"
    responses = operation["responses"]
    response = responses.get(str(status)) or (responses["default"] if status >= 400 else None)
    if response is None:
        raise SchemaViolation(f"{where}: never answered with this status")
    if "content" not in response:
        if body is not None:
            raise SchemaViolation(f"{where}: has a body")
        return operation["operationId"]
    _check(where, response["content"]["application/json"]["schema"], body)
    if status >= 400 and body["status"] != status:
        raise SchemaViolation(f"{where}: the body says {body['status']}")
    return operation["operationId"]


@cache
def _templates() -> list[tuple[re.Pattern[str], str]]:
    found: list[tuple[re.Pattern[str], str]] = []
    for path in document()["paths"]:
        pieces = re.split(r"\{(\w+)\}", path)
        pattern = "".join(
            f"(?P<{piece}>[^/]+)" if index % 2 else re.escape(piece) for index, piece in enumerate(pieces)
        )
        found.append((re.compile(pattern), path))
    return found


def _operation(method: str, path: str) -> tuple[dict[str, Any], dict[str, str]]:
    plain = urlsplit(path).path
    for pattern, template in _templates():
        match = pattern.fullmatch(plain)
        if match and method.lower() in document()["paths"][template]:
            return document()["paths"][template][method.lower()], match.groupdict()
    raise SchemaViolation(f"{method.upper()} is not among the operations in use at this path")


def _check_parameters(
    where: str, operation: dict[str, Any], in_path: dict[str, str], asked: list[tuple[str, str]]
) -> None:
    known = {(p["in"], p["name"]): p["schema"] for p in operation["parameters"]}
    for place, pairs in (("path", list(in_path.items())), ("query", asked)):
        for name, value in pairs:
            if (place, name) not in known:
                raise SchemaViolation(f"{where}: no such {place} parameter: {name}")
            _check(f"{where} {name}", known[place, name], _typed([value], known[place, name]))


def _pairs(values: Form) -> list[tuple[str, str]]:
    items = values.items() if isinstance(values, Mapping) else values
    flat = ((name, v) for name, value in items for v in (value if isinstance(value, list | tuple) else [value]))
    return [(name, str(v).lower() if isinstance(v, bool) else str(v)) for name, v in flat]


def _grouped(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped


def _typed(values: list[str], schema: dict[str, Any]) -> Any:
    """The value a form's text stands for; text that does not fit stays text and fails the check."""
    match schema.get("type"):
        case "array":
            return values
        case "integer" if len(values) == 1 and re.fullmatch(r"-?[0-9]+", values[0]):
            return int(values[0])
        case "boolean" if values in (["true"], ["false"]):
            return values == ["true"]
        case _:
            return values[0] if len(values) == 1 else values


def _check(where: str, schema: dict[str, Any], value: Any) -> None:
    resource: Resource[Any] = Resource(contents=document(), specification=DRAFT4)
    rooted = _absolute(schema)
    validator = OAS30Validator(
        rooted,
        registry=Registry().with_resource("urn:twilio", resource),
        format_checker=FormatChecker(formats=("date", "date-time")),
    )
    problems = [f"{'.'.join(map(str, e.absolute_path)) or 'it'}: {e.message}" for e in validator.iter_errors(value)]
    if problems:
        raise SchemaViolation(f"{where}: " + "; ".join(problems))


def _absolute(value: Any) -> Any:
    """The schema with its references bound to the document, which it is checked apart from."""
    if isinstance(value, dict):
        return {key: f"urn:twilio{inner}" if key == "$ref" else _absolute(inner) for key, inner in value.items()}
    return [_absolute(inner) for inner in value] if isinstance(value, list) else value
