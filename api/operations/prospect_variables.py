"""What the agent of a campaign says about people, and who of them has no value for it."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from api.operations.campaigns import find_campaign
from api.operations.services import Services
from api.schemas.prospect_variables import MissingVariable, VariablesOut
from dialer.domain.actors import Actor
from dialer.store.missing_variables import count_missing, needed_variables


async def read_variables(
    services: Services, actor: Actor, reference: str, *, import_id: UUID | None = None
) -> VariablesOut:
    """The variables that the agent needs, and how many ready people lack each. Raises NotFound."""
    async with services.database.transaction(actor.workspace_id) as session:
        row = await find_campaign(session, reference)
        names = await needed_variables(session, row["id"])
        return VariablesOut(needed=list(names), missing=await missing_of(session, row, import_id=import_id))


async def missing_of(
    session: AsyncSession,
    campaign: Mapping[str, Any],
    *,
    import_id: UUID | None = None,
    people: Sequence[UUID] | None = None,
) -> list[MissingVariable]:
    """What ready people lack: all of a campaign, those of one import, or ``people``."""
    names = await needed_variables(session, campaign["id"])
    found = await count_missing(session, campaign["id"], names, import_id=import_id, people=people)
    return [MissingVariable(name=each.name, people=each.people, at_least=each.at_least) for each in found]
