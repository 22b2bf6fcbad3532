"""The workspace, and who asks."""

from sqlalchemy.exc import IntegrityError

from api.operations.errors import Conflict, NotFound
from api.operations.services import Services
from api.schemas.accounts import Limits, MeOut, WorkspaceOut, WorkspacePatch
from dialer.domain.actors import Actor
from dialer.store import catalog
from dialer.store.database import violated
from dialer.store.tables import Workspace
from dialer.store.turns import quicken


async def read_workspace(services: Services, actor: Actor) -> WorkspaceOut:
    async with services.database.transaction(actor.workspace_id) as session:
        row = await catalog.read(session, Workspace, actor.workspace_id)
    if row is None:
        raise NotFound("workspace")
    return WorkspaceOut.model_validate(row)


async def change_workspace(services: Services, actor: Actor, patch: WorkspacePatch) -> WorkspaceOut:
    """Raises Conflict for a slug that is taken."""
    try:
        async with services.database.transaction(actor.workspace_id) as session:
            given = patch.given()
            row = await catalog.change(session, Workspace, actor.workspace_id, given)
            if "calls_per_second" in given:
                await quicken(session, "workspace", actor.workspace_id, given["calls_per_second"])
    except IntegrityError as error:
        if violated(error) == "uq_workspaces_slug":
            raise Conflict("This slug is taken.", code="slug_taken") from None
        raise
    return WorkspaceOut.model_validate(row)


async def read_me(services: Services, actor: Actor) -> MeOut:
    """Who asks, and what they may do."""
    return MeOut(
        workspace=await read_workspace(services, actor),
        principal=actor.principal,
        scopes=sorted(actor.scopes),
        rate_limits=Limits(requests_per_minute=actor.requests_per_minute),
    )
