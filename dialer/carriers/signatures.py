"""Whether a request really comes from Twilio: a keyed hash over the address that Twilio called and the form
it sent.

The address is rebuilt from the configured public base URL, because behind a proxy the request's own scheme
and host are not the ones Twilio used. https://www.twilio.com/docs/usage/webhooks/webhooks-security
"""

# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false

import hmac
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from twilio.request_validator import (
    HMAC_SHA1,
    HMAC_SHA256,
    RequestValidator,
    add_port,
    get_signature_algorithm,
    remove_port,
)

SIGNATURE_HEADER = "X-Twilio-Signature"
SETTINGS_HEADER = "X-Twilio-Webhooks-Signature-Settings"
#: A SHA-1 or SHA-256 in base64.
_SHAPE = re.compile(r"[A-Za-z0-9+/]{27}=|[A-Za-z0-9+/]{43}=")


def public_address(public_base_url: str, path: str, query: str) -> str:
    """The address that the carrier called. ``path`` and ``query`` are the request's own, still
    percent-encoded.
    """
    return public_base_url.rstrip("/") + path + (f"?{query}" if query else "")


def may_be_signature(value: str | None) -> bool:
    """False for what cannot be any secret's signature, so that nothing else of the request needs to be read."""
    return value is not None and _SHAPE.fullmatch(value) is not None


def is_signed(
    *,
    auth_token: str,
    public_base_url: str,
    path: str,
    query: str,
    form: Mapping[str, object],
    signature: str | None,
    settings: str | None = None,
    shared_keys: Mapping[str, str] | None = None,
) -> bool:
    """True when ``signature`` proves that the holder of the secret sent ``form`` to that address.

    ``form`` is a mapping, or a multi-dict with ``getlist``. ``settings`` is the settings header of requests
    signed with a shared key; ``shared_keys`` holds those secrets by key id. Without that header the account's
    ``auth_token`` signs, with HMAC-SHA1. Never raises.
    """
    algorithm = get_signature_algorithm(settings).upper()
    secret = _secret(auth_token, settings, shared_keys or {})
    if not signature or not secret or algorithm not in (HMAC_SHA1, HMAC_SHA256):
        return False
    validator = RequestValidator(secret)
    written = public_address(public_base_url, path, query)
    address = urlsplit(written)
    # The carrier may or may not have named the scheme's own port when it signed; both are the same address. What was
    # not signed at all is compared with each, so that the time taken says nothing about either.
    candidates = dict.fromkeys((written, remove_port(address), add_port(address)))
    given = signature.encode()
    return any(
        hmac.compare_digest(validator.compute_signature(candidate, form, algorithm).encode(), given)
        for candidate in candidates
    )


def _secret(auth_token: str, settings: str | None, shared_keys: Mapping[str, str]) -> str | None:
    for part in (settings or "").split(","):
        name, _, value = part.partition("=")
        if name.strip() == "key" and value.strip():
            return shared_keys.get(value.strip())
    return auth_token
