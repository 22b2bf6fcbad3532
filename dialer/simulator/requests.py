"""What every endpoint does first: who asks, and what is in the form."""

import re
from urllib.parse import parse_qs

from starlette.requests import Request

from dialer.simulator.accounts import Account
from dialer.simulator.call_orders import Form
from dialer.simulator.errors import ApiError
from dialer.simulator.ledger import Call
from dialer.simulator.world import World

_MAX_FORM = 64 * 1024
_NUMBER = re.compile(r"[0-9]{1,9}")


def account_of(world: World, request: Request) -> Account:
    """The account in the path if the request's credentials open it. Raises ``ApiError`` otherwise."""
    return world.accounts.authenticate(request.headers.get("authorization"), request.path_params["account_sid"])


def call_of(world: World, request: Request, account: Account) -> Call:
    """The call in the path. Raises ``ApiError`` 20404."""
    call = world.ledger.call(account.sid, request.path_params["call_sid"])
    if call is None:
        raise ApiError(20404)
    return call


async def form_of(request: Request) -> Form:
    """The form-encoded body, every value of a repeated key. Raises ``ApiError`` when it is none."""
    body = await request.body()
    if len(body) > _MAX_FORM:
        raise ApiError(20001, "Request is too large")
    try:
        return parse_qs(body.decode(), keep_blank_values=True, max_num_fields=200)
    except ValueError as error:  # also what is not UTF-8
        raise ApiError(20001, "Request body is no form") from error


def page_of(request: Request) -> tuple[int, int]:
    """``Page`` and ``PageSize`` of a list. Sizes over 1000 mean 1000."""
    page, size = request.query_params.get("Page", "0"), request.query_params.get("PageSize", "50")
    if not (_NUMBER.fullmatch(page) and _NUMBER.fullmatch(size)) or int(size) < 1:
        raise ApiError(20001, "Invalid paging")
    return int(page), min(int(size), 1000)
