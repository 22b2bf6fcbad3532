"""Voice agents."""

from uuid import UUID

from api.operations.errors import Conflict, NotFound
from api.operations.filters import created
from api.operations.listing import ListRequest, listed
from api.operations.services import Services
from api.schemas.accounts import ListFilters
from api.schemas.agents import AgentIn, AgentOut, AgentPatch
from api.schemas.base import Page
from dialer.domain.actors import Actor
from dialer.store import catalog, pages
from dialer.store.tables import Agent


async def list_agents(
    services: Services, actor: Actor, filters: ListFilters, request: ListRequest, *, active: bool | None = None
) -> Page[AgentOut]:
    """The agents that are not archived."""
    conditions = pages.where(
        {
            **created(filters),
            "active": ("t.active = :active", active),
            "search": ("t.name ILIKE :search", pages.contains(filters.search)),
            "archived": ("(t.archived_at IS NOT NULL) = :archived", False),
        }
    )
    async with services.database.transaction(actor.workspace_id) as session:
        found = await listed(session, catalog.AGENTS, conditions, request)
    return Page(items=[AgentOut.model_validate(item) for item in found.items], next_cursor=found.next_cursor)


async def create_agent(services: Services, actor: Actor, given: AgentIn) -> AgentOut:
    values = {**given.model_dump(mode="json"), "workspace_id": actor.workspace_id, "created_by": actor.principal}
    async with services.database.transaction(actor.workspace_id) as session:
        return AgentOut.model_validate(await catalog.create(session, Agent, values))


async def read_agent(services: Services, actor: Actor, agent_id: UUID) -> AgentOut:
    """Also an archived one, since calls refer to it. Raises NotFound."""
    async with services.database.transaction(actor.workspace_id) as session:
        row = await catalog.read(session, Agent, agent_id)
    if row is None:
        raise NotFound("agent")
    return AgentOut.model_validate(row)


async def change_agent(services: Services, actor: Actor, agent_id: UUID, patch: AgentPatch) -> AgentOut:
    """Objects are merged by member. Raises NotFound; Conflict when it is archived."""
    given = patch.given()
    async with services.database.transaction(actor.workspace_id) as session:
        row = await catalog.read(session, Agent, agent_id, lock=True)
        if row is None:
            raise NotFound("agent")
        if row["archived_at"] is not None:
            raise Conflict("The agent is archived.", code="archived", current_status="archived")
        for name in ("llm", "stt", "tts", "realtime"):
            if name in given:
                given[name] = {**row[name], **given[name]}
        return AgentOut.model_validate(await catalog.change(session, Agent, agent_id, given))


async def archive_agent(services: Services, actor: Actor, agent_id: UUID) -> None:
    """Idempotent. Raises NotFound; Conflict naming the live campaigns that use it."""
    async with services.database.transaction(actor.workspace_id) as session:
        row = await catalog.read(session, Agent, agent_id, lock=True)
        if row is None:
            raise NotFound("agent")
        if row["archived_at"] is not None:
            return
        live = await catalog.live_campaigns(session, agent_id=agent_id)
        if live:
            raise Conflict("Live campaigns use this agent.", code="in_use", extra={"campaigns": live})
        await catalog.change(session, Agent, agent_id, {"archived_at": services.now(), "active": False})
