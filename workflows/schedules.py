"""The Schedules of campaigns in Temporal: read, written and deleted, one ``campaign-{id}`` each."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleCalendarSpec,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError, RPCStatusCode

from dialer.domain.cron import Calendar
from dialer.domain.schedules import SeenSchedule, Timetable, WantedSchedule
from dialer.schedule_mirror import ListedSchedule
from workflows.options import CONTROL_QUEUE
from workflows.scheduled_run import ScheduledRun, ScheduledRunWorkflow
from workflows.starts import CAMPAIGN, WORKSPACE, campaign_workflow_id

PREFIX = "campaign-"
PATIENCE = timedelta(seconds=10)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: A single moment in the words of a Schedule: an interval, counted from 1970, that comes round by 2010 and again after
#: forty years. The server leaves out the first time of an interval that has not come round before.
_ONCE = timedelta(days=40 * 365)
#: A Schedule still fires at its end, a campaign does not.
_LEAST = timedelta(seconds=1)


class CampaignSchedules:
    """The door to Schedules for the API and for the sweep. What is gone already is no error."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def read(self, campaign_id: UUID) -> SeenSchedule | None:
        """As it is now; None when there is none."""
        try:
            found = await self._client.get_schedule_handle(schedule_id(campaign_id)).describe(rpc_timeout=PATIENCE)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise
        return SeenSchedule(
            timetable=_timetable(found.schedule.spec, found.schedule.policy.catchup_window),
            paused=found.schedule.state.paused,
            written_paused=await self._written_paused(found.schedule.action),
        )

    async def write(self, workspace_id: UUID, campaign_id: UUID, name: str, wanted: WantedSchedule) -> None:
        """Make it so, whether there is one or not."""
        pairs: list[SearchAttributePair[Any]] = [
            SearchAttributePair(WORKSPACE, str(workspace_id)),
            SearchAttributePair(CAMPAIGN, str(campaign_id)),
        ]
        attributes = TypedSearchAttributes(pairs)
        schedule = _schedule(workspace_id, campaign_id, name, wanted, attributes)

        def same(_: ScheduleUpdateInput) -> ScheduleUpdate:
            return ScheduleUpdate(schedule)

        handle = self._client.get_schedule_handle(schedule_id(campaign_id))
        try:
            await handle.update(same, rpc_timeout=PATIENCE)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            try:
                await self._client.create_schedule(
                    schedule_id(campaign_id), schedule, search_attributes=attributes, rpc_timeout=PATIENCE
                )
            except ScheduleAlreadyRunningError:
                # Somebody else made it just now.
                await handle.update(same, rpc_timeout=PATIENCE)

    async def delete(self, campaign_id: UUID) -> None:
        """Leave none behind."""
        try:
            await self._client.get_schedule_handle(schedule_id(campaign_id)).delete(rpc_timeout=PATIENCE)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise

    async def listed(self) -> list[ListedSchedule]:
        """Those of all campaigns, perhaps some seconds old."""
        found: list[ListedSchedule] = []
        async for each in await self._client.list_schedules(rpc_timeout=PATIENCE):
            campaign_id = _campaign_of(each.id)
            if campaign_id is None or each.schedule is None:
                continue
            timetable = _timetable(each.schedule.spec, None)
            found.append(
                ListedSchedule(campaign_id=campaign_id, paused=each.schedule.state.paused, timetable=timetable)
            )
        return found

    def ui_url(self, ui_url: str | None, campaign_id: UUID) -> str | None:
        """A deep link into the Temporal Web UI, or None when its address is not known."""
        if ui_url is None:
            return None
        return f"{ui_url}/namespaces/{quote(self._client.namespace)}/schedules/{quote(schedule_id(campaign_id))}"

    async def _written_paused(self, action: Any) -> bool | None:
        """What it was told when it was written; None when somebody else wrote it."""
        if not isinstance(action, ScheduleActionStartWorkflow) or action.workflow != "ScheduledRunWorkflow":
            return None
        arguments: Sequence[Any] = action.args  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        if len(arguments) != 1:
            return None
        try:
            told = await self._client.data_converter.decode(list(arguments), [ScheduledRun])
        except (RuntimeError, TypeError, ValueError):
            return None
        return told[0].paused


def schedule_id(campaign_id: UUID) -> str:
    return f"{PREFIX}{campaign_id}"


def _campaign_of(schedule: str) -> UUID | None:
    try:
        return UUID(schedule.removeprefix(PREFIX)) if schedule.startswith(PREFIX) else None
    except ValueError:
        return None


def _schedule(
    workspace_id: UUID, campaign_id: UUID, name: str, wanted: WantedSchedule, attributes: TypedSearchAttributes
) -> Schedule:
    order = ScheduledRun(workspace_id=str(workspace_id), campaign_id=str(campaign_id), paused=wanted.paused)
    why = f"The campaign is paused ({wanted.paused_reason})" if wanted.paused else "As the campaign says"
    timetable = wanted.timetable
    return Schedule(
        action=ScheduleActionStartWorkflow(
            ScheduledRunWorkflow.run,
            order,
            id=f"{campaign_workflow_id(campaign_id)}-run",
            task_queue=CONTROL_QUEUE,
            static_summary=f"{name} · a run is due",
            typed_search_attributes=attributes,
        ),
        spec=ScheduleSpec(
            calendars=[_calendar_spec(each) for each in sorted(timetable.calendars, key=repr)],
            intervals=[
                ScheduleIntervalSpec(every=_ONCE, offset=(at - _EPOCH) % _ONCE) for at in sorted(timetable.moments)
            ],
            start_at=timetable.start_at,
            end_at=None if timetable.end_at is None else timetable.end_at - _LEAST,
            time_zone_name=timetable.zone,
        ),
        # Each firing is judged by itself, also when several come late and together.
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.ALLOW_ALL, catchup_window=timetable.catch_up),
        state=ScheduleState(paused=wanted.paused, note=why),
    )


def _calendar_spec(calendar: Calendar) -> ScheduleCalendarSpec:
    return ScheduleCalendarSpec(
        minute=_ranges(calendar.minutes),
        hour=_ranges(calendar.hours),
        day_of_month=_ranges(calendar.days_of_month),
        month=_ranges(calendar.months),
        day_of_week=_ranges(calendar.days_of_week),
    )


def _ranges(values: Iterable[int]) -> list[ScheduleRange]:
    """Neighbours together, as people read them."""
    found: list[ScheduleRange] = []
    for value in sorted(values):
        if found and found[-1].end == value - 1:
            found[-1] = ScheduleRange(found[-1].start, value)
        else:
            found.append(ScheduleRange(value, value))
    return found


def _timetable(spec: ScheduleSpec, catch_up: timedelta | None) -> Timetable | None:
    """What a Schedule says; None when it says what none of ours does. A listing has no ``catch_up``."""
    if spec.cron_expressions or spec.skip or spec.jitter:
        return None
    if any(each.every != _ONCE for each in spec.intervals):
        return None
    if any(each.year or list(_values(each.second)) != [0] for each in spec.calendars):
        return None
    return Timetable(
        calendars=frozenset(_calendar(each) for each in spec.calendars),
        moments=frozenset(_EPOCH + _ONCE + (each.offset or timedelta(0)) for each in spec.intervals),
        zone=spec.time_zone_name or "UTC",
        start_at=spec.start_at,
        end_at=None if spec.end_at is None else spec.end_at + _LEAST,
        catch_up=catch_up or timedelta(0),
    )


def _calendar(spec: ScheduleCalendarSpec) -> Calendar:
    return Calendar(
        minutes=frozenset(_values(spec.minute)),
        hours=frozenset(_values(spec.hour)),
        days_of_month=frozenset(_values(spec.day_of_month)),
        months=frozenset(_values(spec.month)),
        days_of_week=frozenset(_values(spec.day_of_week)),
    )


def _values(ranges: Sequence[ScheduleRange]) -> Iterator[int]:
    for each in ranges:
        yield from range(each.start, max(each.start, each.end) + 1, each.step or 1)
