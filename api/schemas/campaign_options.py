"""What a form for campaigns needs to know."""

from typing import Any

from api.schemas.base import View


class RedialOption(View):
    """One disposition or outcome: what follows when a campaign says nothing about it."""

    value: str
    group: str
    redial_group: str | None
    default_delays: list[str]
    final_state: str
    redialable: bool


class OptionsOut(View):
    """Every enum and limit, with defaults."""

    defaults: dict[str, Any]
    enums: dict[str, list[str]]
    limits: dict[str, dict[str, float]]
    dispositions: list[RedialOption]
    outcomes: list[RedialOption]
    redial_groups: list[str]
