"""``/campaigns/{id}/prospects:export``, ``/campaigns/{id}/results:export`` and ``/calls/export``."""

from collections.abc import Callable
from contextlib import aclosing, suppress
from typing import Annotated, Any

from fastapi import Query
from fastapi.responses import StreamingResponse
from fastapi.types import DecoratedCallable
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from api.deps import AuthenticatedRoute, ServicesDep, scope
from api.operations import exports
from api.operations.exports import Export
from api.problems import responses
from api.schemas.exports import CallExportQuery, ProspectExportQuery
from api.versioned import versioned
from dialer.domain.actors import Actor
from dialer.exporting.files import MEDIA_TYPES

router = versioned(tag="exports", route_class=AuthenticatedRoute)
ProspectReader = Annotated[Actor, scope("prospects:read")]
CampaignReader = Annotated[Actor, scope("campaigns:read")]
CallReader = Annotated[Actor, scope("calls:read")]

FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file.",
        "content": {
            media_type.partition(";")[0]: {"schema": {"type": "string", "format": "binary"}}
            for media_type in MEDIA_TYPES.values()
        },
        "headers": {
            "X-Export-Rows": {
                "description": "How many rows there are, counted before the first is sent.",
                "schema": {"type": "integer"},
            }
        },
    }
}


def _file(path: str, summary: str) -> Callable[[DecoratedCallable], DecoratedCallable]:
    """A route that answers with a file."""
    known = responses(404) if "{" in path else {}
    return router.get(path, summary=summary, response_class=StreamingResponse, responses={**FILE, **known})


class FileResponse(StreamingResponse):
    """An exported file. A client that goes away ends the reading at once, not when somebody collects garbage."""

    def __init__(self, export: Export) -> None:
        headers = {
            "Content-Disposition": f'attachment; filename="{export.name}"',
            "X-Export-Rows": str(export.rows),
            "Cache-Control": "no-store",
        }
        super().__init__(export.content, media_type=export.media_type, headers=headers)
        self._content = export.content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with suppress(ClientDisconnect):  # nobody is left to tell
            await super().__call__(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self._content):
            await super().stream_response(send)


@_file("/campaigns/{campaign}/prospects:export", "A campaign's prospects as a file")
async def export_prospects(
    services: ServicesDep, actor: ProspectReader, campaign: str, query: Annotated[ProspectExportQuery, Query()]
) -> FileResponse:
    """CSV, JSON Lines or Parquet; takes the filters of the list. The file can be uploaded again as it is."""
    return FileResponse(await exports.export_prospects(services, actor, campaign, query, query.format))


@_file("/campaigns/{campaign}/results:export", "What became of a campaign's prospects, as a file")
async def export_results(
    services: ServicesDep, actor: CampaignReader, campaign: str, query: Annotated[ProspectExportQuery, Query()]
) -> FileResponse:
    """One row per prospect: the person, where they stand, their variables, and the last call that was made."""
    return FileResponse(await exports.export_results(services, actor, campaign, query, query.format))


@_file("/calls/export", "Calls as a file")
async def export_calls(
    services: ServicesDep, actor: CallReader, query: Annotated[CallExportQuery, Query()]
) -> FileResponse:
    """CSV, JSON Lines or Parquet; takes the filters of the list."""
    return FileResponse(await exports.export_calls(services, actor, query, query.format))
