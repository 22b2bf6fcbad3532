"""``/campaigns/{id}/versions``: what the settings were, and the way back."""

from typing import Annotated

from fastapi import Path, Query

from api.deps import IDEMPOTENT, AuthenticatedRoute, CursorQuery, ServicesDep, scope
from api.operations import campaign_versions
from api.operations.listing import ListRequest
from api.problems import responses
from api.routes.campaigns import IfMatch
from api.schemas.base import MAX_INTEGER, Page
from api.schemas.campaign_versions import CampaignChanged, RestoreIn, VersionDetail, VersionOut
from api.versioned import versioned
from dialer.domain.actors import Actor

router = versioned("/campaigns/{campaign}/versions", tag="campaigns", route_class=AuthenticatedRoute)
Reader = Annotated[Actor, scope("campaigns:read")]
Writer = Annotated[Actor, scope("campaigns:write")]
Number = Annotated[int, Path(ge=1, le=MAX_INTEGER, description="A settings_version of the campaign.")]


@router.get("", summary="Every version of the settings, the newest first", responses=responses(404))
async def list_versions(
    services: ServicesDep, actor: Reader, campaign: str, query: Annotated[CursorQuery, Query()]
) -> Page[VersionOut]:
    """Each with who made it when, what changed compared with the one before, and how many calls it dialed."""
    request = ListRequest(limit=query.limit, cursor=query.cursor)
    return await campaign_versions.list_versions(services, actor, campaign, request)


@router.get("/{version}", summary="One version of the settings, whole", responses=responses(404))
async def read_version(services: ServicesDep, actor: Reader, campaign: str, version: Number) -> VersionDetail:
    return await campaign_versions.read_version(services, actor, campaign, version)


@router.post(
    "/{version}/restore", summary="Go back to a version", openapi_extra=IDEMPOTENT, responses=responses(404, 409)
)
async def restore_version(
    services: ServicesDep,
    actor: Writer,
    campaign: str,
    version: Number,
    given: RestoreIn | None = None,
    if_match: IfMatch = None,
) -> CampaignChanged:
    """Makes a new version with the settings of this one, checked as a PATCH is; in force when it is answered."""
    expected = campaign_versions.expected_versions(if_match, given.expected_version if given is not None else None)
    return await campaign_versions.restore_version(services, actor, campaign, version, expected)
