"""After a commit that makes somebody callable sooner: tell the leg that runs, or the workflow that waits.

A nudge that is lost costs freshness only, since the row is the truth and the sweep looks at it; so it never fails a
request whose work is done.
"""

import logging
from uuid import UUID

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from temporalio.service import RPCError

from api.operations.services import Services
from dialer.store.database import is_transient
from dialer.store.waking import wake

log = logging.getLogger(__name__)


async def wake_campaign(services: Services, workspace_id: UUID, campaign_id: UUID, *, always: bool = False) -> None:
    """Wake a dispatch leg; nudge the workflow when it was idle, or ``always``."""
    try:
        async with services.database.transaction(workspace_id, by_keys=True) as session:
            idle = await wake(session, campaign_id)
    except (DBAPIError, PoolTimeout) as error:
        if isinstance(error, DBAPIError) and not is_transient(error):
            raise
        log.warning("campaign %s could not be woken: %s", campaign_id, type(error).__name__)
        idle = True  # Perhaps: a nudge too many costs one event.
    if idle or always:
        await nudge(services, campaign_id)


async def nudge(services: Services, campaign_id: UUID) -> None:
    """Tell the campaign's workflow that its row has changed."""
    try:
        await services.workflows.nudge_campaign(campaign_id)
    except (RPCError, RuntimeError) as error:
        log.warning("campaign %s could not be nudged: %s", campaign_id, type(error).__name__)


async def nudge_batch(services: Services, batch_id: UUID | None) -> None:
    """Tell a batch's workflow that its rows have changed; a campaign of its own has no batch."""
    if batch_id is None:
        return
    try:
        await services.workflows.nudge_batch(batch_id)
    except (RPCError, RuntimeError) as error:
        log.warning("batch %s could not be nudged: %s", batch_id, type(error).__name__)
