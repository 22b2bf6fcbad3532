"""``/me`` and ``/workspace``."""

from typing import Annotated

from api.deps import AuthenticatedRoute, ServicesDep, scope
from api.operations import workspaces
from api.problems import responses
from api.schemas.accounts import MeOut, WorkspaceOut, WorkspacePatch
from api.versioned import versioned
from dialer.domain.actors import Actor

router = versioned(tag="workspace", route_class=AuthenticatedRoute)
Reader = Annotated[Actor, scope("workspace:read")]
Writer = Annotated[Actor, scope("workspace:write")]


@router.get("/me", summary="Who am I?")
async def read_me(services: ServicesDep, actor: Annotated[Actor, scope("")]) -> MeOut:
    return await workspaces.read_me(services, actor)


@router.get("/workspace", summary="Read the workspace")
async def read_workspace(services: ServicesDep, actor: Reader) -> WorkspaceOut:
    return await workspaces.read_workspace(services, actor)


@router.patch("/workspace", summary="Change the workspace", responses=responses(409))
async def change_workspace(services: ServicesDep, actor: Writer, given: WorkspacePatch) -> WorkspaceOut:
    return await workspaces.change_workspace(services, actor, given)
