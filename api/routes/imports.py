"""``/campaigns/{id}/prospects:upload`` and ``/imports``."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import Field

from api.deps import (
    IDEMPOTENT,
    AuthenticatedRoute,
    CursorQuery,
    PageQuery,
    ServicesDep,
    StreamingRoute,
    scope,
)
from api.keyed_uploads import once
from api.operations import imports, uploads
from api.operations.references import as_id
from api.problems import responses
from api.schemas.accounts import ListFilters
from api.schemas.base import Page
from api.schemas.prospects import ImportErrorOut, ImportOut, ImportStarted
from api.uploads import parts_of
from api.versioned import versioned
from dialer.domain.actors import Actor
from dialer.domain.states import ImportStatus

router = versioned(tag="imports", route_class=AuthenticatedRoute)
streams = versioned(tag="imports", route_class=StreamingRoute)
Reader = Annotated[Actor, scope("prospects:read")]
Writer = Annotated[Actor, scope("prospects:write")]
FORM: dict[str, Any] = {
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "required": ["file"],
            "properties": {
                "file": {"type": "string", "format": "binary", "description": "CSV or .xlsx, at most 1 GB"},
                "mapping": {
                    "type": "string",
                    "description": "JSON object: field to column header",
                    "examples": ['{"phone": "Mobile", "name": "Customer"}'],
                },
                "default_region": {"type": "string", "description": "ISO 3166 alpha-2", "examples": ["US"]},
                "encoding": {
                    "type": "string",
                    "description": "Of a text file, where it is not recognised",
                    "examples": ["windows-1257"],
                },
                "on_duplicate": {"type": "string", "enum": ["skip", "update"], "default": "skip"},
                "dry_run": {"type": "boolean", "default": False, "description": "Write only a report"},
            },
        }
    }
}


class ImportQuery(PageQuery, ListFilters):
    status: ImportStatus | None = None
    campaign_id: UUID | None = None


class ErrorsQuery(CursorQuery):
    include: Literal["skipped"] | None = Field(
        default=None, description="`skipped`: also the first 1,000 rows that were skipped as `duplicate`"
    )


@streams.post(
    "/campaigns/{campaign}/prospects:upload",
    status_code=202,
    summary="Upload prospects as CSV",
    response_model=ImportStarted,
    openapi_extra={**IDEMPOTENT, "requestBody": {"required": True, "content": FORM}},
    responses=responses(400, 404, 409, 413, 415),
)
async def upload_prospects(request: Request, services: ServicesDep, actor: Writer, campaign: str) -> Response:
    """The file is stored as it arrives and read by a workflow; look at `/imports/{import_id}`."""

    async def upload(digest: uploads.Digest) -> Response:
        made = await uploads.upload_prospects(services, actor, campaign, parts_of(request), digest)
        return JSONResponse(made.model_dump(mode="json"), 202, {"Location": f"/api/v1/imports/{made.import_id}"})

    return await once(request, services, actor, upload)


@router.get("/imports", summary="List imports")
async def list_imports(services: ServicesDep, actor: Reader, query: Annotated[ImportQuery, Query()]) -> Page[ImportOut]:
    return await imports.list_imports(
        services, actor, query, query.request(), status=query.status, campaign_id=query.campaign_id
    )


@router.get("/imports/{import_id}", summary="Read an import", responses=responses(404))
async def read_import(services: ServicesDep, actor: Reader, import_id: str) -> ImportOut:
    return await imports.read_import(services, actor, as_id(import_id, "import"))


@router.get(
    "/imports/{import_id}/errors",
    summary="The rows that were not taken, and why",
    response_model=Page[ImportErrorOut],
    responses={**responses(404), 200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def list_errors(
    request: Request, services: ServicesDep, actor: Reader, import_id: str, query: Annotated[ErrorsQuery, Query()]
) -> Any:
    """JSON, or with `Accept: text/csv` a file to correct and upload again.

    That file has the columns of the uploaded one with each bad row's own cells, and behind them what is wrong in
    columns named `import_…`, which a later upload ignores. Where a row itself was broken (too few or too many fields,
    an open quote) the row fails again until its cell `import_extra` is empty.
    """
    found = as_id(import_id, "import")
    skipped = query.include == "skipped"
    if "text/csv" in request.headers.get("accept", ""):
        lines = await imports.errors_as_csv(services, actor, found, skipped=skipped)
        name = f"import-{found}-errors.csv"
        return StreamingResponse(
            lines, media_type="text/csv", headers={"Content-Disposition": f'attachment; filename="{name}"'}
        )
    return await imports.list_errors(services, actor, found, limit=query.limit, cursor=query.cursor, skipped=skipped)


@router.post(
    "/imports/{import_id}/retry",
    status_code=202,
    summary="Continue a failed import where it stopped",
    openapi_extra=IDEMPOTENT,
    responses=responses(404, 409),
)
async def retry_import(services: ServicesDep, actor: Writer, import_id: str) -> ImportStarted:
    return await imports.retry_import(services, actor, as_id(import_id, "import"))


@router.post(
    "/imports/{import_id}/cancel",
    summary="Stop a running import; what it has written stays",
    responses=responses(404, 409),
)
async def cancel_import(services: ServicesDep, actor: Writer, import_id: str) -> ImportOut:
    """Within seconds no more is written. `POST /imports/{import_id}/retry` goes on where it stopped."""
    return await imports.cancel_import(services, actor, as_id(import_id, "import"))


@router.delete(
    "/imports/{import_id}",
    status_code=204,
    summary="Undo an import whose prospects were never called",
    responses=responses(404, 409),
)
async def undo_import(services: ServicesDep, actor: Writer, import_id: str) -> None:
    """A running one is cancelled first, and stays cancelled when somebody was called already. Of a dry run nothing
    but its record is there to be deleted."""
    await imports.undo_import(services, actor, as_id(import_id, "import"))
