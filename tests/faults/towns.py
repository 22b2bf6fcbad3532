"""The real simulator, and the doorstep at which its callbacks wait until the test lets them in."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import httpx
from aiohttp import web
from starlette.datastructures import ImmutableMultiDict

from api.operations.carrier_callbacks import Callback, possible_call_id
from dialer.carriers.signatures import SETTINGS_HEADER, SIGNATURE_HEADER
from dialer.simulator.accounts import Account
from dialer.simulator.app import create_app
from dialer.simulator.behaviour import Behaviour
from dialer.simulator.ledger import TERMINAL, Call
from dialer.simulator.scripts import PhoneScripts
from dialer.simulator.world import World as Simulated
from tests.faults.clocks import TestClock
from tests.simulator.lines import ACCOUNT, TOKEN, serving

PATIENCE_S = 10.0
TWIML = "<Response><Say>Hello</Say><Hangup/></Response>"


@dataclass
class Doorstep:
    """Where the carrier believes the API to be. It answers at once and keeps what it heard, as it came."""

    url: str = ""
    waiting: list[Callback] = field(default_factory=list[Callback])

    async def handle(self, request: web.Request) -> web.Response:
        form = [(str(name), str(value)) for name, value in (await request.post()).items()]
        signature = request.headers.get(SIGNATURE_HEADER)
        self.waiting.append(
            Callback(
                path=request.raw_path.partition("?")[0],
                query=request.query_string,
                call_id=possible_call_id(request.query.get("call_id"), signature),
                form=ImmutableMultiDict(form),
                signature=signature,
                signature_settings=request.headers.get(SETTINGS_HEADER),
            )
        )
        if request.path.endswith("/voice"):
            return web.Response(text=TWIML, content_type="text/xml")
        return web.Response(status=204)

    def take(self) -> list[Callback]:
        """Everything heard, call after call and in the order in which it came."""
        taken, self.waiting = sorted(self.waiting, key=lambda callback: str(callback.call_id)), []
        return taken


@dataclass
class Town:
    """A carrier in this process."""

    simulated: Simulated
    doorstep: Doorstep
    url: str
    http: httpx.AsyncClient

    def ledger(self) -> list[Call]:
        """Every call that the carrier has accepted, oldest first."""
        return self.simulated.ledger.every_call()

    async def log(self) -> str:
        """The same as the carrier hands it out."""
        return (await self.http.get("/_sim/calls")).text

    def script(self, phone: str, *behaviours: dict[str, object]) -> None:
        """Attempt by attempt."""
        self.simulated.town.script(phone, PhoneScripts.model_validate({"behaviours": list(behaviours)}))

    def open_account(self) -> str:
        """A new account, for which nothing was ever dialed."""
        self.simulated.ledger.clear()
        self.simulated.town.unscript()
        self.doorstep.waiting.clear()
        sid = f"AC{uuid4().hex}"
        self.simulated.accounts.put(Account(sid=sid, auth_token=TOKEN))
        return sid

    async def quiet(self) -> None:
        """Every call that is going to end by itself has ended, and every callback has arrived."""
        async with asyncio.timeout(PATIENCE_S):
            while self.simulated.sender._tasks or any(call.status not in TERMINAL for call in self.ledger()):  # noqa: ASYNC110
                await asyncio.sleep(0.001)


@asynccontextmanager
async def town(clock: TestClock, **behaviour: object) -> AsyncIterator[Town]:
    """A fast carrier whose clock is the test's."""
    knobs = {"time_scale": 0.0005, "mix": {"human": 1.0}, "price_delay_s": 0} | behaviour
    app = create_app(ACCOUNT, TOKEN, behaviour=Behaviour().changed(knobs), now=clock.now)
    doorstep = Doorstep()
    inside = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://carrier.example")
    async with serving(app) as url, _listening(doorstep), inside as http:
        yield Town(simulated=app.state.world, doorstep=doorstep, url=url, http=http)


@asynccontextmanager
async def _listening(doorstep: Doorstep) -> AsyncIterator[None]:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", doorstep.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    doorstep.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield
    finally:
        await runner.cleanup()
