"""A running simulator, the customer it calls back, and the real SDK between them."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field

import aiohttp
import uvicorn
from aiohttp import web
from starlette.types import ASGIApp
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.request_validator import RequestValidator, get_signature_algorithm
from twilio.rest import Client
from twilio.rest.api.v2010.account.call import CallInstance

from dialer.simulator.app import create_app
from dialer.simulator.behaviour import Behaviour
from dialer.simulator.drops import DroppableHttp
from tests.twilio_schema import check_request, check_response

ACCOUNT = "AC" + "5" * 32
TOKEN = "not-a-secret"
CALLER = "+12025550100"
PERSON = "+12025550123"
EVERY_EVENT = ["initiated", "ringing", "answered", "completed"]
PATIENCE_S = 10.0


class QuietServer(uvicorn.Server):
    """A server inside a test: it says when it is up, and the test runner keeps its signal handlers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()
        self.leave = asyncio.Event()

    async def startup(self, sockets=None):
        await super().startup(sockets)
        self.up.set()

    async def main_loop(self):
        await self.leave.wait()

    def capture_signals(self):
        return nullcontext()


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """The address where ``app`` is served."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, http=DroppableHttp, log_level="critical", timeout_graceful_shutdown=1
    )
    server = QuietServer(config)
    task = asyncio.create_task(server.serve())
    async with asyncio.timeout(PATIENCE_S):
        await server.up.wait()
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.leave.set()
        await task


@dataclass
class Heard:
    """One request that the customer got."""

    path: str
    query: dict[str, str]
    form: dict[str, str]
    headers: dict[str, str]
    method: str
    signed: bool


@dataclass
class Customer:
    """The customer's web server: it remembers what it heard and answers what the test wants."""

    url: str = ""
    heard: list[Heard] = field(default_factory=list)
    twiml: str = "<Response><Say>Hello there</Say><Hangup/></Response>"
    secret: str = TOKEN
    answer: Callable[[Heard], web.Response | None] | None = None
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def handle(self, request: web.Request) -> web.Response:
        form = {str(k): str(v) for k, v in (await request.post()).items()}
        algorithm = get_signature_algorithm(request.headers.get("X-Twilio-Webhooks-Signature-Settings"))
        heard = Heard(
            path=request.path,
            query=dict(request.query),
            form=form,
            headers=dict(request.headers),
            method=request.method,
            signed=RequestValidator(self.secret).validate(
                self.url + request.raw_path, form, request.headers.get("X-Twilio-Signature", ""), algorithm
            ),
        )
        async with self._news:
            self.heard.append(heard)
            self._news.notify_all()
        answered = self.answer(heard) if self.answer else None
        if answered is not None:
            return answered
        if heard.path.startswith("/voice"):
            return web.Response(text=self.twiml, content_type="text/xml")
        return web.Response(status=204)

    async def wait_for(self, ready: Callable[[list[Heard]], bool]) -> list[Heard]:
        """Everything heard as soon as ``ready`` says so."""
        async with asyncio.timeout(PATIENCE_S), self._news:
            await self._news.wait_for(lambda: ready(self.heard))
            return list(self.heard)

    async def until_ended(self, count: int = 1) -> list[Heard]:
        """Everything heard once that many terminal status callbacks came."""
        return await self.wait_for(lambda heard: sum(is_last(h) for h in heard) >= count)

    def statuses(self) -> list[str]:
        return [h.form["CallStatus"] for h in self.heard if h.path == "/status"]


def is_last(heard: Heard) -> bool:
    """True for a terminal status callback."""
    return heard.path == "/status" and "CallDuration" in heard.form


@asynccontextmanager
async def customer() -> AsyncIterator[Customer]:
    """A customer's web server on a free port."""
    it = Customer()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", it.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    it.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield it
    finally:
        await runner.cleanup()


class CheckedHttpClient(AsyncHttpClient):
    """The SDK's way out; everything that passes is held against the strict schema."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        super().__init__(logging.getLogger("line"), True, None)
        self._session = session

    async def request(
        self,
        method,
        url,
        params=None,
        data=None,
        headers=None,
        auth=None,
        timeout=None,  # noqa: ASYNC109 (the SDK's signature)
        allow_redirects=False,
    ):
        check_request(method, url, params or {}, data or {})
        async with self._session.request(
            method,
            url,
            params=params,
            data=data,
            headers={**(headers or {}), "Authorization": aiohttp.encode_basic_auth(*auth)},
            allow_redirects=False,
        ) as response:
            text = await response.text()
            check_response(method, url, response.status, await response.json() if text else None)
            return Response(response.status, text, response.headers)


@dataclass
class Line:
    """A simulator, its customer and an SDK client."""

    url: str
    session: aiohttp.ClientSession
    customer: Customer
    sdk: Client

    async def place(self, to: str = PERSON, **more: object):
        """Place a call with the real SDK, subscribed to every event."""
        hooks = {
            "url": f"{self.customer.url}/voice?call_id=c-1",
            "status_callback": f"{self.customer.url}/status?call_id=c-1#rc=3&rp=all",
            "status_callback_event": EVERY_EVENT,
        }
        return await self.sdk.calls.create_async(**{"to": to, "from_": CALLER, **hooks, **more})

    async def behave(self, **patch: object) -> None:
        """Turn knobs."""
        async with self.session.put(f"{self.url}/_sim/behaviour", json=patch) as response:
            assert response.status == 200, await response.text()

    async def script(self, number: str = PERSON, **behaviour: object) -> None:
        """Let a number behave on purpose."""
        body = {"behaviour": behaviour}
        async with self.session.put(f"{self.url}/_sim/phones/{number}", json=body) as response:
            assert response.status == 200, await response.text()

    async def until_over(self, sid: str) -> CallInstance:
        """The call once it is over, whether or not anybody was told."""
        async with asyncio.timeout(PATIENCE_S):
            while (call := await self.sdk.calls(sid).fetch_async()).end_time is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            return call

    async def get(self, path: str):
        """A control resource."""
        async with self.session.get(self.url + path) as response:
            assert response.status == 200
            return await response.json()


@asynccontextmanager
async def line(**behaviour: object) -> AsyncIterator[Line]:
    """A fast town in which everybody answers, unless told otherwise."""
    knobs = {"time_scale": 0.005, "mix": {"human": 1.0}} | behaviour
    app = create_app(ACCOUNT, TOKEN, behaviour=Behaviour().changed(knobs))
    async with serving(app) as url, customer() as hearing, aiohttp.ClientSession() as session:
        sdk = Client(ACCOUNT, TOKEN, http_client=CheckedHttpClient(session))
        sdk.api.base_url = url
        yield Line(url=url, session=session, customer=hearing, sdk=sdk)
