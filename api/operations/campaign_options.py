"""The enums, limits and defaults of campaigns, read from where they are enforced."""

from typing import Any, get_args
from uuid import UUID

from api.schemas import campaign_rules as limits
from api.schemas.campaign_options import OptionsOut, RedialOption
from api.schemas.campaign_rules import REDIAL_GROUPS
from api.schemas.campaigns import Approval, CallLanguageMode, CampaignIn, Purpose
from api.schemas.voicemail import MAX_MESSAGES
from dialer.domain.calling_hours import DAYS
from dialer.domain.campaign_rules import AnsweringMachine
from dialer.domain.dispositions import OUTCOME_RULES, RULES
from dialer.domain.durations import format_duration
from dialer.domain.inbound import RedialAfterInbound
from dialer.domain.recurrence import Dial
from dialer.domain.states import CallState, CampaignStatus, ProspectState
from dialer.domain.voicemail import VoicemailAction


def read_options() -> OptionsOut:
    """What every form needs."""
    return OptionsOut(
        defaults=_defaults(),
        enums={
            "status": [status.value for status in CampaignStatus],
            "prospect_state": [state.value for state in ProspectState],
            "call_state": [state.value for state in CallState if state is not CallState.INBOUND],
            "purpose": list(get_args(Purpose)),
            "approval": list(get_args(Approval)),
            "answering_machine": [value.value for value in AnsweringMachine],
            "voicemail.action": [value.value for value in VoicemailAction],
            "inbound.redial": [value.value for value in RedialAfterInbound],
            "call_language_mode": list(get_args(CallLanguageMode)),
            "days": list(DAYS),
            "calls": ["finish", "hang_up"],
            "on_duplicate": ["skip", "update"],
            "dial": [value.value for value in Dial],
        },
        limits={
            "redial.max_attempts": _range(1, limits.MAX_ATTEMPTS),
            "pace.max_concurrent": _range(1, limits.MAX_CONCURRENT),
            "pace.calls_per_second": _range(limits.MIN_CALLS_PER_SECOND, limits.MAX_CALLS_PER_SECOND),
            "pace.weight": _range(0, limits.MAX_WEIGHT),
            "breaker.window": _range(1, limits.MAX_BREAKER_WINDOW),
            "ring_timeout_s": _range(*limits.RING_TIMEOUT_S),
            "max_call_s": _range(*limits.MAX_CALL_S),
            "voicemail.max_messages": _range(*MAX_MESSAGES),
            "calling_hours.windows": _range(1, limits.MAX_WINDOWS),
        },
        dispositions=[
            RedialOption(
                value=kind.value,
                group=rule.group,
                redial_group=rule.redial_group,
                default_delays=[format_duration(delay) for delay in rule.default_delays],
                final_state=rule.final_state.value,
                redialable=not rule.final,
            )
            for kind, rule in RULES.items()
        ],
        outcomes=[
            RedialOption(
                value=kind.value,
                group="outcome",
                redial_group=None,
                default_delays=[format_duration(delay) for delay in rule.default_delays],
                final_state=rule.final_state.value,
                redialable=not rule.final,
            )
            for kind, rule in OUTCOME_RULES.items()
        ],
        redial_groups=list(REDIAL_GROUPS),
    )


def _defaults() -> dict[str, Any]:
    """What a campaign has whose client said nothing; the delays by disposition in full."""
    document = CampaignIn(name="-", agent_id=UUID(int=0)).model_dump(
        mode="json", exclude={"name", "agent_id", "slug", "metadata", "caller_numbers"}
    )
    delays = {
        kind.value: [format_duration(delay) for delay in rule.default_delays]
        for rules in (RULES, OUTCOME_RULES)
        for kind, rule in rules.items()
        if rule.default_delays
    }
    return {**document, "redial": {**document["redial"], "delays": delays}}


def _range(least: float, most: float) -> dict[str, float]:
    return {"min": least, "max": most}
