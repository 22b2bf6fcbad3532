"""``/carriers/twilio``: the carrier's callbacks. No token, but a valid signature or 403."""

from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

from fastapi import Request, Response
from starlette.background import BackgroundTask
from starlette.datastructures import ImmutableMultiDict

from api.deps import services_of
from api.operations import carrier_callbacks, inbound_calls
from api.operations.carrier_callbacks import Applying, Callback
from api.operations.errors import Malformed, WrongMediaType
from api.operations.services import Services
from api.versioned import versioned
from dialer.carriers.signatures import SETTINGS_HEADER, SIGNATURE_HEADER

MAX_FIELDS = 200
FORM_TYPE = "application/x-www-form-urlencoded"
_CALL_ID = {
    "name": "call_id",
    "in": "query",
    "required": True,
    "description": "Our id of the call; the zero id tests the address.",
    "schema": {"type": "string", "format": "uuid"},
}
_SIGNATURE = {"name": SIGNATURE_HEADER, "in": "header", "required": True, "schema": {"type": "string"}}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            FORM_TYPE: {
                "schema": {
                    "type": "object",
                    "required": ["AccountSid", "CallSid"],
                    "properties": {
                        "AccountSid": {"type": "string"},
                        "CallSid": {"type": "string"},
                        "CallStatus": {"type": "string", "examples": ["completed"]},
                    },
                    "additionalProperties": {"type": "string"},
                }
            }
        },
    },
}
FORM: dict[str, Any] = {"parameters": [_CALL_ID, _SIGNATURE], **_BODY}
INBOUND_FORM: dict[str, Any] = {"parameters": [_SIGNATURE], **_BODY}
TWIML: dict[int | str, dict[str, Any]] = {200: {"content": {"text/xml": {"schema": {"type": "string"}}}}}
router = versioned("/carriers/twilio", tag="carrier callbacks", statuses=(422, 400, 403, 408, 409, 413, 415))


async def callback_of(request: Request) -> Callback:
    """The request as it came; the form keeps repeated and empty fields, since the signature covers them.

    What cannot be the carrier's is refused by its headers, before its body is read.
    """
    call_id = carrier_callbacks.possible_call_id(
        request.query_params.get("call_id"), request.headers.get(SIGNATURE_HEADER)
    )
    return await _read(request, call_id)


async def inbound_of(request: Request) -> Callback:
    """The same of a call that comes in: the carrier knows no id of ours for it."""
    inbound_calls.refuse_unsigned(request.headers.get(SIGNATURE_HEADER))
    return await _read(request, carrier_callbacks.NO_CALL)


async def _read(request: Request, call_id: UUID) -> Callback:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM_TYPE:
        raise WrongMediaType(f"The body must be {FORM_TYPE}.")
    body = await request.body()
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body), max_num_fields=MAX_FIELDS)
    except ValueError:
        raise Malformed("The body is not a form.") from None
    return Callback(
        path=request.scope["raw_path"].decode("ascii", "replace"),
        query=request.scope["query_string"].decode("ascii", "replace"),
        call_id=call_id,
        form=ImmutableMultiDict(pairs),
        signature=request.headers.get(SIGNATURE_HEADER),
        signature_settings=request.headers.get(SETTINGS_HEADER),
    )


# The routes ask for the request and nothing else: a carrier sends several for each call, and what finds out what a
# route depends on took as long as checking the signature.


@router.post("/status", status_code=204, summary="A call's status", openapi_extra=FORM)
async def receive_status(request: Request) -> Response:
    services = services_of(request)
    return _heard(services, await carrier_callbacks.receive_status(services, await callback_of(request)))


@router.post("/amd", status_code=204, summary="Who answered", openapi_extra=FORM)
async def receive_amd(request: Request) -> Response:
    services = services_of(request)
    return _heard(services, await carrier_callbacks.receive_amd(services, await callback_of(request)))


@router.post("/recording", status_code=204, summary="A recording", openapi_extra=FORM)
async def receive_recording(request: Request) -> Response:
    services = services_of(request)
    return _heard(services, await carrier_callbacks.receive_recording(services, await callback_of(request)))


@router.post(
    "/voice",
    summary="What an answered call is told, as TwiML",
    openapi_extra=FORM,
    response_class=Response,
    responses=TWIML,
)
async def receive_voice(request: Request) -> Response:
    services = services_of(request)
    document, applying = await carrier_callbacks.receive_voice(services, await callback_of(request))
    return _heard(services, applying, document)


@router.post(
    "/inbound",
    summary="What somebody is told who rings one of our numbers, as TwiML",
    openapi_extra=INBOUND_FORM,
    response_class=Response,
    responses=TWIML,
)
async def receive_inbound(request: Request) -> Response:
    services = services_of(request)
    document, applying = await inbound_calls.receive_call(services, await inbound_of(request))
    return _heard(services, applying, document)


@router.post(
    "/inbound/status", status_code=204, summary="The status of a call that came in", openapi_extra=INBOUND_FORM
)
async def receive_inbound_status(request: Request) -> Response:
    services = services_of(request)
    return _heard(services, await inbound_calls.receive_status(services, await inbound_of(request)))


def _heard(services: Services, applying: Applying | None, document: str | None = None) -> Response:
    """The answer, with TwiML if there is any; whoever waits is told after it."""
    later = None if applying is None else BackgroundTask(carrier_callbacks.follow_up, services, applying)
    if document is None:
        return Response(status_code=204, background=later)
    return Response(document, media_type="text/xml", background=later)
