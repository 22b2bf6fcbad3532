"""Every thirty seconds, by a Temporal Schedule: repairs what crashes left behind, and watches calls at the carrier."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.sweep import SweepActivities, SweepRequest, Swept
    from workflows.options import SWEEP


@workflow.defn(name="SweepWorkflow")
class SweepWorkflow:
    """One sweep. Its result carries the database's high-water mark to the next one."""

    @workflow.run
    async def run(self) -> Swept:
        previous = workflow.get_last_completion_result(Swept) if workflow.has_last_completion_result() else None
        return await workflow.execute_activity_method(
            SweepActivities.sweep,
            SweepRequest(high_water=previous.high_water, recovered_at=previous.recovered_at)
            if previous is not None
            else SweepRequest(high_water=0),
            summary="repair, then watch",
            **SWEEP,
        )
