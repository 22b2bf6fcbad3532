"""Ending a call at the carrier, best effort: whatever is not heard here is asked again by the sweep."""

import logging
from uuid import UUID

from api.operations.services import Services
from dialer.carriers.base import CarrierError
from dialer.sealing import SealBroken

log = logging.getLogger(__name__)


async def hang_up_at_carrier(
    services: Services, workspace_id: UUID, account_id: UUID, carrier_call_id: str, *, answered: bool | None
) -> None:
    """Ask the carrier once."""
    try:
        carrier = await services.carriers.of(workspace_id, account_id)
        await carrier.hang_up(carrier_call_id, answered=answered)
    except (CarrierError, SealBroken, LookupError) as error:
        log.warning("a call could not be hung up now: %s", type(error).__name__)
