"""``/batches``."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request
from fastapi.responses import JSONResponse, Response

from api.deps import IDEMPOTENT, AuthenticatedRoute, PageQuery, ServicesDep, StreamingRoute, scope
from api.keyed_uploads import once
from api.operations import batch_uploads, batches
from api.operations.keys import require
from api.operations.references import as_id
from api.operations.uploads import Digest
from api.problems import responses
from api.routes.imports import FORM as FILE_FORM
from api.schemas.accounts import ListFilters
from api.schemas.base import Page
from api.schemas.batches import BatchCancelled, BatchOut, BatchPatch
from api.schemas.campaigns import LiveCalls
from api.uploads import parts_of
from api.versioned import versioned
from dialer.domain.actors import Actor
from dialer.domain.states import BatchStatus

router = versioned("/batches", tag="batches", route_class=AuthenticatedRoute)
streams = versioned("/batches", tag="batches", route_class=StreamingRoute)
Reader = Annotated[Actor, scope("campaigns:read")]
Writer = Annotated[Actor, scope("campaigns:write")]


def _form() -> dict[str, Any]:
    of_the_file = dict(FILE_FORM["multipart/form-data"]["schema"]["properties"])
    del of_the_file["dry_run"]
    json_of = "JSON, as of a campaign"
    return {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file", "agent_id"],
                "properties": {
                    "agent_id": {"type": "string", "format": "uuid", "description": "Who talks; may be in `rules`"},
                    "name": {"type": "string", "description": "Left out: the time at which it was made"},
                    "caller_numbers": {
                        "type": "string",
                        "description": "E.164, with commas, as a JSON list, or the field again; left out: the agent's",
                        "examples": ["+16505550150"],
                    },
                    "scheduled_at": {
                        "type": "string",
                        "format": "date-time",
                        "description": "When dialing begins; left out: as soon as the file is imported",
                        "examples": ["2036-12-01T09:00:00Z"],
                    },
                    "rules": {
                        "type": "string",
                        "contentMediaType": "application/json",
                        "description": "JSON object with any rules of a campaign; each may be a field of its own too",
                        "examples": ['{"pace": {"max_concurrent": 20}, "redial": {"max_attempts": 2}}'],
                    },
                    "calling_hours": {"type": "string", "description": json_of},
                    "redial": {"type": "string", "description": json_of},
                    "pace": {"type": "string", "description": json_of},
                    "schedule": {"type": "string", "description": f"{json_of}; only `end_at` and `time_zone`"},
                    "metadata": {"type": "string", "description": "JSON object"},
                    "ignore_missing_variables": {"type": "boolean", "default": False},
                    **of_the_file,
                },
            }
        }
    }


class BatchQuery(PageQuery, ListFilters):
    status: BatchStatus | None = None
    agent_id: UUID | None = None


@streams.post(
    "",
    status_code=201,
    summary="Upload a file that is dialed once",
    response_model=BatchOut,
    openapi_extra={**IDEMPOTENT, "requestBody": {"required": True, "content": _form()}},
    responses=responses(400, 409, 413, 415),
)
async def create_batch(request: Request, services: ServicesDep, actor: Writer) -> Response:
    """One request: the file is imported, and its people are called from `scheduled_at` on.

    Any rule of a campaign may be a field of the form, or a member of `rules`. Fields before the file are checked before
    the file is stored. A file whose beginning shows that it cannot be read is refused. The key needs `prospects:write`
    too.
    """
    require(actor, "prospects:write")

    async def upload(digest: Digest) -> Response:
        made = await batch_uploads.create_batch(services, actor, parts_of(request), digest)
        return JSONResponse(made.model_dump(mode="json"), 201, {"Location": f"/api/v1/batches/{made.id}"})

    return await once(request, services, actor, upload)


@router.get("", summary="List batches")
async def list_batches(services: ServicesDep, actor: Reader, query: Annotated[BatchQuery, Query()]) -> Page[BatchOut]:
    return await batches.list_batches(
        services, actor, query, query.request(), status=query.status, agent_id=query.agent_id
    )


@router.get("/{batch_id}", summary="Read a batch", responses=responses(404))
async def read_batch(services: ServicesDep, actor: Reader, batch_id: str) -> BatchOut:
    return await batches.read_batch(services, actor, as_id(batch_id, "batch"))


@router.patch("/{batch_id}", summary="Begin at another time", responses=responses(404, 409))
async def change_batch(services: ServicesDep, actor: Writer, batch_id: str, given: BatchPatch) -> BatchOut:
    """Until it has begun: 409 once it runs. A time that has just passed means now."""
    return await batches.change_batch(services, actor, as_id(batch_id, "batch"), given)


@router.delete(
    "/{batch_id}",
    summary="Cancel a batch",
    responses={
        **responses(404, 409),
        202: {"model": BatchCancelled, "description": "Some calls have no answer from the carrier yet: `undecided`"},
    },
)
async def cancel_batch(
    services: ServicesDep, actor: Writer, batch_id: str, response: Response, query: Annotated[LiveCalls, Query()]
) -> BatchCancelled:
    """At any point: its file is read no further, its people are not called. When the answer is 200, no new call
    begins; `calls=hang_up` ends those in flight. 409 when it is over."""
    cancelled = await batches.cancel_batch(services, actor, as_id(batch_id, "batch"), query)
    if cancelled.undecided:
        response.status_code = 202
    return cancelled
