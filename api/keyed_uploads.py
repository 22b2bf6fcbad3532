"""Uploads with an ``Idempotency-Key``: what they are is known once their last byte has come."""

from collections.abc import Awaitable, Callable

from fastapi.responses import Response
from starlette.requests import Request

from api.deps import answer_of, replayed
from api.operations import replays
from api.operations.services import Services
from api.operations.uploads import Digest
from api.uploads import parts_of
from dialer.domain.actors import Actor


async def once(
    request: Request, services: Services, actor: Actor, make: Callable[[Digest], Awaitable[Response]]
) -> Response:
    """What ``make`` answers, or what it has answered to the same key and upload before.

    ``make`` reads the request and tells the digest of every part. A refused request frees its key.
    """
    key = request.headers.get("idempotency-key")
    digest = Digest()
    remembered = None if key is None else await replays.begin(services, actor, key, None)
    if remembered is not None:
        async for part in parts_of(request):
            digest.add(part)
        replays.compare(remembered.request_hash, digest.value(request.url.path))
        return replayed(remembered)
    made = False
    try:
        response = await make(digest)
        if key is not None:
            await replays.finish(services, actor, key, answer_of(response, digest.value(request.url.path)))
        made = True
        return response
    finally:
        if key is not None and not made:
            await replays.give_up(services, actor, key)
