"""The adapter's own half of a carrier's callbacks: check the signature, read the form, answer with a document."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dialer.carriers.http import HttpLimits
from dialer.carriers.signatures import SETTINGS_HEADER, SIGNATURE_HEADER, is_signed
from dialer.carriers.twilio import CALLBACK_PATH, TwilioCarrier
from dialer.carriers.twilio_callbacks import read_amd, read_call_id, read_recording, read_status, read_voice
from dialer.carriers.twiml import Opening, answer
from dialer.domain.carrier_events import TERMINAL, CarrierEvent
from dialer.simulator.app import create_app
from dialer.simulator.behaviour import Behaviour
from tests.carriers.carriers import carrier_at
from tests.carriers.samples import ACCOUNT_SID, AUTH_TOKEN
from tests.simulator.lines import serving

PATIENCE_S = 10.0


@dataclass
class Customer:
    """Everything that the carrier told, in order of arrival."""

    url: str = ""
    events: list[CarrierEvent] = field(default_factory=list)
    documents: list[str] = field(default_factory=list)
    shared_keys: dict[str, str] = field(default_factory=dict)
    opening: Opening = Opening(first_message="Hello {{name}}", language="en-US")
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def hear(self, request: Request) -> Response:
        async with request.form() as form:
            signed = is_signed(
                auth_token=AUTH_TOKEN,
                public_base_url=self.url,
                path=request.scope["raw_path"].decode(),
                query=request.scope["query_string"].decode(),
                form=form,
                signature=request.headers.get(SIGNATURE_HEADER),
                settings=request.headers.get(SETTINGS_HEADER),
                shared_keys=self.shared_keys,
            )
            if not signed:
                return Response(status_code=403)
            call_id = read_call_id(request.query_params.get("call_id"))
            match request.path_params["kind"]:
                case "status":
                    return await self._note(read_status(form, call_id))
                case "amd":
                    return await self._note(read_amd(form, call_id))
                case "recording":
                    return await self._note(read_recording(form, call_id))
                case _:
                    voice = read_voice(form, call_id)
        answered_by = voice.event.answered_by
        document = answer(self.opening, {"name": "Ada"}, answered_by=answered_by, gathered=voice.gathered)
        self.documents.append(document)
        return Response(document, media_type="text/xml")

    async def _note(self, event: CarrierEvent) -> Response:
        async with self._news:
            self.events.append(event)
            self._news.notify_all()
        return Response(status_code=204)

    async def wait_for(self, ready: Callable[[list[CarrierEvent]], bool]) -> list[CarrierEvent]:
        async with asyncio.timeout(PATIENCE_S), self._news:
            await self._news.wait_for(lambda: ready(self.events))
            return list(self.events)

    async def end(self) -> CarrierEvent:
        """The report that ends the call."""
        events = await self.wait_for(lambda events: any(event.status in TERMINAL for event in events))
        return next(event for event in events if event.status in TERMINAL)


@dataclass
class Line:
    """The adapter, the simulator that it dials at, and the customer that is called back."""

    carrier: TwilioCarrier
    customer: Customer
    control: httpx.AsyncClient

    async def behave(self, **patch: Any) -> None:
        (await self.control.put("/_sim/behaviour", json=patch)).raise_for_status()

    async def script(self, number: str, **behaviour: Any) -> None:
        path = f"/_sim/phones/{number}"
        (await self.control.put(path, json={"behaviour": behaviour})).raise_for_status()

    async def account(self, **change: Any) -> None:
        (await self.control.put(f"/_sim/accounts/{ACCOUNT_SID}", json=change)).raise_for_status()

    async def ledger(self) -> list[dict[str, Any]]:
        return (await self.control.get("/_sim/calls")).json()["items"]


@asynccontextmanager
async def line(time_scale: float = 0.01, limits: HttpLimits | None = None) -> AsyncIterator[Line]:
    """A hundred seconds of the town pass in one."""
    customer = Customer()
    routes = [Route(f"{CALLBACK_PATH}/{{kind}}", customer.hear, methods=["POST"])]
    behaviour = Behaviour(time_scale=time_scale)
    simulator = create_app(ACCOUNT_SID, AUTH_TOKEN, behaviour=behaviour)
    async with (
        serving(Starlette(routes=routes)) as customer.url,
        serving(simulator) as simulator_url,
        carrier_at(simulator_url, limits or HttpLimits(total_s=5, connect_s=1)) as carrier,
        httpx.AsyncClient(base_url=simulator_url, trust_env=False) as control,
    ):
        yield Line(carrier, customer, control)
