"""What an edit of a campaign asks for, what it does, and the versions that it leaves behind."""

from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field

from api.schemas.base import Document, View
from api.schemas.campaigns import CampaignOut, ExpectedVersion


class RestoreIn(Document):
    """Under which condition an earlier version is restored."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"expected_version": 3}]})

    expected_version: ExpectedVersion = None


class EffectOut(View):
    """One thing that an edit does to what is under way, in words and as a count."""

    code: str = Field(examples=["over_max_concurrent"])
    message: str = Field(examples=["12 calls are live and finish; the next one begins when fewer than 10 are left"])
    count: int = Field(examples=[12])


class CampaignChanged(CampaignOut):
    """The campaign after an edit, and what the edit does to calls in flight and people who wait."""

    effects: list[EffectOut] = Field(default_factory=list[EffectOut])


class SettingChange(View):
    """One field that differs from the version before, by its dotted path. A side that has no such field is null."""

    field: str = Field(examples=["pace.max_concurrent"])
    old: Any
    new: Any


class VersionOut(View):
    """One version of a campaign's settings. ``created_by`` is null where nobody asked for it over the API."""

    version: int
    created_at: datetime
    created_by: str | None
    restored_from: int | None = Field(description="The version whose settings these are, after a roll-back.")
    current: bool
    changes: list[SettingChange]
    calls: int = Field(description="Calls that were dialed under it.")


class VersionDetail(VersionOut):
    """One version whole: ``settings`` is a document as a PATCH takes it."""

    settings: dict[str, Any]
