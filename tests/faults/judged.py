"""The judge's verdict on a run: our rows, their history and the carrier's ledger."""

from dataclasses import replace

from sqlalchemy import text

from dialer.carrier_ledgers import parse_ledger
from dialer.domain.judging.judge import judge
from dialer.domain.judging.verdicts import Tolerances
from dialer.store.evidence import read_evidence, snapshot
from tests.faults.processes import TIMING
from tests.faults.sites import SWEEP_EVERY, Site

#: Sweeps are rare here, so that they mend only what nothing else has mended.
PATIENT = Tolerances(timing=TIMING, slack_s=2 * SWEEP_EVERY.total_seconds())


async def judged(site: Site) -> list[str]:
    """What the judge finds wrong."""
    async with snapshot(site.world.database) as session:
        await session.execute(text("SELECT set_config('dialer.clock_offset', :s, true)"), {"s": site.its.clock.setting})
        evidence = await read_evidence(session, campaign_id=site.world.campaign_id)
    carrier = tuple(parse_ledger(await site.town.log()))
    # The town forgets the calls of earlier runs; they were judged in their turn.
    calls = [call for call in evidence.calls if call.workspace_id == site.world.workspace_id]
    verdict = judge(replace(evidence, calls=type(evidence.calls)(calls), carrier=carrier), PATIENT)
    return [f"{found.rule}: {found.text} {dict(found.ids)}" for found in verdict.violations]
