"""Calls that come in: who rings back, how such a call ended, and what it makes of the redial that was to come.

A call that comes in is a call and no attempt: it takes no slot, uses up nothing of an allowance, and is never refused
to a person.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from dialer.domain.carrier_events import CarrierStatus
from dialer.domain.dispositions import OUTCOME_RULES, SHORT_HANGUP_SECONDS, Disposition, Outcome
from dialer.domain.states import ProspectState

#: Said to whoever rings a number behind which nobody talks.
NOBODY_HERE = "Thank you for calling. Goodbye."
#: Why somebody is not called again.
RANG_BACK = "they rang back"


class RedialAfterInbound(StrEnum):
    """What becomes of somebody's redial once they have rung back and talked."""

    CANCEL = "cancel"
    KEEP = "keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundRules:
    """What a campaign makes of people who ring back."""

    redial: RedialAfterInbound = RedialAfterInbound.CANCEL


def inbound_from_json(data: Mapping[str, Any] | None) -> InboundRules:
    """What is stored of a campaign's settings, or the default."""
    if data is None:
        return InboundRules()
    return InboundRules(redial=RedialAfterInbound(data.get("redial", RedialAfterInbound.CANCEL)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Whom a caller may be: somebody whom we have called from the number that they ring (``called_at``), or somebody
    in a campaign that calls from it, ``joined_at`` some time. A single call has neither campaign nor prospect.
    """

    campaign_id: UUID | None
    prospect_id: UUID | None
    agent_id: UUID | None
    called_at: datetime | None = None
    joined_at: datetime | None = None
    running: bool = False


_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def who_rings(matches: Sequence[Match]) -> Match | None:
    """The one whom we called last; else somebody in a running campaign before others, and who joined last."""
    return max(
        matches,
        key=lambda each: (each.called_at or _LONG_AGO, each.running, each.joined_at or _LONG_AGO),
        default=None,
    )


def disposition_of_inbound(
    status: CarrierStatus, talk_seconds: int | None, *, answered: bool, has_agent: bool
) -> Disposition:
    """How a call that came in ended, in the words for calls that we make.

    ``answered``: the carrier was told what to say; ``has_agent``: by an agent, and not only to say goodbye.
    """
    if status is CarrierStatus.FAILED:
        return Disposition.PROVIDER_ERROR
    if not answered:
        return Disposition.NO_ANSWER
    if status is not CarrierStatus.COMPLETED:
        return Disposition.CANCELED
    if not has_agent:
        return Disposition.ABANDONED
    short = talk_seconds is not None and talk_seconds < SHORT_HANGUP_SECONDS
    return Disposition.SHORT_HANGUP if short else Disposition.HUMAN


def redial_is_off(rules: InboundRules, disposition: Disposition, outcome: Outcome | None) -> bool:
    """True when the person need not be called again: they have talked, or what they said is a last word."""
    if outcome is not None and OUTCOME_RULES[outcome].final:
        return OUTCOME_RULES[outcome].final_state is ProspectState.REACHED
    return rules.redial is RedialAfterInbound.CANCEL and disposition is Disposition.HUMAN
