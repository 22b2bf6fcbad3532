"""``/campaigns``: the document, by id or slug."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Header, Query, Response
from pydantic import Field

from api.deps import IDEMPOTENT, AuthenticatedRoute, PageQuery, ServicesDep, scope
from api.operations import campaign_edits, campaign_options, campaign_versions, campaigns
from api.problems import responses
from api.schemas.accounts import ListFilters
from api.schemas.base import Page
from api.schemas.campaign_options import OptionsOut
from api.schemas.campaign_versions import CampaignChanged
from api.schemas.campaigns import CampaignIn, CampaignOut, CampaignPatch, CloneIn
from api.versioned import versioned
from dialer.domain.actors import Actor
from dialer.domain.states import CampaignStatus

router = versioned("/campaigns", tag="campaigns", route_class=AuthenticatedRoute)
Reader = Annotated[Actor, scope("campaigns:read")]
Writer = Annotated[Actor, scope("campaigns:write")]

IfMatch = Annotated[
    str | None,
    Header(
        max_length=500,
        description='A settings_version, such as `"3"`: 409 when the campaign is at another one. `*` for any.',
    ),
]


class CampaignQuery(PageQuery, ListFilters):
    status: CampaignStatus | None = None
    agent_id: UUID | None = None
    include: Literal["batches"] | None = Field(default=None, description="`batches`: also those of batches")


@router.get("", summary="List campaigns")
async def list_campaigns(
    services: ServicesDep, actor: Reader, query: Annotated[CampaignQuery, Query()]
) -> Page[CampaignOut]:
    return await campaigns.list_campaigns(
        services,
        actor,
        query,
        query.request(),
        status=query.status,
        agent_id=query.agent_id,
        with_batches=query.include == "batches",
    )


@router.post("", status_code=201, summary="Make a campaign", openapi_extra=IDEMPOTENT, responses=responses(409))
async def create_campaign(services: ServicesDep, actor: Writer, given: CampaignIn, response: Response) -> CampaignOut:
    """A draft: nobody is called before its launch. What is left out takes the defaults of ``/campaigns/options``."""
    campaign = await campaigns.create_campaign(services, actor, given)
    response.headers["Location"] = f"/api/v1/campaigns/{campaign.id}"
    return campaign


@router.get("/options", summary="Every enum, limit and default that a form needs")
async def read_options(actor: Reader) -> OptionsOut:
    return campaign_options.read_options()


@router.get("/{campaign}", summary="Read a campaign", responses=responses(404))
async def read_campaign(services: ServicesDep, actor: Reader, campaign: str) -> CampaignOut:
    return await campaigns.read_campaign(services, actor, campaign)


@router.patch("/{campaign}", summary="Change a campaign", responses=responses(404, 409))
async def change_campaign(
    services: ServicesDep, actor: Writer, campaign: str, given: CampaignPatch, if_match: IfMatch = None
) -> CampaignChanged:
    """In force when it is answered: no call is dialed under the settings before. Everything but slug and metadata makes
    a new ``settings_version``; ``effects`` say what becomes of calls in flight and of people who wait. 409
    ``version_changed`` with ``current_version`` when the campaign is at another version than expected."""
    expected = campaign_versions.expected_versions(if_match, given.expected_version)
    return await campaign_edits.change_campaign(services, actor, campaign, given, expected)


@router.delete(
    "/{campaign}", status_code=204, summary="Hide a campaign and keep its calls", responses=responses(404, 409)
)
async def delete_campaign(services: ServicesDep, actor: Writer, campaign: str) -> None:
    await campaigns.delete_campaign(services, actor, campaign)


@router.post(
    "/{campaign}/clone",
    status_code=201,
    summary="Copy a campaign's rules into a new draft",
    openapi_extra=IDEMPOTENT,
    responses=responses(404, 409),
)
async def clone_campaign(
    services: ServicesDep, actor: Writer, campaign: str, response: Response, given: CloneIn | None = None
) -> CampaignOut:
    copy = await campaigns.clone_campaign(services, actor, campaign, given or CloneIn())
    response.headers["Location"] = f"/api/v1/campaigns/{copy.id}"
    return copy
