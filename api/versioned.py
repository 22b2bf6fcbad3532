"""Routers whose routes carry their whole path, so that the app holds them side by side.

An app that includes a router looks at its routes twice for each request, and at those of a router in a router four
times; what a test or a process starts with takes as long again.
"""

from collections.abc import Sequence

from fastapi import APIRouter
from fastapi.routing import APIRoute

from api.problems import responses

PREFIX = "/api/v1"
#: Of every route that asks for a key.
KEYED = (401, 403, 422, 429)


def versioned(
    path: str = "", *, tag: str, route_class: type[APIRoute] = APIRoute, statuses: Sequence[int] = KEYED
) -> APIRouter:
    """A router below ``/api/v1``; ``statuses`` are the problems that each of its routes may answer with."""
    return APIRouter(prefix=PREFIX + path, tags=[tag], route_class=route_class, responses=responses(*statuses))
