"""``/campaigns/{id}/stream``: progress as server-sent events."""

from contextlib import aclosing, suppress
from typing import Annotated, Any

from fastapi import Header, Request, Response
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from api.connections import STALLED_S
from api.deps import ServicesDep, actor_of, key_of, optional_key
from api.operations import keys, live
from api.operations.live import Live, Watched
from api.problems import responses
from api.versioned import versioned

router = versioned("/campaigns/{campaign}", tag="campaigns")

_EVENT: dict[str, Any] = {
    "type": "object",
    "description": "One event of the stream.",
    "properties": {
        "event": {"type": "string", "description": "Its kind."},
        "id": {"type": "string", "description": "For `Last-Event-ID`."},
        "data": {"type": "string", "description": "An object as JSON."},
    },
}

EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events for as long as the campaign goes on: `status` (the answer of `/status`) at once and "
        "whenever something changes, `call` (id, prospect_id, attempt, state, disposition, outcome) for each call that "
        "changes, and `end` (reason) when no more will come.",
        "content": {"text/event-stream": {"schema": _EVENT}},
    },
    204: {"description": "The campaign is over, and `Last-Event-ID` says that this is known."},
}


class EventStream(StreamingResponse):
    """Events while the client listens and takes them."""

    def __init__(self, streams: Live, watched: Watched) -> None:
        headers = {
            "Cache-Control": "no-store, no-transform",
            # nginx and its kind would keep events until a buffer is full.
            "X-Accel-Buffering": "no",
        }
        super().__init__(iter(()), media_type="text/event-stream", headers=headers)
        self._streams = streams
        self._watched = watched

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[STALLED_S] = live.STALLED_S
        with self._streams.watch(self._watched) as watcher, suppress(ClientDisconnect):
            async with aclosing(live.events(self._streams, self._watched, watcher)) as events:
                self.body_iterator = events
                await super().__call__(scope, receive, send)


@router.get(
    "/stream",
    summary="Progress as it happens, as server-sent events",
    response_class=StreamingResponse,
    responses={**EVENTS, **responses(404, 429, 503)},
    dependencies=[optional_key],
)
async def stream(
    request: Request,
    services: ServicesDep,
    campaign: str,
    last_event_id: Annotated[
        str | None, Header(max_length=100, description="Of a stream that broke off: what was missed comes first.")
    ] = None,
) -> Response:
    """Without a key only for a campaign with `public_status`, by its id, and without calls."""
    api_key = key_of(request)
    actor = None
    if api_key is not None:
        actor = await actor_of(request)
        keys.require(actor, "campaigns:read")
    watched = await live.open_stream(services, actor, api_key, campaign, last_event_id)
    if watched is None:
        return Response(status_code=204)
    streams = request.app.state.live
    assert isinstance(streams, Live)
    return EventStream(streams, watched)
