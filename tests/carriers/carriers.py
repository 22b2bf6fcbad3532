"""A Twilio carrier at a loopback address, with little patience."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dialer.carriers.http import HttpLimits
from dialer.carriers.twilio import TwilioCarrier, TwilioCredentials
from tests.carriers.samples import ACCOUNT_SID, AUTH_TOKEN

IMPATIENT = HttpLimits(total_s=0.4, connect_s=0.2)


@asynccontextmanager
async def carrier_at(
    url: str, limits: HttpLimits = IMPATIENT, credentials: TwilioCredentials | None = None
) -> AsyncIterator[TwilioCarrier]:
    token = TwilioCredentials.of_auth_token(ACCOUNT_SID, AUTH_TOKEN)
    carrier = TwilioCarrier(credentials or token, base_url=url, limits=limits, environment={})
    try:
        yield carrier
    finally:
        await carrier.close()
