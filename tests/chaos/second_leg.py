"""One dispatch leg beside the one that Temporal runs, in a process of its own: ``WORKSPACE CAMPAIGN``.

Temporal never starts two, but a worker that was frozen may go on with a leg that was given to another one meanwhile.
"""

import asyncio
import os
import sys

from temporalio.testing import ActivityEnvironment

from activities.dispatch import CampaignRef, DispatchActivities
from dialer.settings import Settings
from worker import connected


async def run_leg(workspace_id: str, campaign_id: str) -> None:
    settings = Settings.from_env()
    async with connected(settings) as parts:
        listening = asyncio.create_task(parts.wakeups.run())
        try:
            dispatch = DispatchActivities(parts.database, parts.workflows, parts.wakeups, timing=settings.timing)
            ref = CampaignRef(workspace_id=workspace_id, campaign_id=campaign_id)
            leg = await ActivityEnvironment().run(dispatch.dispatch, ref)
            sys.stdout.write(f"{leg.claimed}\n")
        finally:
            listening.cancel()


if __name__ == "__main__":
    asyncio.run(run_leg(*sys.argv[1:]))
    sys.stdout.flush()
    os._exit(0)
