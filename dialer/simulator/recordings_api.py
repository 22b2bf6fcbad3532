"""Twilio's Recordings resources over HTTP: of one call, and of the account."""

from itertools import islice

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dialer.simulator.accounts import Account
from dialer.simulator.call_orders import read_recording
from dialer.simulator.errors import ApiError
from dialer.simulator.ledger import Call, Recording
from dialer.simulator.rendering import VERSION, render_call_recording, render_page, render_recording
from dialer.simulator.requests import account_of, call_of, form_of, page_of
from dialer.simulator.world import World

_SILENCE = (
    b"RIFF\x24\x08\x00\x00WAVEfmt \x10\x00\x00\x00\x07\x00\x01\x00\x40\x1f\x00\x00\x40\x1f\x00\x00"
    b"\x01\x00\x08\x00data\x00\x08\x00\x00" + b"\xff" * 2048
)
"""A quarter of a second of µ-law silence."""


class RecordingsApi:
    """Start, list, fetch, change and delete recordings."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        """Where they are served."""
        account = f"/{VERSION}/Accounts/{{account_sid}}"
        of_call = f"{account}/Calls/{{call_sid}}/Recordings"
        return [
            Route(f"{of_call}.json", self.start, methods=["POST"]),
            Route(f"{of_call}.json", self.list_of_call, methods=["GET"]),
            Route(f"{of_call}/{{sid}}.json", self.fetch_of_call, methods=["GET"]),
            Route(f"{of_call}/{{sid}}.json", self.change, methods=["POST"]),
            Route(f"{of_call}/{{sid}}.json", self.delete, methods=["DELETE"]),
            Route(f"{account}/Recordings.json", self.list_of_account, methods=["GET"]),
            Route(f"{account}/Recordings/{{sid}}.json", self.fetch, methods=["GET"]),
            Route(f"{account}/Recordings/{{sid}}.json", self.delete, methods=["DELETE"]),
            Route(f"{account}/Recordings/{{sid}}.wav", self.media, methods=["GET"]),
            Route(f"{account}/Recordings/{{sid}}", self.media, methods=["GET"]),
        ]

    async def start(self, request: Request) -> Response:
        """Record a live call from here on."""
        call = call_of(self._world, request, account_of(self._world, request))
        order = read_recording(await form_of(request), "RecordingStatusCallback")
        return JSONResponse(render_call_recording(self._world.exchange.record(call, order)), status_code=201)

    async def list_of_call(self, request: Request) -> Response:
        """A call's recordings, newest first."""
        call = call_of(self._world, request, account_of(self._world, request))
        kept = [recording for recording in reversed(call.recordings) if not recording.deleted]
        return self._page(request, kept, of_call=True)

    async def list_of_account(self, request: Request) -> Response:
        """An account's recordings, newest first; ``CallSid`` narrows them to one call."""
        account = account_of(self._world, request)
        wanted = request.query_params.get("CallSid")
        every = self._world.ledger.recordings(account.sid)
        return self._page(request, [r for r in every if wanted in (None, r.call_sid)], of_call=False)

    async def fetch_of_call(self, request: Request) -> Response:
        """One recording of a call."""
        _, _, recording = self._find(request)
        return JSONResponse(render_call_recording(recording))

    async def fetch(self, request: Request) -> Response:
        """One recording of an account."""
        _, _, recording = self._find(request)
        return JSONResponse(render_recording(recording))

    async def change(self, request: Request) -> Response:
        """Stop, pause or resume."""
        _, call, recording = self._find(request)
        status = (await form_of(request)).get("Status", [""])[-1]
        if status not in ("stopped", "paused", "in-progress") or call is None:
            raise ApiError(20001, "Invalid Status")
        self._world.exchange.change_recording(call, recording, status)
        return JSONResponse(render_call_recording(recording))

    async def delete(self, request: Request) -> Response:
        """Remove a recording that is over."""
        _, _, recording = self._find(request)
        if recording.duration_s is None:
            raise ApiError(21220)
        recording.deleted = True
        return Response(status_code=204)

    async def media(self, request: Request) -> Response:
        """The sound of a recording: a moment of silence."""
        self._find(request)
        return Response(_SILENCE, media_type="audio/x-wav")

    def _find(self, request: Request) -> tuple[Account, Call | None, Recording]:
        account = account_of(self._world, request)
        call = call_of(self._world, request, account) if "call_sid" in request.path_params else None
        recording = self._world.ledger.recording(account.sid, request.path_params["sid"])
        if recording is None or (call is not None and recording.call_sid != call.sid):
            raise ApiError(20404)
        return account, call, recording

    def _page(self, request: Request, recordings: list[Recording], *, of_call: bool) -> Response:
        page, size = page_of(request)
        render = render_call_recording if of_call else render_recording
        shown = list(islice(recordings, page * size, (page + 1) * size))
        filters = [(k, v) for k, v in request.query_params.multi_items() if k not in ("Page", "PageSize", "PageToken")]
        body = render_page(
            "recordings",
            [render(recording) for recording in shown],
            path=request.url.path,
            filters=filters,
            page=page,
            page_size=size,
            next_token=f"PA{shown[-1].sid}" if len(recordings) > (page + 1) * size else None,
        )
        return JSONResponse(body)
