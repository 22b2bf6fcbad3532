"""Who may call back."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import FormData
from twilio.request_validator import RequestValidator

from dialer.carriers.signatures import is_signed
from tests.carriers.samples import AUTH_TOKEN, CALL_ID, PUBLIC_URL, status_form

PATH = "/api/v1/carriers/twilio/status"
QUERY = f"call_id={CALL_ID}"
ADDRESS = f"{PUBLIC_URL}{PATH}?{QUERY}"


def signature(address: str = ADDRESS, form: Any = None, token: str = AUTH_TOKEN, algorithm: str | None = None) -> str:
    return RequestValidator(token).compute_signature(address, form or status_form(), algorithm)


def signed(**changes: Any) -> bool:
    fields: dict[str, Any] = {
        "auth_token": AUTH_TOKEN,
        "public_base_url": PUBLIC_URL,
        "path": PATH,
        "query": QUERY,
        "form": status_form(),
        "signature": signature(),
    }
    return is_signed(**(fields | changes))


def test_twilios_signature_is_accepted_with_or_without_port_and_slash():
    assert signed()
    assert signed(public_base_url=PUBLIC_URL + "/")
    assert signed(signature=signature(f"https://dialer.example:443{PATH}?{QUERY}"))
    assert signed(public_base_url="https://dialer.example:443")


def test_a_base_url_with_port_and_path_is_what_was_signed():
    base = "http://127.0.0.1:8600/calls"
    assert signed(public_base_url=base, signature=signature(f"{base}{PATH}?{QUERY}"))


@pytest.mark.parametrize(
    "changes",
    [
        {"signature": None},
        {"signature": ""},
        {"signature": "☎"},
        {"signature": signature()[:-2]},
        {"signature": signature(token="another")},
        {"signature": signature(ADDRESS + "#rc=3&rp=all")},
        {"signature": signature(ADDRESS.replace("https", "http"))},
        {"form": status_form(CallStatus="busy")},
        {"form": {}},
        {"path": "/api/v1/carriers/twilio/voice"},
        {"query": "call_id=019aa000-0000-7000-8000-000000000002"},
        {"query": ""},
        {"public_base_url": "https://elsewhere.example"},
        {"auth_token": ""},
        {"auth_token": "", "signature": signature(token="")},
    ],
)
def test_whatever_differs_from_what_was_signed_is_refused(changes: dict[str, Any]):
    assert not signed(**changes)


def test_fields_that_repeat_are_signed_by_their_set_of_values():
    form = FormData([("A", "2"), ("A", "1"), ("A", "2"), ("B", "")])
    assert signed(form=form, signature=signature(form=form))


def test_a_shared_key_signs_with_its_own_secret_and_sha256():
    settings = "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256"
    mine = signature(token="shared", algorithm="HMAC_SHA256")
    keys = {"webhooks_sharedkey_1": "shared"}
    assert signed(signature=mine, settings=settings, shared_keys=keys)
    assert not signed(signature=mine, settings=settings)
    assert not signed(signature=mine, settings=settings, shared_keys={"webhooks_sharedkey_1": "other"})
    assert not signed(signature=mine, shared_keys=keys)
    assert not signed(signature=signature(), settings=settings, shared_keys=keys)


@pytest.mark.parametrize("settings", ["algorithm=HMAC_MD5", "algorithm=none", "key=unknown"])
def test_settings_that_nobody_knows_are_refused(settings: str):
    assert not signed(settings=settings)


@given(st.text(), st.text(), st.dictionaries(st.text(), st.text()), st.text(), st.text())
def test_the_check_never_raises(given_signature: str, settings: str, form: dict[str, str], path: str, query: str):
    try:
        (given_signature + settings + path + query + "".join([*form, *form.values()])).encode()
    except UnicodeEncodeError:
        return
    assert signed(signature=given_signature, settings=settings, form=form, path="/" + path, query=query) is False
