"""What calls have come to: totals and hours, and one disposition looked at closely."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from api.operations.campaigns import find_campaign
from api.operations.errors import invalid
from api.operations.services import Services
from api.schemas.campaign_figures import (
    CountedNumber,
    CountedStep,
    DispositionQuery,
    DispositionStatsOut,
    HourOut,
    RangeQuery,
    SeriesOut,
    StatsOut,
    StatsQuery,
    StepOut,
)
from dialer.domain.actors import Actor
from dialer.domain.calling_hours import clock_of
from dialer.domain.dispositions import RULES, Disposition
from dialer.store import series
from dialer.store.series import Range
from dialer.store.stats import tallies_of

_HOUR = timedelta(hours=1)


async def read_stats(services: Services, actor: Actor, reference: str, query: StatsQuery) -> StatsOut:
    """Totals of all its time; the series, if one is asked for, of the range. Raises NotFound and Invalid."""
    span = _span(query, query.by or "hour")
    async with services.database.transaction(actor.workspace_id) as session:
        row = await find_campaign(session, reference)
        tallies = await tallies_of(session, row["id"])
        steps = await _steps(session, row, span, services.now()) if query.by else []
    counts = {kind: {key: int(n) for key, n in keys.items()} for kind, keys in tallies.items() if kind != "cost"}
    dialed = counts.get("dialed", {}).get("all", 0)
    answered = counts.get("answered", {}).get("all", 0)
    dialed_in, answered_in = counts.get("dialed_in", {}), counts.get("answered_in", {})
    attempts = sorted(counts.get("attempts", {}).items(), key=lambda pair: int(pair[0]))
    return StatsOut(
        prospects_total=sum(counts.get("state", {}).values()),
        prospects=counts.get("state", {}),
        calls_total=dialed,
        dispositions=counts.get("disposition", {}),
        outcomes=counts.get("outcome", {}),
        attempts=dict(attempts),
        answered=answered,
        answer_rate=answered / dialed if dialed else 0.0,
        talk_seconds=counts.get("talk_seconds", {}).get("all", 0),
        cost=str(tallies.get("cost", {}).get("all", 0)),
        inbound=counts.get("inbound", {}).get("all", 0),
        hours=[
            HourOut(hour=hour, dialed=dialed_in.get(hour, 0), answered=answered_in.get(hour, 0))
            for hour in sorted({*dialed_in, *answered_in})
        ],
        series=SeriesOut(
            by=query.by,
            time_zone=query.time_zone,
            steps=[StepOut(start=step.start, dialed=step.dialed, answered=step.answered) for step in steps],
        )
        if query.by
        else None,
    )


async def read_disposition(
    services: Services, actor: Actor, reference: str, disposition: Disposition, query: DispositionQuery
) -> DispositionStatsOut:
    """Counts by what may explain it. Raises NotFound and Invalid."""
    span = _span(query, query.by)
    async with services.database.transaction(actor.workspace_id) as session:
        row = await find_campaign(session, reference)
        counted = await series.disposition_counts(session, row["id"], disposition, span)
        ended = await series.ended_calls(session, row["id"], span)
        by_number = sorted(_of(counted, "number"), key=lambda each: -each.n)
        phones = await series.phones_of(session, [each.phone_number_id for each in by_number if each.phone_number_id])
    total = sum(each.n for each in _of(counted, "all"))
    return DispositionStatsOut(
        disposition=disposition,
        group=RULES[disposition].group,
        calls=total,
        share=total / ended if ended else 0.0,
        attempts={str(each.attempt): each.n for each in _of(counted, "attempt")},
        numbers=[
            CountedNumber(phone_number_id=each.phone_number_id, phone=phones.get(each.phone_number_id), calls=each.n)
            for each in by_number
        ],
        sip_codes=_codes(counted, "sip_code"),
        error_codes=_codes(counted, "error_code"),
        by=query.by,
        time_zone=query.time_zone,
        steps=[CountedStep(start=each.step, calls=each.n) for each in _of(counted, "step")],
    )


def _of(counted: list[Row[Any]], kind: str) -> list[Row[Any]]:
    return [row for row in counted if row.kind == kind]


def _codes(counted: list[Row[Any]], kind: str) -> dict[str, int]:
    """The most frequent first; calls without a code are none of them."""
    found = {str(getattr(row, kind)): row.n for row in _of(counted, kind) if getattr(row, kind) is not None}
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))


def _span(query: RangeQuery, unit: str) -> Range:
    if query.from_ is not None and query.to is not None and query.to <= query.from_:
        raise invalid("to", "not_after_from", "The end of the range must lie after its beginning")
    return Range(unit=unit, zone=query.time_zone, start=query.from_, end=query.to)


async def _steps(session: AsyncSession, campaign: dict[str, Any], span: Range, now: datetime) -> list[Row[Any]]:
    """Counts by hours of UTC add up to whatever keeps to those hours; for the rest the calls are counted."""
    since = span.start or campaign["created_at"]
    until = span.end or now
    whole = all(at is None or at.replace(minute=0, second=0, microsecond=0) == at for at in (span.start, span.end))
    if whole and _keeps_hours(span.zone, since, until):
        return await series.series_of_tallies(session, campaign["id"], span)
    return await series.series_of_calls(session, campaign["id"], span)


def _keeps_hours(zone: str, since: datetime, until: datetime) -> bool:
    """True when the clock was whole hours from UTC all the time; clocks change by half an hour in few places."""
    clock = clock_of(zone)
    days = range(min((until - since).days, 366) + 2)
    return all(
        (at.astimezone(clock).utcoffset() or timedelta(0)) % _HOUR == timedelta(0)
        for at in ((since + timedelta(days=day)).astimezone(UTC) for day in days)
    )
