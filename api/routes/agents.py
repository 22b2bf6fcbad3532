"""``/agents``."""

from typing import Annotated

from fastapi import Query, Response

from api.deps import IDEMPOTENT, AuthenticatedRoute, PageQuery, ServicesDep, scope
from api.operations import agents
from api.operations.references import as_id
from api.problems import responses
from api.schemas.accounts import ListFilters
from api.schemas.agents import AgentIn, AgentOut, AgentPatch
from api.schemas.base import Page
from api.versioned import versioned
from dialer.domain.actors import Actor

router = versioned("/agents", tag="agents", route_class=AuthenticatedRoute)
Reader = Annotated[Actor, scope("agents:read")]
Writer = Annotated[Actor, scope("agents:write")]


class AgentQuery(PageQuery, ListFilters):
    active: bool | None = None


@router.get("", summary="List agents")
async def list_agents(services: ServicesDep, actor: Reader, query: Annotated[AgentQuery, Query()]) -> Page[AgentOut]:
    return await agents.list_agents(services, actor, query, query.request(), active=query.active)


@router.post("", status_code=201, summary="Make an agent", openapi_extra=IDEMPOTENT, responses=responses(409))
async def create_agent(services: ServicesDep, actor: Writer, given: AgentIn, response: Response) -> AgentOut:
    agent = await agents.create_agent(services, actor, given)
    response.headers["Location"] = f"/api/v1/agents/{agent.id}"
    return agent


@router.get("/{agent_id}", summary="Read an agent", responses=responses(404))
async def read_agent(services: ServicesDep, actor: Reader, agent_id: str) -> AgentOut:
    return await agents.read_agent(services, actor, as_id(agent_id, "agent"))


@router.patch("/{agent_id}", summary="Change an agent", responses=responses(404, 409))
async def change_agent(services: ServicesDep, actor: Writer, agent_id: str, given: AgentPatch) -> AgentOut:
    return await agents.change_agent(services, actor, as_id(agent_id, "agent"), given)


@router.delete("/{agent_id}", status_code=204, summary="Archive an agent", responses=responses(404, 409))
async def archive_agent(services: ServicesDep, actor: Writer, agent_id: str) -> None:
    """Calls go on referring to it. 409 names the live campaigns that use it."""
    await agents.archive_agent(services, actor, as_id(agent_id, "agent"))
