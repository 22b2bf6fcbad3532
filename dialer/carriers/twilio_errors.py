"""Which of our errors an answer of Twilio's API is.

Error bodies are JSON with ``code``, ``message``, ``more_info`` and ``status``
(https://www.twilio.com/docs/api/errors); the message may quote phone numbers and is never repeated.
"""

import json
import math
from collections.abc import Mapping
from typing import Any, cast

from dialer.carriers.base import AccountRefused, CarrierError, NotProcessed, OutcomeUnknown, Refused
from dialer.domain.dispositions import NOT_PROCESSED_CODES, refusal_pauses_campaign


def error_of_answer(status: int, body: str, headers: Mapping[str, str]) -> CarrierError | None:
    """The error that an HTTP answer stands for; None for a success that can be read (a JSON object).

    A request timeout (408) and every 5xx are ambiguous: a proxy may have given up on a request that went
    through. https://www.twilio.com/docs/errors/20429 promises that a 429 was not processed.
    """
    payload = _json_object(body)
    if 200 <= status < 300:
        return None if payload is not None else OutcomeUnknown(f"unreadable answer (HTTP {status})")
    code = _code(payload)
    if status == 429 or (code in NOT_PROCESSED_CODES and 400 <= status < 500):
        reason = f"HTTP {status}, code {code}"
        return NotProcessed(reason, code=code, retry_after_s=_retry_after(headers), answered=True)
    if 400 <= status < 500 and status != 408:
        if refusal_pauses_campaign(code) or (code is None and status in (401, 403, 404)):
            return AccountRefused(code, status)
        return Refused(code, status)
    return OutcomeUnknown(f"HTTP {status}")


def _json_object(body: str) -> Mapping[str, Any] | None:
    try:
        payload: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", payload) if isinstance(payload, dict) else None


def _code(payload: Mapping[str, Any] | None) -> int | None:
    code: object = payload.get("code") if payload is not None else None
    return code if isinstance(code, int) and not isinstance(code, bool) else None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds; the other allowed form, a date, is not used by this API."""
    try:
        seconds = float(headers.get("Retry-After", ""))
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
