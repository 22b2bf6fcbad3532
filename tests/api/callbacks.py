"""The carrier, as the API hears it."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from twilio.request_validator import RequestValidator

from tests.api.apis import Api
from tests.api.conftest import ACCOUNT_SID, AUTH_TOKEN, PUBLIC_URL

SID = "CA" + "1" * 32


async def callback(
    api: Api,
    kind: str,
    call_id: object,
    fields: Mapping[str, str],
    *,
    token: str = AUTH_TOKEN,
    account: str = ACCOUNT_SID,
    base: str = PUBLIC_URL,
    further: str = "",
) -> Any:
    """What the carrier sends, and what it is answered."""
    path = f"/api/v1/carriers/twilio/{kind}?call_id={call_id}{further}"
    form = {"AccountSid": account, "CallSid": SID, **fields}
    signature = RequestValidator(token).compute_signature(base + path, form)
    headers = {
        "X-Twilio-Signature": signature,
        "Content-Type": "application/x-www-form-urlencoded",
        "X-API-Key": "",
    }
    return await api.http.post(path, content=urlencode(form), headers=headers)
