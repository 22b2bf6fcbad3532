"""``/carriers/twilio``: the carrier's callbacks. No token, but a valid signature or 403."""

from typing import Annotated, Any
from urllib.parse import parse_qsl
from uuid import UUID

from fastapi import APIRouter, BackgroundTasks, Depends, Request, Response
from starlette.datastructures import ImmutableMultiDict

from api.deps import ServicesDep
from api.operations import carrier_callbacks, inbound_calls
from api.operations.carrier_callbacks import Callback
from api.operations.errors import Malformed, WrongMediaType
from api.problems import responses
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
router = APIRouter(
    prefix="/carriers/twilio", tags=["carrier callbacks"], responses=responses(400, 403, 408, 409, 413, 415)
)


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


CallbackDep = Annotated[Callback, Depends(callback_of)]
InboundDep = Annotated[Callback, Depends(inbound_of)]


@router.post("/status", status_code=204, summary="A call's status", openapi_extra=FORM)
async def receive_status(services: ServicesDep, callback: CallbackDep, later: BackgroundTasks) -> None:
    applying = await carrier_callbacks.receive_status(services, callback)
    if applying is not None:
        later.add_task(carrier_callbacks.follow_up, services, applying)


@router.post("/amd", status_code=204, summary="Who answered", openapi_extra=FORM)
async def receive_amd(services: ServicesDep, callback: CallbackDep, later: BackgroundTasks) -> None:
    later.add_task(carrier_callbacks.follow_up, services, await carrier_callbacks.receive_amd(services, callback))


@router.post("/recording", status_code=204, summary="A recording", openapi_extra=FORM)
async def receive_recording(services: ServicesDep, callback: CallbackDep, later: BackgroundTasks) -> None:
    applying = await carrier_callbacks.receive_recording(services, callback)
    later.add_task(carrier_callbacks.follow_up, services, applying)


@router.post(
    "/voice",
    summary="What an answered call is told, as TwiML",
    openapi_extra=FORM,
    response_class=Response,
    responses=TWIML,
)
async def receive_voice(services: ServicesDep, callback: CallbackDep, later: BackgroundTasks) -> Response:
    document, applying = await carrier_callbacks.receive_voice(services, callback)
    later.add_task(carrier_callbacks.follow_up, services, applying)
    return Response(document, media_type="text/xml", background=later)


@router.post(
    "/inbound",
    summary="What somebody is told who rings one of our numbers, as TwiML",
    openapi_extra=INBOUND_FORM,
    response_class=Response,
    responses=TWIML,
)
async def receive_inbound(services: ServicesDep, callback: InboundDep, later: BackgroundTasks) -> Response:
    document, applying = await inbound_calls.receive_call(services, callback)
    if applying is not None:
        later.add_task(carrier_callbacks.follow_up, services, applying)
    return Response(document, media_type="text/xml", background=later)


@router.post(
    "/inbound/status", status_code=204, summary="The status of a call that came in", openapi_extra=INBOUND_FORM
)
async def receive_inbound_status(services: ServicesDep, callback: InboundDep, later: BackgroundTasks) -> None:
    applying = await inbound_calls.receive_status(services, callback)
    if applying is not None:
        later.add_task(carrier_callbacks.follow_up, services, applying)
