"""The strict schema itself: where it comes from, and that it catches what it is for."""

import hashlib
import json
import os
from pathlib import Path

import pytest
from openapi_spec_validator import validate

from scripts.derive_twilio_schema import canonical, derive, digest
from tests.twilio_schema import FILE, SchemaViolation, check_request, check_response, document

SPEC = os.environ.get("TWILIO_SPEC")
ACCOUNT = "AC" + "5" * 32
CALLS = f"/2010-04-01/Accounts/{ACCOUNT}/Calls.json"
CALL = {"To": "+12025550123", "From": "+12025550100", "Url": "https://example.com/voice"}
KNOWN_CONTRADICTIONS = {
    ("ListCallRecording", "readFull"): "price is a number in the schema and a string in the example",
    ("FetchCallRecording", "fetch"): "price is a number in the schema and a string in the example",
    ("ListRecording", "readIncludeSoftDeleted"): "times are in another zone than everywhere else",
    ("FetchRecording", "fetchIncludeSoftDeleted"): "times are in another zone than everywhere else",
}


def test_the_committed_schema_was_not_edited_by_hand():
    text = FILE.read_text()
    assert text == canonical(document())
    assert document()["x-sha256"] == digest(document())


def test_the_committed_schema_names_the_file_it_was_derived_from():
    source = document()["x-source"]
    assert source["package"] == "@twilio/cli-core@8.3.2"
    assert source["sha256"] == "7f123267c8dd60bd5412ed723cc021f0e58d52b635e8fad41f72c4a3dda9e77e"


@pytest.mark.skipif(SPEC is None, reason="TWILIO_SPEC does not name the published document")
def test_deriving_again_from_the_published_document_gives_the_committed_schema():
    source = Path(SPEC or "").read_bytes()
    again = derive(json.loads(source), hashlib.sha256(source).hexdigest())
    assert canonical(again) == FILE.read_text(), "run scripts/derive_twilio_schema.py and read the difference"


@pytest.mark.skipif(SPEC is None, reason="TWILIO_SPEC does not name the published document")
def test_twilios_own_examples_pass_except_where_they_contradict_its_schema():
    spec = json.loads(Path(SPEC or "").read_bytes())
    failing = set()
    for template, methods in document()["paths"].items():
        path = template.replace("{AccountSid}", ACCOUNT).replace("{CallSid}", "CA" + "5" * 32)
        path = path.replace("{Sid}", "RE" + "5" * 32)
        for method, operation in methods.items():
            for status, response in spec["paths"][template][method]["responses"].items():
                examples = response.get("content", {}).get("application/json", {}).get("examples", {})
                for name, example in examples.items():
                    try:
                        check_response(method, path, int(status), example["value"])
                    except SchemaViolation:
                        failing.add((operation["operationId"], name))
    assert failing == set(KNOWN_CONTRADICTIONS)


def test_the_strict_schema_is_a_valid_openapi_document():
    validate(document())


def test_no_prose_is_kept():
    text = FILE.read_text()
    said = {line.strip() for line in text.splitlines() if '"description"' in line or '"summary"' in line}
    assert said <= {
        '"description": "done"',
        '"description": "refused"',
        '"description": "done",',
        '"description": "refused",',
    }
    assert '"example' not in text


def test_deriving_closes_objects_and_asks_for_every_property_of_an_answer():
    spec = _tiny_spec()
    strict = derive(spec, "0" * 64)
    call = strict["components"]["schemas"]["call"]
    assert call["additionalProperties"] is False
    assert call["required"] == ["sid", "start_time"]
    assert "nullable" not in call["properties"]["sid"]
    assert call["properties"]["start_time"]["pattern"].startswith("^(Mon|")
    assert "description" not in call["properties"]["sid"]


@pytest.mark.parametrize(
    ("form", "complaint"),
    [
        ({"To": "+12025550123", "From": "+12025550100"}, "not valid under any"),
        ({"To": "+12025550123", "Url": "https://example.com"}, "'From' is a required property"),
        (CALL | {"Timeout": "soon"}, "not of type 'integer'"),
        (CALL | {"Record": "yes"}, "not of type 'boolean'"),
        (CALL | {"StatusCallbackEvent": ["answered", "busy"]}, "'busy' is not one of"),
        (CALL | {"Method": "PUT"}, "'PUT' is not one of"),
        (CALL | {"Metadata": "x"}, "Additional properties"),
    ],
)
def test_a_request_that_twilio_would_not_understand_is_caught(form, complaint):
    with pytest.raises(SchemaViolation, match=complaint):
        check_request("POST", CALLS, form=form)


def test_a_request_as_the_sdk_sends_it_passes():
    form = CALL | {"StatusCallbackEvent": ["initiated", "completed"], "Record": True, "Timeout": 25}
    assert check_request("POST", "http://127.0.0.1:8601" + CALLS, form=form) == "CreateCall"
    wire = [*CALL.items(), ("StatusCallbackEvent", "initiated"), ("Record", "true"), ("Timeout", "25")]
    assert check_request("POST", CALLS, form=wire) == "CreateCall"
    assert check_request("GET", CALLS, query={"To": "+12025550123", "PageSize": 50}) == "ListCall"


@pytest.mark.parametrize("query", [{"Status": "dialing"}, {"Phone": "+12025550123"}, {"PageSize": 0}])
def test_a_list_that_twilio_would_not_understand_is_caught(query):
    with pytest.raises(SchemaViolation):
        check_request("GET", CALLS, query=query)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (201, {}),
        (200, {}),
        (429, {"code": 20429}),
        (429, {"code": 20429, "message": "x", "more_info": "https://www.twilio.com/docs/errors/20429", "status": 400}),
    ],
)
def test_an_answer_that_twilio_would_not_give_is_caught(status, body):
    with pytest.raises(SchemaViolation):
        check_response("POST", CALLS, status, body)


def _tiny_spec():
    answer = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/call"}}}}
    operation = {"operationId": "X", "parameters": [], "responses": {"200": answer}, "description": "prose"}
    sid = {"type": "string", "nullable": True, "description": "prose"}
    started = {"type": "string", "format": "date-time-rfc-2822", "nullable": True}
    call = {"type": "object", "properties": {"sid": sid, "start_time": started}}
    event = {"type": "string", "enum": ["initiated"]}
    return {
        "paths": {
            path: dict.fromkeys(methods, operation)
            for path, methods in {p: tuple(m) for p, m in document()["paths"].items()}.items()
        },
        "components": {"schemas": {"call": call, "call_enum_event": event}},
    }
