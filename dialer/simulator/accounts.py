"""Who may call: account SIDs, their secrets, and the keys that callbacks are signed with."""

import base64
import hmac
from dataclasses import dataclass, field
from typing import Literal

from dialer.simulator.errors import ApiError

AccountStatus = Literal["active", "suspended", "closed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedKey:
    """A key of its own for signing webhooks (HMAC-SHA256) instead of the account's auth token (HMAC-SHA1)."""

    sid: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One account of the carrier. ``api_keys`` maps an API key's SID to its secret."""

    sid: str
    auth_token: str = field(repr=False)
    status: AccountStatus = "active"
    api_keys: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    shared_key: SharedKey | None = None

    def opens_with(self, username: str, password: str) -> bool:
        """True for the account's own SID and token, or one of its API keys."""
        secret = self.auth_token if username == self.sid else self.api_keys.get(username)
        return secret is not None and hmac.compare_digest(secret.encode(), password.encode())


class Accounts:
    """The accounts this simulator knows, by SID."""

    def __init__(self, accounts: list[Account]) -> None:
        self._accounts = {account.sid: account for account in accounts}

    def get(self, sid: str) -> Account | None:
        """The account, or None."""
        return self._accounts.get(sid)

    def first(self) -> Account | None:
        """The account that the simulator was started with."""
        return next(iter(self._accounts.values()), None)

    def put(self, account: Account) -> None:
        """Add an account or replace the one with the same SID."""
        self._accounts[account.sid] = account

    def authenticate(self, authorization: str | None, sid: str) -> Account:
        """The account named in the path, if the credentials open it.

        Raises ``ApiError`` 20003 for wrong credentials or another account's path, 20005 when the account is
        suspended or closed.
        """
        account = self._accounts.get(sid)
        username, password = _basic(authorization)
        if account is None or not account.opens_with(username, password):
            raise ApiError(20003)
        if account.status != "active":
            raise ApiError(20005)
        return account


def _basic(authorization: str | None) -> tuple[str, str]:
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        raise ApiError(20003)
    try:
        username, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError as error:  # neither base64 nor UTF-8
        raise ApiError(20003) from error
    if not colon:
        raise ApiError(20003)
    return username, password
