"""What routes ask for: services, the actor, a page; and the route that authenticates before it reads anything."""

from asyncio import CancelledError
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader, HTTPBearer
from pydantic import Field

from api.operations import keys, replays
from api.operations.errors import NotAuthenticated, TooMany, WrongMediaType
from api.operations.listing import ListRequest
from api.operations.services import Services
from api.rates import Rates
from api.schemas.base import Document
from dialer.domain.actors import Actor

_key_header = APIKeyHeader(name="X-API-Key", auto_error=False, description="An API key of the workspace.")
_bearer = HTTPBearer(auto_error=False, description="The same API key as a bearer token.")
_REPLAYED = {"location", "content-type"}
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def services_of(request: Request) -> Services:
    services = request.app.state.services
    assert isinstance(services, Services)
    return services


async def actor_of(request: Request) -> Actor:
    """Who asks, looked up once per request. Raises NotAuthenticated, and TooMany when the minute is used up."""
    known = request.scope.get("actor")
    if isinstance(known, Actor):
        return known
    api_key = key_of(request)
    if not api_key:
        raise NotAuthenticated("Send an API key in X-API-Key, or as a bearer token.")
    actor = await keys.actor_of_key(services_of(request), api_key)
    rates = request.app.state.rates
    assert isinstance(rates, Rates)
    rate = rates.count(actor.principal, actor.requests_per_minute)
    request.scope["rate"] = rate
    if rate.exceeded:
        raise TooMany(rate.reset - rates.now())
    request.scope["actor"] = actor
    return actor


def key_of(request: Request) -> str | None:
    """The key that was sent, known or not; empty for a header without one, None without a header."""
    if "x-api-key" not in request.headers and "authorization" not in request.headers:
        return None
    return request.headers.get("x-api-key") or _bearer_token(request) or ""


def _bearer_token(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


class AuthenticatedRoute(APIRoute):
    """Authenticates first, refuses bodies that are no JSON, and answers a repeated keyed POST with its first answer."""

    #: False where the route itself keeps the answers, since its body is a stream.
    keeps_answers = True

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()
        takes_json = self.body_field is not None and self.keeps_answers

        async def authenticated(request: Request) -> Response:
            actor = await actor_of(request)
            if takes_json:
                _require_json(request)
            key = request.headers.get("idempotency-key")
            if key is None or request.method != "POST" or not self.keeps_answers:
                return await handle(request)
            return await _once(request, actor, key, handle)

        return authenticated


class StreamingRoute(AuthenticatedRoute):
    """For bodies that are never held in memory."""

    keeps_answers = False


def _require_json(request: Request) -> None:
    if request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers:
        return
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not (
        media_type.startswith("application/") and media_type.endswith("+json")
    ):
        raise WrongMediaType("The body must be application/json.")


async def _once(request: Request, actor: Actor, key: str, handle: Handler) -> Response:
    services = services_of(request)
    digest = replays.request_hash(request.method, request.url.path, await request.body())
    remembered = await replays.begin(services, actor, key, digest)
    if remembered is not None:
        return replayed(remembered)
    kept = False
    try:
        response = await handle(request)
        if response.status_code < 300:
            await replays.finish(services, actor, key, answer_of(response, digest))
            kept = True
        return response
    except CancelledError:
        kept = True  # nobody knows how far it came: the key stays taken
        raise
    finally:
        if not kept:
            await replays.give_up(services, actor, key)


def answer_of(response: Response, digest: bytes) -> replays.Answer:
    """What is remembered of a response."""
    headers = {name: value for name, value in response.headers.items() if name in _REPLAYED}
    return replays.Answer(status=response.status_code, headers=headers, body=bytes(response.body), request_hash=digest)


def replayed(answer: replays.Answer) -> Response:
    """The same answer again."""
    return Response(answer.body, answer.status, {**answer.headers, "Idempotent-Replayed": "true"})


def scope(name: str) -> Any:
    """A dependency: the actor, who must hold the scope, if any is named."""

    async def actor_with_scope(
        request: Request,
        _key: Annotated[str | None, Depends(_key_header)],
        _token: Annotated[Any, Depends(_bearer)],
    ) -> Actor:
        actor = await actor_of(request)
        if name:
            keys.require(actor, name)
        return actor

    return Depends(actor_with_scope)


async def _documented_key(
    _key: Annotated[str | None, Depends(_key_header)], _token: Annotated[Any, Depends(_bearer)]
) -> None:
    """For routes that a key opens further: it says in the description that they take one."""


optional_key: Any = Depends(_documented_key)


class CursorQuery(Document):
    """Which part of a list that has one order."""

    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Annotated[str | None, Field(max_length=2000, description="next_cursor of the page before.")] = None


class PageQuery(CursorQuery):
    """Which part of a list, in which order."""

    sort: Annotated[
        str | None, Field(max_length=200, description="Sort keys, with - for descending.", examples=["-created_at"])
    ] = None

    def request(self) -> ListRequest:
        return ListRequest(limit=self.limit, cursor=self.cursor, sort=self.sort)


async def _services(request: Request) -> Services:
    """A coroutine although it waits for nothing: a plain function would be run by a thread, which costs as much as a
    query.
    """
    return services_of(request)


ServicesDep = Annotated[Services, Depends(_services)]
PageDep = Annotated[PageQuery, Query()]
IDEMPOTENT: dict[str, Any] = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "The same key and body give the same answer again for 24 hours, and nothing happens twice.",
            "schema": {"type": "string", "maxLength": 255},
        }
    ]
}
