"""Derive the strict schema of the Twilio operations in use from Twilio's published OpenAPI document.

    python scripts/derive_twilio_schema.py SPEC    write tests/twilio_schema.json from that document
    python scripts/derive_twilio_schema.py         the same, fetching the npm package with `npm pack`
    ... --check                                    write nothing; exit 1 when the committed file differs

Names, types, enums and formats are Twilio's. Descriptions and examples are dropped. What is published is so
permissive that an empty object is a valid call, so every object is closed, every property of an answer is
required, and dates get a pattern. See docs/decisions/0003-strict-twilio-schema.md.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

PACKAGE = "@twilio/cli-core@8.3.2"
FILE = "package/src/services/twilio-api/twilio_api_v2010.json"
TARGET = Path(__file__).resolve().parent.parent / "tests" / "twilio_schema.json"

_ACCOUNT = "/2010-04-01/Accounts/{AccountSid}"
OPERATIONS = {
    "/2010-04-01/Accounts/{Sid}.json": ("get",),
    f"{_ACCOUNT}/Calls.json": ("get", "post"),
    f"{_ACCOUNT}/Calls/{{Sid}}.json": ("get", "post", "delete"),
    f"{_ACCOUNT}/Calls/{{CallSid}}/Recordings.json": ("get", "post"),
    f"{_ACCOUNT}/Calls/{{CallSid}}/Recordings/{{Sid}}.json": ("get", "post", "delete"),
    f"{_ACCOUNT}/Recordings.json": ("get",),
    f"{_ACCOUNT}/Recordings/{{Sid}}.json": ("get", "delete"),
}
RFC_2822 = (
    "^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-3][0-9] (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
    " [0-9]{4} [0-2][0-9]:[0-5][0-9]:[0-6][0-9] \\+0000$"
)
NEVER_NULL = frozenset({"sid", "account_sid", "uri", "date_created"})
"""Nullable in what is published, yet never null in an answer: without them nothing can be matched."""
KEPT = ("type", "format", "enum", "nullable", "pattern", "minLength", "maxLength", "minimum", "maximum")
EVENTS = "#/components/schemas/call_enum_event"

Json = dict[str, Any]


def derive(spec: Json, source_sha256: str) -> Json:
    """The strict document. Raises ``KeyError`` when an operation is not in ``spec``."""
    used: dict[str, Json] = {}
    paths: Json = {}
    for path, methods in OPERATIONS.items():
        paths[path] = {method: _operation(spec["paths"][path][method], spec, used) for method in methods}
    document: Json = {
        "openapi": "3.0.1",
        "info": {"title": "Twilio API 2010-04-01, the operations in use, strict", "version": "1"},
        "x-source": {"package": PACKAGE, "file": FILE, "sha256": source_sha256},
        "paths": paths,
        "components": {
            "schemas": used | {"call_enum_event": _schema(_component(spec, EVENTS), spec, used), "error": _error()},
            "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}},
        },
        "security": [{"basic": []}],
    }
    return document | {"x-sha256": digest(document)}


def digest(document: Json) -> str:
    """The SHA-256 of a document's canonical form, without its own digest."""
    content = {key: value for key, value in document.items() if key != "x-sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def canonical(document: Json) -> str:
    """The text that is committed."""
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def _operation(operation: Json, spec: Json, used: dict[str, Json]) -> Json:
    strict: Json = {
        "operationId": operation["operationId"],
        "parameters": [_parameter(parameter, spec, used) for parameter in operation["parameters"]],
        "responses": {status: _response(response, spec, used) for status, response in operation["responses"].items()},
    }
    strict["responses"]["default"] = {
        "description": "refused",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/error"}}},
    }
    if "requestBody" in operation:
        strict["requestBody"] = _body(operation, spec, used)
    return strict


def _parameter(parameter: Json, spec: Json, used: dict[str, Json]) -> Json:
    return {
        "name": parameter["name"],
        "in": parameter["in"],
        "required": bool(parameter.get("required")),
        "schema": _schema(parameter["schema"], spec, used),
    }


def _response(response: Json, spec: Json, used: dict[str, Json]) -> Json:
    strict: Json = {"description": "done"}
    for media, content in response.get("content", {}).items():
        strict.setdefault("content", {})[media] = {"schema": _schema(content["schema"], spec, used, answer=True)}
    return strict


def _body(operation: Json, spec: Json, used: dict[str, Json]) -> Json:
    """The closed form. Of the parameters that are given together or instead of each other, one is required."""
    ((media, content),) = operation["requestBody"]["content"].items()
    form = _schema(content["schema"], spec, used)
    if "StatusCallbackEvent" in form["properties"]:
        form["properties"]["StatusCallbackEvent"]["items"] = {"$ref": EVENTS}
    alternatives = [
        {"required": ["".join(word.capitalize() for word in name.split("_"))]}
        for group in operation.get("x-twilio", {}).get("conditional", [])
        for name in group
    ]
    if alternatives:
        form["anyOf"] = alternatives
    arrays = [name for name, schema in form["properties"].items() if schema.get("type") == "array"]
    strict: Json = {"schema": form}
    if arrays:
        strict["encoding"] = {name: {"style": "form", "explode": True} for name in arrays}
    return {"required": bool(form.get("required")), "content": {media: strict}}


def _schema(schema: Json, spec: Json, used: dict[str, Json], *, answer: bool = False) -> Json:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name not in used:
            used[name] = {}  # a place, should it refer to itself
            used[name] = _schema(_component(spec, schema["$ref"]), spec, used, answer=answer)
        return {"$ref": schema["$ref"]}
    strict: Json = {key: schema[key] for key in KEPT if key in schema}
    if strict.get("format") == "date-time-rfc-2822":
        strict["pattern"] = RFC_2822
    if strict.get("format") == "uri-map":
        strict["additionalProperties"] = {"type": "string", "pattern": "^/2010-04-01/Accounts/"}
    if "items" in schema:
        strict["items"] = _schema(schema["items"], spec, used, answer=answer)
    if "properties" in schema:
        strict["properties"] = {
            name: _schema(value, spec, used, answer=answer) for name, value in schema["properties"].items()
        }
        strict["additionalProperties"] = False
        required = sorted(schema["properties"]) if answer else schema.get("required", [])
        if required:
            strict["required"] = required
        for name in NEVER_NULL & set(strict["properties"]) if answer else ():
            strict["properties"][name].pop("nullable", None)
    return strict


def _component(spec: Json, reference: str) -> Json:
    return spec["components"]["schemas"][reference.rpartition("/")[2]]


def _error() -> Json:
    """Error bodies are not published; this is their documented shape."""
    properties = {
        "code": {"type": "integer", "minimum": 10000, "maximum": 99999},
        "message": {"type": "string", "minLength": 1},
        "more_info": {"type": "string", "pattern": "^https://www\\.twilio\\.com/docs/errors/[0-9]{5}$"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
    }
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(properties),
        "additionalProperties": False,
    }


def _fetched() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        (archive,) = Path(folder).glob("*.tgz")
        with tarfile.open(archive) as packed:
            member = packed.extractfile(FILE)
            if member is None:
                raise FileNotFoundError(FILE)
            return member.read()


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description="Derive the strict Twilio schema.")
    parser.add_argument("spec", nargs="?", type=Path, help="the unpacked twilio_api_v2010.json")
    parser.add_argument("--check", action="store_true", help="only compare with the committed file")
    options = parser.parse_args(arguments)
    source = options.spec.read_bytes() if options.spec else _fetched()
    text = canonical(derive(json.loads(source), hashlib.sha256(source).hexdigest()))
    if not options.check:
        TARGET.write_text(text)
        return 0
    if TARGET.read_text() == text:
        return 0
    sys.stderr.write(f"{TARGET.name} is not what {PACKAGE} gives; run this script without --check\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
