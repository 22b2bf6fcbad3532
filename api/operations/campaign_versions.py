"""The versions of a campaign's settings: who made which, what changed, and the way back to one of them."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from api.operations.campaign_edits import Wish, edit_campaign
from api.operations.campaign_settings import SETTINGS, document_of, versioned
from api.operations.campaigns import find_campaign
from api.operations.errors import NotFound, invalid
from api.operations.listing import ListRequest, listed
from api.operations.services import Services
from api.schemas.base import Page
from api.schemas.campaign_versions import CampaignChanged, SettingChange, VersionDetail, VersionOut
from api.schemas.campaigns import CampaignRulesIn
from dialer.domain.actors import Actor
from dialer.domain.setting_changes import differences
from dialer.store import pages, setting_versions

_BESIDE = ("name", "agent_id", "caller_numbers")


async def list_versions(services: Services, actor: Actor, reference: str, request: ListRequest) -> Page[VersionOut]:
    """The newest first. Raises NotFound."""
    async with services.database.transaction(actor.workspace_id) as session:
        campaign = await find_campaign(session, reference)
        of_campaign = pages.where({"campaign": ("t.campaign_id = :campaign", campaign["id"])})
        found = await listed(session, setting_versions.VERSIONS, of_campaign, request, "-version")
    current = campaign["settings_version"]
    items = [VersionOut.model_validate(_version(item, current)) for item in found.items]
    return Page(items=items, next_cursor=found.next_cursor)


async def read_version(services: Services, actor: Actor, reference: str, version: int) -> VersionDetail:
    """Raises NotFound."""
    async with services.database.transaction(actor.workspace_id) as session:
        campaign = await find_campaign(session, reference)
        found = await _find(session, campaign, version)
    return VersionDetail.model_validate(
        {**_version(found, campaign["settings_version"]), "settings": _document(found, "")}
    )


async def restore_version(
    services: Services, actor: Actor, reference: str, version: int, expected: Collection[int] | None = None
) -> CampaignChanged:
    """A new version with the settings of an earlier one, if they could be given today.

    What is not known of a version from before names, agents and caller numbers were kept stays as it is. Raises what
    ``change_campaign`` raises. Settings that are in force already make no new version.
    """

    async def wish(session: AsyncSession, row: Mapping[str, Any]) -> Wish:
        restored = _document(await _find(session, row, version), "")
        # What was unknown then had its default.
        document = {**document_of(row), **CampaignRulesIn().model_dump(mode="json"), **restored}
        return Wish(document=document, given=versioned(document).keys(), restored_from=version)

    return await edit_campaign(services, actor, reference, wish, expected)


def expected_versions(if_match: str | None, expected_version: int | None) -> frozenset[int] | None:
    """The versions that an edit may be applied to, of ``If-Match`` and of the body; None where neither says.

    Raises Invalid for a header that names no versions.
    """
    named: frozenset[int] | None = None
    if if_match is not None and if_match.strip() != "*":
        tags = [tag.strip().removeprefix("W/").strip('"') for tag in if_match.split(",")]
        if not all(tag.isascii() and tag.isdigit() and len(tag) < 19 for tag in tags):
            raise invalid("If-Match", "no_version", 'Give a settings_version, such as "3"')
        named = frozenset(int(tag) for tag in tags)
    if expected_version is None:
        return named
    return frozenset({expected_version}) & (named if named is not None else {expected_version})


async def _find(session: AsyncSession, campaign: Mapping[str, Any], version: int) -> dict[str, Any]:
    found = await setting_versions.find(session, campaign["id"], version)
    if found is None:
        raise NotFound("version")
    return found


def _version(item: Mapping[str, Any], current: int) -> dict[str, Any]:
    changes: list[SettingChange] = []
    if item["before_settings"] is not None:
        before, after = _document(item, "before_"), _document(item, "")
        known = {
            name for name in before.keys() | after.keys() if name not in _BESIDE or name in before.keys() & after.keys()
        }
        found = differences(*({name: doc[name] for name in doc if name in known} for doc in (before, after)))
        changes = [SettingChange(field=each.field, old=each.old, new=each.new) for each in found]
    return {**item, "current": item["version"] == current, "changes": changes}


def _document(item: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """A version as a client would send it; without name, agent and caller numbers where they are not known."""
    beside = {name: item[f"{prefix}{name}"] for name in _BESIDE if item[f"{prefix}{name}"] is not None}
    if "agent_id" in beside:
        beside["agent_id"] = str(beside["agent_id"])
    settings = item[f"{prefix}settings"]
    return {**beside, **{key: value for key, value in settings.items() if key in SETTINGS}}
