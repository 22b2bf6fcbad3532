"""``/campaigns/{id}/imports`` and ``/imports/{id}/upload``: a file in several requests.

https://datatracker.ietf.org/doc/draft-ietf-httpbis-resumable-upload/
"""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Header, Request, Response
from starlette.requests import ClientDisconnect

from api.deps import IDEMPOTENT, AuthenticatedRoute, ServicesDep, StreamingRoute, scope
from api.operations import resumable
from api.operations.errors import WrongMediaType
from api.operations.references import as_id
from api.operations.uploads import UploadBroken
from api.problems import responses
from api.schemas.uploads import UploadIn, UploadOut
from api.versioned import versioned
from dialer.domain.actors import Actor

router = versioned(tag="imports", route_class=AuthenticatedRoute)
streams = versioned(tag="imports", route_class=StreamingRoute)
Writer = Annotated[Actor, scope("prospects:write")]
MEDIA_TYPES = ("application/partial-upload", "application/octet-stream")
BYTES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {name: {"schema": {"type": "string", "format": "binary"}} for name in MEDIA_TYPES},
    }
}
Offset = Annotated[int, Header(ge=0, le=1 << 40, alias="Upload-Offset", description="Bytes of the file before these.")]


@router.post(
    "/campaigns/{campaign}/imports",
    status_code=201,
    summary="Announce a file that comes in several requests",
    openapi_extra=IDEMPOTENT,
    responses=responses(404, 409),
)
async def begin_upload(
    services: ServicesDep, actor: Writer, campaign: str, given: UploadIn, response: Response
) -> UploadOut:
    """Send its bytes to `upload_url`; the import starts with the last one. Nothing is called meanwhile."""
    upload = await resumable.begin_upload(services, actor, campaign, given)
    response.headers["Location"] = upload.upload_url
    return upload


@router.get("/imports/{import_id}/upload", summary="How much of a file has arrived", responses=responses(404))
async def read_upload(services: ServicesDep, actor: Writer, import_id: str, response: Response) -> UploadOut:
    upload = await resumable.read_upload(services, actor, as_id(import_id, "import"))
    response.headers.update(_headers(upload))
    return upload


@router.head(
    "/imports/{import_id}/upload",
    status_code=204,
    summary="How much of a file has arrived, in Upload-Offset",
    responses=responses(404),
)
async def look_at_upload(services: ServicesDep, actor: Writer, import_id: str, response: Response) -> None:
    upload = await resumable.read_upload(services, actor, as_id(import_id, "import"))
    response.headers.update(_headers(upload))


@streams.patch(
    "/imports/{import_id}/upload",
    summary="Send bytes of a file",
    openapi_extra=BYTES,
    responses=responses(400, 404, 409, 413, 415),
)
async def continue_upload(
    request: Request, services: ServicesDep, actor: Writer, import_id: str, offset: Offset, response: Response
) -> UploadOut:
    """As many as you like, but those that follow `Upload-Offset` stored ones: 409 says in `upload_offset` how many
    there are. When the connection breaks, whole megabytes stay."""
    media_type = request.headers.get("content-type", MEDIA_TYPES[0]).partition(";")[0].strip().lower()
    if media_type not in MEDIA_TYPES:
        raise WrongMediaType(f"Send the bytes as {MEDIA_TYPES[0]}.")
    found = as_id(import_id, "import")
    upload = await resumable.continue_upload(services, actor, found, offset, _bytes_of(request))
    response.headers.update(_headers(upload))
    return upload


async def _bytes_of(request: Request) -> AsyncIterator[bytes]:
    try:
        async for data in request.stream():
            yield data
    except ClientDisconnect:
        raise UploadBroken from None


def _headers(upload: UploadOut) -> dict[str, str]:
    return {
        "Upload-Offset": str(upload.offset),
        "Upload-Length": str(upload.length),
        "Upload-Complete": "?1" if upload.complete else "?0",
        "Cache-Control": "no-store",
    }
